"""The metrics against scikit-image, an implementation from outside."""

import math

import dm_pix
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from zoo.errors import FlagError
from zoo.metrics import METRICS, mae, measure, psnr, ssim, summarise

FAST = {name: jax.jit(metric) for name, metric in METRICS.items()}


def oracle(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    a, b = a.astype(np.float64), b.astype(np.float64)
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return {
        "psnr": peak_signal_noise_ratio(a, b, data_range=1),
        "ssim": structural_similarity(a, b, data_range=1, channel_axis=-1, **window),
        "mae": np.abs(a - b).mean(),
    }


def noisy(image: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal(image.shape)
    return np.clip(image + sigma * noise, 0, 1).astype(np.float32)


def assert_agrees(a, b):
    ours, theirs = measure(a, b), oracle(a, b)
    assert ours["psnr"] == pytest.approx(theirs["psnr"], abs=1e-4)
    assert ours["ssim"] == pytest.approx(theirs["ssim"], abs=1e-5)
    assert ours["mae"] == pytest.approx(theirs["mae"], abs=1e-6)


@settings(max_examples=8)
@given(
    sigma=st.floats(1e-3, 1), seed=st.integers(0, 999), shape=st.sampled_from([(11, 11, 3), (37, 64, 3), (111, 37, 1)])
)
def test_agree_with_skimage_on_random_pictures(sigma, seed, shape):
    image = np.random.default_rng(seed).random(shape, np.float32)
    assert_agrees(image, noisy(image, sigma))


def test_agree_with_dm_pix_by_its_own_filter():
    """Ours is another filter handed to it, for speed, in strips."""
    image = np.random.default_rng(3).random((70, 40, 3), np.float32)
    other = noisy(image, 0.1)
    assert float(ssim(image, other)) == pytest.approx(float(dm_pix.ssim(image, other)), abs=1e-5)
    assert float(psnr(image, other)) == float(dm_pix.psnr(image, other))


@pytest.mark.parametrize("value", [0.02, 0.5, 0.98])
def test_agree_with_skimage_on_flat_pictures_where_variances_cancel(value):
    image = np.full((64, 64, 3), value, np.float32)
    assert_agrees(image, noisy(image, 0.002))


@pytest.mark.parametrize("sigma", [0.005, 0.05])
def test_agree_with_skimage_on_photographs(photos, sigma):
    for file in sorted((photos / "test").glob("*.png"))[:2]:
        image = np.asarray(Image.open(file).convert("RGB"), np.float32) / 255
        assert_agrees(image, noisy(image, sigma))


def test_measure_takes_one_picture():
    with pytest.raises(FlagError, match=r"one picture shaped \[h w c\], not \(2, 16, 16, 3\)"):
        measure(np.zeros((2, 16, 16, 3), np.float32), np.zeros((2, 16, 16, 3), np.float32))


def test_a_batch_gives_the_values_of_its_pictures():
    a = np.random.default_rng(0).random((3, 24, 32, 3), np.float32)
    b = noisy(a, 0.1)
    for metric in FAST.values():
        values = metric(a, b)
        assert values.shape == (3,)
        single = [metric(x, y) for x, y in zip(a, b, strict=True)]
        assert all(value.shape == () for value in single)
        np.testing.assert_allclose(values, jnp.stack(single), rtol=1e-6)


def test_identical_pictures():
    a = np.random.default_rng(0).random((16, 16, 3), np.float32)
    assert measure(a, a) == {"psnr": math.inf, "ssim": pytest.approx(1), "mae": 0}


def test_known_values():
    black, grey = np.zeros((12, 12, 3), np.float32), np.full((12, 12, 3), 0.1, np.float32)
    assert float(psnr(black, grey)) == pytest.approx(20, abs=1e-4)
    assert float(mae(black, grey)) == pytest.approx(0.1, abs=1e-6)


def test_all_are_symmetric_and_jit():
    a = np.random.default_rng(0).random((2, 16, 16, 3), np.float32)
    b = noisy(a, 0.1)
    for name, fast in FAST.items():
        np.testing.assert_allclose(fast(a, b), fast(b, a), rtol=1e-6)
        np.testing.assert_allclose(fast(a, b), METRICS[name](a, b), rtol=1e-5)


def test_any_float_type_is_measured_in_float32():
    a = jnp.asarray(np.random.default_rng(0).random((16, 16, 3)), jnp.bfloat16)
    b = a[::-1]
    for metric in FAST.values():
        assert metric(a, b).dtype == jnp.float32
        np.testing.assert_allclose(metric(a, b), metric(a.astype(jnp.float32), b.astype(jnp.float32)), rtol=1e-6)
    assert psnr(np.zeros((2, 2, 3)), np.ones((2, 2, 3))).dtype == jnp.float32  # NumPy's float64


@pytest.mark.parametrize("shape", [(10, 64, 3), (64, 10, 3), (1, 1, 3)])
def test_ssim_of_a_picture_smaller_than_its_window_is_nan(shape):
    a = np.zeros(shape, np.float32)
    assert math.isnan(ssim(a, a + 0.1))
    assert ssim(a[None], a[None]).shape == (1,)
    assert math.isfinite(psnr(a, a + 0.1))


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        (np.zeros((16, 16, 3), np.float32), np.zeros((16, 17, 3), np.float32), "16, 17"),
        (np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8), "uint8"),
        (np.zeros((16, 16, 3), np.float32), np.zeros((16, 16, 3), np.uint16), "uint16"),
        (np.zeros((16, 16), np.float32), np.zeros((16, 16), np.float32), r"\[h w c\]"),
        (np.zeros((1, 1, 16, 16, 3), np.float32), np.zeros((1, 1, 16, 16, 3), np.float32), r"\[n h w c\]"),
    ],
)
def test_what_cannot_be_compared_is_refused(a, b, says):
    for metric in (*METRICS.values(), measure):
        with pytest.raises(FlagError, match=says):
            metric(a, b)


def test_summarise():
    assert summarise([1.0, 2.0, 6.0]) == 3
    assert summarise([1.0, math.inf]) == math.inf
    assert summarise(x for x in (math.nan, 0.5)) == 0.5
    assert math.isnan(summarise([math.nan]))
    assert math.isnan(summarise([]))
