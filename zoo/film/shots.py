"""Where a film's shots begin and how much each flickers, before and after: told frame by frame while it is restored."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zoo import color
from zoo.color import Layout
from zoo.cuts import cut_score, is_cut
from zoo.film.engine import Engine, Restored
from zoo.film.read.source import Frame
from zoo.flicker import flicker

Lumas = tuple[Array, Array]  # of the input and of the output
Flicker = Sequence[float] | None  # of the input and of the output; None for the first frame of a shot


class Noted(NamedTuple):
    number: int
    source: Frame
    planes: tuple[np.ndarray, ...]
    flicker: Flicker  # from the frame before


def compared(frames: Iterable[tuple[int, Frame]], engine: Engine) -> Iterator[tuple[int, Frame]]:
    """The same frames, each told how new it is after the one before; where that is not there, all is new."""
    before, last = None, None
    for number, frame in frames:
        follows = before if last == number - 1 else None
        luma, new = engine.retried(partial(_seen, frame, follows, engine.source))
        yield number, frame._replace(new=new)
        before, last = luma, number


def _seen(frame: Frame, before: Array | None, layout: Layout) -> tuple[Array, float]:
    """The frame's luma, and how new it is after that of the frame before."""
    luma = _luma(frame.planes, layout)
    return luma, 1.0 if before is None else float(cut_score(before, luma))


def noted(restored: Iterable[Restored], engine: Engine) -> Iterator[Noted]:
    """The restored frames with their flicker, without those that were restored for their neighbours' sake."""
    before = None
    for one in restored:
        follows = before if before and not is_cut(one.source.new) else None
        before, flickers = engine.retried(partial(_flickers, one, follows, engine))
        if not one.source.context:
            yield Noted(*one, flickers)


def _flickers(one: Restored, before: Lumas | None, engine: Engine) -> tuple[Lumas, Flicker]:
    """The lumas of the frame as it was and as it is, and how much each flickers after those of the frame before."""
    lumas = _luma(one.source.planes, engine.source), _luma(one.planes, engine.target)
    if before is None or one.source.context:
        return lumas, None
    return lumas, tuple(float(flicker(*pair)) for pair in zip(before, lumas, strict=True))


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
    """The mean flicker of frames."""

    def __init__(self):
        self.frames, self._known, self._sum = 0, 0, np.zeros(2)

    def add(self, flicker: Flicker):
        self.frames += 1
        if flicker:
            self._known += 1
            self._sum += flicker

    @property
    def value(self) -> dict[str, float] | None:
        """Of the input and of the output; None where it is not known of any frame."""
        means = (self._sum / max(1, self._known)).round(4).tolist()
        return dict(zip(("input", "output"), means, strict=True)) if self._known else None


def _luma(planes: tuple[np.ndarray, ...], layout: Layout) -> Float[Array, "h w"]:
    luma = color.luma(tuple(jnp.asarray(p[None]) for p in planes), layout=layout)[0]
    return jax.block_until_ready(luma)  # else what goes wrong shows only where it is used
