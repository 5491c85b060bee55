"""What television leaves of pictures: what its coding changes and by how much, and that nothing moves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

from zoo.damage import codec
from zoo.damage.television import television
from zoo.made import leaves
from zoo.metrics import psnr
from zoo.resize import resized

N = 4


def coder(step: float, *, small: bool, alone: bool, smoothed: bool = False) -> codec.Coder:
    each = lambda value: jnp.full(N, float(value))
    return codec.Coder(each(step), each(small), each(alone), each(smoothed), jnp.arange(2 * N).reshape(N, 2))


@pytest.fixture(scope="module")
def plane():
    """Codes of luma [n h w]."""
    return 219 * leaves.pictures(random.key(4), count=N, size=64)[..., 1] + 16


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("alone", [False, True])
def test_coding_costs_what_its_step_says(plane, small, alone):
    before = plane + random.normal(random.key(1), plane.shape)
    found = [codec.coded(plane, before, coder(step, small=small, alone=alone)) for step in (1e-3, 4, 16)]
    np.testing.assert_allclose(found[0], plane, atol=0.02)
    errors = [float(jnp.sqrt(jnp.mean(jnp.square(x - plane)))) for x in found]
    for step, error in zip((4, 16), errors[1:], strict=True):
        coarsest = 1 + 0.17 * 14 if alone else 1.5  # of a frequency, in steps
        assert 0.1 * step < error < coarsest * step / 2


def test_blocks_lie_where_the_codec_lays_them(plane):
    """A picture coded by itself twice is the same; one whose blocks lie elsewhere is not."""
    how = coder(24, small=False, alone=True)
    once = codec.coded(plane, plane, how)
    np.testing.assert_allclose(codec.coded(once, plane, how), once, atol=1e-2)
    rises = jnp.abs(jnp.diff(once, axis=2)).mean((0, 1))
    within = np.arange(1, 64) % 8 != 0
    assert rises[~within].mean() > 1.2 * rises[within].mean()
    smoothed = codec.coded(plane, plane, coder(24, small=True, alone=True, smoothed=True))
    rough = codec.coded(plane, plane, coder(24, small=True, alone=True))
    fours = np.arange(1, 64) % 4 == 0
    assert jnp.abs(jnp.diff(smoothed, axis=2))[..., fours].mean() < jnp.abs(jnp.diff(rough, axis=2))[..., fours].mean()


def test_flat_planes_stay_flat():
    flat = jnp.full((N, 32, 32), 100.0)
    for small in (False, True):
        for alone in (False, True):
            found = codec.coded(flat, flat, coder(8, small=small, alone=alone, smoothed=small))
            assert float(jnp.ptp(found)) < 1e-3
            np.testing.assert_allclose(found, 100, atol=1)


def test_television_lies_on_the_picture_that_it_came_from():
    clips = leaves.pictures(random.key(5), count=8, size=128)
    pair = jax.jit(television)(random.key(6), clips)
    assert (pair.seen.shape, pair.wanted.shape) == ((8, 48, 48, 3), (8, 96, 96, 3))
    larger = resized(pair.seen, 96, 96).clip(0, 1)
    inner = lambda x, by=0: x[:, 8:-8, 8 + by : 88 + by]
    found = {by: float(psnr(inner(larger, by), inner(pair.wanted)).mean()) for by in (-1, 0, 1)}
    assert found[0] > max(found[-1], found[1]) + 1
    assert 18 < found[0] < 40
    # Four shapes of samples in turn: of 576 or 480 lines, 16:9 or 4:3. The last is of all 108 lines of 96.
    np.testing.assert_allclose(pair.wanted[-2:].mean((1, 2)), clips[3::4, 10:118, 16:112].mean((1, 2)), atol=0.01)
