"""How chains are written: `deinterlace,denoise=fast-gaussian:strength=0.7,upscale=to=1080p`, as FFmpeg's filters are.

Steps are parted by commas, options by colons; the first option needs no name. A backslash takes the meaning from the
character after it, single quotes from all between them.
"""

import dataclasses
import enum
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from zoo.errors import FlagError, choose
from zoo.steps.step import OWN

_WORDS = {"on": True, "yes": True, "true": True, "1": True, "off": False, "no": False, "false": False, "0": False}


class Option(NamedTuple):
    """A field of a step as it is written and shown. `default`: MISSING where it must be given."""

    name: str
    kind: Any
    default: Any
    about: str
    choices: tuple[str, ...] = ()

    @property
    def values(self) -> str:
        """What it takes, in words."""
        if self.choices:
            return "|".join(self.choices)
        if issubclass(self.kind, enum.Enum):
            return "|".join(self.kind.__members__)
        return {float: "NUMBER", int: "COUNT", bool: "on|off", Path: "FILE"}.get(self.kind, "NAME")


def options(step: type) -> list[Option]:
    """The options of a step, from the fields of its dataclass: `Annotated[type, "what it is"]`. A type of few words is
    a Literal, or str with the names of a table after what it is."""
    hints = typing.get_type_hints(step, include_extras=True)
    found = []
    for field in dataclasses.fields(step):
        kind, *about = (
            get_args(hints[field.name]) if get_origin(hints[field.name]) is Annotated else (hints[field.name],)
        )
        if get_origin(kind) in (types.UnionType, typing.Union):  # X | None
            kind = next(k for k in get_args(kind) if k is not types.NoneType)
        words, names = [*about, *["", ()][len(about) :]]
        choices = get_args(kind) if get_origin(kind) is Literal else names
        found.append(Option(field.name, kind, field.default, words, tuple(choices)))
    return found


def about(step: type) -> str:
    """What a step does, in a line."""
    return (step.__doc__ or "").partition("\n")[0]


def described(name: str, step: type) -> str:
    """A step and its options, as a user is shown them."""
    lines = [f"{name}: {about(step)}"]
    for option in options(step):
        given = option.default is dataclasses.MISSING
        default = "must be given" if given else "" if option.default is None else f"default: {_text(option.default)}"
        lines.append(f"  {option.name}={option.values}")
        lines += [f"      {line}" for line in (option.about, default) if line]
    if gives := sorted(step.gives - OWN):  # type: ignore[attr-defined]
        lines.append(f"  gives {', '.join(gives)} (see `restore --give`)")
    return "\n".join(lines)


def parse(text: str, steps: dict[str, type]) -> list[Any]:
    """The steps that `text` names, of those in a table. Raises FlagError for what is unknown or cannot be, by name."""
    chain = [_step(part, steps) for part in _parted(text, ",") if part.strip()]
    if not chain:
        raise FlagError(f"{text!r} names no step; the steps are: {', '.join(steps)}")
    return chain


def written(step: Any, name: str) -> str:
    """The step as `parse` reads it, with every option that is not as by default."""
    given = [
        f"{option.name}={escaped(_text(value))}"
        for option in options(type(step))
        if (value := getattr(step, option.name)) != option.default
    ]
    return name + ("=" + ":".join(given) if given else "")


def _step(text: str, steps: dict[str, type]) -> Any:
    name, _, rest = text.partition("=")
    name = name.strip()
    kind = steps[choose("step", name, steps)]
    known, given = {option.name: option for option in options(kind)}, {}
    for k, word in enumerate(_parted(rest, ":") if rest else []):
        key, equals, value = word.partition("=")
        if not equals:
            if k or not known:
                raise FlagError(
                    f"{name}: {word!r} lacks its name; write NAME=VALUE, of: {', '.join(known) or 'nothing'}"
                )
            key, value = next(iter(known)), word
        choose(f"option of {name}", key, known)
        if key in given:
            raise FlagError(f"{name}: {key} is given twice")
        given[key] = _value(name, known[key], _plain(value))
    if missing := [o.name for o in known.values() if o.default is dataclasses.MISSING and o.name not in given]:
        raise FlagError(f"{name} needs {missing[0]}; write {name}={missing[0]}={known[missing[0]].values}")
    return kind(**given)


def _value(step: str, option: Option, text: str) -> Any:
    kind, text = option.kind, text if option.kind in (str, Path) else text.strip()
    if option.choices:
        return choose(f"{option.name} of {step}", text.strip(), option.choices)
    if kind is Path and not text:
        raise FlagError(f"{step}: {option.name}= names no file")
    if issubclass(kind, enum.Enum):
        return kind[choose(f"{option.name} of {step}", text, kind.__members__)]
    if kind is bool:
        return _WORDS[choose(f"{option.name} of {step}", text.lower(), _WORDS)]
    try:
        return kind(text)
    except ValueError:
        raise FlagError(f"{step}: {option.name}={text} must be a {option.values.lower()}") from None


def _parted(text: str, mark: str) -> Iterator[str]:
    """The parts of a text between the marks that are neither escaped nor quoted; escapes and quotes stay."""
    start, quoted, k = 0, False, 0
    while k < len(text):
        if text[k] == "\\" and not quoted:
            k += 1
        elif text[k] == "'":
            quoted = not quoted
        elif text[k] == mark and not quoted:
            yield text[start:k]
            start = k + 1
        k += 1
    if quoted:
        raise FlagError(f"{text!r} lacks the second of two quotes")
    yield text[start:]


def _plain(text: str) -> str:
    out, quoted, k = [], False, 0
    while k < len(text):
        if text[k] == "'":
            quoted = not quoted
        else:
            k += text[k] == "\\" and not quoted
            out.append(text[k : k + 1])
        k += 1
    return "".join(out)


def escaped(text: str) -> str:
    """A value as `parse` reads it."""
    return "".join(f"\\{c}" if c in "\\',:" else c for c in text)


def _text(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return value.name
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
