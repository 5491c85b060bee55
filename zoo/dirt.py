"""Dirt and scratches of film, found against the frames around and filled from them.

What lies on one frame alone is nothing like the frames before and after, laid over it (`zoo.motion.blocks`), which are
like one another. So is what moves too fast to be laid over; but around that, too, nothing fits, and the frames around
agree in nothing. Scratches stay for many frames, at one place in the gate, while the picture moves: a line of the
picture moves with it. Where the picture stands still the two cannot be told apart, and the line stays.

The frames around come in fours, in time's order. Luma and codes lie in [0, 1].
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from zoo import color
from zoo.flicker import means
from zoo.motion.blocks import BLOCK_PX, blurred, compensated, every_step
from zoo.resize import resized

_CODE = 1 / 255
_PAN_PX, _PAN_STEP_PX, _PANS_PX = 64, 4, 8  # how far the camera may pan; by what steps; from where on it is one
_UNLIKE = 30 * _CODE  # the most that a pixel counts
_LIGHT_PX = 32  # side of the cells whose light is matched
_DARKEST = 8 * _CODE  # that is added to both sides of a ratio of lights
_LEAST, _GRAINS, _UNSURE = 6 * _CODE, 2.0, 1.5  # to be dirt: codes, deviations of what differs, times what is unsure
_EDGE = 0.5  # share of that to which dirt reaches from where it is sure
_SPREADS = 3  # px
_BORDER_PX = 24  # where a side in time is missing: what a pan takes out of the picture
_NEAR_PX, _RING_PX = 5, 25  # around a pixel: where the frames around must agree; around a spot: where all must
_POWERS, _ONE_SIDED = 3.5, 0.4  # of the shares, together; trust where a side in time is missing
_MOST_UNLIKE = 0.256**_POWERS  # product of shares, to powers, of what a spot differs by: around it, and within
_SEARCH_PX, _MOST_PART = 20, 8  # how far a thing goes in a frame; the part of the picture that may be dirt
_CROWDED, _CROWD_CELLS = 0.5, 5  # share of dirt among so many blocks which is no dirt but movement
_LINE_ROWS = 32  # before and after, over which a line must go on
_LINE, _LINE_NEW, _LINE_SHARE, _LINE_HERE = 4 * _CODE, 2.5 * _CODE, 0.5, 2 * _CODE  # how far it stands out
_LINE_TIMES = 1.3  # what the frame differs by beside it
_MOST_LINE = 16 * _CODE  # that a pixel counts
_SIDE_PX, _WIDEST = 4, 160  # how far the sides of a line are: this, or this part of the picture's width
_TINY, _FINE = 0.01, 255 * 4  # of a ratio; steps of what is summed up

Luma = Float[Array, "h w"]
Mask = Bool[Array, "h w"]
Picture = Float[Array, "h w 3"]
Four = tuple[Picture, Picture, Picture, Picture]


class Found(NamedTuple):
    """`dirt` is darker or brighter than the frames around. `fill`: what these show."""

    dark: Mask
    bright: Mask
    scratches: Mask
    fill: Picture


@jax.jit
def found(now: Picture, around: Four, sensitivity: Float[Array, ""], one_sided: Bool[Array, ""]) -> Found:
    """What lies on a frame and not on those around it. `sensitivity`: how many times as unlike what is usual a spot and
    what is around it may be. `one_sided`: whether all of these come before it, or after."""
    four = laid(now, around)
    luma, others = color.grey(now)[..., 0], color.grey(four)[..., 0]
    dirt = _dirt(luma, others, sensitivity, one_sided)
    sides = ((color.grey(around[k])[..., 0], others[k]) for k in (1, 2))
    dirt = dirt & ~_moves(dirt, luma, *sides)
    dark = dirt & (luma < _middle(others))
    lines = _lines(luma, others)
    fill = jnp.where((lines & ~dirt)[..., None], _across(now, four), _middle(four))
    return Found(most(dark, 1), most(dirt & ~dark, 1), lines, fill)


@jax.jit
def shown(now: Picture, around: Four) -> Picture:
    """What the frames around show."""
    return _middle(laid(now, around))


@jax.jit
def laid(now: Picture, around: Four) -> Float[Array, "4 h w 3"]:
    """The frames around, laid over the frame, in its light."""
    return jnp.stack([_matched(jnp.clip(_laid_over(now, other), 0, 1), now) for other in around])


def _laid_over(now: Picture, other: Picture) -> Picture:
    """`other` laid over `now`: each block by itself, or after the whole has moved as most of it does, as it fits."""
    height, width = now.shape[:2]
    now, other = (
        jnp.pad(x, [(0, -height % BLOCK_PX), (0, -width % BLOCK_PX), (0, 0)], mode="edge") for x in (now, other)
    )
    laid, pan = compensated(now, other), _pan(now.mean(-1), other.mean(-1))

    def panned() -> Picture:
        around = jnp.pad(other, ((_PAN_PX, _PAN_PX), (_PAN_PX, _PAN_PX), (0, 0)), mode="edge")
        again = compensated(now, lax.dynamic_slice(around, (*(_PAN_PX + pan), 0), now.shape))
        unlike = lambda x: blurred(means(jnp.abs(x - now).mean(-1), BLOCK_PX), 3)
        return jnp.where(_full(unlike(again) < unlike(laid), BLOCK_PX, now.shape[:2])[..., None], again, laid)

    return lax.cond(jnp.abs(pan).max() >= _PANS_PX, panned, lambda: laid)[:height, :width]


def _pan(now: Luma, other: Luma) -> Int[Array, "2"]:
    """How far most of the picture lies in `other` from where it is, in pixels down and right, about."""
    now, other, reach = means(now, _PAN_STEP_PX), means(other, _PAN_STEP_PX), _PAN_PX // _PAN_STEP_PX
    around, steps = jnp.pad(other, reach, mode="edge"), every_step(reach)
    moved = lambda step: lax.dynamic_slice(around, reach + step, now.shape)
    change = lax.map(lambda step: jnp.minimum(jnp.abs(now - moved(step)), _UNLIKE).mean(), steps)
    return _PAN_STEP_PX * steps[jnp.argmin(change + _TINY * _CODE * jnp.abs(steps).sum(-1))]


def _matched(laid: Picture, now: Picture) -> Picture:
    """`laid` in the light of `now`, by the medians of cells: flicker is no dirt."""
    height, width = now.shape[:2]
    more, side = [(0, -n % _LIGHT_PX) for n in (height, width)], _LIGHT_PX // 4
    small = lambda x: jnp.log(means(jnp.pad(color.grey(x)[..., 0], more, mode="edge"), 4) + _DARKEST)
    ratio = small(now) - small(laid)
    cells = ratio.reshape(ratio.shape[0] // side, side, ratio.shape[1] // side, side).swapaxes(1, 2)
    change = blurred(jnp.median(cells.reshape(*cells.shape[:2], -1), axis=-1), 3)
    gain = jnp.exp(resized(change[..., None], height + more[0][1], width + more[1][1], kernel="linear"))
    gain = gain[:height, :width]
    return jnp.clip(laid * gain + _DARKEST * (gain - 1), 0, 1)


def _sorted(x: Float[Array, "4 *s"]) -> tuple[Array, Array, Array, Array]:
    a, b, c, d = x
    a, b, c, d = jnp.minimum(a, b), jnp.maximum(a, b), jnp.minimum(c, d), jnp.maximum(c, d)
    a, c, b, d = jnp.minimum(a, c), jnp.maximum(a, c), jnp.minimum(b, d), jnp.maximum(b, d)
    return a, jnp.minimum(b, c), jnp.maximum(b, c), d


def _middle(laid: Float[Array, "4 *s"]) -> Array:
    """The median: one frame in which the place is hidden, or dirty too, does not count."""
    _, low, high, _ = _sorted(laid)
    return (low + high) / 2


def _dirt(luma: Luma, others: Float[Array, "4 h w"], sensitivity: Float[Array, ""], one_sided: Bool[Array, ""]) -> Mask:
    """What is darker or brighter than three of the four, wherever within a pixel they lie; and reaches from there."""
    least_of, low, high, most_of = _sorted(others)
    differs = jnp.abs(luma - (low + high) / 2)
    limit = _LEAST + _GRAINS * 1.48 * jnp.median(differs) + _UNSURE * blurred(high - low, _NEAR_PX)
    out = lambda low, high: jnp.maximum(luma - high, low - luma)
    dirt, reach = out(least(low, 1), most(high, 1)) > limit, (differs > _EDGE * limit) & (out(low, high) > 0)
    for _ in range(_SPREADS):
        dirt = most(dirt, 1) & reach
    trust = sensitivity**_POWERS * jnp.where(one_sided, _ONE_SIDED, 1)
    rows, columns = (jnp.minimum(jnp.arange(n), jnp.arange(n)[::-1]) for n in dirt.shape)
    inside = jnp.minimum(rows[:, None], columns) >= _BORDER_PX
    dirt = dirt & (inside | ~one_sided) & _like_around(dirt, differs, high - low, most_of - least_of, trust)
    crowd = blurred(means(dirt.astype(jnp.float32), min(BLOCK_PX, *dirt.shape)), _CROWD_CELLS)
    return dirt & _full(crowd < _CROWDED, min(BLOCK_PX, *dirt.shape), dirt.shape)


def _like_around(dirt: Mask, differs: Luma, unsure: Luma, apart: Luma, trust: Float[Array, ""]) -> Mask:
    """The spots around which the frame is like the others, and in which these agree. At half the size."""
    if min(dirt.shape) < 2:
        return jnp.zeros_like(dirt)
    here, beside = means(dirt.astype(jnp.float32), 2) > 0, means(1.0 - most(dirt, 2), 2)
    differs, unsure, apart = means(differs, 2), means(unsure, 2), means(apart, 2)
    spots, ring = _spots(here), lambda x: blurred(x * beside, _RING_PX // 2)
    # In whole numbers, so that a sum is the same in any order. Of a picture's size they hold it.
    total = lambda x: jnp.zeros(here.size, jnp.uint32).at[spots].add(jnp.round(x * here * _FINE).astype(jnp.uint32))
    share = lambda x, of: total(x).astype(jnp.float32) / jnp.maximum(total(of), 1)
    within, around = jnp.ones_like(differs), ring(jnp.ones_like(differs))
    own = share(differs, within) + _CODE
    unlike = ((share(ring(differs), around), 2.0), (share(unsure, within), 0.5), (share(apart, within), 1.0))
    unlike = jnp.prod(jnp.stack([(ratio / own + _TINY) ** power for ratio, power in unlike]), axis=0)
    return dirt & _full((unlike < trust * _MOST_UNLIKE)[spots] & here, 2, dirt.shape)


def _moves(dirt: Mask, now: Luma, before: tuple[Luma, Luma], after: tuple[Luma, Luma]) -> Mask:
    """The spots that are seen elsewhere both before and after, which are things that move. `before`, `after`: a frame,
    and the same as it was laid over. At half the size."""
    if min(dirt.shape) < 2:
        return jnp.zeros_like(dirt)
    here = most(means(dirt.astype(jnp.float32), 2) > 0, 1)
    most_pixels = here.size // _MOST_PART + 1
    places = jnp.nonzero(here.ravel(), size=most_pixels, fill_value=here.size)[0]
    counts = places < here.size
    row, column = jnp.divmod(jnp.where(counts, places, 0), here.shape[1])
    spots = _spots(here)
    spot = jnp.searchsorted(places, spots[row, column])  # its last pixel's place
    now = means(now, 2)[row, column]
    total = lambda x: jnp.zeros(most_pixels, jnp.uint32).at[spot].add(jnp.round(x * counts * _FINE).astype(jnp.uint32))

    def nearest(own: Luma, laid: Luma) -> Array:
        """Of each spot, whether it is much more like another place than like the one that was laid over it."""
        around = jnp.pad(means(own, 2), _SEARCH_PX // 2, mode="edge")
        unlike = lambda step: total(
            jnp.abs(now - around[row + _SEARCH_PX // 2 + step[0], column + _SEARCH_PX // 2 + step[1]])
        )
        found = lax.map(unlike, every_step(_SEARCH_PX // 2)).min(axis=0)
        return found < total(jnp.abs(now - means(laid, 2)[row, column])) // 2

    moving = (nearest(*before) & nearest(*after))[spot] & counts
    moving = jnp.zeros(here.shape, bool).at[row, column].max(moving)
    return _full(moving | (here.sum() > most_pixels), 2, dirt.shape)


def _spots(here: Mask) -> Int[Array, "h w"]:
    """For each pixel the number of the spot that it belongs to: that of its last pixel, of those that touch."""
    numbers = jnp.arange(here.size).reshape(here.shape)

    def joined(state: tuple[Array, Array]) -> tuple[Array, Array]:
        spots, _ = state
        after = jnp.where(here, jnp.maximum(spots, most(jnp.where(here, spots, 0), 1)), spots)
        after = after.ravel()[after]
        return after, (after != spots).any()

    return lax.while_loop(lambda state: state[1], joined, (numbers, jnp.bool_(True)))[0]


def _lines(luma: Luma, others: Float[Array, "4 h w"]) -> Mask:
    """Upright lines, dark or bright, that three of the frames around do not have there, as they have what is beside."""
    side = max(_SIDE_PX, luma.shape[1] // _WIDEST)
    lines, differs = jnp.zeros(luma.shape, bool), jnp.abs(luma - _middle(others))
    around = jnp.stack([_moved(differs, sign * (side + k)) for sign in (-1, 1) for k in (1, 2, 3, 4)])
    beside = _along(around.mean(0))
    for own, new in zip(_ridges(luma, side), _ridges(luma - others, side), strict=True):
        strong = _along(jnp.clip(own, -_MOST_LINE, _MOST_LINE))
        lacking = jnp.sort(_along(jnp.clip(new, -_MOST_LINE, _MOST_LINE)), axis=0)[1]
        whole = _along((own > _LINE / 2).astype(jnp.float32))
        line = most(
            (strong > _LINE) & (lacking > _LINE_NEW) & (whole > _LINE_SHARE) & (strong > _LINE_TIMES * beside),
            1,
            axes=(1,),
        )
        lines |= most(line & (_along(own, 2) > _LINE_HERE), 1, axes=(1,))
    return lines


def _ridges(x: Float[Array, "*n h w"], side: int) -> tuple[Array, Array]:
    """How far each pixel is brighter, and darker, than both sides of it."""
    middle = (_moved(x, -1) + 2 * x + _moved(x, 1)) / 4
    left, right = (sum(_moved(x, sign * (side + k)) for k in (-1, 0, 1)) / 3 for sign in (-1, 1))
    return middle - jnp.maximum(left, right), jnp.minimum(left, right) - middle


def _across(now: Picture, laid: Float[Array, "4 h w 3"]) -> Picture:
    """What lies to both sides of a line, where the frames around have the line too."""
    side = max(_SIDE_PX, now.shape[1] // _WIDEST)
    columns = jnp.moveaxis(now, -1, 0)
    sides = (_moved(columns, -side) + _moved(columns, side)) / 2
    sides, middle = jnp.moveaxis(sides, 0, -1), _middle(laid)
    far = jnp.abs(now - middle).max(-1, keepdims=True) < jnp.abs(now - sides).max(-1, keepdims=True) / 2
    return jnp.where(far, sides, middle)


def _along(x: Float[Array, "*n h w"], reach: int = _LINE_ROWS) -> Array:
    """The mean of the rows around each."""
    rows = jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(reach, reach), (0, 0)], mode="edge")
    window = (1,) * (x.ndim - 2) + (2 * reach + 1, 1)
    return lax.reduce_window(rows, 0.0, lax.add, window, (1,) * x.ndim, "VALID") / (2 * reach + 1)


def _moved(x: Float[Array, "*n h w"], by: int) -> Array:
    """What lies `by` columns to the right."""
    width = x.shape[-1]
    wide = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(max(-by, 0), max(by, 0))], mode="edge")
    return lax.slice_in_dim(wide, max(by, 0), max(by, 0) + width, axis=-1)


def _full(x: Array, side: int, shape: tuple[int, ...]) -> Array:
    """Squares of pixels, continued to the edges."""
    x = jnp.repeat(jnp.repeat(x, side, axis=0), side, axis=1)
    return jnp.pad(x, [(0, n - own) for n, own in zip(shape, x.shape, strict=True)], mode="edge")


def _extreme(x: Array, reach: int, axes: tuple[int, ...], choose) -> Array:
    for axis in axes:
        size = x.shape[axis]
        wide = jnp.pad(x, [(reach, reach) if k == axis else (0, 0) for k in range(x.ndim)], mode="edge")
        parts = [lax.slice_in_dim(wide, k, k + size, axis=axis) for k in range(2 * reach + 1)]
        x = parts[0]
        for part in parts[1:]:
            x = choose(x, part)
    return x


def most(x: Array, reach: int, axes: tuple[int, ...] = (0, 1)) -> Array:
    """The greatest of the pixels around each."""
    return _extreme(x, reach, axes, jnp.maximum)


def least(x: Array, reach: int, axes: tuple[int, ...] = (0, 1)) -> Array:
    return _extreme(x, reach, axes, jnp.minimum)
