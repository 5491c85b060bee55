"""Random numbers of any shape: those of jax.random, drawn along one axis and then shaped. Over several axes XLA takes
ten times as long to compile the same draw for a CPU, and up to twice as long to make it.
"""

import math

import jax
from jaxtyping import Array, Float, Key


def normal(key: Key[Array, ""], shape: tuple[int, ...], dtype: jax.typing.DTypeLike = float) -> Float[Array, "..."]:
    """N(0, 1), bit for bit jax.random.normal's."""
    return jax.random.normal(key, (math.prod(shape),), dtype).reshape(shape)


def uniform(
    key: Key[Array, ""], shape: tuple[int, ...], dtype: jax.typing.DTypeLike = float, *, low=0.0, high=1.0
) -> Float[Array, "..."]:
    """From low up to high, without it, bit for bit jax.random.uniform's."""
    return jax.random.uniform(key, (math.prod(shape),), dtype, low, high).reshape(shape)
