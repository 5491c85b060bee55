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
from zoo.film.engine import Engine, Restored
from zoo.film.flicker import flicker
from zoo.film.scenes import cut_score, is_cut
from zoo.film.source import Frame

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
        luma, new = engine.retried(partial(_seen, frame, follows, engine.source), 1, frame)
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
        before, flickers = engine.retried(partial(_flickers, one, follows, engine), 1, one.source)
        if not one.source.context:
            yield Noted(*one, flickers)


def _flickers(one: Restored, before: Lumas | None, engine: Engine) -> tuple[Lumas, Flicker]:
    """The lumas of the frame as it was and as it is, and how much each flickers after those of the frame before."""
    lumas = _luma(one.source.planes, engine.source), _luma(one.planes, engine.target)
    if before is None or one.source.context:
        return lumas, None
    return lumas, tuple(float(flicker(*pair)) for pair in zip(before, lumas, strict=True))


def listed(new: list[float], flickers: list[Flicker]) -> list[dict]:
    """Each shot: its first frame, how many there are, and its flicker."""
    begins = [k for k, score in enumerate(new) if k == 0 or is_cut(score)]
    ends = [*begins[1:], len(new)]
    return [{"first": a, "frames": b - a, "flicker": mean(flickers[a:b])} for a, b in zip(begins, ends, strict=False)]


def mean(flickers: list[Flicker]) -> dict[str, float] | None:
    known = [pair for pair in flickers if pair]
    return dict(zip(("input", "output"), np.mean(known, axis=0).round(4).tolist(), strict=True)) if known else None


def _luma(planes: tuple[np.ndarray, ...], layout: Layout) -> Float[Array, "h w"]:
    luma = color.luma(tuple(jnp.asarray(p[None]) for p in planes), layout=layout)[0]
    return jax.block_until_ready(luma)  # else what goes wrong shows only where it is used
