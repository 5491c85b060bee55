"""Noise of levels drawn for each clip: the noises of `zoo.noise`, with a share of the clips grey and a share white."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from zoo import color
from zoo.damage.pair import Pair
from zoo.noise import Level, degrade, gaussian


def noise(
    key: Key[Array, ""],
    clips: Float[Array, "n *t h w 3"],
    *,
    kind: str,
    levels: tuple[Level, Level],
    grey: float = 0.0,
    white: float = 0.0,
) -> Pair:
    """`kind`: a key of `zoo.noise.NOISES`. `levels`: the lowest and the highest; each clip has one, each frame noise of
    its own. `grey`: share of the clips turned grey, noise and all. `white`: share with white Gaussian noise instead."""
    n = clips.shape[0]
    level_key, noise_key, grey_key, grey_noise_key = jax.random.split(key, 4)
    is_white = jax.random.bernoulli(jax.random.fold_in(key, 4), white, _each(n, clips))
    low, high = levels
    level = jax.random.uniform(level_key, (n,), minval=low, maxval=high)

    def noisy(key: Key[Array, ""], clips: Array) -> Array:
        out = by_frame(key, clips, kind=kind, level=level)
        return jnp.where(is_white, gaussian(key, clips, sigma=level), out) if white else out

    seen, wanted = noisy(noise_key, clips), clips
    if grey:
        chosen, one = grey_share(grey_key, clips, grey), color.grey(clips)
        noisy_grey = noisy(grey_noise_key, one)
        seen, wanted = jnp.where(chosen, noisy_grey, seen), jnp.where(chosen, one, clips)
    return Pair(seen, wanted, {"level": level})


def grey_share(key: Key[Array, ""], clips: Float[Array, "n *t h w c"], share: float) -> Array:
    """Which clips of a batch to turn grey: bool [n 1 ...]."""
    return jax.random.bernoulli(key, share, _each(clips.shape[0], clips))


def by_frame(key: Key[Array, ""], clips: Array, *, kind: str, level: Level) -> Array:
    """Noise of its own in each frame. `level`: one, or one a clip. (Some noises take pictures alone, [n h w c].)"""
    if clips.ndim == 4:
        return degrade(key, clips, noise=kind, level=level)
    frames = clips.reshape(-1, *clips.shape[-3:])
    level = jnp.repeat(jnp.broadcast_to(level, clips.shape[:1]), math.prod(clips.shape[1:-3]))
    return degrade(key, frames, noise=kind, level=level).reshape(clips.shape)


def _each(n: int, clips: Array) -> tuple[int, ...]:
    return (n, *[1] * (clips.ndim - 1))
