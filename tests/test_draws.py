"""zoo.draws: jax.random's own numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo import draws

SHAPES = [(), (3, 3, 2, 7), (2, 1, 9, 1)]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_numbers_as_drawn_over_all_axes(shape, dtype, key):
    expected = jax.random.normal(key, shape, dtype), jax.random.uniform(key, shape, dtype, -1, 2)
    found = draws.normal(key, shape, dtype), draws.uniform(key, shape, dtype, low=-1.0, high=2.0)
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (shape, dtype)
        np.testing.assert_array_equal(a, b)
