"""Resampling against Pillow, and what it must never do: move a picture, tint a flat one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from zoo.errors import FlagError
from zoo.resize import KERNELS, Box, resized

SIZE = (24, 31)
PILLOW = {"lanczos3": Image.Resampling.LANCZOS, "cubic": Image.Resampling.BICUBIC, "linear": Image.Resampling.BILINEAR}
EVERY = pytest.mark.parametrize("kernel", KERNELS)
TARGETS = pytest.mark.parametrize("target", [(48, 62), (96, 124), (45, 83), (17, 9), (24, 31), (7, 80)])


def scene() -> np.ndarray:
    return np.random.default_rng(0).random((*SIZE, 3), np.float32)


@TARGETS
@pytest.mark.parametrize("kernel", PILLOW)
@pytest.mark.parametrize("part", [Box(0.0, 0.0, 24.0, 31.0), Box(0.25, 1.5, 20.0, 30.75)])
def test_it_is_what_pillow_makes_of_the_mirrored_picture(kernel, target, part):
    """Pillow cuts its kernels at the border; of a picture that goes on mirrored, its middle knows no border."""
    x, (h, w) = scene(), SIZE
    mirrored = np.pad(x, ((h, h), (w, w), (0, 0)), "symmetric")
    box = (w + part.left, h + part.top, w + part.right, h + part.bottom)
    planes = [
        Image.fromarray(np.ascontiguousarray(mirrored[..., c])).resize(target[::-1], PILLOW[kernel], box)
        for c in range(3)
    ]
    ours = resized(jnp.asarray(x), *target, kernel=kernel, box=part)
    np.testing.assert_allclose(ours, np.stack(planes, -1), atol=3e-6)


@EVERY
@TARGETS
def test_a_constant_stays_and_nothing_moves(kernel, target):
    flat = jnp.full((2, *SIZE, 3), 0.7)
    np.testing.assert_allclose(resized(flat, *target, kernel=kernel), 0.7, atol=1e-6)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    dot = np.exp(-((y - 12) ** 2 + (x - 16) ** 2) / 18)[..., None]
    there = np.asarray(resized(jnp.asarray(dot), *target, kernel=kernel))[..., 0]
    centre = [(np.indices(target)[k] * there).sum() / there.sum() for k in (0, 1)]
    at = [(c + 0.5) * new / old - 0.5 for c, new, old in zip((12, 16), target, SIZE, strict=True)]
    np.testing.assert_allclose(centre, at, atol=0.02)


@EVERY
def test_at_its_own_size_a_picture_is_itself(kernel):
    x = scene()
    np.testing.assert_array_equal(resized(jnp.asarray(x), *SIZE, kernel=kernel), x)


def test_it_compiles_and_differentiates():
    x = jnp.asarray(scene())
    one = jax.jit(lambda x: resized(x, 33, 50))
    np.testing.assert_allclose(one(x), resized(x, 33, 50), atol=1e-6)
    gradient = jax.grad(lambda x: one(x).sum())(x)
    assert gradient.shape == x.shape


def test_an_unknown_kernel_is_named():
    with pytest.raises(FlagError, match="nearest"):
        resized(jnp.zeros((4, 4, 3)), 8, 8, kernel="nearest")
