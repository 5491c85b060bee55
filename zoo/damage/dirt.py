"""What lies on old film and is no picture: dirt, hairs, stains, splice marks and brushed dirt on single frames, and
scratches, which stay at one place in the gate for many.

Sizes are those on a picture 432 px wide, times a scale that each clip has; lengths lie in px.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax, random
from jaxtyping import Array, Float, Key

from zoo import draws
from zoo.resize import resized

_WIDE = 432  # px
_SPOTS, _SPOTS_HERE = 16, 22 / (240 * _WIDE)  # of a frame: at most; on a pixel, at rate 1 and scale 1
_BURST = 0.3, 2.2  # of a frame's rate
_RADIUS, _SMALL = (0.9, 16.0), 2.2  # of a spot; how much smaller ones are favoured
_STAYS = 0.3  # share of the frames of which one spot lies on the next frame too
_HAIR, _STAIN, _SPLICE, _BRUSHED = 0.25, 0.08, 0.02, 0.05  # share of frames, at rate 1
_SCRATCHES, _ENDS = 3, 0.3  # of a clip, at most; share of them that begin or end in it
_DARK, _TINTED = 0.6, 0.5  # shares
_WAVES = 4  # of a line that is not straight
_CELLS_PX = 1.5, 4.0, 10.0  # of the noise that makes outlines ragged


class Layer(NamedTuple):
    """What covers the pictures: how much, and with what."""

    cover: Float[Array, "t h w"]
    value: Float[Array, "t h w 3"]


class Lines(NamedTuple):
    """Lines that are nearly straight, [*n] each. `at`: its middle; `angle`: 0 is upright. `waves` [*n k 3]: height in
    px, waves a px, phase."""

    at: Float[Array, "*n 2"]
    angle: Float[Array, "*n"]
    half: Float[Array, "*n"]  # of its length
    width: Float[Array, "*n"]  # deviation of its profile
    waves: Float[Array, "*n k 3"]


def over(clip: Float[Array, "t h w 3"], layer: Layer) -> Float[Array, "t h w 3"]:
    return clip + layer.cover[..., None] * (layer.value - clip)


@partial(jax.jit, static_argnames=("count", "height", "width"))
def dirt(key: Key[Array, ""], rate: Array, scale: Array, *, count: int, height: int, width: int) -> Layer:
    """What lies on single frames of a clip."""
    keys = random.split(key, 8)
    grid = grid_of(height, width)
    fields = jnp.stack(
        [smooth(random.fold_in(keys[0], k), height, width, scale_px) for k, scale_px in enumerate(_CELLS_PX)]
    )
    burst = draws.uniform(keys[1], (count, 1), low=_BURST[0], high=_BURST[1])
    often = rate * burst * _SPOTS_HERE * height * width / scale**2 / _SPOTS
    u = draws.uniform(keys[2], (9, count, _SPOTS))
    small, big = _RADIUS
    radius = scale * small * (big / small) ** (u[0] ** _SMALL)
    opacity = jnp.where(u[1] < often, 0.55 + 0.45 * u[2], 0)
    at = jnp.stack([height * u[3], width * u[4]], -1)
    soft = jnp.where(radius < 4, 0.15 + 0.45 * u[5], 0.08 + 0.32 * u[5])
    tones = tone(keys[3], (count, _SPOTS))
    # A stain takes the last place: large, faint and soft.
    stained = u[6, :, -1] < _STAIN * rate
    radius = radius.at[:, -1].set(jnp.where(stained, scale * (6 + 20 * u[0, :, -1]), radius[:, -1]))
    opacity = opacity.at[:, -1].set(jnp.where(stained, 0.08 + 0.37 * u[2, :, -1], opacity[:, -1]))
    soft = soft.at[:, -1].set(jnp.where(stained, 0.5 + u[5, :, -1], soft[:, -1]))
    # The first of a frame may lie where that of the frame before lay.
    stays = (u[7, :, :1] < _STAYS) & (jnp.arange(_SPOTS) == 0) & (jnp.arange(count) > 0)[:, None]
    kept = lambda x: jnp.where(stays.reshape(*stays.shape, *[1] * (x.ndim - 2)), jnp.roll(x, 1, axis=0), x)
    spots = {"at": at, "radius": radius, "opacity": opacity, "soft": soft, "tone": tones, "turn": jnp.pi * u[8]}
    spots = jax.tree.map(lambda x: jnp.moveaxis(kept(x), 1, 0), spots)
    more = {"flat": draws.uniform(keys[4], (_SPOTS, count), low=0.4), "rag": draws.uniform(keys[5], (_SPOTS, count))}
    moves = random.randint(keys[6], (_SPOTS, 2), 0, min(height, width))

    def laid(found: tuple[Array, Array], spot) -> tuple[tuple[Array, Array], None]:
        (cover, which), (k, spot, move) = found, spot
        d = grid - spot["at"][:, None, None]
        r = spot["radius"][:, None, None]
        cos, sin = (f(spot["turn"])[:, None, None] / r for f in (jnp.cos, jnp.sin))
        y = cos * d[..., 0] + sin * d[..., 1]
        x = (cos * d[..., 1] - sin * d[..., 0]) / spot["flat"][:, None, None]
        cells = jnp.clip(jnp.round(jnp.log2(spot["radius"].mean() / 3 + 0.5) + 0.5), 0, len(_CELLS_PX) - 1)
        rough = jnp.roll(fields[cells.astype(int)], (move[0], move[1]), (0, 1))
        away = y * y + x * x + (0.1 + 0.6 * spot["rag"])[:, None, None] * rough
        here = spot["opacity"][:, None, None] * jnp.clip((1 - away) / spot["soft"][:, None, None], 0, 1)
        return (jnp.maximum(cover, here), jnp.where(here > cover, k, which)), None

    none = jnp.zeros((count, height, width)), jnp.zeros((count, height, width), jnp.int32)
    (cover, which), _ = lax.scan(laid, none, (jnp.arange(_SPOTS), spots | more, moves))
    layer = Layer(cover, jnp.take_along_axis(spots["tone"][:, :, None, None], which[None, ..., None], 0)[0])
    for k, (share, line) in enumerate(((_HAIR, _hair), (_SPLICE, _splice))):
        own = random.split(random.fold_in(keys[7], k), 4)
        lines = line(own[0], count, height, width, scale)
        cover = cover_of(lines, grid) * draws.uniform(own[1], (count, 1, 1), low=0.5)
        cover = cover * (draws.uniform(own[2], (count, 1, 1)) < share * rate)
        layer = _upon(layer, cover, tone(own[3], (count,))[:, None, None])
    layer = _upon(layer, *_brushed(random.fold_in(keys[7], 2), count, height, width, rate, grid))
    return _textured(keys[0], _softened(layer))


@partial(jax.jit, static_argnames=("count", "height", "width"))
def scratches(key: Key[Array, ""], rate: Array, scale: Array, *, count: int, height: int, width: int) -> Layer:
    """Upright lines that drift with the gate over a clip. `rate`: how many of them, of at most _SCRATCHES."""
    keys, n = random.split(key, 6), _SCRATCHES
    u, z = draws.uniform(keys[0], (12, n)), draws.normal(keys[1], (2, n, count))
    t, grid = jnp.arange(count), grid_of(height, width)
    x = width * u[0][:, None] + scale * (0.15 * z[0, :, :1] * (t - count // 2) + 0.5 * u[1][:, None] * z[1])
    whole = u[2] < 0.55
    half = jnp.where(whole, 2.0 * height, height * (0.08 + 0.4 * u[3]))
    middle = jnp.where(whole, height / 2, height * u[4])
    waves = _waves(keys[2], (n, 1), scale * 1.2 * u[5][:, None], 70 * scale)
    lines = Lines(
        at=jnp.stack(jnp.broadcast_arrays(middle[:, None], x), -1),
        angle=jnp.zeros((n, count)) + 0.01 * (u[6][:, None] - 0.5),
        half=jnp.broadcast_to(half[:, None], (n, count)),
        width=jnp.broadcast_to(scale * (0.45 + 0.85 * u[7])[:, None], (n, count)),
        waves=jnp.broadcast_to(waves, (n, count, *waves.shape[2:])),
    )
    there = (u[8] < rate / n)[:, None]
    begins, at = u[9] < 0.5, 1 + jnp.floor((count - 1) * u[10])
    alive = (u[11] > _ENDS)[:, None] | ((t >= at[:, None]) == begins[:, None])
    opacity = (0.2 + 0.65 * draws.uniform(keys[3], (n, 1))) * (there & alive)
    rows = jnp.stack([_row_noise(random.fold_in(keys[4], k), (n, count), height, scale) for k in range(2)])
    gaps = jnp.where(draws.uniform(keys[5], (n, 1, 1)) < 0.5, rows[1] > -0.9, True)
    modulated = opacity[..., None] * jnp.clip(1 + 0.5 * rows[0], 0.3, 1.4) * gaps
    tones = tone(random.fold_in(keys[3], 1), (n,))

    def laid(layer: Layer, one) -> tuple[Layer, None]:
        line, strength, value = one
        cover = jnp.minimum(cover_of(line, grid) * strength[..., None], 1)
        return _upon(layer, jnp.where(cover < 0.02, 0, cover), value), None

    layer = Layer(jnp.zeros((count, height, width)), jnp.zeros((count, height, width, 3)))
    layer, _ = lax.scan(laid, layer, (lines, modulated, tones))
    return _textured(keys[5], layer)


def tone(key: Key[Array, ""], shape: tuple[int, ...]) -> Float[Array, "... 3"]:
    """Dark or bright, some with a tint."""
    u = draws.uniform(key, (3, *shape, 1))
    level = jnp.where(u[0] < _DARK, 0.22 * u[1], 0.78 + 0.22 * u[1])
    tint = draws.uniform(random.fold_in(key, 1), (*shape, 3), low=-0.04, high=0.04)
    return level + tint * (u[2] < _TINTED)


def grid_of(height: int, width: int) -> Float[Array, "h w 2"]:
    return jnp.stack(jnp.meshgrid(*[jnp.arange(n, dtype=jnp.float32) for n in (height, width)], indexing="ij"), -1)


def smooth(key: Key[Array, ""], height: int, width: int, cell_px: float) -> Float[Array, "h w"]:
    """Noise of deviation about 1 whose specks are `cell_px` wide."""
    sides = [max(2, round(n / cell_px) + 1) for n in (height, width)]
    return 1.3 * resized(draws.normal(key, (*sides, 1)), height, width, kernel="cubic")[..., 0]


def cover_of(lines: Lines, grid: Float[Array, "h w 2"]) -> Float[Array, "*n h w"]:
    """How much of each pixel each line covers, 0 to 1."""
    wide = lambda x: x[..., None, None]
    d = grid - lines.at[..., None, None, :]
    cos, sin = wide(jnp.cos(lines.angle)), wide(jnp.sin(lines.angle))
    along, across = cos * d[..., 0] + sin * d[..., 1], cos * d[..., 1] - sin * d[..., 0]
    bend, slope = jnp.zeros_like(along), jnp.zeros_like(along)
    for k in range(lines.waves.shape[-2]):
        height, waves, phase = (wide(lines.waves[..., k, i]) for i in range(3))
        angle = 2 * jnp.pi * (waves * along + phase)
        bend, slope = bend + height * jnp.sin(angle), slope + 2 * jnp.pi * height * waves * jnp.cos(angle)
    away = jnp.square((across - bend) / wide(lines.width)) / (1 + slope * slope)
    ends = jnp.clip((wide(lines.half) - jnp.abs(along)) / 4 + 0.5, 0, 1)
    return jnp.exp(-away / 2) * ends


def _hair(key, count: int, height: int, width: int, scale: Array) -> Lines:
    u = draws.uniform(key, (5, count))
    length = scale * (12 + 78 * u[0])
    return Lines(
        at=jnp.stack([height * u[1], width * u[2]], -1),
        angle=2 * jnp.pi * u[3],
        half=length / 2,
        width=scale * (0.35 + 0.6 * u[4]),
        waves=_waves(random.fold_in(key, 1), (count,), 0.12 * length, length),
    )


def _splice(key, count: int, height: int, width: int, scale: Array) -> Lines:
    """Lies across a frame, mostly near its upper or lower edge."""
    u = draws.uniform(key, (4, count))
    near = jnp.where(u[0] < 0.7, 0.08 * u[1], u[1])
    return Lines(
        at=jnp.stack([height * jnp.where(u[2] < 0.5, near, 1 - near), jnp.full(count, width / 2)], -1),
        angle=jnp.full(count, jnp.pi / 2),
        half=jnp.full(count, 2.0 * width),
        width=scale * (0.6 + 2.4 * u[3]),
        waves=_waves(random.fold_in(key, 1), (count,), scale * jnp.ones(count), 40 * scale),
    )


def _waves(key, shape: tuple[int, ...], height: Array, length: Array) -> Float[Array, "... k 3"]:
    """About `height` px in all; the longest waves are about as long as `length`."""
    u = draws.uniform(key, (3, *shape, _WAVES))
    order = 1 + jnp.arange(_WAVES)
    heights = jnp.asarray(height)[..., None] * (2 * u[0] - 1) / order
    rates = order * (0.3 + 0.7 * u[1]) / jnp.asarray(length)[..., None]
    return jnp.stack([heights, rates, u[2]], -1)


def _row_noise(key, shape: tuple[int, ...], height: int, scale: Array) -> Float[Array, "... h"]:
    """Noise of deviation about 1 along the rows."""
    u, rows = draws.uniform(key, (2, *shape, 6)), jnp.arange(height, dtype=jnp.float32)
    angle = 2 * jnp.pi * ((1 + 5 * u[0])[..., None] * rows / (90 * scale) + u[1][..., None])
    return 0.58 * jnp.sin(angle).sum(-2)


def _brushed(key, count: int, height: int, width: int, rate: Array, grid) -> tuple[Array, Array]:
    """Streaks in one direction within a region, as a brush or a cloth leaves them."""
    keys = random.split(key, 4)
    u = draws.uniform(keys[0], (6, count, 1, 1))
    across = resized(draws.normal(keys[1], (count, height * 2 // 3, max(2, width // 20), 1)), height, width)[..., 0]
    down = resized(draws.normal(keys[2], (count, max(2, height // 20), width * 2 // 3, 1)), height, width)[..., 0]
    streaks = jnp.clip(2 * jnp.where(u[0] < 0.5, across, down) - 1.2 - u[1], 0, 1)
    away = jnp.square((grid[..., 0] - height * u[2]) / height) + jnp.square((grid[..., 1] - width * u[3]) / width)
    region = jnp.clip(1.5 - away / (0.03 + 0.12 * u[4]), 0, 1)
    there = draws.uniform(random.fold_in(keys[0], 1), (count, 1, 1)) < _BRUSHED * rate
    return there * (0.15 + 0.6 * u[5]) * streaks * region, tone(keys[3], (count,))[:, None, None]


def _upon(layer: Layer, cover: Float[Array, "t h w"], value: Array) -> Layer:
    """With what covers more than what lies there."""
    more = cover > layer.cover
    return Layer(jnp.where(more, cover, layer.cover), jnp.where(more[..., None], value, layer.value))


def _softened(layer: Layer) -> Layer:
    cover = layer.cover
    for axis in (1, 2):
        wide = jnp.pad(cover, [(0, 0), *[(1, 1) if k == axis else (0, 0) for k in (1, 2)]], mode="edge")
        before, after = (lax.slice_in_dim(wide, k, k + cover.shape[axis], axis=axis) for k in (0, 2))
        cover = 0.2 * before + 0.6 * cover + 0.2 * after
    return layer._replace(cover=cover)


def _textured(key, layer: Layer) -> Layer:
    rough = 1 + 0.06 * draws.normal(random.fold_in(key, 99), layer.cover.shape)
    return layer._replace(value=jnp.clip(layer.value * rough[..., None], 0, 1))
