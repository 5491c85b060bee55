"""Where a film's shots begin and how much each flickers, before and after: told frame by frame while it is restored."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zoo import color
from zoo.color import Layout
from zoo.film.engine import Restored
from zoo.film.flicker import flicker
from zoo.film.scenes import cut_score, is_cut
from zoo.film.source import Frame

Flicker = Sequence[float] | None  # of the input and of the output; None for the first frame of a shot


class Noted(NamedTuple):
    number: int
    source: Frame
    planes: tuple[np.ndarray, ...]
    flicker: Flicker  # from the frame before


def compared(frames: Iterable[tuple[int, Frame]], layout: Layout) -> Iterator[tuple[int, Frame]]:
    """The same frames, each told how new it is after the one before; where that is not there, all is new."""
    before, last = None, None
    for number, frame in frames:
        luma = _luma(frame.planes, layout)
        new = float(cut_score(before, luma)) if before is not None and last == number - 1 else 1.0
        yield number, frame._replace(new=new)
        before, last = luma, number


def noted(restored: Iterable[Restored], source: Layout, target: Layout) -> Iterator[Noted]:
    """The restored frames with their flicker, without those that were restored for their neighbours' sake."""
    before = None
    for one in restored:
        lumas = _luma(one.source.planes, source), _luma(one.planes, target)
        if not one.source.context:
            follows = before is not None and not is_cut(one.source.new)
            pairs = zip(before or (), lumas, strict=True) if follows else ()
            yield Noted(*one, tuple(float(flicker(*pair)) for pair in pairs) or None)
        before = lumas


def listed(new: list[float], flickers: list[Flicker]) -> list[dict]:
    """Each shot: its first frame, how many there are, and its flicker."""
    begins = [k for k, score in enumerate(new) if k == 0 or is_cut(score)]
    ends = [*begins[1:], len(new)]
    return [{"first": a, "frames": b - a, "flicker": mean(flickers[a:b])} for a, b in zip(begins, ends, strict=False)]


def mean(flickers: list[Flicker]) -> dict[str, float] | None:
    known = [pair for pair in flickers if pair]
    return dict(zip(("input", "output"), np.mean(known, axis=0).round(4).tolist(), strict=True)) if known else None


def _luma(planes: tuple[np.ndarray, ...], layout: Layout) -> Float[Array, "h w"]:
    return color.luma(tuple(jnp.asarray(p[None]) for p in planes), layout=layout)[0]
