"""Norms and bias: equal to Flax's own and to their formula, gradients of both orders included: a penalty on gradients
needs the second."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import draws
from zoo.models.norms import EPSILON, InstanceNorm, biased, norm, normalised, total

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(2, 9), st.integers(1, 5))


def picture(shape, seed=0):
    return 0.3 + 2 * draws.normal(jax.random.key(seed), shape)


def pair(channels):
    """(ours, Flax's) with the same random weights."""
    ours = norm("batch", channels)
    theirs = nnx.BatchNorm(channels, momentum=0.9, epsilon=EPSILON, use_fast_variance=False, rngs=nnx.Rngs(0))
    for module in (ours, theirs):
        module.scale[...] = 1 + picture((channels,), 1)
        module.bias[...] = picture((channels,), 2)
        module.train()
    return ours, theirs


@settings(deadline=None, max_examples=6)
@given(SHAPES)
def test_batch_norm_is_flaxs(shape):
    x, (ours, theirs) = picture(shape), pair(shape[3])
    np.testing.assert_allclose(ours(x), theirs(x), rtol=2e-4, atol=2e-5)
    for name in ("mean", "var"):
        np.testing.assert_allclose(getattr(ours, name)[...], getattr(theirs, name)[...], rtol=1e-4, atol=1e-6)
    for module in (ours, theirs):
        module.eval()
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


def plain(x, scale, bias, axes):
    """The formula, left to JAX to differentiate."""
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / jnp.sqrt(variance + EPSILON) * scale + bias


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2)])
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_are_those_of_the_formula(axes, order):
    x, weight = picture((2, 33, 7, 3)), picture((2, 33, 7, 3), 1)
    arguments = x, 1 + picture((3,), 2), picture((3,), 3)

    def gradients(f):
        value = lambda *arguments: jnp.sum(weight * jnp.sin(f(*arguments)))
        if order == 1:
            return jax.grad(value, (0, 1, 2))(*arguments)
        return jax.grad(lambda *a: jnp.sum(weight * jnp.square(jax.grad(value)(*a))), (0, 1, 2))(*arguments)

    ours = gradients(lambda *a: normalised(*a, axes)[0])
    for found, expected in zip(ours, gradients(lambda *a: plain(*a, axes)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * float(jnp.abs(expected).max()))


def test_instance_norm_makes_every_channel_of_every_picture_standard():
    y = np.asarray(InstanceNorm()(picture((3, 40, 11, 4))))
    np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((1, 2)), 1, atol=1e-4)


def test_a_flat_area_stays_flat():
    y = InstanceNorm()(jnp.full((1, 64, 64, 2), 0.7))
    assert float(jnp.abs(y).max()) < 1e-3


def test_the_gradient_of_a_bias_is_the_sum():
    y, weight = picture((2, 37, 6, 3)), picture((2, 37, 6, 3), 1)
    value = lambda bias: jnp.sum(weight * biased(y, nnx.Param(bias)))
    np.testing.assert_allclose(jax.grad(value)(jnp.zeros(3)), weight.sum((0, 1, 2)), rtol=1e-5, atol=1e-4)
    assert biased(y, None) is y


@settings(deadline=None, max_examples=6)
@given(SHAPES, st.sampled_from([(1, 2), (0, 1, 2)]))
def test_total_is_the_sum(shape, axes):
    x = picture(shape)
    np.testing.assert_allclose(total(x, axes), np.asarray(x, np.float64).sum(axes, keepdims=True), rtol=1e-5, atol=1e-4)
