"""Where a film cuts from one shot to another, told from each frame and the one before it alone.

Both are made small. Every 16x16 block of the frame, less its mean, is searched for in the frame before, some pixels
around its place. The score is the share of the structure that is not found there, 0 to 1: motion finds its blocks
again, and a flash or a fade changes only their means, so that neither is taken for a cut, as a difference of codes
takes them. A dissolve has no frame to cut at, and none is found.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.flicker import means
from zoo.motion.blocks import every_step

CUT = 0.33  # a score above it is a cut
_SMALL_PX = 128  # longest side of the small pictures, at most
_BLOCK_PX = 16
_REACH_PX = 6  # of the search, in small pixels
_FAINT = 2 / 255  # structure of less deviation is as good as none


@jax.jit
def cut_score(before: Float[Array, "h w"], after: Float[Array, "h w"]) -> Float[Array, ""]:
    """How much of the structure of `after` is new. Luma, 0 at black and 1 at white, of consecutive frames."""
    one, other = _small(before), _small(after)
    height, width = (max(_BLOCK_PX, side // _BLOCK_PX * _BLOCK_PX) for side in other.shape)
    missing = [(0, max(0, size - side)) for size, side in zip((height, width), other.shape, strict=True)]
    one, other = (jnp.pad(x, missing, mode="edge")[:height, :width] for x in (one, other))
    around = jnp.pad(one, _REACH_PX, mode="edge")
    moved = lambda step: jax.lax.dynamic_slice(around, _REACH_PX + step, other.shape)
    unlike = jax.lax.map(lambda step: _energy(other - moved(step)), every_step(_REACH_PX)).min(axis=0)
    return unlike.sum() / (_energy(one) + _energy(other) + _BLOCK_PX**2 * _FAINT**2).sum()


def is_cut(score: float) -> bool:
    return score > CUT


def _small(luma: Float[Array, "h w"]) -> Float[Array, "_ _"]:
    """The picture made so small that its longest side has `_SMALL_PX` at most."""
    height, width = luma.shape
    return means(luma, min(math.ceil(max(height, width) / _SMALL_PX), height, width))


def _energy(x: Float[Array, "h w"]) -> Float[Array, "_ _"]:
    """The sum of squares of each block about its mean."""
    rows, columns = x.shape[0] // _BLOCK_PX, x.shape[1] // _BLOCK_PX
    blocks = x.reshape(rows, _BLOCK_PX, columns, _BLOCK_PX)
    return (blocks**2).sum(axis=(1, 3)) - blocks.sum(axis=(1, 3)) ** 2 / _BLOCK_PX**2
