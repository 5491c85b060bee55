"""Clips that move: the truth about their motion is true, and they are a function of real time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from zoo import moving

SIZE, TIMES = 64, jnp.arange(3.0)


@pytest.fixture(scope="module")
def stills():
    """Smooth textures: what is read between their samples is what lies there."""
    y, x = np.mgrid[:128, :128] / 128
    rng = np.random.default_rng(0)
    waves = rng.uniform(-9, 9, (5, 3, 3, 2))
    made = [[sum(np.sin(2 * np.pi * (a * y + b * x) + k) for a, b in w) for k, w in enumerate(one)] for one in waves]
    return jnp.asarray(0.5 + 0.15 * np.moveaxis(np.array(made), 1, -1), jnp.float32)


@pytest.fixture(scope="module")
def clips(stills):
    return jax.tree.map(np.asarray, moving.clips(jax.random.key(0), stills, count=12, times=TIMES, size=SIZE))


def test_what_is_seen_again_is_where_the_motion_says(clips):
    errors, still = [], []
    places = np.stack(np.mgrid[:SIZE, :SIZE], -1)
    for pictures, motion, seen in zip(*clips, strict=True):
        for t in range(len(TIMES) - 1):
            there = np.moveaxis(places + motion[t], -1, 0)
            again = np.stack(
                [map_coordinates(pictures[t + 1][..., c], there, order=1, mode="nearest") for c in range(3)], -1
            )
            inner = _inner(seen[t][..., 0] > 0)
            errors.append(np.abs(again - pictures[t])[inner].mean())
            still.append(np.abs(pictures[t + 1] - pictures[t])[inner].mean())
    assert np.mean(errors) < 0.006
    assert np.mean(still) > 5 * np.mean(errors)


def _inner(seen):
    """Away from edges, where two layers share a pixel."""
    for axis in (0, 1):
        for step in (-2, -1, 1, 2):
            seen = seen & np.roll(seen, step, axis)
    return seen


def test_they_are_a_function_of_real_time(stills, clips):
    fine = moving.clips(jax.random.key(0), stills, count=2, times=jnp.arange(0, 2.5, 0.5), size=SIZE)
    np.testing.assert_allclose(fine.pictures[:, ::2], clips.pictures[:2], atol=1e-5)
    own = moving.clips(jax.random.key(0), stills, count=2, times=TIMES, size=SIZE)
    assert np.array_equal(own.pictures, clips.pictures[:2]), "a longer row begins with a shorter"


def test_slow_fast_and_still_are_all_common(clips):
    far = np.linalg.norm(clips.motion[:, 0], axis=-1)
    of_clips = np.median(far, axis=(1, 2))
    assert (of_clips < 0.01).any()
    assert ((of_clips > 0.01) & (of_clips < 1)).any()
    assert (of_clips > 1).any()
    assert far.max() < 60
    still = clips.motion[:, 0][np.abs(clips.motion).max((1, 2, 3, 4)) == 0]
    hidden = 1 - clips.seen.mean((1, 2, 3, 4))
    assert hidden.max() > 0.02, "some things are hidden by others, or leave"
    assert len(still) == 0 or not still.any()


def test_pictures_are_pictures(clips):
    assert clips.pictures.shape == (12, 3, SIZE, SIZE, 3)
    assert clips.motion.shape == (12, 3, SIZE, SIZE, 2)
    assert clips.seen.shape == (12, 3, SIZE, SIZE, 1)
    assert clips.pictures.min() >= 0
    assert clips.pictures.max() <= 1
    assert np.isfinite(clips.motion).all()
    assert clips.pictures.std((2, 3)).min() > 0.01
