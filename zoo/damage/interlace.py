"""Clips as the fields of one plane, as interlaced film has them, and the lines that are missing from one field."""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import random
from jaxtyping import Array, Float, Key

from zoo import fields
from zoo.damage.pair import Pair

FRAMES = 2 * fields.REACH + 1
_PLANES = jnp.array([[0.257, 0.504, 0.098], [-0.148, -0.291, 0.439], [0.439, -0.368, -0.071]])  # Y, U, V of BT.601
_OFFSETS = jnp.array([16, 128, 128]) / 255
_CODES = 255
# Shares of clips: that stand still, wholly or in part, for films do more often than cameras; of which frames stay for a
# while, as in what is drawn on twos and threes; that are cut within.
_STILL, _PARTLY, _HELD, _CUT = 0.12, 0.24, 0.24, 0.06
_STAYS = (0, 0, 2, 2, 4), (0, 1, 1, 3, 3), (1, 1, 1, 4, 4), (0, 2, 2, 2, 4)  # which frame is shown in place of each
_BENT, _BENDS_PX = 0.4, (0.2, 4.0)  # share of clips that bend besides, as faces and cloth do; by how much a frame
_JERK = 0.5  # deviation of how much they bend in a frame, as a share of the mean
_WAVES, _TALL, _WIDE = 5, 3, 2  # waves in a picture, of what bends and of borders; the most of them, down and across
_GRAINY = 0.5  # share of clips with grain


def interlace(
    key: Key[Array, ""],
    clips: Float[Array, "n 5 h w 3"],
    *,
    chroma: float,
    grain: tuple[float, float],
) -> Pair:
    """`seen` [n h/2 w 5]: fields t-2 .. t+2 of one plane in normal position (see `zoo.fields`); `wanted` [n h/2 w 1]:
    the lines that field t lacks. Heights are even. `chroma`: share of clips of whose planes one of colour is taken.
    `grain`: the least and the highest deviation of a grain of its own that each frame has."""
    keys = random.split(key, 5)
    n, half = clips.shape[0], _drawn(keys[0], clips.shape[0], 4) < 0.5
    planes = jnp.where(_drawn(keys[1], n, 1)[0] < chroma, random.randint(random.fold_in(keys[1], 1), (n,), 1, 3), 0)
    x = jnp.einsum("nthwc,nc->nthw", clips, _PLANES[planes]) + _OFFSETS[planes, None, None, None]
    x = _shown(keys[2], _bent(random.fold_in(keys[2], 2), x))
    low, high = (math.log(level) for level in grain)
    level = jnp.exp(random.uniform(keys[3], (n,), minval=low, maxval=high)) * (_drawn(keys[3], n, 2)[1] < _GRAINY)
    x = x + level[:, None, None, None] * random.normal(keys[4], x.shape)
    turned = (
        (-2, half[0]),
        (-1, half[1]),
        (-3, half[2]),
    )  # upside down is the other parity; left is right, time returns
    for axis, chosen in turned:
        x = jnp.where(chosen[:, None, None, None], jnp.flip(x, axis), x)
    x = jnp.where(half[3][:, None, None, None], 1 - x, x)
    x = jnp.round(x.clip(0, 1) * _CODES) / _CODES
    seen, wanted = fields.normal(x, 0)
    return Pair(jnp.moveaxis(seen, 1, -1), wanted[..., None], {"level": level})


def _drawn(key: Key[Array, ""], n: int, count: int) -> Float[Array, "count n"]:
    return random.uniform(random.fold_in(key, 7), (count, n))


def _shown(key: Key[Array, ""], x: Float[Array, "n t h w"]) -> Float[Array, "n t h w"]:
    """Some clips stand still, or stay and go on; some do so beside what stands still of another clip; some are cut."""
    n, t = x.shape[:2]
    keys = random.split(key, 4)
    kind, whole = random.uniform(keys[0], (2, n, 1, 1, 1))
    still, another = (jnp.broadcast_to(y[:, t // 2, None], x.shape) for y in (x, jnp.roll(x, 1, axis=0)))
    moves = jax.vmap(partial(_waves, sides=x.shape[2:]))(random.split(keys[1], n))[:, None] > 0
    stays = jnp.array(_STAYS)[random.randint(keys[2], (n,), 0, len(_STAYS))]
    held = jnp.take_along_axis(x, stays[..., None, None], axis=1)
    first = random.randint(keys[3], (n, 1), 1, t)  # of the other shot
    cut = jnp.where((jnp.arange(t) < first)[..., None, None], jnp.roll(x, 1, axis=0), x)
    shown = [still, jnp.where(moves, x, another), jnp.where(moves | (whole < 0.4), held, another), cut]
    bounds = jnp.cumsum(jnp.array([_STILL, _PARTLY, _HELD, _CUT]))
    return jnp.select([kind < bound for bound in bounds], shown, x)


def _bent(key: Key[Array, ""], x: Float[Array, "n t h w"]) -> Float[Array, "n t h w"]:
    """Some clips bend, each place in its own way, more in one frame than in another."""
    n, t, *sides = x.shape
    keys = random.split(key, 3)
    amount, chosen = random.uniform(keys[1], (2, n))
    amount = _BENDS_PX[0] * (_BENDS_PX[1] / _BENDS_PX[0]) ** amount
    course = jnp.cumsum(1 + _JERK * random.normal(keys[2], (n, t)), axis=1)
    course = amount[:, None] * (course - course[:, t // 2, None])
    grid = jnp.stack(jnp.meshgrid(*map(jnp.arange, sides), indexing="ij"))

    def bent(key, clip, course):
        way = jax.vmap(partial(_waves, sides=sides))(random.split(key))
        way = way / jnp.abs(way).max()
        read = lambda plane, far: jax.scipy.ndimage.map_coordinates(plane, list(grid + far * way), 1, mode="nearest")
        return jax.vmap(read)(clip, course)

    clips = chosen < _BENT, random.split(keys[0], n), x, course
    return jax.lax.map(lambda clip: jax.lax.cond(clip[0], bent, lambda key, clip, course: clip, *clip[1:]), clips)


def _waves(key: Key[Array, ""], sides: Sequence[int]) -> Float[Array, "h w"]:
    """The sum of a few waves; about half of it lies above 0."""
    heights, phases = random.normal(key, (2, _WAVES, 1, 1))
    y, x = (jnp.arange(side) / side for side in sides)
    rates = random.uniform(random.fold_in(key, 1), (2, _WAVES, 1, 1), minval=-1)
    angles = 2 * jnp.pi * (_TALL * rates[0] * y[:, None] + _WIDE * rates[1] * x + phases)
    return (heights * jnp.cos(angles)).sum(0)
