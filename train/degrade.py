"""The training pairs of a batch: integers to pictures, a share of them grey, and noise of random levels. On the
device."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt8

from train.settings import Settings
from zoo.noise import degrade

RISE = 0.5  # share of the run over which --rising reaches the highest level


def pictures(batch: UInt8[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
    return batch.astype(jnp.float32) / 255


def luma(x: Float[Array, "n h w 3"]) -> Float[Array, "n h w 1"]:
    """Rec. 601's."""
    return x @ jnp.array([[0.299], [0.587], [0.114]])


def grey_share(key: Key[Array, ""], n: int, share: float) -> Array:
    """Which pictures of a batch to turn grey: bool [n 1 1 1]."""
    return jax.random.bernoulli(key, share, (n, 1, 1, 1))


def pairs(
    key: Key[Array, ""], batch: UInt8[Array, "n h w 3"], *, settings: Settings, progress: Array
) -> tuple[Float[Array, "n h w 3"], Float[Array, "n h w 3"]]:
    """(clean, degraded). `progress`: the share of the run that is done."""
    clean, n = pictures(batch), batch.shape[0]
    level_key, noise_key, grey_key, grey_noise_key = jax.random.split(key, 4)
    low, high = settings.levels
    if settings.rising:
        high = low + (high - low) * jnp.clip(progress / RISE, 0, 1)
    level = jax.random.uniform(level_key, (n,), minval=low, maxval=high)
    degraded = degrade(noise_key, clean, noise=settings.noise, level=level)
    if settings.grey:
        grey, one = grey_share(grey_key, n, settings.grey), luma(clean)
        noisy = degrade(grey_noise_key, one, noise=settings.noise, level=level)
        clean, degraded = jnp.where(grey, one, clean), jnp.where(grey, noisy, degraded)
    return clean, degraded
