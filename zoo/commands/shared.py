"""Flags that several commands have."""

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import tyro

from zoo.errors import FlagError
from zoo.flags import Gaps, Progress

if TYPE_CHECKING:
    from zoo.film.plan import Options


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reads:
    """Of every command that reads pictures."""

    max_pixels: int | None = None
    """The most pixels that one picture or frame may have; left out: by its file's size and the free memory."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stretch:
    """What is taken of a film."""

    start: Annotated[str | None, tyro.conf.arg(metavar="TIME")] = None
    """Films: where to begin: seconds, or a time such as 00:01:20.5, from the first frame."""
    end: Annotated[str | None, tyro.conf.arg(metavar="TIME")] = None
    """Films: where to stop: the first frame that is left out."""
    frames: int | None = None
    """Films: how many frames, from the start."""

    def cut(self, options: "Options") -> "Options":
        """`options` with the stretch that is wanted."""
        if self.frames is not None and self.frames < 1:
            raise FlagError(f"--frames must be 1 or more, not {self.frames}")
        start, end = (None if t is None else seconds(n, t) for n, t in (("start", self.start), ("end", self.end)))
        return dataclasses.replace(options, start=start, end=end, frames=self.frames)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Numbered:
    """How numbered pictures become a film."""

    rate: str = "24"
    """Sequences of pictures: frames a second, such as 25 or 24000/1001."""
    gaps: Gaps = "fail"
    """Sequences of pictures: whether a missing number stops the work or becomes a copy of the frame before."""

    def a_second(self) -> Fraction:
        """The rate, of `24`, `23.976` or `24000/1001`."""
        try:
            rate = Fraction(self.rate)
        except (ValueError, ZeroDivisionError):
            rate = Fraction(0)
        if rate <= 0:
            raise FlagError(f"--rate must be frames a second, such as 24 or 24000/1001, not {self.rate!r}")
        return rate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Watched:
    """How long work is watched."""

    progress: Progress = "auto"
    """Films: how progress is shown; json: a line a second on standard error."""


def seconds(flag: str, text: str) -> Fraction:
    """Seconds of `90`, `1:30` or `00:01:30.5`."""
    try:
        parts = [Fraction(part) for part in text.split(":")]
        if len(parts) > 3 or min(parts) < 0:
            raise ValueError
    except (ValueError, ZeroDivisionError):
        raise FlagError(f"--{flag} must be a time such as 90, 1:30 or 00:01:30.5, not {text!r}") from None
    return sum((part * 60**k for k, part in enumerate(reversed(parts))), Fraction(0))
