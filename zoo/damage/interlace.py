"""Clips as the fields of one plane, as interlaced film has them, and the lines that are missing from one field."""

import math
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
_STILL, _PARTLY = 0.2, 0.4  # shares of clips that stand still, wholly or in part: films stand still more than cameras
_WAVES = 5  # of the border between what stands and what moves
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
    x = _standing(keys[2], x)
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


def _standing(key: Key[Array, ""], x: Float[Array, "n t h w"]) -> Float[Array, "n t h w"]:
    """Some clips stand still; some are moving pictures within what stands still of another clip."""
    n, t = x.shape[:2]
    still = jnp.broadcast_to(x[:, t // 2, None], x.shape)
    moves = jax.vmap(partial(_part, sides=(x.shape[2], x.shape[3])))(random.split(key, n))[:, None]
    kind = random.uniform(random.fold_in(key, 1), (n, 1, 1, 1))
    partly = jnp.where(moves, x, jnp.roll(still, 1, axis=0))
    return jnp.where(kind < _STILL, still, jnp.where(kind < _STILL + _PARTLY, partly, x))


def _part(key: Key[Array, ""], sides: tuple[int, int]) -> Array:
    """Half of a picture, parted by a border of a few waves."""
    heights, rates, phases = random.normal(key, (3, _WAVES, 2))
    y, x = (jnp.arange(side) / side for side in sides)
    waves = jnp.cos(
        2 * jnp.pi * (rates[:, 0, None, None] * y[:, None] + rates[:, 1, None, None] * x + phases[:, :1, None])
    )
    return (heights[:, :1, None] * waves).sum(0) > 0
