"""Procedural pictures: what they promise a training run, and that they resemble photographs in what matters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo import draws
from zoo.errors import FlagError
from zoo.made import leaves


@pytest.fixture(scope="module")
def pictures():
    return np.asarray(leaves.pictures(jax.random.key(7), count=32, size=64))


def test_pictures_are_float32_in_range(pictures):
    assert pictures.shape == (32, 64, 64, 3)
    assert pictures.dtype == np.float32
    assert np.isfinite(pictures).all()
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_a_picture_depends_on_the_key_and_its_number_alone(pictures):
    """A shorter batch begins a longer one, also inside a caller's jit; a size between powers of two is a crop."""
    make = jax.jit(lambda key: leaves.pictures(key, count=2, size=50))
    np.testing.assert_allclose(make(jax.random.key(7)), pictures[:2, :50, :50], atol=1e-5)
    assert np.abs(make(jax.random.key(8)) - pictures[:2, :50, :50]).mean() > 0.02


def test_pictures_differ_and_none_is_flat(pictures):
    thumbnails = pictures.reshape(32, 8, 8, 8, 8, 3).mean((2, 4)).reshape(32, -1)
    apart = np.abs(thumbnails[:, None] - thumbnails).mean(-1) + np.eye(32)
    assert apart.min() > 0.01
    assert (pictures.std((1, 2)).max(-1) > 0.01).all()


@pytest.mark.parametrize(("count", "size"), [(0, 64), (4, 15)])
def test_impossible_requests_are_refused(count, size):
    with pytest.raises(FlagError, match="ask for 1 or more"):
        leaves.pictures(jax.random.key(0), count=count, size=size)


def test_a_pixels_nine_cells_hold_every_leaf_that_covers_it():
    canvas = 64

    @jax.jit
    def both_ways(key):
        shapes, codes = leaves._shapes(key, canvas=canvas)
        edge = draws.normal(key, (canvas, canvas))
        y, x = jnp.mgrid[:canvas, :canvas].astype(jnp.float32)
        covers = jax.vmap(lambda shape: leaves._inside(shape, x, y, edge), in_axes=1)(shapes)
        return leaves._top(shapes, codes, edge=edge), jnp.where(covers, codes[:, None, None], 0).max(0)

    for seed in range(4):
        top, expected = both_ways(jax.random.key(seed))
        assert len(np.unique(expected)) > 5
        assert (top != expected).mean() < 2e-3  # rounding may move an outline past a pixel's centre


def test_luminance_spectrum_falls_as_in_photographs(pictures):
    """Photographs measure f^-2.7 in 64-pixel crops, so the texture and the edges must balance within .5 of that."""
    light = pictures.mean(-1)
    light = (light - light.mean((1, 2), keepdims=True)) * np.outer(np.hanning(64), np.hanning(64))
    power = (np.abs(np.fft.fft2(light)) ** 2).mean(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64)))
    band = (frequency > 2 / 64) & (frequency < 0.5)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert -3.2 < slope < -2.2


def test_contrast_and_colour_are_those_of_photographs(pictures):
    red, green, blue = np.moveaxis(pictures, -1, 0).reshape(3, -1)
    assert 0.3 < green.mean() < 0.55
    assert np.corrcoef(red, green)[0, 1] > 0.75  # 64-pixel crops of photographs: .90
    assert np.corrcoef(red, blue)[0, 1] > 0.5  # .70
    assert (pictures > 0.996).mean() < 0.06
    assert (pictures < 0.004).mean() < 0.06
    gradient = np.abs(np.diff(pictures.mean(-1), axis=2))
    assert np.quantile(gradient, 0.99) > 10 * np.median(gradient)  # 22: edges are few
