"""Looks learned from pairs of pictures, as shot and as graded.

The point of the space of looks that fits best and is likely (ridge regression), then a smooth cube for what the space
does not hold.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Float

from zoo.looks.look import LUMA, Cdl, Cube, Look, lattice
from zoo.looks.space import SIDE, Colours, space

SAMPLES = 6000  # of all pictures
_UNLIKELY = 1e-6  # what a deviation from the mean look costs
_STEPS = 40  # of Levenberg and Marquardt
_FINE, _SIDE = 17, 33  # of the smooth cube, and of what is written
_SMOOTH, _PULL = 3.0, 3e-3  # of the smooth cube


def learned(before: Colours, after: Colours, side: int = _SIDE) -> Look:
    """The look that makes colours [n 3] in [0, 1] those `after` them, as a cube of `side`."""
    whole = _in_space(before, after)
    return finished(smoothed(before, after, whole), side)


def decision_list(before: Colours, after: Colours) -> Look:
    """The colour decision list that does best what was done to colours, by Levenberg and Marquardt's steps."""
    wanted = jnp.asarray(after, jnp.float32)
    rest = jax.jit(lambda p: (_corrected(p, before) - wanted).ravel())
    slope = jax.jit(jax.jacfwd(rest))
    place, damping = jnp.zeros(10), 1e-2
    for _ in range(_STEPS):
        now, towards = rest(place), slope(place)
        normal = towards.T @ towards
        step = jnp.linalg.solve(normal + damping * jnp.diag(jnp.diag(normal) + 1e-6), -towards.T @ now)
        better = bool((rest(place + step) ** 2).sum() < (now**2).sum())
        place, damping = (place + step, damping / 3) if better else (place, damping * 4)
    slopes, offsets, powers, saturation = _parts(np.asarray(place, np.float64))
    triple = lambda values: tuple(float(x) for x in values)
    return Look(cdl=Cdl(triple(slopes), triple(offsets), triple(powers), float(saturation)))  # type: ignore[arg-type]


def _parts(place):
    """Slopes, offsets, powers and saturation, of numbers that may be any: all 0 is the look that changes nothing."""
    exp = jnp.exp if isinstance(place, jax.Array) else np.exp
    return exp(place[:3]), place[3:6], exp(place[6:9]), exp(place[9])


def _corrected(place: Array, colours: Colours) -> Array:
    slopes, offsets, powers, saturation = _parts(place)
    x = jnp.maximum(jnp.asarray(colours, jnp.float32) * slopes + offsets, 1e-4) ** powers
    luma = (x * jnp.asarray(LUMA)).sum(-1, keepdims=True)
    return jnp.clip(luma + saturation * (x - luma), 0, 1)


def corners(colours: Colours, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each colour the eight corners of a cube of side n around it, [m 8], and their weights."""
    at = np.clip(colours, 0, 1) * (n - 1)
    first = np.minimum(at.astype(int), n - 2)
    part, index, weight = at - first, [], []
    for corner in np.ndindex(2, 2, 2):
        index.append((first + corner) @ (n * n, n, 1))
        weight.append(np.where(corner, part, 1 - part).prod(-1))
    return np.stack(index, -1), np.stack(weight, -1)


def _in_space(before: Colours, after: Colours) -> Float[np.ndarray, "s s s 3"]:
    """The cube of the look in the space that fits best."""
    known, (index, weight) = space(), corners(before, SIDE)
    at = lambda values: np.einsum("mk,mk...->m...", weight, values[index])  # [m ...] of values at the corners [p ...]
    wide = at(np.moveaxis(known.directions, 0, -1)).reshape(-1, len(known.variance))  # [m*3 k]
    rest = (after - before - at(known.mean)).ravel()
    matrix = wide.T @ wide / len(rest) + _UNLIKELY * np.diag(1 / known.variance)
    place = np.linalg.solve(matrix, wide.T @ rest / len(rest))
    change = known.mean + np.tensordot(place, known.directions, 1)
    return (lattice(SIDE) + change.reshape(SIDE, SIDE, SIDE, 3)).astype(np.float32)


def smoothed(
    before: Colours, after: Colours, prior: np.ndarray, *, smooth: float = _SMOOTH, pull: float = _PULL
) -> Float[np.ndarray, "s s s 3"]:
    """A finer cube near `prior` that fits better, by conjugate gradients. `smooth` is what its bends cost, `pull` its
    being other than `prior`."""
    n, base = _FINE, _upsampled(prior, _FINE)
    index, weight = (jnp.asarray(x) for x in corners(before, n))
    weight = weight.astype(jnp.float32)
    read = lambda cube: (weight[..., None] * cube.reshape(-1, 3)[index]).sum(1)

    def energy(change):
        bends = sum((jnp.diff(change, 2, axis=axis) ** 2).sum() for axis in range(3))
        cost = (smooth * bends + pull * (change**2).sum()) / n**3
        return ((read(change) - rest) ** 2).sum() / len(before) / 2 + cost / 2

    rest = jnp.asarray(after, jnp.float32) - read(jnp.asarray(base))
    zero = jnp.zeros((n, n, n, 3))
    slope = jax.jit(jax.grad(energy))
    down = -slope(zero)
    change, _ = cg(lambda x: slope(x) + down, down, tol=1e-4, maxiter=150)
    return base + np.asarray(change)


def _upsampled(cube: np.ndarray, n: int) -> Float[np.ndarray, "s s s 3"]:
    return np.asarray(Cube(cube)(jnp.asarray(lattice(n)), "trilinear"))


def finished(cube: np.ndarray, side: int = _SIDE) -> Look:
    """The look as it is written: within [0, 1], and rising along the greys."""
    fine = _upsampled(cube, side).clip(0, 1)
    steps = np.arange(side)
    greys = np.maximum.accumulate(fine[steps, steps, steps], axis=0)
    fine[steps, steps, steps] = greys
    return Look(cube=Cube(fine))
