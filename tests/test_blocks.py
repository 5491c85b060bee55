"""Blocks as the rounds of a loop give what they give in a row: values, gradients, statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zoo import draws
from zoo.models import layers
from zoo.models.resnet import ResidualBlock


def both(monkeypatch, work):
    """What `work` gives with blocks in a row, and in a loop."""
    found = []
    for loops in (False, True):
        monkeypatch.setattr(layers, "_loops", lambda loops=loops: loops)
        found.append(work())
    return found


def close(one, other):
    """To rounding: a loop's sums may be taken in another order."""
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * max(1, np.abs(b).max()))


@pytest.mark.parametrize("kind", ["none", "instance", "batch"])
def test_blocks_in_a_loop_are_blocks_in_a_row(kind, monkeypatch):
    x = draws.normal(jax.random.key(1), (2, 9, 8, 4))

    def work():
        rngs = nnx.Rngs(0)
        blocks = nnx.List([ResidualBlock(4, kind, pad="reflect", rngs=rngs) for _ in range(3)])
        graph, params, others = nnx.split(blocks, nnx.Param, ...)

        def value(params, x, others):
            blocks = nnx.merge(graph, params, jax.tree.map(lambda x: x, others))  # a copy, to write into
            y = layers.chain(blocks, x)
            return jnp.sum(jnp.sin(y)), (y, nnx.to_pure_dict(nnx.split(blocks, nnx.Param, ...)[2]))

        (_, (y, others)), gradients = jax.jit(jax.value_and_grad(value, (0, 1), has_aux=True))(params, x, others)
        return y, others, gradients

    row, loop = both(monkeypatch, work)
    close(row, loop)
    assert (len(jax.tree.leaves(row[1])) > 0) == (kind == "batch")  # the averages that the loop must bring back


def test_one_device_compiles_a_block_once():
    """Six blocks must not be six times the program."""

    def operations(count):
        blocks = nnx.List([ResidualBlock(4, "none", pad="zero", rngs=nnx.Rngs(0)) for _ in range(count)])
        graph, state = nnx.split(blocks)
        program = lambda state, x: layers.chain(nnx.merge(graph, state), x)
        return jax.jit(program).lower(state, jnp.zeros((1, 8, 8, 4))).as_text().count("convolution(")

    assert operations(6) == operations(2) > 0
