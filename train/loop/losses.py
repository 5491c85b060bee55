"""The losses. Scores are a discriminator's raw outputs of any shape; pictures are [n h w c] in [0, 1]."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.errors import choose

OBJECTIVES = ("least_squares", "minimax", "non_saturating")


def charbonnier(x: Float[Array, "n h w c"], y: Float[Array, "n h w c"]) -> Float[Array, ""]:
    """L1 rounded at zero (Charbonnier et al. 1994), eps 1e-3: sure of edges, smooth near the solution."""
    return jnp.mean(rounded(x - y))


def rounded(error: Array) -> Array:
    """Its size, rounded at zero."""
    return jnp.sqrt(jnp.square(error) + 1e-6)


def l1(x: Array, y: Array) -> Float[Array, ""]:
    return jnp.mean(jnp.abs(x - y))


def l2(x: Array, y: Array) -> Float[Array, ""]:
    return jnp.mean(jnp.square(x - y))


def negative_psnr(x: Float[Array, "n h w c"], y: Float[Array, "n h w c"]) -> Float[Array, ""]:
    """What is measured in the end: the mean of the pictures' -PSNR, dB (Chen et al. 2022, "Simple baselines for image
    restoration"). A dB counts the same at every level of noise, where squares would count the noisiest alone."""
    return _decibels(x, y, least=1e-8)


def negative_visible_psnr(x: Float[Array, "n h w c"], y: Float[Array, "n h w c"]) -> Float[Array, ""]:
    """The same, but what lies above 50 dB hardly counts: nobody sees it, and pictures that are easy could gain without
    end at the cost of the others."""
    return _decibels(x, y, least=1e-5)


def _decibels(x, y, *, least: float) -> Float[Array, ""]:
    return 10 * jnp.mean(jnp.log10(jnp.mean(jnp.square(x - y), (1, 2, 3)) + least))


PIXEL_LOSSES = {
    "charbonnier": charbonnier,
    "l1": l1,
    "l2": l2,
    "psnr": negative_psnr,
    "visible_psnr": negative_visible_psnr,
}


def discriminator_loss(objective: str, real: Array, fake: Array) -> Float[Array, ""]:
    """What the discriminator minimises: least squares (Mao et al. 2017) or the cross-entropy of Goodfellow et al.
    2014."""
    choose("objective", objective, OBJECTIVES)
    if objective == "least_squares":
        return (jnp.mean(jnp.square(real - 1)) + jnp.mean(jnp.square(fake))) / 2
    return jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake))


def generator_loss(objective: str, fake: Array) -> Float[Array, ""]:
    """What the generator minimises. "minimax" is log(1 - D), whose gradient vanishes while the discriminator wins;
    "non_saturating" is -log D, the same fixed point (Goodfellow et al. 2014, section 3)."""
    choose("objective", objective, OBJECTIVES)
    if objective == "least_squares":
        return jnp.mean(jnp.square(fake - 1))
    return -jnp.mean(jax.nn.softplus(fake)) if objective == "minimax" else jnp.mean(jax.nn.softplus(-fake))


def gradient_penalty(scores: Callable[[Array], Array], real: Float[Array, "n h w c"]) -> Float[Array, ""]:
    """R1 (Mescheder et al. 2018): the squared gradient of each picture's mean score with respect to its samples,
    summed."""
    gradient = jax.grad(lambda x: jnp.sum(jnp.mean(scores(x).reshape(x.shape[0], -1), 1)))(real)
    return jnp.mean(jnp.sum(jnp.square(gradient), (1, 2, 3))) / 2
