"""Where a film's shots begin and how much each flickers, before and after: told frame by frame while it is restored."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Array

from zoo.cuts import cut_score, is_cut
from zoo.film.engine import Engine, Given, Restored
from zoo.film.read.source import Frame
from zoo.flicker import flicker
from zoo.steps.step import Planes

# Of the input, where the picture is the first of its frame, and of the output; None for the first one of a shot.
Flicker = Sequence[float | None] | None


class Noted(NamedTuple):
    """A picture that was restored. `given`: planes of what steps laid aside. `flicker`: from the one before."""

    number: int
    source: Frame
    part: int
    planes: tuple[np.ndarray, ...]
    given: tuple[tuple[np.ndarray, ...], ...]
    flicker: Flicker


def compared(frames: Iterable[tuple[int, Frame]], engine: Engine) -> Iterator[Given]:
    """The same frames on the device, each told how new it is after the one before; where that is not there, all is
    new."""
    before, last = None, None
    for number, frame in frames:
        follows = before if last == number - 1 else None
        planes, luma, new = engine.retried(partial(_seen, frame, follows, engine))
        yield Given(number, frame._replace(new=new), planes)
        before, last = luma, number
        del planes, frame


def _seen(frame: Frame, before: Array | None, engine: Engine) -> tuple[Planes, Array, float]:
    """The frame's planes, its luma, and how new it is after that of the frame before."""
    planes = engine.up(frame)
    luma = engine.luma(planes, engine.source)
    return planes, luma, 1.0 if before is None else float(cut_score(before, luma))


def noted(restored: Iterable[Restored], engine: Engine) -> Iterator[Noted]:
    """The restored pictures with their flicker, without those that were restored for their neighbours' sake."""
    before = None
    for number, source, part, planes, given, luma in restored:
        follows = before if before and (part or not is_cut(source.new)) else None
        if not source.context:
            flickers = engine.retried(partial(_flickers, follows, luma, part))
            yield Noted(number, source, part, planes, given, flickers)
        before = luma


def _flickers(before: tuple[Array, Array] | None, luma: tuple[Array, Array], part: int) -> Flicker:
    """How much input and output flicker after the picture before; later parts of a frame have no input of their own."""
    if before is None:
        return None
    own = None if part else float(flicker(before[0], luma[0]))
    return own, float(flicker(before[1], luma[1]))


class Told:
    """The shots of a film and its flicker, told frame by frame."""

    def __init__(self):
        self._shots: list[tuple[int, _Mean]] = []  # where each begins
        self._whole = _Mean()

    def add(self, new: float, flicker: Flicker):
        if self._whole.frames == 0 or is_cut(new):
            self._shots.append((self._whole.frames, _Mean()))
        for mean in (self._whole, self._shots[-1][1]):
            mean.add(flicker)

    @property
    def listed(self) -> list[dict]:
        """Each shot: its first frame, how many there are, and its flicker."""
        return [{"first": k, "frames": mean.frames, "flicker": mean.value} for k, mean in self._shots]

    @property
    def flicker(self) -> dict[str, float] | None:
        return self._whole.value


class _Mean:
    """The mean flicker of pictures."""

    def __init__(self):
        self.frames, self._known, self._sum = 0, np.zeros(2), np.zeros(2)

    def add(self, flicker: Flicker):
        self.frames += 1
        for k, value in enumerate(flicker or ()):
            if value is not None:
                self._known[k] += 1
                self._sum[k] += value

    @property
    def value(self) -> dict[str, float] | None:
        """Of the input and of the output; None where neither is known of any frame."""
        means = (self._sum / np.maximum(1, self._known)).round(4).tolist()
        return dict(zip(("input", "output"), means, strict=True)) if self._known.any() else None
