"""What television of standard definition leaves of pictures: blurred, sharpened along the line, noisy, 4:2:0, coded."""

import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float, Key

from zoo import color, draws
from zoo.damage import codec
from zoo.damage.pair import Pair
from zoo.resize import Box, resized

SCALE = 2
SHARE = 4, 3  # of a clip's side its middle, that many parts of which become the wanted picture's side
# Lines and columns of high definition for each of a picture twice as large as television's: 1080 of 2 * 576 or of
# 2 * 480, 1920 or 1440 of 2 * 720.
ROWS, COLUMNS = (15 / 16, 9 / 8), (4 / 3, 1.0)
_BLURRED, _BLUR = 0.8, 0.75  # share of clips, and the largest deviation along each axis, in samples of television
_NOISY, _NOISE, _OF_COLOUR = 0.8, 4 / 255, 0.3
_SHARPENED, _SHARPENING = 0.3, 1.0  # aperture correction: how much of what a sample exceeds its neighbours by is added
_CODED, _STEPS = 0.8, (2.0, 32.0)
_FIELDS = 0.3  # share of clips that were interlaced, and of which every other line was found again more or less well
_LAYOUT = color.Layout("yuv", 8, cell=(2, 2), matrix="bt470bg")


def television(key: Key[Array, ""], clips: Float[Array, "n h h 3"]) -> Pair:
    """`wanted` has 3/4 of the clips' sides, stretched as a picture twice as large as television's is, of 576 or 480
    lines, 4:3 or 16:9; `seen` is half as large. The clips' side divides by 64."""
    keys = random.split(key, 6)
    n, side = len(clips), clips.shape[1] * SHARE[1] // SHARE[0]
    shapes = [(rows, columns) for rows in ROWS for columns in COLUMNS]
    whole = [_stretched(clips[k :: len(shapes)], side, *shape) for k, shape in enumerate(shapes)]
    wanted = jnp.clip(jnp.concatenate(whole), 0, 1)
    chosen = lambda k, share: draws.uniform(random.fold_in(keys[0], k), (n, 1, 1, 1)) < share
    amount = lambda k, most: most * draws.uniform(random.fold_in(keys[1], k), (n, 1, 1, 1))
    blurred = wanted
    for axis in (1, 2):
        blurred = _blurred(blurred, axis, SCALE * amount(axis, _BLUR))
    low = resized(jnp.where(chosen(0, _BLURRED), blurred, wanted), side // 2, side // 2, kernel="cubic")
    sharp = low + amount(3, _SHARPENING) * (low - (_moved(low, 2, -1) + _moved(low, 2, 1)) / 2)
    low = jnp.where(chosen(1, _SHARPENED), sharp, low)
    level = amount(4, _NOISE) * chosen(2, _NOISY)
    now, before = (_planes(low + level * _noise(keys[k], low.shape)) for k in (2, 3))
    coder, is_coded = codec.drawn(keys[4], n, steps=_STEPS), chosen(3, _CODED)[..., 0]
    left = (jnp.where(is_coded, codec.coded(*pair, coder), pair[0]) for pair in zip(now, before, strict=True))
    seen = color.to_rgb(tuple(color.rounded(plane, _LAYOUT) for plane in left), layout=_LAYOUT)
    between = (_moved(seen, 1, -1) + _moved(seen, 1, 1)) / 2
    lost = jnp.where(chosen(4, _FIELDS), amount(5, 1.0), 0) * (jnp.arange(side // 2) % 2)[:, None, None]
    return Pair(seen + lost * (between - seen), wanted, {"step": jnp.where(is_coded[:, 0, 0], coder.step, 0)})


def _stretched(clips: Array, side: int, rows: float, columns: float) -> Array:
    tall, wide = clips.shape[1:3]
    top, left = (tall - side * rows) / 2, (wide - side * columns) / 2
    return resized(clips, side, side, kernel="lanczos3", box=Box(top, left, tall - top, wide - left))


def _planes(rgb: Array) -> tuple[Array, ...]:
    return tuple(plane.astype(jnp.float32) for plane in color.from_rgb(rgb, layout=_LAYOUT))


def _noise(key: Key[Array, ""], shape: tuple[int, ...]) -> Array:
    luma, colours = random.split(key)
    return draws.normal(luma, (*shape[:3], 1)) + _OF_COLOUR * draws.normal(colours, shape)


def _moved(x: Array, axis: int, by: int) -> Array:
    """By so many places; at the border the picture is continued."""
    places = np.clip(np.arange(x.shape[axis]) - by, 0, x.shape[axis] - 1)
    return jnp.take(x, places, axis=axis)


def _blurred(x: Array, axis: int, deviation: Float[Array, "n 1 1 1"]) -> Array:
    reach = int(np.ceil(3 * SCALE * _BLUR))
    weights = [jnp.exp(-(k**2) / (2 * deviation**2 + 1e-6)) for k in range(-reach, reach + 1)]
    parts = [weight * _moved(x, axis, k) for weight, k in zip(weights, range(-reach, reach + 1), strict=True)]
    return sum(parts[1:], parts[0]) / sum(weights[1:], weights[0])
