"""Judges of pictures, and a history of what they were shown."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from zoo.models.cyclegan import NoiseCriticConfig, PatchConfig
from zoo.models.densenet import DenseDiscriminatorConfig
from zoo.models.gan import DiscriminatorConfig

DISCRIMINATORS = {
    "plain": DiscriminatorConfig,
    "densenet": DenseDiscriminatorConfig,
    "patch": PatchConfig,
    "noise": NoiseCriticConfig,
}
NOT_FILLED = -1.0  # in a history pool; no picture holds it


def from_pool(key: Key[Array, ""], pool: Array, fake: Array) -> tuple[Array, Array]:
    """(fakes to judge, pool): each fake is shown, or, half the time, goes into the pool in exchange for an earlier one
    (Shrivastava et al. 2017). pool: [p h w c], fake: [n h w c]."""
    slot_key, swap_key = jax.random.split(key)
    n = min(fake.shape[0], pool.shape[0])
    slots = jax.random.permutation(slot_key, pool.shape[0])[:n]
    old, new = pool[slots], fake[:n]
    filled = old[:, :1, :1, :1] != NOT_FILLED
    swap = filled & jax.random.bernoulli(swap_key, 0.5, filled.shape)
    pool = pool.at[slots].set(jnp.where(swap | ~filled, new, old))
    return jnp.concatenate([jnp.where(swap, old, new), fake[n:]]), pool
