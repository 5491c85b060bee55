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

from zoo import color, draws, jpeg
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


CORRELATION_PX = (0.0, 2.0)  # of film scanned coarsely, to film scanned finely
MONOCHROME = (0.5, 1.0)  # colour stock, to black and white
_RADIUS = 6  # px: three times the widest correlation
SCAN_QUALITY = (60.0, 98.0)  # of JPEG


def grain(
    key: Key[Array, ""],
    image: Float[Array, "*n h w c"],
    *,
    sigma: Level,
    correlation: Level | None = None,
    monochrome: Level | None = None,
) -> Float[Array, "*n h w c"]:
    """Film grain: soft specks, mostly alike in all channels, strongest in the mid greys.

    Adds sigma * (0.35 + 0.65 * 4Y(1-Y)) * field, where Y is the luma and the field has deviation 1. `correlation`:
    sigma of the Gaussian that made the field of white noise, in px, 0 to 2. `monochrome`: the share of its variance
    that all channels have in common. None draws one for each image, uniform in CORRELATION_PX and MONOCHROME.
    """
    if image.ndim == 3:
        one = grain(key, image[None], sigma=sigma, correlation=correlation, monochrome=monochrome)
        return one[0]
    n, h, w, c = image.shape
    field_key, correlation_key, share_key = jax.random.split(key, 3)
    width = _drawn(correlation_key, n, CORRELATION_PX) if correlation is None else jnp.broadcast_to(correlation, (n,))
    share = _drawn(share_key, n, MONOCHROME) if monochrome is None else jnp.broadcast_to(monochrome, (n,))
    share = _per_image(share, image)
    white = draws.normal(field_key, (n, h + 2 * _RADIUS, w + 2 * _RADIUS, c + 1))
    fields = _softened(white, jnp.maximum(width, 1e-3))
    field = jnp.sqrt(share) * fields[..., :1] + jnp.sqrt(1 - share) * fields[..., 1:]
    luma = color.grey(image) if c == 3 else image.mean(-1, keepdims=True)
    strength = _per_image(sigma, image) * (0.35 + 0.65 * 4 * luma * (1 - luma))
    return jnp.clip(image + strength * field, 0, 1).astype(image.dtype)


def _softened(white: Float[Array, "n _ _ c"], sigma: Float[Array, " n"]) -> Float[Array, "n h w c"]:
    """White noise after a Gaussian of `sigma` px an image, its deviation still 1, _RADIUS less on each side."""
    taps = jnp.exp(-((jnp.arange(-_RADIUS, _RADIUS + 1) / sigma[:, None]) ** 2) / 2)
    taps = taps / jnp.sqrt(jnp.square(taps).sum(1, keepdims=True))
    for axis in (1, 2):
        size = white.shape[axis] - 2 * _RADIUS
        shifted = [jax.lax.slice_in_dim(white, k, k + size, axis=axis) for k in range(2 * _RADIUS + 1)]
        parts = [_per_image(taps[:, k], white) * x for k, x in enumerate(shifted)]
        white = sum(parts[1:], parts[0])
    return white


def scan(key: Key[Array, ""], image: Float[Array, "*n h w c"], *, sigma: Level) -> Float[Array, "*n h w c"]:
    """Film grain as copies of films bring it: in 8 bits, through JPEG of a quality of SCAN_QUALITY drawn an image."""
    if image.ndim == 3:
        return scan(key, image[None], sigma=sigma)[0]
    grain_key, quality_key = jax.random.split(key)
    grainy = grain(grain_key, image.astype(jnp.float32), sigma=sigma)
    return jpeg.compressed(grainy, _drawn(quality_key, len(image), SCAN_QUALITY)).astype(image.dtype)


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


def _drawn(key: Key[Array, ""], n: int, span: tuple[float, float]) -> Float[Array, " n"]:
    return jax.random.uniform(key, (n,), minval=span[0], maxval=span[1])


def _per_image(level: Level, image: Array) -> Array:
    level = jnp.asarray(level, jnp.float32)
    return level.reshape(level.shape + (1,) * (image.ndim - level.ndim)) if level.ndim else level


# What `--noise` names, as functions of one level.
NOISES: dict[str, Callable[..., Array]] = {
    "gaussian": lambda key, image, level: gaussian(key, image, sigma=level),
    "salt_and_pepper": lambda key, image, level: salt_and_pepper(key, image, amount=level),
    "poisson": lambda key, image, level: poisson(key, image, scale=level),
    "speckle": lambda key, image, level: speckle(key, image, sigma=level),
    "grain": lambda key, image, level: grain(key, image, sigma=level),
    "scan": lambda key, image, level: scan(key, image, sigma=level),
    "mixed": lambda key, image, level: mixed(key, image, sigma=level, amount=level),
}


def degrade(key: Key[Array, ""], image: Float[Array, "*n h w c"], *, noise: str, level: Level) -> Array:
    """The noise named `noise` (a key of NOISES) at one `level`, which every kind reads on the [0, 1] scale."""
    return NOISES[choose("noise", noise, NOISES)](key, image, level)
