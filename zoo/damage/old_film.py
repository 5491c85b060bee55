"""Clips as old film has them: what must stay (weave, grain, flicker) and what must go (dirt and scratches).

Things that look like damage and are none are drawn into the clips: upright posts and bars, black borders, limbs that
swing faster than any neighbour can be laid over. Some neighbours are mostly repaired already, as those of a second
pass are.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax, random
from jaxtyping import Array, Float, Key

from zoo import color, draws
from zoo.damage import dirt
from zoo.damage.dirt import Lines

FRAMES = 5
_GREY = 0.35  # share of clips without colour
_POSTS, _BORDER, _LIMBS = 0.35, 0.12, 0.45  # shares of clips with what is no damage
_MOST_POSTS, _MOST_LIMBS = 6, 3
_WEAVE_PX, _FLICKER, _PARTS = 0.8, 0.06, 0.04  # the most: deviation of a frame's place, of its light, of its parts'
_GRAIN = 0.5 / 255, 7 / 255
_RATE, _SCALE, _CLEAN = (0.6, 6.0), (0.7, 2.2), 0.1  # of damage; share of clips without any
_AGAIN, _LEFT = 0.45, 1.2  # share of clips whose neighbours are mostly repaired; deviations from which damage is left
_ENDS = 0.1  # share of clips at the end of a shot
_AT_THE_END = (4, 3, 2, 3, 4), (0, 1, 2, 1, 0)  # which frame stands in for each
_CODES = 255


class Film(NamedTuple):
    """`damaged`: frames t-2 .. t+2; `guide`: frame t, as the others are to be laid over it. `clean`, `dirt` and
    `scratches`: frame t as it was, and how much of each pixel they cover."""

    damaged: Float[Array, "n 5 h w 3"]
    guide: Float[Array, "n h w 3"]
    clean: Float[Array, "n h w 3"]
    dirt: Float[Array, "n h w"]
    scratches: Float[Array, "n h w"]


def old_film(key: Key[Array, ""], clips: Float[Array, "n 5 h w 3"]) -> Film:
    """Of one batch; all in steps of 8 bits."""
    keys = jax.vmap(partial(random.fold_in, key))(jnp.arange(len(clips), dtype=jnp.uint32))
    return lax.map(lambda own: _one(*own), (keys, clips))


def _one(key, clip: Float[Array, "5 h w 3"]) -> Film:
    keys = random.split(key, 12)
    u = draws.uniform(keys[0], (8,))
    count, height, width = clip.shape[:3]
    grid = dirt.grid_of(height, width)
    clip = _with_limbs(keys[1], _with_posts(keys[2], clip, grid), grid)
    clip = jnp.where(u[0] < _GREY, jnp.broadcast_to(color.grey(clip), clip.shape), clip)
    place = draws.normal(keys[3], (count, 2)) * _WEAVE_PX * u[1]
    clip = jax.vmap(_shifted)(clip, jnp.clip(place, -1, 1))
    low, high = _GRAIN
    clip = _grainy(keys[4], clip.clip(0, 1), low * (high / low) ** u[2])
    clean = jnp.clip(clip * _flicker(keys[5], count, height, width), 0, 1)

    scale = _SCALE[0] * (_SCALE[1] / _SCALE[0]) ** u[3]
    rate = jnp.where(u[4] < _CLEAN, 0, _RATE[0] * (_RATE[1] / _RATE[0]) ** u[5])
    lines = jnp.where(u[4] < _CLEAN, 0, jnp.array([0, 0.5, 1.5])[random.randint(keys[6], (), 0, 3)])
    sides = {"count": count, "height": height, "width": width}
    scratched = dirt.scratches(keys[7], lines, scale, **sides)
    spotted = dirt.dirt(keys[8], rate, scale, **sides)
    damaged, clean = _coded(dirt.over(dirt.over(clean, scratched), spotted)), _coded(clean)

    left = jax.vmap(lambda key: dirt.smooth(key, height, width, 10.0))(random.split(keys[9], count)) > _LEFT
    repaired = jnp.where(left[..., None], damaged, clean)
    middle, again = count // 2, u[6] < _AGAIN
    here = (jnp.arange(count) == middle)[:, None, None, None]
    seen, guide = jnp.where(again & ~here, repaired, damaged), jnp.where(again, repaired[middle], damaged[middle])
    ends = jnp.array(_AT_THE_END)[(u[7] < _ENDS / 2).astype(int)]
    seen = seen[jnp.where(u[7] < _ENDS, ends, jnp.arange(count))]
    return Film(seen, guide, clean[middle], spotted.cover[middle], scratched.cover[middle])


def _coded(x: Array) -> Array:
    return jnp.round(jnp.clip(x, 0, 1) * _CODES) / _CODES


def _with_posts(key, clip: Float[Array, "t h w 3"], grid) -> Float[Array, "t h w 3"]:
    """Upright bars, in a row or each for itself, that stand still or go by with the scene; and a black border."""
    count, height, width = clip.shape[:3]
    u, keys, n = draws.uniform(key, (14, _MOST_POSTS)), random.split(key, 3), _MOST_POSTS
    order, t = jnp.arange(n), jnp.arange(count) - count // 2
    x = jnp.where(u[0, 0] < 0.5, width * u[0, 1] + order * (4 + 26 * u[0, 2]), width * u[1])
    speed = jnp.where(u[2, 0] < 0.4, 0, jnp.where(u[2, 1] < 0.7, 6 * (2 * u[2, 2] - 1), 14 * (2 * u[2, 3] - 1)))
    tall = jnp.where(u[3, 0] < 0.5, 2.0 * height, height * (0.1 + 0.4 * u[4]))
    lines = Lines(
        at=jnp.stack(jnp.broadcast_arrays(height * u[5][:, None], x[:, None] + speed * t), -1),
        angle=jnp.broadcast_to((0.15 * (u[6] - 0.5) * (u[7, 0] < 0.5))[:, None], (n, count)),
        half=jnp.broadcast_to(tall[:, None], (n, count)),
        width=jnp.broadcast_to((0.5 + 3.5 * u[8] ** 2)[:, None], (n, count)),
        waves=jnp.zeros((n, count, 1, 3)),
    )
    cover = (
        jnp.minimum(1.5 * dirt.cover_of(lines, grid), 1)
        * jnp.where(u[9] < 0.7, 0.3 + 0.7 * u[10], 0)[:, None, None, None]
    )
    colours = draws.uniform(keys[0], (n, 1)) + 0.1 * draws.normal(keys[1], (n, 3))
    for k in range(n):
        clip = jnp.where(u[11, 0] < _POSTS, clip + cover[k, ..., None] * (colours[k].clip(0, 1) - clip), clip)
    edge = jnp.clip(12 * u[12, 0] + 2 * u[12, 1] * (grid[..., 0] / height - 0.5) - grid[..., 1], 0, 1)
    edge = jnp.where(u[12, 2] < 0.5, edge, edge[:, ::-1])[..., None] * (u[12, 3] < _BORDER)
    return clip * (1 - edge) + edge * 0.06 * u[12, 4]


def _with_limbs(key, clip: Float[Array, "t h w 3"], grid) -> Float[Array, "t h w 3"]:
    """Bars that swing about one end, as legs, arms, rackets and spokes do, faster than they can be followed."""
    count, height, width = clip.shape[:3]
    n, t = _MOST_LIMBS, jnp.arange(count) - count // 2
    u, keys = draws.uniform(key, (12, n)), random.split(key, 3)
    phase, rate, swing = 6.3 * u[0], 0.3 + 1.2 * u[1], 0.3 + 1.1 * u[2]
    angle = 0.5 * (u[3] - 0.5)[:, None] + swing[:, None] * jnp.sin(phase[:, None] + rate[:, None] * t)
    half = 6 + 28 * u[4]
    move = 10 * (2 * u[5, 0] - 1) * t
    top = jnp.stack(jnp.broadcast_arrays(height * u[6][:, None] + 0 * t, width * u[7][:, None] + move), -1)
    way = jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1)
    lines = Lines(
        at=top + half[:, None, None] * way,
        angle=angle,
        half=jnp.broadcast_to(half[:, None], (n, count)),
        width=jnp.broadcast_to((0.6 + 6 * u[8] ** 2)[:, None], (n, count)),
        waves=jnp.zeros((n, count, 1, 3)),
    )
    cover = jnp.minimum(2.5 * dirt.cover_of(lines, grid), 1) * (u[9] < 0.7)[:, None, None, None]
    still = jnp.roll(clip[0], (height // 3, width // 3), (0, 1))  # a texture of their own
    colours = draws.uniform(keys[0], (n, 1)) + 0.1 * draws.normal(keys[1], (n, 3))
    for k in range(n):
        value = jnp.clip(colours[k] + (0.6 * u[10, k]) * (still - still.mean()), 0, 1)
        clip = jnp.where(u[11, 0] < _LIMBS, clip + cover[k, ..., None] * (value - clip), clip)
    return clip


def _shifted(picture: Float[Array, "h w 3"], by: Float[Array, "2"]) -> Float[Array, "h w 3"]:
    """By at most a pixel, cubic."""
    for axis in (0, 1):
        wide = jnp.pad(picture, [(2, 2) if k == axis else (0, 0) for k in range(3)], mode="edge")
        away = jnp.abs(jnp.arange(-2, 3) - by[axis])
        near, far = (1.5 * away - 2.5) * away**2 + 1, ((-0.5 * away + 2.5) * away - 4) * away + 2
        weights = jnp.where(away < 1, near, jnp.where(away < 2, far, 0))
        parts = [weights[k] * lax.slice_in_dim(wide, k, k + picture.shape[axis], axis=axis) for k in range(5)]
        picture = sum(parts[1:], parts[0])
    return picture


def _grainy(key, clip: Float[Array, "t h w 3"], deviation: Array) -> Float[Array, "t h w 3"]:
    """As `zoo.noise.grain` has it, at a tenth of the price: specks are a pixel or two wide."""
    soft = 0.3 * draws.uniform(key, ())
    field = draws.normal(random.fold_in(key, 1), (*clip.shape[:3], 4))
    for axis in (1, 2):
        field = (1 - 2 * soft) * field + soft * (jnp.roll(field, 1, axis) + jnp.roll(field, -1, axis))
    field = (0.9 * field[..., :1] + 0.44 * field[..., 1:]) / ((1 - 2 * soft) ** 2 + 2 * soft**2)
    luma = color.grey(clip)
    return clip + deviation * (0.35 + 0.65 * 4 * luma * (1 - luma)) * field


def _flicker(key, count: int, height: int, width: int) -> Float[Array, "t h w 1"]:
    keys = random.split(key, count + 1)
    u, z = draws.uniform(keys[0], (2,)), draws.normal(random.fold_in(keys[0], 1), (count, 1, 1))
    parts = jax.vmap(lambda key: dirt.smooth(key, height, width, width / 2))(keys[1:])
    return jnp.exp(_FLICKER * u[0] * z + _PARTS * u[1] * parts / 1.3)[..., None]
