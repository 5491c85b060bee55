"""Degradations, drawn on the device: `(key, image, *, level...) -> degraded`.

Images are float in [0, 1], NHWC or HWC, and so is what comes back: clipped to [0, 1] and never re-quantised. Whatever
the image's float type, noise is drawn in float32: in fewer bits rare hits and small steps are lost.
A level is a scalar, or one value per image, shape [n]. All functions jit, and the level may be traced.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from zoo import draws
from zoo.errors import choose

Level = Any  # a float, or Float[Array, " n"]: one per image


def gaussian(key: Key[Array, ""], image: Float[Array, "*n h w c"], *, sigma: Level) -> Float[Array, "*n h w c"]:
    """Adds N(0, sigma^2) to every sample. `sigma`: standard deviation on the [0, 1] scale."""
    noise = draws.normal(key, image.shape)
    return jnp.clip(image + _per_image(sigma, image) * noise, 0, 1).astype(image.dtype)


def salt_and_pepper(key: Key[Array, ""], image: Float[Array, "*n h w c"], *, amount: Level) -> Float[Array, "*n h w c"]:
    """Replaces a share `amount` of the PIXELS (all channels of a hit pixel), half by 0 and half by 1."""
    u = draws.uniform(key, (*image.shape[:-1], 1))
    amount = _per_image(amount, image)
    return jnp.where(u < amount, (u < amount / 2).astype(image.dtype), image)


def poisson(key: Key[Array, ""], image: Float[Array, "*n h w c"], *, scale: Level) -> Float[Array, "*n h w c"]:
    """Photon noise: variance `scale^2 * image`. `scale`: the standard deviation at white, on the [0, 1] scale
    (so 1 / scale^2 photons expose a white sample)."""
    scale = jnp.maximum(_per_image(scale, image), 1e-4)
    photons = jax.random.poisson(key, image / scale**2)
    return jnp.clip(photons * scale**2, 0, 1).astype(image.dtype)


def speckle(key: Key[Array, ""], image: Float[Array, "*n h w c"], *, sigma: Level) -> Float[Array, "*n h w c"]:
    """Multiplicative noise: image * (1 + N(0, sigma^2))."""
    noise = draws.normal(key, image.shape)
    return jnp.clip(image * (1 + _per_image(sigma, image) * noise), 0, 1).astype(image.dtype)


def mixed(
    key: Key[Array, ""], image: Float[Array, "*n h w c"], *, sigma: Level, amount: Level
) -> Float[Array, "*n h w c"]:
    """Gaussian noise, then salt-and-pepper upon it."""
    grain, dust = jax.random.split(key)
    return salt_and_pepper(dust, gaussian(grain, image, sigma=sigma), amount=amount)


_CELL_PX, _QUIETEST = 12, 0.05
_OF_QUIETEST = 0.861  # what the quietest of such cells show of white noise


def estimate_sigma(image: Float[Array, "n h w c"]) -> Float[Array, " n"]:
    """The standard deviation of the noise in each picture, from the picture alone, on the [0, 1] scale.

    Measured where the picture hides it least: the diagonal detail of 2x2 pixels (Haar's, as Donoho and Johnstone 1994),
    in the quietest twentieth of cells of 12x12 pixels that are neither black nor white. Right to some 10 % from 0.03
    up; at 0.01, texture adds a quarter (the median of photographs). At least 13 px on each side; hits of salt and
    pepper add.
    """
    corners = image[:, :-1, :-1], image[:, 1:, :-1], image[:, :-1, 1:], image[:, 1:, 1:]
    detail, mean = (corners[0] - corners[1] - corners[2] + corners[3]) / 2, sum(corners) / 4
    (n, h, w, c), side = detail.shape, _CELL_PX
    cells = lambda x: x[:, : h - h % side, : w - w % side].reshape(n, h // side, side, w // side, side, c).mean((2, 4))
    deviation = jnp.sqrt(cells(jnp.square(detail))).reshape(n, -1)
    usable = (cells((mean > 0.1) & (mean < 0.9)) > 0.9).reshape(n, -1)
    usable |= ~usable.any(1, keepdims=True)
    ordered = jnp.sort(jnp.where(usable, deviation, jnp.inf), axis=1)
    place = (_QUIETEST * (usable.sum(1, keepdims=True) - 1)).astype(int)
    return jnp.take_along_axis(ordered, place, axis=1)[:, 0] / _OF_QUIETEST


def _per_image(level: Level, image: Array) -> Array:
    level = jnp.asarray(level, jnp.float32)
    return level.reshape(level.shape + (1,) * (image.ndim - level.ndim)) if level.ndim else level


# What `--noise` names, as functions of one level.
NOISES: dict[str, Callable[..., Array]] = {
    "gaussian": lambda key, image, level: gaussian(key, image, sigma=level),
    "salt_and_pepper": lambda key, image, level: salt_and_pepper(key, image, amount=level),
    "poisson": lambda key, image, level: poisson(key, image, scale=level),
    "speckle": lambda key, image, level: speckle(key, image, sigma=level),
    "mixed": lambda key, image, level: mixed(key, image, sigma=level, amount=level),
}


def degrade(key: Key[Array, ""], image: Float[Array, "*n h w c"], *, noise: str, level: Level) -> Array:
    """The noise named `noise` (a key of NOISES) at one `level`, which every kind reads on the [0, 1] scale."""
    return NOISES[choose("noise", noise, NOISES)](key, image, level)
