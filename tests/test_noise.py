"""The degradations: range, moments, seeds, levels per image, whole pixels."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zoo import draws, jpeg, noise
from zoo.noise import NOISES
from zoo.noise import degrade as eager

degrade = jax.jit(eager, static_argnames="noise")  # the level is traced: one compilation a kind and shape
KEY = jax.random.key(0)
GREY = jnp.full((2, 64, 64, 3), 0.5)
ALL = pytest.mark.parametrize("kind", NOISES)


@ALL
@settings(max_examples=15)
@given(level=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_stays_in_range_with_shape_and_dtype(kind, level, seed):
    image = draws.uniform(jax.random.key(1), (8, 8, 3))
    out = degrade(jax.random.key(seed), image, noise=kind, level=level)
    assert (out.shape, out.dtype) == (image.shape, image.dtype)
    assert 0 <= float(out.min()) <= float(out.max()) <= 1


@ALL
def test_black_and_white_stay_in_range(kind):
    for value in (0.0, 1.0):
        out = degrade(KEY, jnp.full((8, 8, 3), value), noise=kind, level=0.5)
        assert 0 <= float(out.min()) <= float(out.max()) <= 1  # not so for nan


@ALL
def test_one_key_one_noise(kind):
    first, again, other = (degrade(k, GREY, noise=kind, level=0.1) for k in (KEY, KEY, jax.random.key(1)))
    assert bool((first == again).all())
    assert bool((first != other).any())


@ALL
def test_images_of_a_batch_and_channels_differ(kind):
    out = degrade(KEY, GREY, noise=kind, level=0.1)
    assert bool((out[0] != out[1]).any())
    if kind != "salt_and_pepper":
        assert bool((out[..., 0] != out[..., 1]).any())


@pytest.mark.parametrize("kind", [k for k in NOISES if k != "poisson"])
def test_a_level_per_image_equals_that_level_for_all(kind):
    levels = jnp.array([0.02, 0.2])
    out = degrade(KEY, GREY, noise=kind, level=levels)
    for i, level in enumerate(levels):
        np.testing.assert_allclose(out[i], degrade(KEY, GREY, noise=kind, level=level)[i], atol=1e-6)


def test_poisson_has_a_level_per_image():
    """Only in law: jax's sampler redraws a sample until the last of the batch is accepted."""
    out = np.asarray(degrade(KEY, GREY, noise="poisson", level=jnp.array([0.02, 0.1])), np.float64)
    np.testing.assert_allclose((out - 0.5).std(axis=(1, 2, 3)), np.array([0.02, 0.1]) * 0.5**0.5, rtol=0.03)


@ALL
def test_jit_agrees_with_eager(kind):
    image = GREY[0, :8, :8]
    np.testing.assert_allclose(
        degrade(KEY, image, noise=kind, level=0.05), eager(KEY, image, noise=kind, level=0.05), atol=1e-6
    )


@ALL
def test_a_higher_level_errs_more(kind):
    errors = [float(jnp.square(degrade(KEY, GREY, noise=kind, level=x) - GREY).mean()) for x in (0.01, 0.03, 0.1)]
    assert errors == sorted(errors)
    assert errors[0] > 0


@pytest.mark.parametrize("kind", [k for k in NOISES if k not in ("poisson", "scan")])  # a scan has 8 bits, at any level
def test_level_zero_changes_nothing(kind):
    image = draws.uniform(KEY, (8, 8, 3))
    assert bool((degrade(KEY, image, noise=kind, level=0.0) == image).all())


def test_poisson_at_level_zero_is_all_but_nothing():
    image = draws.uniform(KEY, (8, 8, 3))
    np.testing.assert_allclose(degrade(KEY, image, noise="poisson", level=0.0), image, atol=6e-4)


@pytest.mark.parametrize("value", [0.25, 0.5])
@pytest.mark.parametrize(
    ("kind", "deviation"),
    [
        ("gaussian", lambda level, value: level),
        ("speckle", lambda level, value: level * value),
        ("poisson", lambda level, value: level * value**0.5),
    ],
)
def test_moments(kind, deviation, value):
    level = 0.05
    image = jnp.full_like(GREY, value)
    error = np.asarray(degrade(KEY, image, noise=kind, level=level) - image, np.float64)
    expected = deviation(level, value)
    assert abs(error.mean()) < 5 * expected / error.size**0.5
    assert error.std() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("amount", [0.01, 0.05, 0.3])
def test_salt_and_pepper_replaces_whole_pixels_half_and_half(amount):
    image = draws.uniform(KEY, (256, 256, 3), low=0.1, high=0.9)
    out = np.asarray(noise.salt_and_pepper(KEY, image, amount=amount))
    salt, pepper = (out == 1).all(axis=-1), (out == 0).all(axis=-1)
    untouched = (out == np.asarray(image)).all(axis=-1)
    assert (salt | pepper | untouched).all()
    slack = 5 * (amount / 2 / salt.size) ** 0.5
    assert salt.mean() == pytest.approx(amount / 2, abs=slack)
    assert pepper.mean() == pytest.approx(amount / 2, abs=slack)


def test_amount_one_leaves_no_pixel():
    out = noise.salt_and_pepper(KEY, GREY, amount=1.0)
    assert bool(((out == 0) | (out == 1)).all())


def test_mixed_is_gaussian_where_no_dust_fell():
    out = np.asarray(noise.mixed(KEY, GREY, sigma=0.03, amount=0.1), np.float64)
    dust = ((out == 0) | (out == 1)).all(axis=-1)
    assert dust.mean() == pytest.approx(0.1, abs=0.01)
    assert (out[~dust] - 0.5).std() == pytest.approx(0.03, rel=0.02)


def test_one_sample():
    for kind in NOISES:
        assert degrade(KEY, jnp.full((1, 1, 1), 0.5), noise=kind, level=0.1).shape == (1, 1, 1)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
@pytest.mark.parametrize("kind", NOISES)
def test_narrow_pictures_get_the_noise_of_wide_ones(kind, dtype):
    """To the rounding of the result; drawn in few bits, 0.3 % of hits were 0.8 %, and photons none or too many."""
    image = jnp.full((64, 64, 3), 0.5)
    wide, narrow = (degrade(KEY, x, noise=kind, level=0.003) for x in (image, image.astype(dtype)))
    assert narrow.dtype == dtype
    np.testing.assert_allclose(np.asarray(narrow, np.float32), wide, atol=2.0**-8)


@pytest.mark.parametrize("sigma", [0.01, 0.03, 0.05])
def test_the_level_of_noise_is_found_in_the_picture(sigma):
    """Within a tenth on what hides it least: ramps, a hard edge, black and white areas that clip."""
    y, x = np.mgrid[:96, :128] / 128
    scene = np.where(x + y < 0.8, 0.3 + 0.5 * x, 0.2 + 0.4 * y)
    scene[:, 100:] = np.where(np.arange(96) < 48, 0.0, 1.0)[:, None]
    clean = jnp.asarray(np.stack([scene] * 3, -1)[None], jnp.float32)
    found = noise.estimate_sigma(noise.gaussian(KEY, clean, sigma=sigma))
    assert found[0] == pytest.approx(sigma, rel=0.1)


def test_the_estimate_looks_at_each_picture_alone_and_survives_white_and_small_ones():
    pictures = draws.uniform(KEY, (3, 16, 20, 3))
    one = noise.estimate_sigma(pictures[1:2])
    np.testing.assert_allclose(noise.estimate_sigma(pictures)[1:2], one, rtol=1e-5)
    assert float(noise.estimate_sigma(jnp.ones((1, 13, 13, 1)))[0]) == 0


@pytest.mark.parametrize(("correlation", "monochrome"), [(0.0, 0.85), (0.8, 0.5), (1.5, 1.0)])
def test_grain_has_the_deviation_the_correlation_and_the_share_that_it_is_told(correlation, monochrome):
    grey = jnp.full((4, 128, 128, 3), 0.5)
    out = noise.grain(KEY, grey, sigma=0.05, correlation=correlation, monochrome=monochrome) - grey
    field = np.asarray(out, np.float64)
    np.testing.assert_allclose(field.std(), 0.05, rtol=0.03)
    along = [np.corrcoef(field[:, :, 1:].ravel(), field[:, :, :-1].ravel())[0, 1]]
    along += [np.corrcoef(field[:, 1:].ravel(), field[:, :-1].ravel())[0, 1]]
    taps = np.exp(-((np.arange(-6, 7) / max(correlation, 1e-3)) ** 2) / 2)
    expected = (taps[1:] * taps[:-1]).sum() / (taps**2).sum()
    np.testing.assert_allclose(along, expected, atol=0.03)
    np.testing.assert_allclose(np.corrcoef(field[..., 0].ravel(), field[..., 1].ravel())[0, 1], monochrome, atol=0.03)


def test_grain_is_strongest_in_the_mid_greys_and_weakest_in_black_and_white():
    deviation = lambda value: float((noise.grain(KEY, jnp.full((64, 64, 3), value), sigma=0.01) - value).std())
    dark, middle, light = map(deviation, (0.1, 0.5, 0.9))
    np.testing.assert_allclose([dark / middle, light / middle], 0.35 + 0.65 * 4 * 0.09, rtol=0.01)


def test_grain_is_drawn_anew_for_each_picture():
    """One key gives pictures of a batch grain of different softness."""
    field = np.asarray(noise.grain(KEY, jnp.full((8, 64, 64, 1), 0.5), sigma=0.05) - 0.5)[..., 0]
    softness = [np.corrcoef(one[:, 1:].ravel(), one[:, :-1].ravel())[0, 1] for one in field]
    assert np.ptp(softness) > 0.3


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [40, 75, 95])
def test_jpeg_is_what_the_library_makes_of_it(channels, quality):
    y, x = np.mgrid[:61, :83] / 20
    waves = [np.sin(x * (k + 1) + y * y) + np.cos(3 * y - k) + 0.2 * np.sin(9 * x * y) for k in range(channels)]
    codes = np.uint8(np.rint(np.clip(np.stack(waves, -1) * 50 + 128, 0, 255)))
    file = io.BytesIO()
    Image.fromarray(codes.squeeze()).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    wanted = np.asarray(Image.open(file), np.float64).reshape(codes.shape)
    made = 255 * np.asarray(jpeg.compressed(jnp.asarray(codes[None] / 255.0, jnp.float32), jnp.array([quality * 1.0])))
    assert np.abs(made[0] - wanted).mean() < 1
    np.testing.assert_allclose(made, np.rint(made), atol=1e-4)
