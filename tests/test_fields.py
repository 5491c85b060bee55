"""Fields in normal position, and what the missing lines may be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zoo import fields
from zoo.models.deinterlace import DeinterlacerConfig

RNG = np.random.default_rng(0)


def smooth(height: int, width: int, *, down: float = 0.0, right: float = 0.0) -> np.ndarray:
    """Waves that have gone so many pixels down and to the right."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    y, x = y - down, x - right
    waves = [np.sin(0.31 * x + 0.11 * y), np.cos(0.17 * x - 0.23 * y), np.sin(0.05 * x + 0.27 * y)]
    return (0.5 + 0.15 * sum(waves)).astype(np.float32)


def clip(*, down: float = 0.0, right: float = 0.0) -> np.ndarray:
    """Five frames; so many pixels from one to the next."""
    return np.stack([smooth(64, 96, down=down * t, right=right * t) for t in range(-2, 3)])


@pytest.mark.parametrize("parity", [0, 1])
def test_fields_and_missing_lines_are_the_frames(parity):
    frames = RNG.random((5, 8, 6), np.float32)
    found, missing = fields.normal(jnp.asarray(frames), parity)
    for t in range(5):
        lines = frames[t, (parity + t) % 2 :: 2]
        np.testing.assert_array_equal(found[t], lines[::-1] if parity else lines)
    lines = frames[2, 1 - parity :: 2]
    np.testing.assert_array_equal(missing, lines[::-1] if parity else lines)


def test_what_stands_still_comes_from_the_fields_around():
    frames = np.broadcast_to(RNG.random((32, 48), np.float32), (5, 32, 48))
    found, missing = fields.normal(jnp.asarray(frames), 0)
    made = jax.jit(fields.estimates)(found)
    for k in (1, 2, 3, 4):  # before, after, both along the motion
        np.testing.assert_allclose(made.of[..., k], missing, atol=1e-6)
    np.testing.assert_allclose(made.known[..., :4], 0, atol=1e-6)


@pytest.mark.parametrize(("down", "right"), [(0, 3), (2, 0), (0, -7), (0, 2.5), (0, -1.25), (0, 11), (2, 1)])
def test_motion_is_found_and_undone(down, right):
    found, missing = fields.normal(jnp.asarray(clip(down=down, right=right)), 0)
    inner = np.s_[8:-8, 28:-28]
    moved = jax.jit(lambda x: fields.compensated(x, fields.motion(x)))(found)
    still = np.abs(found[1] - missing)[inner].mean()
    for x in (moved.before, moved.after, moved.first_between, moved.last_between):
        error = np.abs(x - missing)[inner].mean()
        assert error < 0.01, (error, still)
        assert error < still / 4
    for x in (moved.first, moved.last, moved.before_between, moved.after_between):
        assert np.abs(x - found[2])[inner].mean() < 0.01


def test_uneven_motion_is_followed():
    at = [0, 0, 2, 6, 12]  # 2, 4, 6 pixels a field: the fields before and after do not lie symmetrically
    frames = np.stack([smooth(64, 96, right=x) for x in at])
    found, missing = fields.normal(jnp.asarray(frames), 0)
    moved = jax.jit(lambda x: fields.compensated(x, fields.motion(x)))(found)
    for x in (moved.before, moved.after):
        assert np.abs(x - missing)[8:-8, 28:-28].mean() < 0.01


def test_a_pixel_reaches_no_further_than_the_halo():
    reach = fields.HALO_PX
    x = RNG.random((5, 16, 2 * reach + 24), np.float32)
    y = x.copy()
    y[:, :, 0] = 1 - y[:, :, 0]
    of = jax.jit(lambda x: fields.estimates(x).of)
    changed = np.abs(np.asarray(of(x)) - np.asarray(of(y))).max((0, 2))
    assert changed[:8].max() > 0
    assert changed[reach + 1 :].max() == 0


def test_network_starts_near_its_best_estimate():
    config = DeinterlacerConfig(width=8, layers=3)
    network = config.build(nnx.Rngs(0))
    x = jnp.asarray(RNG.random((1, 16, 32, 5), np.float32))
    best = fields.estimates(jnp.moveaxis(x, -1, -3)).of[..., fields.ADAPTIVE]
    made = network(x)
    assert made.shape == (1, 16, 32, 1)
    assert np.abs(made[..., 0] - best).mean() < 0.15
