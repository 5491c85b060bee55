"""Where each pixel of one frame lies in another, to parts of a pixel, though some of both is hidden.

Two pictures are compared from coarse to fine (Lucas and Kanade 1981; the pyramid after Bouguet 2001), from a first
guess, such as the camera's own movement. What is not trusted of either, because a mask hides it, counts for nothing:
the movement there is that of what surrounds it.

Places are (row, column) of the centres of pixels, the first being 0.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from zoo.flicker import means

_WINDOW_PX, _LIGHT_PX, _EVEN_PX = 9, 11, 5  # sides of the squares that move alike, have one light, are evened out
_NOISE = 1e-4  # mean square of the gradient at which half of a movement is believed
_UNLIKE = 12 / 255  # a difference that counts half: what is of another layer
_MOST_PX = 1.0  # of one round
_SMALLEST_PX, _MOST_SIDE_PX = 12, 1100  # the least side of the coarsest picture, the longest of the finest
_ROUNDS = 3, 4, 6  # at each size from the full one on, the last for all coarser ones
_TINY = 1e-6

Plane = Float[Array, "h w"]
Field = Float[Array, "h w 2"]  # rows down, columns right
Camera = Float[Array, "3 3"]  # a homography of (column, row, 1)


def finest(height: int, width: int) -> int:
    """Of the sizes of a picture, each half of the one before, the largest in which movement is looked for."""
    return next(size for size in range(32) if max(height, width) >> size <= _MOST_SIDE_PX)


# A picture's sizes from `finest` on: [h w 2], the luma of what is trusted and the share that is.
Pyramid = tuple[Float[Array, "_ _ 2"], ...]


@jax.jit
def pyramid(luma: Plane, trust: Plane) -> Pyramid:
    """What is hidden, of trust 0, takes no part in the smaller sizes."""
    sizes = [jnp.stack([luma, trust], -1)]
    while len(sizes) <= finest(*luma.shape) or min(sizes[-1].shape[:2]) // 2 >= _SMALLEST_PX:
        x = jnp.pad(sizes[-1], [(0, side % 2) for side in sizes[-1].shape[:2]] + [(0, 0)], mode="edge")
        share = means(x[..., 1], 2)
        sizes.append(jnp.stack([means(x[..., 0] * x[..., 1], 2) / jnp.maximum(share, _TINY), share], -1))
    return tuple(sizes[finest(*luma.shape) :])


@partial(jax.jit, static_argnames="shape")
def flow(now: Pyramid, other: Pyramid, camera: Camera, *, shape: tuple[int, int]) -> tuple[Field, Plane]:
    """(movement, how well it is known) of each pixel of `now`, beyond where `camera` says that it lies in `other`: in
    pixels of the `finest` size of pictures of `shape`.

    How well: of the gradient's energy, about 0 where nothing tells."""
    *_, small = now
    move, known = jnp.zeros_like(small), jnp.zeros(small.shape[:2])
    for k, (here, there) in reversed([*enumerate(zip(now, other, strict=True))]):
        if here is not small:
            move = 2 * _doubled(move)[: here.shape[0], : here.shape[1]]
        base, gradient = places(camera, here.shape[:2], finest(*shape) + k), _gradient(here[..., 0])
        nearer = partial(_nearer, here, there, base, gradient)
        rounds = _ROUNDS[min(k, len(_ROUNDS) - 1)]
        start = move, jnp.zeros(here.shape[:2])
        move, known = jax.lax.fori_loop(0, rounds, lambda _, so_far, nearer=nearer: nearer(so_far[0]), start)
    return move, known


def places(camera: Camera, shape: tuple[int, ...], size: int = 0) -> Field:
    """Where a camera's movement takes each pixel of a picture of `shape`, which is one of the sizes."""
    scale = 2**size
    at = (jnp.stack(jnp.mgrid[: shape[0], : shape[1]], -1) + 0.5) * scale - 0.5
    return (moved(camera, at) + 0.5) / scale - 0.5


def moved(camera: Camera, at: Float[Array, "*n 2"]) -> Float[Array, "*n 2"]:
    """Where it takes places of the full size."""
    x, y, one = (camera[k, 0] * at[..., 1] + camera[k, 1] * at[..., 0] + camera[k, 2] for k in range(3))
    return jnp.stack([y, x], -1) / one[..., None]


def _nearer(here, there, base: Field, gradient: Field, move: Field) -> tuple[Field, Plane]:
    """The movement after one round, evened out where it is not known."""
    seen = linear(there, base + move)
    sure = jnp.minimum(_least(here[..., 1]), seen[..., 1] * inside(base + move, there.shape))
    sure = jnp.where(sure > 0.5, sure, 0)
    change = seen[..., 0] - here[..., 0]
    light = around(jnp.stack([sure * change, sure], -1), _LIGHT_PX)
    change = change - light[..., 0] / (light[..., 1] + _TINY)
    sure = sure / (1 + (change / _UNLIKE) ** 2)
    down, right = gradient[..., 0], gradient[..., 1]
    products = jnp.stack([down * down, down * right, right * right, down * change, right * change], -1)
    products = around(products * sure[..., None], _WINDOW_PX)
    yy, yx, xx, y, x = (products[..., k] for k in range(5))
    yy, xx = yy + _NOISE, xx + _NOISE
    step = jnp.stack([y * xx - x * yx, x * yy - y * yx], -1) / (yy * xx - yx**2)[..., None]
    known = jnp.maximum((yy * xx - yx**2) / (yy + xx) - _NOISE / 2, 0)
    weight = known[..., None] + _NOISE / 1000
    evened = around(jnp.concatenate([(move - jnp.clip(step, -_MOST_PX, _MOST_PX)) * weight, weight], -1), _EVEN_PX)
    return evened[..., :2] / evened[..., 2:], known


def around(x: Float[Array, "h w *c"], side: int) -> Float[Array, "h w *c"]:
    """The sum over a square of `side` pixels around each, over its area; beyond the edges lies 0."""
    more = (1,) * (x.ndim - 2)
    for sides in ((side, 1), (1, side)):
        x = jax.lax.reduce_window(x, 0.0, jax.lax.add, (*sides, *more), (1,) * x.ndim, "SAME")
    return x / side**2


def linear(x: Float[Array, "h w c"], at: Float[Array, "*n 2"]) -> Float[Array, "*n c"]:
    """`x` at places between its pixels; its edge is continued."""
    row, column = jnp.floor(at[..., 0]), jnp.floor(at[..., 1])
    down, right = (at[..., 0] - row)[..., None], (at[..., 1] - column)[..., None]
    line = lambda k: _read(x, row + k, column) * (1 - right) + _read(x, row + k, column + 1) * right
    return line(0) * (1 - down) + line(1) * down


def cubic(x: Shaped[Array, "h w"], at: Float[Array, "*n 2"]) -> Float[Array, "*n"]:
    """The same by cubic convolution (Keys 1981)."""
    row, column = jnp.floor(at[..., 0]), jnp.floor(at[..., 1])
    down, right = _taps(at[..., 0] - row), _taps(at[..., 1] - column)
    line = lambda k: sum(right[m] * _read(x, row + k - 1, column + m - 1) for m in range(4))
    return sum(down[k] * line(k) for k in range(4))  # type: ignore[return-value]


def inside(at: Field, shape: tuple[int, ...]) -> Plane:
    """1 for places within a picture of `shape`, else 0."""
    within = [(at[..., k] >= 0) & (at[..., k] <= shape[k] - 1) for k in range(2)]
    return (within[0] & within[1]).astype(jnp.float32)


def _read(x: Shaped[Array, "h w *c"], row: Float[Array, "*n"], column: Float[Array, "*n"]) -> Array:
    height, width, *more = x.shape
    index = row.astype(jnp.int32).clip(0, height - 1) * width + column.astype(jnp.int32).clip(0, width - 1)
    return x.reshape(-1, *more)[index]


def _taps(t: Array) -> list[Array]:
    return [(-t + 2 * t**2 - t**3) / 2, (2 - 5 * t**2 + 3 * t**3) / 2, (t + 4 * t**2 - 3 * t**3) / 2, (t**3 - t**2) / 2]


def _doubled(x: Field) -> Float[Array, "_ _ 2"]:
    return jax.image.resize(x, (2 * x.shape[0], 2 * x.shape[1], 2), "linear")


def _gradient(x: Plane) -> Field:
    x = jnp.pad(x, 1, mode="edge")
    return jnp.stack([x[2:, 1:-1] - x[:-2, 1:-1], x[1:-1, 2:] - x[1:-1, :-2]], -1) / 2


def _least(x: Plane) -> Plane:
    """The least of each pixel and the four beside it."""
    y = jnp.pad(x, 1, mode="edge")
    return jnp.minimum(x, jnp.minimum(jnp.minimum(y[:-2, 1:-1], y[2:, 1:-1]), jnp.minimum(y[1:-1, :-2], y[1:-1, 2:])))


@jax.jit
def smoothed(x: Plane, trust: Plane) -> Plane:
    """`x` where it is trusted, carried on smoothly where it is not (push and pull, after Gortler et al. 1996)."""
    sizes = [(x * trust, trust)]
    while max(sizes[-1][0].shape) > 1:
        value, share = (jnp.pad(y, [(0, side % 2) for side in y.shape]) for y in sizes[-1])
        value, share = means(value, 2), means(share, 2)
        most = jnp.minimum(1, 4 * share) / (share + _TINY)
        sizes.append((value * most, share * most))
    out = sizes[-1][0]
    for value, share in reversed(sizes[:-1]):
        wide = jax.image.resize(out, [2 * side for side in out.shape], "linear")[: value.shape[0], : value.shape[1]]
        out = value + (1 - share) * wide
    return out
