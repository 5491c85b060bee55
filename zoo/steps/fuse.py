"""Neighbouring restored frames of a shot, fused: the grain that a network leaves is another in each of them.

Both neighbours are laid over the frame (`zoo.motion.blocks`); `earlier` and `later` are what they then differ by. Grain
of variance n gives mean squares of 2n and, as both differ from the same frame, a mean product of +n. Movement that was
not undone, by m, adds m^2 to the squares and takes it from the product. So the product tells one from the other, with
no level of noise known before. The frame stays as it is where the product is not that of grain; where the difference is
smooth, as grain is not; where it is more than the restored frame's own fine structure, in which the grain must be; and
where it is more than both what the network took off there and what the stillest blocks of the picture differ by. What
fits only here and there does so by chance, and does not count. What is added is bounded by the grain's own size.

The first and the last frame of a shot have one neighbour, which cannot tell, and stay as they are.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.flicker import means
from zoo.motion.blocks import BLOCK_PX, blurred, compensated
from zoo.steps.step import NOISY, Aside, Kind, Moment, Window, successors

_CELL_PX = 2  # frames are judged by squares of 2x2 pixels; in such squares are
_AROUND, _FINE = 5, 3  # the sides of the surroundings that are looked at, and of what counts as fine
_GRAIN = 0.25, 0.45  # the product's share in the squares: up to here movement, from there on grain, which has 0.5
_STILLEST = 1.5  # the most of a difference, as a share of that in the stillest blocks
_STRUCTURE = 2.0  # as a share of the fine structure
_SMOOTH = 0.2  # the most of it that may be smooth
_COMPANY = 5  # blocks of pixels around one, of which a good share must be trusted: what fits by chance stands alone
_TRUSTED = 0.15, 0.45
_MOST_DEVIATIONS = 3  # of the grain, that a pixel of a neighbour counts
_TINY = 1e-12

Picture = Float[Array, "_ _ c"]
Map = Float[Array, "_ _"]


@dataclasses.dataclass(frozen=True)
class Fuse:
    """Takes off more of the grain that `denoise` leaves, by the frames before and after."""

    on: ClassVar[str] = "rgb"
    reach: ClassVar[tuple[int, int]] = (1, 1)
    rate: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset()
    gives: ClassVar[frozenset[str]] = frozenset()
    together: ClassVar[bool] = False

    def kind(self, kind: Kind) -> Kind:
        return kind

    def __call__(self, windows: Sequence[Window], aside: Aside) -> list[list[Moment]]:
        return [self._fused(*window) for window in windows]

    def _fused(self, before: tuple[Moment, ...], now: Moment, after: tuple[Moment, ...]) -> list[Moment]:
        if not (before and after and NOISY in now.aside):  # one neighbour cannot tell; without grain there is nothing
            return successors(now, [now.rgb])
        return successors(now, [fused(now.aside[NOISY], before[-1].rgb, now.rgb, after[0].rgb)])

    def identity(self) -> dict[str, Any]:
        return {}


def fused(
    rgb: Float[Array, "h w 3"],
    before: Float[Array, "h w 3"],
    now: Float[Array, "h w 3"],
    after: Float[Array, "h w 3"],
) -> Float[Array, "h w 3"]:
    """`now`, restored from `rgb`, with its restored neighbours. Where the network changed nothing, nothing changes.

    Three compiled steps: as one, XLA on a CPU would make the differences again at each of their uses.
    """
    earlier, later = _difference(now, before), _difference(now, after)
    return _blended(rgb, now, earlier, later, *_judged(rgb, now, earlier, later))


@jax.jit
def _difference(now: Picture, other: Picture) -> Picture:
    return compensated(_whole(now), _whole(other)) - _whole(now)


def _whole(x: Picture) -> Picture:
    """The picture continued to whole blocks."""
    return jnp.pad(x, [(0, -side % BLOCK_PX) for side in x.shape[:2]] + [(0, 0)], mode="edge")


@jax.jit
def _blended(rgb: Picture, now: Picture, earlier: Picture, later: Picture, one: Map, other: Map, grain: Map) -> Picture:
    one, other, most = (_full(x) for x in (one, other, _MOST_DEVIATIONS * jnp.sqrt(2 * grain)))
    added = one * jnp.clip(earlier, -most, most) + other * jnp.clip(later, -most, most)
    added = (added / (1 + one + other))[: now.shape[0], : now.shape[1]]
    return jnp.where(now == rgb, now, jnp.clip(now + added, 0, 1))


@jax.jit
def _judged(rgb: Picture, now: Picture, earlier: Picture, later: Picture) -> tuple[Map, Map, Map]:
    """Of each square of pixels: the weights of the earlier and of the later frame, the variance of the grain."""
    here, taken = _whole(now), _whole(now - rgb)
    around = lambda x, side=_AROUND: blurred(_cells(x), side)
    squares = around((earlier**2).mean(-1)), around((later**2).mean(-1))
    product, change = around((earlier * later).mean(-1)), (squares[0] + squares[1]) / 2
    smooth = (around(earlier) ** 2 + around(later) ** 2).mean(-1) / 2
    fine = blurred(jnp.maximum(around(here**2, _FINE) - around(here, _FINE) ** 2, 0).mean(-1), _AROUND)
    grain = jnp.maximum(change + product, 0) / 3
    side = BLOCK_PX // _CELL_PX
    still = jnp.quantile(means(change, side), 0.25)  # of the stillest quarter of the blocks
    most = jnp.minimum(jnp.maximum(2 * around((taken**2).mean(-1)), _STILLEST * still), _STRUCTURE * fine)
    trust = (
        _ramp(product / (change + _TINY), *_GRAIN)
        * _within(jnp.maximum(*squares), most)
        * _within(smooth, _SMOOTH * change)
    )
    company = _ramp(blurred(means(trust, side), _COMPANY), *_TRUSTED)
    trust = trust * jnp.repeat(jnp.repeat(company, side, axis=0), side, axis=1)
    return trust * _within(squares[0], 3 * grain), trust * _within(squares[1], 3 * grain), grain


def _cells(x: Float[Array, "h w *c"]) -> Float[Array, "_ _ *c"]:
    """The mean of each square of pixels."""
    rows = (x[::2] + x[1::2]) / 2
    return (rows[:, ::2] + rows[:, 1::2]) / 2


def _full(x: Map) -> Picture:
    return jnp.repeat(jnp.repeat(x, _CELL_PX, axis=0), _CELL_PX, axis=1)[..., None]


def _ramp(x: Map, low: float, high: float) -> Map:
    return jnp.clip((x - low) / (high - low), 0, 1)


def _within(x: Map, limit: Map) -> Map:
    """1 up to the limit, 0 from twice the limit on."""
    return jnp.clip(2 - x / (limit + _TINY), 0, 1)
