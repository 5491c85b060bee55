"""One frame laid over another, block by block: what has moved is put back to where it was.

The best place of each block is searched for in whole pixels, from a quarter of the size to the full one. The rest of
the movement, less than a pixel, is estimated from the gradient (Lucas and Kanade 1981).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from zoo.flicker import means

BLOCK_PX = 16  # side of a block; sides of pictures are multiples of it
_REACH_PX = 16  # of the search, a multiple of 4
_STEP_COST = 0.3 / 255  # of a pixel of movement at each size: without structure nothing moves
# How far `compensated` looks: the pixel's block, the block beside it whose rest counts, one beside that whose move
# counts, and as far as that is searched for (a whole step, one at half the size, one at the full, and the gradient).
HALO_PX = 3 * BLOCK_PX + _REACH_PX + 4 + 2 + 1 + 1
_MOST_PX = 0.7  # of the rest of the movement
_FLAT = 1e-5  # energy of the gradient at which that is halved

Image = Float[Array, "h w c"]
Plane = Float[Array, "h w"]
Moves = Int[Array, "rows columns 2"]  # rows down, columns right, of the place where a block of one frame is in another


def compensated(now: Image, other: Image, carried: Float[Array, "h w k"] | None = None) -> Float[Array, "h w k"]:
    """`other`, with its blocks where they are in `now`; or what is `carried` along with it instead."""
    grey, other_grey = now.mean(axis=-1), other.mean(axis=-1)
    moves = _searched(means(grey, 4), means(other_grey, 4), BLOCK_PX // 4)
    for k in (2, 1):
        moves = _refined(means(grey, k), means(other_grey, k), BLOCK_PX // k, 2 * moves)
    laid = _image(_cut(other, moves, BLOCK_PX))
    rest = _rest(grey, laid.mean(axis=-1))
    return _shifted(laid if carried is None else _image(_cut(carried, moves, BLOCK_PX)), rest)


def _searched(now: Plane, other: Plane, side: int) -> Moves:
    """The best move of each block of `side` pixels, its neighbours' change counted in."""
    reach = _REACH_PX * side // BLOCK_PX
    around = jnp.pad(other, reach, mode="edge")

    def change(step: Int[Array, "2"]) -> Float[Array, "rows columns"]:
        moved = jax.lax.dynamic_slice(around, reach + step, now.shape)
        return blurred(means(jnp.abs(now - moved), side), 3)

    return _best(change, reach)


def _refined(now: Plane, other: Plane, side: int, moves: Moves) -> Moves:
    """The moves, each a pixel further where that is better."""
    around = _cut(other[..., None], moves - 1, side, side + 2)[..., 0]
    blocks = _blocks(now[..., None], side)[..., 0]

    def change(step: Int[Array, "2"]) -> Float[Array, "rows columns"]:
        moved = jax.lax.dynamic_slice(around, (0, 0, *(1 + step)), blocks.shape)
        return jnp.abs(blocks - moved).mean(axis=(-2, -1))

    return moves + _best(change, 1)


def _best(change: Callable[[Int[Array, "2"]], Float[Array, "rows columns"]], reach: int) -> Moves:
    """For each block the step, of at most `reach` rows and columns, after which least has changed."""
    steps = every_step(reach)
    costs = jax.lax.map(lambda step: change(step) + _STEP_COST * jnp.abs(step).sum(), steps)
    return steps[jnp.argmin(costs, axis=0)]


def every_step(reach: int) -> Int[Array, "n 2"]:
    """Of at most `reach` rows and columns. (For a loop: unrolled over them, a search compiles ten times as long.)"""
    return jnp.stack(jnp.mgrid[-reach : reach + 1, -reach : reach + 1], axis=-1).reshape(-1, 2)


def _rest(now: Plane, laid: Plane) -> Float[Array, "rows columns 2"]:
    """How far each block of `laid` still lies from where it is in `now`, in pixels down and right."""
    down, right = _gradient(((now + laid) / 2)[..., None])
    down, right, change = down[..., 0], right[..., 0], laid - now
    products = (down * down, down * right, right * right, down * change, right * change)
    yy, yx, xx, y, x = (blurred(means(p, BLOCK_PX), 3) for p in products)
    yy, xx = yy + _FLAT, xx + _FLAT
    whole = jnp.stack([y * xx - x * yx, x * yy - y * yx], axis=-1) / (yy * xx - yx**2)[..., None]
    return jnp.clip(whole, -_MOST_PX, _MOST_PX)


def _shifted(laid: Image, rest: Float[Array, "rows columns 2"]) -> Image:
    """`laid`, each block moved by a part of a pixel."""
    down, right = _gradient(laid)
    rest = jnp.repeat(jnp.repeat(rest, BLOCK_PX, axis=0), BLOCK_PX, axis=1)
    return laid - rest[..., :1] * down - rest[..., 1:] * right


def _gradient(x: Image) -> tuple[Image, Image]:
    x = jnp.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return (x[2:, 1:-1] - x[:-2, 1:-1]) / 2, (x[1:-1, 2:] - x[1:-1, :-2]) / 2


def _cut(x: Image, moves: Moves, side: int, size: int | None = None) -> Float[Array, "rows columns size size c"]:
    """Of each block of `side` pixels: the square of `size` pixels that begins where the block is moved to."""
    size = size or side
    margin = 2 * BLOCK_PX + _REACH_PX
    rows, columns = moves.shape[:2]
    corners = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1) * side
    around = jnp.pad(x, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    square = lambda at: jax.lax.dynamic_slice(around, (at[0], at[1], 0), (size, size, x.shape[-1]))
    return jax.vmap(jax.vmap(square))(moves + corners + margin)


def _blocks(x: Image, side: int) -> Float[Array, "rows columns side side c"]:
    height, width, channels = x.shape
    return x.reshape(height // side, side, width // side, side, channels).swapaxes(1, 2)


def _image(blocks: Float[Array, "rows columns side side c"]) -> Image:
    rows, columns, side, _, channels = blocks.shape
    return blocks.swapaxes(1, 2).reshape(rows * side, columns * side, channels)


def blurred(x: Float[Array, "h w *c"], side: int) -> Float[Array, "h w *c"]:
    """The mean of a square around each pixel; the picture's edge is continued."""
    reach = side // 2
    x = jnp.pad(x, [(reach, reach)] * 2 + [(0, 0)] * (x.ndim - 2), mode="edge")
    for axis in (0, 1):
        length = x.shape[axis] - 2 * reach
        shifted = [jax.lax.slice_in_dim(x, k, k + length, axis=axis) for k in range(side)]
        x = sum(shifted[1:], shifted[0]) / side
    return x
