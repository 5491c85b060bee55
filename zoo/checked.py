"""JSON that is read as what it must be: `read(path, kind)`, for every small file that somebody may have changed.

`kind` is a dataclass, or any type that JSON can hold: `dict[str, list[int]]`, `float | None`, a `Literal`. Each key is
there or has a default, each value is of its type, each number is finite and fits 64 bits. What is wrong is one sentence
that names the file, the key and what was expected.
"""

import dataclasses
import json
import math
import stat
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from zoo.errors import InputError, ZooError

T = TypeVar("T")

MOST_BYTES = 64 << 20  # of a small file
MORE = "more"  # a field `more: dict[str, Any]` takes the keys that a dataclass does not know; else they are refused

_JSON = (bool, int, float, str, type(None))
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", type(None): "null"}
_WORDS |= {list: "a list", dict: "an object"}


def read(path: Path, kind: type[T] | Any, *, most: int = MOST_BYTES) -> T:
    """What a file of JSON holds, as `kind`. Raises InputError, or FileNotFoundError where there is no file."""
    return parse(content(path, most=most), kind, str(path))


def content(path: Path, *, most: int) -> bytes:
    """The bytes of a regular file of up to `most`. Raises InputError for a larger one, a device, a pipe or a folder."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise InputError(f"{path} is no regular file")
    if about.st_size > most:
        raise InputError(f"{path} has {about.st_size} bytes; {most} at most can be right")
    with path.open("rb") as file:
        return file.read(about.st_size)  # more would be held for what may come


def parse(text: bytes | str, kind: type[T] | Any, name: str) -> T:
    """The same of a text; `name`: of its file, for the sentence."""
    try:
        value = json.loads(text if isinstance(text, str) else text.decode(), object_pairs_hook=_once)
    except RecursionError:
        raise InputError(f"{name} is no JSON: it is nested too deeply") from None
    except ValueError as e:  # also of text that is not Unicode, and of a number of thousands of digits
        raise InputError(f"{name} is no JSON: {e}") from None
    return as_kind(value, kind, name)


def as_kind(value: Any, kind: type[T] | Any, name: str) -> T:
    """The same of a value that JSON gave."""
    try:
        return _fitted(value, kind, ())
    except _Misfit as e:
        where = ".".join(json.dumps(key).strip('"')[:40] for key in e.keys)
        raise InputError(f"{name}: {where + ' ' if where else 'it '}{e}") from None
    except RecursionError:
        raise InputError(f"{name} is nested too deeply") from None


class _Misfit(Exception):
    """A value at `keys` that is not what it must be; says what."""

    def __init__(self, keys: Sequence[str | int], sentence: str):
        super().__init__(sentence)
        self.keys = keys


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; ValueError for a key that stands there twice, of which readers take either."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for k, (key, _) in enumerate(pairs) if key in dict(pairs[:k]))
        raise ValueError(f"the key {twice[:40]!r} stands there twice")
    return found


def _fitted(value: Any, kind: Any, keys: tuple[str | int, ...]) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _any_of(value, inner, keys)
    if origin is typing.Literal:
        if not any(type(value) is type(choice) and value == choice for choice in inner):
            raise _Misfit(keys, f"must be one of {', '.join(map(str, inner))}, not {_short(value)}")
        return value
    if dataclasses.is_dataclass(kind):
        return _object(_of(value, dict, keys), kind, keys)
    if kind is Any:
        return _anything(value, keys)
    if origin is dict or kind is dict:
        of = inner[1] if inner else Any
        return {k: _fitted(v, of, (*keys, k)) for k, v in _of(value, dict, keys).items()}
    if origin in (list, tuple) or kind in (list, tuple):
        return _row(_of(value, list, keys), origin or kind, inner, keys)
    return _finite(_of(value, kind, keys), keys)


def _of(value: Any, kind: type, keys: tuple[str | int, ...]) -> Any:
    """The value, of exactly this type; a whole number is a float too."""
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(_finite(value, keys))
    raise _Misfit(keys, f"must be {_WORDS[kind]}, not {_short(value)}")


def _finite(value: Any, keys: tuple[str | int, ...]) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise _Misfit(keys, f"must be finite, not {value}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise _Misfit(keys, f"must fit 64 bits, unlike {_short(value)}")
    return value


def _anything(value: Any, keys: tuple[str | int, ...]) -> Any:
    if isinstance(value, dict):
        return {k: _anything(v, (*keys, k)) for k, v in value.items()}
    if isinstance(value, list):
        return [_anything(v, (*keys, k)) for k, v in enumerate(value)]
    return _finite(value, keys)


def _any_of(value: Any, kinds: tuple[Any, ...], keys: tuple[str | int, ...]) -> Any:
    """The value as the first kind that it fits; the fault of the one that it came nearest to."""
    faults = []
    for kind in kinds:
        try:
            return _fitted(value, kind, keys)
        except _Misfit as e:
            faults.append(e)
    deepest = max(faults, key=lambda fault: len(fault.keys))
    if len(deepest.keys) > len(keys) or not all(kind in _JSON for kind in kinds):
        raise deepest
    raise _Misfit(keys, f"must be {' or '.join(_WORDS[kind] for kind in kinds)}, not {_short(value)}")


def _row(value: list[Any], kind: type, inner: tuple[Any, ...], keys: tuple[str | int, ...]) -> Any:
    if kind is tuple and inner and inner[-1] is not ...:
        if len(value) != len(inner):
            raise _Misfit(keys, f"must be a list of {len(inner)}, not of {len(value)}")
        kinds = inner
    else:
        kinds = [inner[0] if inner else Any] * len(value)
    return kind(_fitted(v, k, (*keys, i)) for i, (v, k) in enumerate(zip(value, kinds, strict=True)))


def _object(value: dict[str, Any], kind: Any, keys: tuple[str | int, ...]) -> Any:
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init and field.name != MORE}
    more = {k: v for k, v in value.items() if k not in fields}
    if more and MORE not in hints:
        raise _Misfit(keys, f"has an unknown key {next(iter(more))[:40]!r}; known: {', '.join(fields)}")
    for name, field in fields.items():
        if name not in value and field.default is field.default_factory is dataclasses.MISSING:
            raise _Misfit(keys, f"lacks the key {name!r}")
    given = {name: _fitted(value[name], hints[name], (*keys, name)) for name in fields if name in value}
    if MORE in hints:
        given[MORE] = _anything(more, keys)
    try:
        return kind(**given)
    except ZooError as e:  # it looks at its own values
        raise _Misfit(keys, f"cannot be: {e}") from None


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"{_WORDS[type(value)]} of {len(value)}"
    said = json.dumps(value)
    return said if len(said) <= 40 else f"{said[:37]}..."
