"""The noise of a film as a law of few numbers, measured or learned: how strong at each shade, how soft, how far alike
in the channels. It has no way to hide the picture in the noise."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from zoo import color, draws

SHADES = 8  # of luma, evenly from 0 to 1
REACH_PX = 6  # of what softens it
LEAST = 1e-4  # of a deviation


@dataclasses.dataclass(frozen=True)
class FilmNoiseConfig:
    level: float = 0.02  # where it begins, if nothing was measured: white, on the [0, 1] scale
    spread: float = 0.25  # each clip's level lies up to e^spread times above or below
    law: ClassVar[str] = "film"

    def build(self, rngs: nnx.Rngs) -> "FilmNoise":
        return FilmNoise(self, rngs=rngs)


class FilmNoise(nnx.Module):
    """(clean [n *t h w 3], key, _) -> noisy, not clipped: a level for each clip, noise anew in each frame."""

    def __init__(self, config: FilmNoiseConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.strength = nnx.Param(jnp.full(SHADES, jnp.log(config.level)))  # of the deviation, by shade
        self.mix = nnx.Param(jnp.eye(3))  # of independent fields into channels
        self.taps = nnx.Param(jnp.zeros(REACH_PX + 1).at[0].set(1.0))  # what softens, from its middle on

    def __call__(
        self, clean: Float[Array, "n *t h w 3"], key: Key[Array, ""], measured: Float[Array, " m"]
    ) -> Float[Array, "n *t h w 3"]:
        level_key, field_key = jax.random.split(key)
        level = draws.uniform(level_key, (clean.shape[0],), low=-self.config.spread, high=self.config.spread)
        shades = jnp.linspace(0, 1, SHADES)
        strength = jnp.exp(jnp.interp(color.grey(clean), shades, self.strength[...]))
        strength = strength * jnp.exp(level).reshape(-1, *[1] * (clean.ndim - 1))
        return clean + strength * (self.field(clean.shape, field_key) @ self.mix[...])

    def field(self, shape: tuple[int, ...], key: Key[Array, ""]) -> Float[Array, "n *t h w 3"]:
        """Three fields of deviation 1."""
        *more, height, width, channels = shape
        x = draws.normal(key, (*more, height + 2 * REACH_PX, width + 2 * REACH_PX, channels))
        taps = jnp.concatenate([self.taps[1:][::-1], self.taps[...]])
        taps = taps / jnp.sqrt(jnp.square(taps).sum() + 1e-12)
        for axis in (-3, -2):
            length = x.shape[axis] - 2 * REACH_PX
            parts = [jax.lax.slice_in_dim(x, k, k + length, axis=x.ndim + axis) for k in range(2 * REACH_PX + 1)]
            x = jnp.tensordot(taps, jnp.stack(parts), 1)
        return x


def measured(
    strength: Float[Array, " s"], covariance: Float[Array, "3 3"], softness_px: float
) -> dict[str, Float[Array, "..."]]:
    """The parameters of noise of this deviation at each shade, this covariance of the channels, whose trace is 3, and
    as soft as a Gaussian of `softness_px` makes white noise."""
    taps = jnp.exp(-((jnp.arange(REACH_PX + 1) / max(softness_px, 1e-3)) ** 2) / 2)
    mix = jnp.linalg.cholesky(covariance + 1e-6 * jnp.eye(3)).T
    return {"strength": jnp.log(jnp.maximum(strength, LEAST)), "mix": mix, "taps": taps}
