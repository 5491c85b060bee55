"""Kinds of command-line values that several commands read."""

import dataclasses
import inspect
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any, Literal, TypeVar

from tyro.constructors import PrimitiveConstructorSpec

from zoo.errors import FlagError

T = TypeVar("T")


def _numbers(least: int, most: int, metavar: str) -> PrimitiveConstructorSpec:
    def read(words: list[str]) -> tuple[float, ...]:
        try:
            found = tuple(float(part) for part in words[0].split(","))
        except ValueError:
            found = ()
        if not least <= len(found) <= most:
            raise FlagError(f"{words[0]!r} must be numbers with commas between: {metavar}")
        return found

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda value: [",".join(f"{v:g}" for v in value)],
    )


def among(names: Iterable[str]) -> PrimitiveConstructorSpec:
    """A choice among the names of a table: Annotated[str, among(NOISES)]."""
    choices = tuple(names)
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="{" + ",".join(choices) + "}",
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: value in choices,
        str_from_instance=lambda value: [value],
        choices=choices,
    )


Levels = Annotated[tuple[float, float], _numbers(2, 2, "LOW,HIGH")]
LevelList = Annotated[tuple[float, ...], _numbers(1, 99, "LEVEL,LEVEL,...")]
Precision = Literal["float32", "bfloat16"]  # of what networks compute
OnChange = Literal["fail", "first", "split"]  # what to do where a film changes in the middle
Gaps = Literal["fail", "copy"]  # what a missing number of a sequence means
Progress = Literal["auto", "json", "off"]  # how it is shown


def in_order(kind: type[T]) -> type[T]:
    """A dataclass of flags that `--help` shows with its own first, then those of its bases, as they are named."""
    flags: Any = kind
    fields = flags.__dataclass_fields__
    names = [name for base in kind.__mro__ for name in inspect.get_annotations(base)]
    flags.__dataclass_fields__ = {name: fields[name] for name in names}
    return kind


def check_names(argv: Sequence[str] | None, *kinds: type, hidden: Collection[str] = ()) -> None:
    """Raises a FlagError that lists the flags where `argv` has one that no field of the dataclasses `kinds` is, but for
    those that are `hidden`."""
    fields = [field for kind in kinds for field in dataclasses.fields(kind) if field.name not in hidden]
    known = {field.name.replace("_", "-") for field in fields} | {"help"}
    for word in sys.argv[1:] if argv is None else argv:
        if word == "--":
            break
        name = word.partition("=")[0].removeprefix("--").replace("_", "-")
        if word.startswith("--") and not known & {name, name.removeprefix("no-")}:
            raise FlagError(f"unknown flag --{name}; the flags are: {', '.join(f'--{n}' for n in sorted(known))}")


def given(args: Any) -> list[str]:
    """The fields of a dataclass of flags that do not have their default."""
    return [field.name for field in dataclasses.fields(args) if getattr(args, field.name) != field.default]


def refuse(args: Any, names: Collection[str], what: str) -> None:
    """Raises FlagError where one of the flags `names` was given, which `what` would ignore."""
    dashes = lambda name: "-" if len(name) == 1 else "--"
    if ignored := [f"{dashes(name)}{name.replace('_', '-')}" for name in given(args) if name in names]:
        raise FlagError(f"{', '.join(ignored)} cannot be used with {what}; leave it out")
