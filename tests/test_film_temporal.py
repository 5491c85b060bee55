"""A film is steadier: what flickers is measured, shots are found, and neighbouring frames are fused without a trace."""

import jax
import numpy as np
import pytest

from zoo import color
from zoo.color import Layout
from zoo.film.flicker import flicker


def waves(height=96, width=128, shift=0.0):
    """A smooth picture in [0.2, 0.8], moved to the right by `shift` pixels."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return 0.5 + 0.15 * np.sin((x - shift) / 7) + 0.15 * np.cos(y / 5 + (x - shift) / 23)


# ---- the flicker index


def test_flicker_is_the_mean_change_in_codes():
    still = np.float32(waves())
    assert flicker(still, still) == 0
    assert np.isclose(flicker(still, still + 3 / 255), 3, atol=1e-3), "the brightness pumps by three codes"


def test_flicker_of_grain_is_its_mean_difference():
    rng = np.random.default_rng(0)
    still = waves(288, 352)
    for sigma in (1.0, 4.0):
        one, other = (np.float32(still + rng.normal(0, sigma / 255, still.shape)) for _ in range(2))
        assert np.isclose(flicker(one, other), sigma * 2 / np.sqrt(np.pi), rtol=0.03), (
            "of normal deviates: 2 / sqrt(pi)"
        )


def test_what_moves_in_less_than_half_of_the_picture_does_not_flicker():
    one, other = np.full((2, 96, 128), 0.5, np.float32)
    other = other.copy()
    other[:, :48] = 0.9
    assert flicker(one, other) == 0


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (33, 17)])
def test_flicker_of_any_size_and_of_many_pairs(size):
    pairs = np.random.default_rng(1).random((2, 3, *size), np.float32)
    many = flicker(*pairs)
    assert many.shape == (3,)
    assert np.allclose(many, [flicker(*pair) for pair in pairs.swapaxes(0, 1)], rtol=1e-6)


@pytest.mark.parametrize("layout", [Layout("yuv", 10, (2, 2)), Layout("rgb", 16, full=True), Layout("grey", 8)])
def test_luma_is_that_of_the_rgb(layout):
    rng = np.random.default_rng(2)
    planes = tuple(rng.integers(0, layout.top, (1, *s)).astype(layout.dtype) for s in layout.shapes(6, 8))
    kr, kb = color.MATRICES["bt709"]
    rgb = np.asarray(color.to_rgb(jax.tree.map(jax.numpy.asarray, planes), layout=layout))
    assert np.allclose(color.luma(planes, layout=layout), rgb @ [kr, 1 - kr - kb, kb], atol=1e-5)
