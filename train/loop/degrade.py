"""The training pairs of a batch: integers to pictures, a share of them grey, and noise of random levels. On the
device."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt8

from train.loop.settings import Settings
from zoo import color
from zoo.noise import degrade, gaussian

RISE = 0.5  # share of the run over which --rising reaches the highest level


def pictures(batch: UInt8[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
    return batch.astype(jnp.float32) / 255


def grey_share(key: Key[Array, ""], n: int, share: float) -> Array:
    """Which pictures of a batch to turn grey: bool [n 1 1 1]."""
    return jax.random.bernoulli(key, share, (n, 1, 1, 1))


def pairs(
    key: Key[Array, ""], batch: UInt8[Array, "n h w 3"], *, settings: Settings, progress: Array
) -> tuple[Float[Array, "n h w 3"], Float[Array, "n h w 3"]]:
    """(clean, degraded). `progress`: the share of the run that is done."""
    clean, n = pictures(batch), batch.shape[0]
    level_key, noise_key, grey_key, grey_noise_key = jax.random.split(key, 4)
    white = jax.random.bernoulli(jax.random.fold_in(key, 4), settings.white, (n, 1, 1, 1))
    low, high = settings.levels
    if settings.rising:
        high = low + (high - low) * jnp.clip(progress / RISE, 0, 1)
    level = jax.random.uniform(level_key, (n,), minval=low, maxval=high)

    def noisy(key: Key[Array, ""], image: Array) -> Array:
        out = degrade(key, image, noise=settings.noise, level=level)
        return jnp.where(white, gaussian(key, image, sigma=level), out) if settings.white else out

    degraded = noisy(noise_key, clean)
    if settings.grey:
        grey, one = grey_share(grey_key, n, settings.grey), color.grey(clean)
        noisy_grey = noisy(grey_noise_key, one)
        clean, degraded = jnp.where(grey, one, clean), jnp.where(grey, noisy_grey, degraded)
    return clean, degraded
