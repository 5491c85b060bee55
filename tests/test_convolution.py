"""Every way to compute a convolution gives the sums of the plain one, forward and in its gradients."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zoo import draws
from zoo.models import convolution
from zoo.models.layers import chain
from zoo.models.resnet import ResidualBlock, ResNetConfig

pytestmark = pytest.mark.usefixtures("as_shipped")

# Heights that four divides and that it does not; batches for which the gradient of the kernel is Winograd's and XLA's.
SHAPES = [(2, 8, 5, 32, 33), (1, 9, 8, 40, 32), (8, 15, 13, 33, 35), (1, 18, 11, 128, 130), (9, 12, 6, 16, 20)]
SHAPES.append((8, 9, 5, 128, 128))  # many channels: Winograd's whatever the batch
SHAPES.append((8, 9, 5, 48, 16))  # XLA's with input and output exchanged


def case(key, n, h, w, i, o):
    keys = jax.random.split(key)
    return draws.normal(keys[0], (n, h, w, i)), draws.normal(keys[1], (3, 3, i, o)) / (9 * i) ** 0.5


def allclose(found, expected):
    """To 1e-5 of the largest value: four bits above float32's own rounding."""
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(jnp.abs(expected).max()))


@pytest.mark.parametrize("p", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_winograd_is_the_plain_convolution(shape, p, key):
    x, kernel = case(key, *shape)
    expected, plain = jax.vjp(lambda x, kernel: convolution.direct(x, kernel, ((p, p), (p, p))), x, kernel)
    found, fast = jax.vjp(lambda x, kernel: convolution.winograd(x, kernel, p), x, kernel)
    assert found.shape == expected.shape
    allclose(found, expected)
    dy = draws.normal(jax.random.fold_in(key, 1), expected.shape)
    for ours, theirs in zip(fast(dy), plain(dy), strict=True):
        allclose(ours, theirs)


@pytest.mark.parametrize("edges", [((0, 0), (0, 0)), ((1, 1), (1, 1)), ((0, 2), (1, 0))])
@pytest.mark.parametrize("channels", [(12, 3), (32, 16), (16, 32), (15, 8)])
def test_gradients_are_those_of_the_plain_convolution(channels, edges, key):
    """Whether input and output are exchanged for the kernel's or not; kernels that are no squares, and even ones."""
    for size in ((3, 3), (4, 2), (1, 3)):
        x = draws.normal(key, (2, 7, 9, channels[0]))
        kernel = draws.normal(jax.random.fold_in(key, 1), (*size, *channels))
        plain = lambda x, kernel: jax.lax.conv_general_dilated(x, kernel, (1, 1), edges, None, None, convolution.NHWC)
        expected, theirs = jax.vjp(plain, x, kernel)
        found, ours = jax.vjp(lambda x, kernel: convolution.direct(x, kernel, edges), x, kernel)
        allclose(found, expected)
        dy = draws.normal(jax.random.fold_in(key, 2), expected.shape)
        for a, b in zip(ours(dy), theirs(dy), strict=True):
            allclose(a, b)


def test_a_loop_of_blocks_has_its_convolutions_in_the_order_of_axes_that_is_fast(key):
    """XLA brings others into this order too, but not within a loop, where they take 25 times as long."""
    blocks = [ResidualBlock(32, "none", pad="zero", rngs=nnx.Rngs(k)) for k in range(2)]
    graph, params = nnx.split(blocks)
    loss = lambda params: chain(nnx.merge(graph, params), draws.normal(key, (8, 16, 16, 32))).sum()
    text = str(jax.make_jaxpr(jax.grad(loss))(params))
    orders = re.findall(r"dimension_numbers=ConvDimensionNumbers\((.*?\)), ", text.replace("\n", " "))
    assert "scan" in text
    assert len(orders) > 10
    assert set(orders) == {orders[0]}
    assert "lhs_spec=(0, 3, 1, 2), rhs_spec=(3, 2, 0, 1), out_spec=(0, 3, 1, 2" in text


@pytest.mark.parametrize("o", [32, 3])
def test_gradients_have_gradients(o, key):
    """As penalties on gradients need them."""
    x, kernel = case(key, 1, 8, 6, 32, o)

    def penalty(convolve):
        slope = jax.grad(lambda x: jnp.sum(jnp.tanh(convolve(x))))
        return jax.grad(lambda x: jnp.sum(jnp.square(slope(x))))(x)

    plain = lambda x: jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=convolution.NHWC)
    allclose(penalty(lambda x: convolution.same(x, kernel)), penalty(plain))


def test_winograd_keeps_flat_and_extreme_values(key):
    """Neither a constant nor a bright sample among dark ones loses more than rounding."""
    _, kernel = case(key, 1, 8, 8, 32, 32)
    for x in (jnp.ones((1, 16, 16, 32)), jnp.zeros((1, 16, 16, 32)).at[0, 7, 7].set(1e4)):
        expected = convolution.direct(x, kernel, ((1, 1), (1, 1)))
        allclose(convolution.winograd(x, kernel, 1), expected)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="accelerators have their own ways")
def test_networks_take_fewer_products(monkeypatch):
    """What is said to be fast is what runs: XLA counts the operations of a network's compiled program."""
    network = ResNetConfig(width=32, blocks=2).build(nnx.Rngs(0))

    def operations():
        program = jax.jit(lambda x: network(x)).lower(jnp.zeros((1, 64, 64, 3))).compile()
        return program.cost_analysis()["flops"]

    fast = operations()
    monkeypatch.setattr(convolution, "_suits_winograd", lambda x, kernel: False)
    assert fast < 0.75 * operations()


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="accelerators have their own ways")
def test_layers_of_one_shape_are_lowered_once():
    """Tracing and lowering are a third of what a first step waits for."""

    def convolutions(blocks):
        network = ResNetConfig(width=32, blocks=blocks).build(nnx.Rngs(0))
        loss = jax.grad(lambda x: jnp.sum(jnp.square(network(x))))
        return jax.jit(loss).lower(jnp.zeros((1, 64, 64, 3))).as_text().count("stablehlo.convolution")

    assert convolutions(2) == convolutions(5)
