"""A flicker index: how restless a film is from one frame to the next, in 8-bit codes of luma.

The picture is cut into blocks of 16x16 pixels. Of each block: the mean absolute change of its luma from one frame to
the next; of a frame: the median of its blocks, so that what moves in less than half of the picture does not count.
After Lai et al. 2018 ("Learning Blind Video Temporal Consistency"), whose warping error measures the same change after
optical flow; here nothing is warped. It falls when grain falls and rises when the brightness pumps or restored texture
boils. It is no measure of quality (a frozen or blurred film has little), and where the camera moves it measures
the movement too: compare a film with itself, before and after, shot by shot.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

BLOCK_PX = 16


@jax.jit
def flicker(before: Float[Array, "*n h w"], after: Float[Array, "*n h w"]) -> Float[Array, "*n"]:
    """The index of each pair of frames, in codes of 255. `before`, `after`: luma, 0 at black and 1 at white, of
    consecutive frames (`zoo.color.luma` takes it from planes)."""
    change = jnp.abs(jnp.asarray(after) - jnp.asarray(before))
    return 255 * jnp.median(means(change, min(BLOCK_PX, *change.shape[-2:])), axis=(-2, -1))


def means(x: Float[Array, "*n h w"], side: int) -> Float[Array, "*n rows columns"]:
    """The mean of each square of `side` pixels; what is left at the right and at the bottom is left out."""
    *n, height, width = x.shape
    rows, columns = height // side, width // side
    squares = x[..., : rows * side, : columns * side].reshape(*n, rows, side, columns, side)
    return squares.mean(axis=(-3, -1))
