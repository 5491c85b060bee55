"""Clips that move: the truth about their motion is true, and they are a function of real time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from zoo.made import lettering, moving

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
    for pictures, motion, seen in zip(clips.pictures, clips.motion, clips.seen, strict=True):
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


def test_behind_is_what_the_uppermost_object_hides(clips):
    """It differs under objects alone, and of one that moves away the next picture shows what was behind it."""
    covered = np.abs(clips.behind - clips.pictures).max(-1) > 1e-3
    assert 0.02 < covered.mean() < 0.6
    assert clips.behind.min() >= 0
    assert clips.behind.max() <= 1
    shown = []
    for behind, pictures, motion in zip(clips.behind, clips.pictures, clips.motion, strict=True):
        stands = np.abs(motion[:, 0, 0]).max() == 0  # the ground, or what lies in the corner
        gone = (np.abs(behind[0] - pictures[0]).max(-1) > 0.1) & (np.abs(behind[1] - pictures[1]).max(-1) == 0)
        if stands and gone.any():
            shown.append(np.abs(pictures[1] - behind[0])[gone].mean())
    assert shown
    assert np.median(shown) < 0.01


def test_each_clip_is_its_numbers_own(stills, clips):
    """Whatever is made beside it, and whether its stills are all clips' or its own."""
    options = {"times": TIMES, "size": SIZE}
    later = moving.clips(jax.random.key(0), stills, count=2, first=5, **options)
    np.testing.assert_allclose(later.pictures, clips.pictures[5:7], atol=1e-6)
    own = moving.clips(jax.random.key(0), jnp.stack([stills, 1 - stills]), count=2, first=5, **options)
    np.testing.assert_allclose(own.pictures[0], clips.pictures[5], atol=1e-6)
    assert np.abs(own.pictures[1] - clips.pictures[6]).max() > 0.1


def test_a_picture_may_be_wider_than_high(stills):
    wide = moving.clips(jax.random.key(1), stills, count=2, times=TIMES, size=(32, 48))
    assert wide.pictures.shape == (2, 3, 32, 48, 3)
    assert wide.motion.shape == (2, 3, 32, 48, 2)


def test_text_stands_still_or_goes_its_way():
    grid = jnp.stack(jnp.meshgrid(jnp.arange(40.0), jnp.arange(60.0), indexing="ij"), -1)
    texts = [lettering.draw(jax.random.key(k), (40, 60), share=1.0) for k in range(24)]
    speeds = np.array([text.speed for text in texts])
    assert (speeds == 0).all(1).sum() > 6
    assert (speeds[:, 0] != 0).any()
    assert (speeds[:, 1] != 0).any()
    for text in texts:
        now = lettering.cover(grid, jnp.array(0.0), text)
        later = lettering.cover(grid + 2 * text.speed, jnp.array(2.0), text)
        np.testing.assert_allclose(now, later, atol=1e-3)
        assert 0 <= now.min() <= now.max() <= 1
    assert np.mean([lettering.cover(grid, jnp.array(0.0), text).max() > 0.5 for text in texts]) > 0.7
    none = lettering.draw(jax.random.key(0), (40, 60), share=0.0)
    assert not lettering.cover(grid, jnp.array(0.0), none).any()
