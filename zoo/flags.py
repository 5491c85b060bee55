"""Kinds of command-line values that several commands read."""

from typing import Annotated

from tyro.constructors import PrimitiveConstructorSpec

from zoo.errors import FlagError


def numbers(text: str) -> tuple[float, ...]:
    """`0.01,0.05` as numbers."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise FlagError(f"{text!r} must be numbers with commas between, as 0.01,0.05") from None


def _numbers(least: int, most: int, metavar: str) -> PrimitiveConstructorSpec:
    def read(words: list[str]) -> tuple[float, ...]:
        found = numbers(words[0])
        if not least <= len(found) <= most:
            raise ValueError(f"{words[0]!r} must be {metavar}")
        return found

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda value: [",".join(f"{v:g}" for v in value)],
    )


Levels = Annotated[tuple[float, float], _numbers(2, 2, "LOW,HIGH")]
LevelList = Annotated[tuple[float, ...], _numbers(1, 99, "LEVEL,LEVEL,...")]
