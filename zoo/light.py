"""How much brighter each part of a frame is than the same part of the frame before, whatever has moved.

Both are made small; the one before is laid over the frame (`zoo.motion.blocks`), and in each cell of a grid the median
of the log ratios is taken, which neither dirt nor what moves alone can turn.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.flicker import means
from zoo.motion.blocks import BLOCK_PX, compensated

GRID = 4, 6  # rows, columns
_SMALL_PX = 192  # longest side of the small pictures, about
_DARK, _BURNT = 0.05, 0.96  # what is outside says nothing of light
_LEAST = 0.1  # share of a cell that must say something
_UNSURE = 0.04, 0.12  # spread of the log ratios of a cell, over which it is trusted less and less
_TINY = 1e-3


def brightened(before: Float[Array, "h w"], now: Float[Array, "h w"]) -> Float[Array, "rows columns"]:
    """The log ratio of each cell of GRID. Luma, 0 at black and 1 at white, of consecutive frames. A cell that says too
    little has the ratio of the whole frame; 0 where that says nothing."""
    one, other = _small(before), _small(now)
    guess = jnp.nan_to_num(jnp.nanmedian(_ratio(one, other)))
    height, width = other.shape
    whole = lambda x: jnp.pad(x, [(0, -side % BLOCK_PX) for side in x.shape], mode="edge")[..., None]
    laid = compensated(whole(other), whole(one * jnp.exp(guess)))[:height, :width, 0] * jnp.exp(-guess)
    ratio = _ratio(laid, other)
    frame = jnp.nan_to_num(jnp.nanmedian(ratio))
    cells = _cells(ratio)
    cell = jnp.nanmedian(cells, axis=-1)
    spread = jnp.nanmedian(jnp.abs(cells - cell[..., None]), axis=-1)
    low, high = _UNSURE
    trust = jnp.clip((high - spread) / (high - low), 0, 1) * (jnp.isfinite(cells).mean(-1) > _LEAST)
    return frame + jnp.nan_to_num(trust * (cell - frame))


def _ratio(one: Float[Array, "h w"], other: Float[Array, "h w"]) -> Float[Array, "h w"]:
    """log(other / one); nan where either is too dark or too bright to tell."""
    low, high = jnp.minimum(one, other), jnp.maximum(one, other)
    ratio = jnp.log(jnp.maximum(other, _TINY) / jnp.maximum(one, _TINY))
    return jnp.where((low > _DARK) & (high < _BURNT), ratio, jnp.nan)


def _cells(x: Float[Array, "h w"]) -> Float[Array, "rows columns n"]:
    """The pixels of each cell; nan where a cell is smaller than others."""
    rows, columns = GRID
    height, width = (-(-side // n) for side, n in zip(x.shape, GRID, strict=True))
    missing = (0, rows * height - x.shape[0]), (0, columns * width - x.shape[1])
    x = jnp.pad(x, missing, constant_values=jnp.nan).reshape(rows, height, columns, width)
    return x.swapaxes(1, 2).reshape(rows, columns, -1)


def _small(luma: Float[Array, "h w"]) -> Float[Array, "_ _"]:
    height, width = luma.shape
    return means(luma, max(1, min(math.ceil(max(height, width) / _SMALL_PX), height, width)))
