"""Pictures resampled to any size: exact, separable, with centres aligned.

A kernel lies over each new sample's place in the old picture, as wide as the scale asks where the picture shrinks
(antialiasing). Beyond the border the picture is mirrored, half a sample off. A constant stays constant.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zoo.errors import choose


class Kernel(NamedTuple):
    """A kernel of interpolation: its values at distances in samples, and how far it reaches."""

    function: Callable[[np.ndarray], np.ndarray]
    reach: int


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys 1981, a = -1/2: Catmull-Rom; MATLAB's and Pillow's "bicubic"."""
    return np.where(x < 1, (1.5 * x - 2.5) * x**2 + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2)


def _lanczos(x: np.ndarray, lobes: int) -> np.ndarray:
    """Lanczos 1956, as Duchon 1979 has it for pictures: sinc under the main lobe of a wider sinc."""
    return np.sinc(x) * np.sinc(x / lobes)


KERNELS: dict[str, Kernel] = {
    "lanczos": Kernel(functools.partial(_lanczos, lobes=4), 4),
    "lanczos3": Kernel(functools.partial(_lanczos, lobes=3), 3),
    "cubic": Kernel(_cubic, 2),
    "linear": Kernel(lambda x: 1 - x, 1),
}


class Box(NamedTuple):
    """The part of a picture that is resampled, in its samples; the first sample lies from 0 to 1."""

    top: float
    left: float
    bottom: float
    right: float


def resized(
    x: Float[Array, "*n h w c"], height: int, width: int, *, kernel: str = "lanczos", box: Box | None = None
) -> Float[Array, "*n hh ww c"]:
    """Pictures at another size, `kernel` of KERNELS. `box`: the part of them that fills it; left out: all.

    Samples are not clipped: kernels with lobes overshoot. Raises FlagError for an unknown kernel."""
    h, w = x.shape[-3:-1]
    box = box or Box(0.0, 0.0, float(h), float(w))
    x = _along(x, -3, *taps(h, height, box.top, box.bottom, choose("kernel", kernel, KERNELS)))
    return _along(x, -2, *taps(w, width, box.left, box.right, kernel))


@functools.lru_cache(64)
def taps(length: int, out: int, first: float, last: float, kernel: str) -> tuple[np.ndarray, np.ndarray]:
    """For each of `out` samples: which of `length` samples it is made of, int32 [out taps], and their weights, float32
    [out taps], whose sum is 1."""
    function, reach = KERNELS[kernel]
    scale = (last - first) / out  # old samples a new one
    wide = max(scale, 1.0)
    centres = first + (np.arange(out) + 0.5) * scale - 0.5
    count = 2 * math.ceil(reach * wide)
    places = np.floor(centres).astype(int)[:, None] + np.arange(1 - count // 2, 1 + count // 2)
    distance = np.abs(places - centres[:, None]) / wide
    weights = np.where(distance < reach, function(distance), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    used = np.abs(weights).max(axis=0) > 0  # at whole scales some taps are never
    places = places[:, used] % (2 * length)
    return np.minimum(places, 2 * length - 1 - places).astype(np.int32), weights[:, used].astype(np.float32)


def _along(x: Array, axis: int, places: np.ndarray, weights: np.ndarray) -> Array:
    """The sum of the taps, one after the other: what lies between two of them is never in memory."""
    if np.array_equal(places[:, :1], np.arange(x.shape[axis])[:, None]) and places.shape[1] == 1:
        return x
    shape = [1] * x.ndim
    shape[axis] = len(places)
    part = lambda k: jnp.take(x, places[:, k], axis=axis) * jnp.asarray(weights[:, k], x.dtype).reshape(shape)
    return functools.reduce(lambda total, k: total + part(k), range(1, places.shape[1]), part(0))
