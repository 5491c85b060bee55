"""What coding by blocks leaves of planes, as MPEG-2, DV, JPEG and H.264 do: transformed, rounded, transformed back.

A model of theirs that runs on the device: no bits are written. A picture is coded by itself, or as what the picture
before it leaves to be said, whose blocks lie elsewhere: where motion has brought them.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random
from jaxtyping import Array, Float, Key

from zoo import draws

SIZES = (8, 4)  # of blocks, in samples: the older codecs' and H.264's
_SLOPE = 0.17  # by how much coarser each frequency up is rounded where a picture is coded by itself; MPEG-2's, about
_DEAD = 0.25  # of a step, by which what is said of a picture beyond its forerunner must exceed a half to count
_ALONE, _SMOOTHED = 0.4, 0.5  # shares coded by themselves, and, of blocks of 4, smoothed at their borders


class Coder(NamedTuple):
    """How each clip is coded."""

    step: Float[Array, " n"]  # in codes, of a transform that keeps energy
    small: Float[Array, " n"]  # 1 where blocks are of 4 samples, not of 8
    alone: Float[Array, " n"]  # 1 where a picture is coded by itself
    smoothed: Float[Array, " n"]  # 1 where the borders of blocks are
    places: Array  # [n 2], where the forerunner's blocks begin


def drawn(key: Key[Array, ""], n: int, *, steps: tuple[float, float]) -> Coder:
    """Of n clips; `steps`: the finest and the coarsest, between which logarithms are even."""
    u = draws.uniform(random.fold_in(key, 0), (4, n))
    low, high = np.log(steps)
    small = u[1] < 0.5
    return Coder(
        jnp.exp(low + (high - low) * u[0]),
        1.0 * small,
        1.0 * (u[2] < _ALONE),
        1.0 * (small & (u[3] < _SMOOTHED)),
        random.randint(random.fold_in(key, 1), (n, 2), 0, SIZES[0]),
    )


def coded(now: Float[Array, "n h w"], before: Float[Array, "n h w"], coder: Coder) -> Float[Array, "n h w"]:
    """What is left of the plane `now`, in codes, neither rounded nor clipped; `before`: the picture before it, motion
    taken off. Sides divide by 8."""
    each = lambda values: values[:, None, None]
    of_size = [_of_size(now, before, coder, size) for size in SIZES]
    return jnp.where(each(coder.small) > 0, of_size[1], of_size[0])


def _of_size(now: Array, before: Array, coder: Coder, size: int) -> Array:
    frequency = np.add.outer(np.arange(size), np.arange(size)) * (8 / size)
    alone = partial(_rounded, step=coder.step, weights=1 + _SLOPE * frequency, dead=0.0)
    more = partial(_rounded, step=coder.step, weights=np.ones_like(frequency), dead=_DEAD)
    known = _elsewhere(before, alone, coder.places)
    x = jnp.where(coder.alone[:, None, None] > 0, alone(now), known + more(now - known))
    for axis in (1, 2):
        x = jnp.where(coder.smoothed[:, None, None] > 0, _smoothed(x, axis, size, coder.step[:, None, None]), x)
    return x


def _rounded(x: Array, *, step: Array, weights: np.ndarray, dead: float) -> Float[Array, "n h w"]:
    """Blocks transformed by a discrete cosine transform, rounded to steps, and back."""
    size = len(weights)
    k, at = np.arange(size)[:, None], np.arange(size) + 0.5
    cosines = jnp.asarray(np.where(k, 1, 0.5**0.5) * (2 / size) ** 0.5 * np.cos(np.pi * k * at / size), jnp.float32)
    blocks = x.reshape(len(x), x.shape[1] // size, size, x.shape[2] // size, size)
    steps = (step[:, None, None] * weights)[:, None, :, None, :]
    values = jnp.einsum("ui,naibj,vj->naubv", cosines, blocks, cosines) / steps
    kept = jnp.sign(values) * jnp.floor(jnp.abs(values) + 0.5 - dead) * steps
    return jnp.einsum("ui,naubv,vj->naibj", cosines, kept, cosines).reshape(x.shape)


def _elsewhere(x: Array, code, places: Array) -> Array:
    """Coded in blocks that begin elsewhere."""
    margin, (h, w) = SIZES[0], x.shape[1:]
    around = jnp.pad(x, ((0, 0), (margin, margin), (margin, margin)), mode="symmetric")
    part = lambda height, width: jax.vmap(lambda x, at: lax.dynamic_slice(x, at, (height, width)))
    return part(h, w)(code(part(h + margin, w + margin)(around, places)), margin - places)


def _smoothed(x: Array, axis: int, size: int, step: Array) -> Array:
    """Steps at the borders of blocks halved, where they are no larger than rounding makes them."""
    shape = [1, 1, 1]
    shape[axis] = x.shape[axis]
    places = np.arange(x.shape[axis])
    border = jnp.asarray(((places % size == 0) & (places > 0)).reshape(shape))
    rise = x - jnp.roll(x, 1, axis)
    part = jnp.where(border & (jnp.abs(rise) < step), rise / 4, 0)
    return x - part + jnp.roll(part, -1, axis)
