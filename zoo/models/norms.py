"""Norms over pixels, and bias. Their sums over height and width are what a training step spends on them: in the order
that suits XLA on CPU, with gradients that need two of them.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo.errors import choose

EPSILON = 1e-5
Axes = tuple[int, ...]


class BatchNorm(nnx.Module):
    """Normalises each channel over batch, height and width (Ioffe and Szegedy 2015); outside training by the moving
    averages of that: [n h w c] -> [n h w c]."""

    MOMENTUM = 0.9

    def __init__(self, channels: int):
        self.scale, self.bias = nnx.Param(jnp.ones(channels)), nnx.Param(jnp.zeros(channels))
        self.mean, self.var = nnx.BatchStat(jnp.zeros(channels)), nnx.BatchStat(jnp.ones(channels))
        self.use_running_average = False  # what nnx.Module.train() and .eval() set

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        scale, bias = self.scale[...], self.bias[...]
        if self.use_running_average:
            y = (x - self.mean[...]) * (jax.lax.rsqrt(self.var[...] + EPSILON) * scale) + bias
            return y.astype(x.dtype)
        y, mean, variance = normalised(x, scale, bias, (0, 1, 2))
        for average, now in ((self.mean, mean), (self.var, variance)):
            average[...] = self.MOMENTUM * average[...] + (1 - self.MOMENTUM) * now.reshape(-1)
        return y


class InstanceNorm(nnx.Module):
    """Normalises each channel of each picture over its height and width; no weights (as CycleGAN's)."""

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        c = x.shape[3]
        return normalised(x, jnp.ones(c), jnp.zeros(c), (1, 2))[0]


class Identity(nnx.Module):
    """Stands where a norm is left out."""

    def __call__(self, x: Array) -> Array:
        return x


def norm(kind: str, channels: int) -> Callable[[Array], Array]:
    """`kind`: "batch", "instance" or "none"; FlagError for another."""
    choose("norm", kind, ("batch", "instance", "none"))
    if kind == "batch":
        return BatchNorm(channels)
    return InstanceNorm() if kind == "instance" else Identity()


def _normalised(x: Array, scale: Array, bias: Array, axes: Axes) -> tuple[Array, Array, Array]:
    """(y [n h w c], mean, variance): no gradient passes the last two, which are for moving averages."""
    return _forward(x, scale, bias, axes)[0]


def _forward(x: Array, scale: Array, bias: Array, axes: Axes):
    mean = _mean(x.astype(jnp.float32), axes)
    variance = _mean(jnp.square(x - mean), axes)  # two passes: exact on flat areas
    deviation = jax.lax.rsqrt(variance + EPSILON)
    y = (x - mean) * (deviation * scale) + bias
    return (y.astype(x.dtype), mean, variance), (x, scale, mean, deviation)


def _backward(axes: Axes, saved: tuple[Array, ...], gradients: tuple[Array, Array, Array]):
    x, scale, mean, deviation = saved
    dy = gradients[0].astype(jnp.float32)
    standard = (x - mean) * deviation
    dbias, dscale = total(dy, axes), total(dy * standard, axes)
    count = x.size // dbias.size
    dx = (dy - dbias / count - standard * (dscale / count)) * (deviation * scale)
    by_channel = lambda s: s.sum((0, 1, 2)).astype(scale.dtype)
    return dx.astype(x.dtype), by_channel(dscale), by_channel(dbias)


_differentiable = jax.custom_vjp(_normalised, nondiff_argnums=(3,))
_differentiable.defvjp(_forward, _backward)
normalised = jax.jit(_differentiable, static_argnums=3)  # so that layers of one shape are traced and lowered once


def biased(y: Float[Array, "n h w o"], bias: nnx.Param | None) -> Float[Array, "n h w o"]:
    return y if bias is None else _biased(y, bias[...].astype(y.dtype))


@jax.custom_vjp
def _biased(y: Array, bias: Array) -> Array:
    return y + bias


_biased.defvjp(lambda y, bias: (y + bias, None), lambda _, dy: (dy, total(dy, (0, 1, 2)).reshape(-1)))


def total(x: Float[Array, "n h w c"], axes: Axes) -> Float[Array, "m 1 1 c"]:
    """The sum over `axes`, which are kept. On CPU over rows first, in up to eight groups for its cores: XLA there sums
    many terms in windows, two to four times as slow and no more exact."""
    if jax.default_backend() != "cpu":
        return x.sum(axes, keepdims=True)
    groups = math.gcd(x.shape[1], 8)
    rows = x.reshape(x.shape[0], groups, -1, *x.shape[2:]).sum(2)
    return jax.lax.optimization_barrier(rows).sum(axes, keepdims=True)


def _mean(x: Array, axes: Axes) -> Array:
    sums = total(x, axes)
    return sums / (x.size // sums.size)
