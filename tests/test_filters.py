"""The classical filters against scikit-image, SciPy and plain loops, and the choice of their options."""

import dataclasses
import inspect
import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from skimage import exposure, restoration
from skimage.filters import gaussian as skimage_gaussian

from eval import tune
from eval.comparison.datasets import Data
from eval.comparison.options import tuned
from eval.comparison.task import Rival
from eval.tasks.denoise import TASK, Noise
from zoo import filters
from zoo.errors import FlagError, InputError
from zoo.filters import FILTERS
from zoo.metrics import psnr
from zoo.noise import degrade

# Every filter, with small windows where they can be chosen: what is compiled here is compiled fast.
OPTIONS = {
    "gaussian": {"sigma_px": 0.8},
    "bilateral": {"sigma": 0.1, "sigma_px": 1.0},
    "median": {"radius_px": 1},
    "switching_median": {},
    "directional_fill": {},
    "nlm": {"sigma": 0.03, "h": 0.05, "radius_px": 2},
    "equalise": {},
    "sharpen": {"amount": 0.3},
}
ALL = pytest.mark.parametrize("name", FILTERS)


def scene(h=22, w=26, n=1) -> np.ndarray:
    """Smooth waves and an edge, in the middle of the range."""
    y, x = np.mgrid[:h, :w] / 10
    waves = [0.5 + 0.15 * np.sin(2 * x + c) * np.cos(3 * y - c) + 0.15 * (x + y > 2.2) for c in range(3 * n)]
    return np.float32(waves).reshape(n, 3, h, w).transpose(0, 2, 3, 1)


CLEAN = scene(n=2)
NOISY = np.array(degrade(jax.random.key(0), jnp.asarray(CLEAN), noise="gaussian", level=0.05))
HIT = np.array(degrade(jax.random.key(1), jnp.asarray(CLEAN), noise="salt_and_pepper", level=0.3))


def apply(name: str, image) -> np.ndarray:
    return np.asarray(FILTERS[name].function(jnp.asarray(image), **OPTIONS[name]))


def padded(image: np.ndarray, radius: int) -> np.ndarray:
    return np.pad(image, ((radius, radius), (radius, radius), (0, 0)), "symmetric")


@ALL
def test_contract(name):
    """[n h w c] is each [h w c] by itself; the range, shape and type stay; options are named and documented."""
    for batch in (NOISY, HIT):
        out = apply(name, batch)
        assert (out.shape, out.dtype) == (batch.shape, batch.dtype)
        assert 0 <= out.min() <= out.max() <= 1
        for picture, one in zip(out, batch, strict=True):
            np.testing.assert_allclose(picture, apply(name, one), atol=1e-6)
    _, *options = inspect.signature(FILTERS[name].function).parameters.values()
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
    assert all(f"`{option.name}`" in FILTERS[name].function.__doc__ for option in options)


@ALL
def test_one_grey_pixel(name):
    for value in (0.0, 0.3, 1.0):
        out = apply(name, np.full((1, 1, 1), value, np.float32))
        assert out.shape == (1, 1, 1)
        assert np.isfinite(out).all()
        if name != "equalise":
            np.testing.assert_allclose(out, value, atol=1e-6)


@ALL
def test_gradients_are_finite(name):
    traced = {key: value for key, value in OPTIONS[name].items() if key in ("sigma", "h", "amount")}
    fixed = {key: value for key, value in OPTIONS[name].items() if key not in traced}

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})  # it runs three times only
    @partial(jax.grad, argnums=(0, 1))
    def slope(image, traced):
        return jnp.square(FILTERS[name].function(image, **fixed, **traced) - CLEAN[0]).sum()

    for picture in (NOISY[0], HIT[0], np.full_like(CLEAN[0], 0.5)):
        by_image, by_option = slope(jnp.asarray(picture), traced)
        assert np.isfinite(by_image).all()
        assert np.any(by_image != 0)
        assert all(np.isfinite(value) for value in by_option.values())


@pytest.mark.parametrize("sigma_px", [0.3, 0.8, 2.5])
def test_gaussian_is_scikit_images(sigma_px):
    expected = skimage_gaussian(NOISY[0], sigma_px, mode="reflect", channel_axis=-1)
    np.testing.assert_allclose(filters.gaussian(NOISY[0], sigma_px=sigma_px), expected, atol=1e-6)


@pytest.mark.parametrize("radius_px", [1, 2])
def test_median_is_scipys(radius_px):
    side = 2 * radius_px + 1
    expected = ndimage.median_filter(HIT[0], size=(side, side, 1), mode="reflect")
    np.testing.assert_array_equal(filters.median(HIT[0], radius_px=radius_px), expected)


def mean_of_like(image: np.ndarray, radius: int, patch: int, weigh) -> np.ndarray:
    """By a loop over pixels; `weigh` takes the mean squared difference of two patches, and the offset between them."""
    z, side, expected = padded(image, radius + patch), 2 * patch + 1, np.zeros(image.shape)
    for y, x in np.ndindex(image.shape[:2]):
        at = lambda dy, dx, y=y, x=x: z[y + dy + radius :, x + dx + radius :][:side, :side]
        offsets = [(dy, dx) for dy in range(-radius, radius + 1) for dx in range(-radius, radius + 1)]
        weights = np.array([weigh(np.square(at(*offset) - at(0, 0)).mean(), *offset) for offset in offsets])
        expected[y, x] = weights @ np.array([at(*offset)[patch, patch] for offset in offsets]) / weights.sum()
    return expected


def test_bilateral_is_its_formula():
    alike = lambda d: np.exp(-3 * d / (2 * 0.1**2))
    near = lambda dy, dx: np.exp(-(dy**2 + dx**2) / 2)
    expected = mean_of_like(NOISY[0], 3, 0, lambda d, dy, dx: alike(d) * near(dy, dx))
    np.testing.assert_allclose(apply("bilateral", NOISY[0]), expected, atol=1e-5)
    # In scikit-image 0.26 the spatial weights are off their centre, so that only a flat window can be compared; its
    # distance of colours is divided by the number of channels.
    outside = restoration.denoise_bilateral(
        NOISY[0], win_size=7, sigma_color=0.1 / 3, sigma_spatial=1e6, mode="symmetric", channel_axis=-1
    )
    np.testing.assert_allclose(mean_of_like(NOISY[0], 3, 0, lambda d, dy, dx: alike(d)), outside, atol=1e-4)


def test_nlm_is_its_formula():
    weigh = lambda d, dy, dx: np.exp(-max(d - 2 * 0.03**2, 0) / 0.05**2)
    np.testing.assert_allclose(apply("nlm", NOISY[0]), mean_of_like(NOISY[0], 2, 1, weigh), atol=1e-5)


def test_nlm_is_as_good_as_scikit_images():
    """By PSNR, each at its best `h`: sample by sample they differ, for the patches of 0.26 are a pixel smaller."""
    best = {"ours": [], "theirs": []}
    for h in (0.03, 0.05, 0.08):
        best["ours"].append(psnr(CLEAN[0], filters.nlm(NOISY[0], sigma=0.05, h=h, radius_px=2)))
        theirs = restoration.denoise_nl_means(
            NOISY[0], patch_size=3, patch_distance=2, h=h, sigma=0.05, fast_mode=True, channel_axis=-1
        )
        best["theirs"].append(psnr(CLEAN[0], theirs))
    assert max(best["ours"]) > max(best["theirs"]) > psnr(CLEAN[0], NOISY[0]) + 2


def impulses(image: np.ndarray) -> np.ndarray:
    """By a loop over pixels."""
    hit = np.zeros(image.shape[:2], bool)
    for value in (0, 1):
        extreme = (image == value).all(-1)
        for y, x in zip(*extreme.nonzero(), strict=True):
            neighbours = extreme[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].sum() - 1
            hit[y, x] |= neighbours <= 12
    return hit


def test_impulses_are_those_that_noise_made():
    image = CLEAN.copy()
    image[0, 5:15, 4:12], image[1, :, 18:] = 0, 1  # naturally black, and burnt out
    dirty = np.asarray(degrade(jax.random.key(2), jnp.asarray(image), noise="salt_and_pepper", level=0.05))
    found = np.asarray(filters.find_impulses(jnp.asarray(dirty)))
    np.testing.assert_array_equal(found[..., 0], [impulses(picture) for picture in dirty])
    struck = (dirty != image).any(-1)
    assert found[..., 0][struck].all()
    assert not found[0, 7:13, 6:10][dirty[0, 7:13, 6:10, 0] == 0].any()
    assert not found[..., 0][(dirty != 0).any(-1) & (dirty != 1).any(-1)].any()


def test_switching_median_is_its_loop():
    expected = HIT[0].copy()
    hit = impulses(HIT[0])
    while hit.any():
        z, unknown = padded(expected, 1), padded(hit[..., None], 1)[..., 0]
        before, hit = hit, hit.copy()
        for y, x in zip(*before.nonzero(), strict=True):
            whole = z[y : y + 3, x : x + 3][~unknown[y : y + 3, x : x + 3]]
            if len(whole):
                expected[y, x], hit[y, x] = np.median(whole, axis=0), False
    np.testing.assert_allclose(apply("switching_median", HIT[0]), expected, atol=1e-6)


def test_switching_median_fills_where_no_neighbour_is_whole():
    image = CLEAN[0].copy()
    image[9:12, 9:12] = np.float32([[0, 1, 0], [1, 0, 1], [0, 1, 0]])[..., None]
    out = apply("switching_median", image)
    assert np.abs(out - CLEAN[0])[9:12, 9:12].max() < 0.2
    untouched = np.ones((22, 26), bool)
    untouched[9:12, 9:12] = False
    np.testing.assert_array_equal(out[untouched], image[untouched])


@pytest.mark.parametrize("name", ["switching_median", "directional_fill"])
def test_only_impulses_change(name):
    out = apply(name, HIT)
    kept = ~np.asarray(filters.find_impulses(jnp.asarray(HIT)))[..., 0]
    np.testing.assert_array_equal(out[kept], HIT[kept])
    assert psnr(CLEAN, out).min() > psnr(CLEAN, HIT).max() + 10


def test_directional_fill_is_exact_for_a_cubic():
    y, x = np.mgrid[:22, :26] / 25 - 0.5
    clean = np.float32([0.5 + x**3 + y**2 * x, 0.5 + y, 0.5 - 2 * x * x * y]).transpose(1, 2, 0)
    image = clean.copy()
    image[7, 7], image[3, 10] = 0, 1
    np.testing.assert_allclose(apply("directional_fill", image), clean, atol=2e-4)


@pytest.mark.parametrize("direction", [(0, 1), (1, 0), (1, 1), (1, -1)])
def test_directional_fill_follows_a_line(direction):
    """A line one pixel wide: what stands across it says nothing about it."""
    y, x = np.mgrid[:22, :26] - 10
    line = y * direction[1] == x * direction[0]
    clean = np.where(line, 0.8, 0.2)[..., None].repeat(3, -1).astype(np.float32)
    image = clean.copy()
    image[10, 10] = 0
    error = np.abs(apply("directional_fill", image) - clean).max()
    assert error < (0.1 if all(direction) else 0.01)  # a diagonal is trusted less
    assert np.abs(apply("switching_median", image) - clean).max() > 0.5


def test_equalise_is_scikit_images():
    expected = np.stack([exposure.equalize_hist(NOISY[0, ..., c]) for c in range(3)], -1)
    # A sample that rounding puts into the bin beside moves one bin's share by one sample.
    np.testing.assert_allclose(apply("equalise", NOISY[0]), expected, atol=2 / expected[..., 0].size)


def test_sharpen_subtracts_scipys_laplacian():
    laplacian = np.stack([ndimage.laplace(NOISY[0, ..., c], mode="reflect") for c in range(3)], -1)
    np.testing.assert_allclose(apply("sharpen", NOISY[0]), np.clip(NOISY[0] - 0.3 * laplacian, 0, 1), atol=1e-6)


@ALL
def test_a_row_of_the_table_is_whole(name):
    row = FILTERS[name]
    parameters = inspect.signature(row.function).parameters
    assert all(option in parameters for option in (row.option, row.level_option) if option)
    assert list(row.grid) == sorted(set(row.grid))
    assert (len(row.grid) > 1) == bool(row.option)
    if not row.noises:
        assert "no denoiser" in row.function.__doc__


@ALL
def test_options_are_chosen_for_every_noise_and_level(name):
    """In the repository: whoever changes the table chooses again."""
    rival = TASK.rivals[name]
    for trial in rival.trials:
        for condition in tune.conditions(TASK, trial):
            assert tuned(TASK, name, trial, condition.level) in rival.candidates(condition.level), condition


@pytest.mark.parametrize(("name", "noise"), [(name, noise) for name, row in FILTERS.items() for noise in row.noises])
def test_a_filter_removes_the_noise_it_is_meant_for(name, noise):
    degraded = jnp.asarray(Noise(noise, 0.1).degrade(CLEAN[0], seed=0, index=0))
    restored = FILTERS[name].function(degraded, **tuned(TASK, name, noise, 0.1))
    gain = psnr(CLEAN[0], restored) - psnr(CLEAN[0], degraded)
    assert gain > (1 if noise == "grain" else 2)


class Shift:
    """A filter that adds what it is told: 0.1 is right."""

    def __call__(self, image, *, by, level=0.0):
        return image * 0 + by + level


GREY = Data(["a", "b"], [lambda: np.full((12, 12, 3), 0.5, np.float32)] * 2)


def test_tune_takes_the_best_value_of_each_noise_and_level():
    rows = {
        "plain": Rival(Shift(), ("gaussian", "salt_and_pepper"), "by", (0.2, 0.5, 0.7)),
        "told": Rival(Shift(), ("gaussian",), "by", (0.2, 0.3, 0.5), "level"),
        "never": Rival(Shift()),
    }
    result = tune.tune(dataclasses.replace(TASK, rivals=rows), GREY)
    assert list(result["filters"]) == ["plain", "told"]
    assert set(result["filters"]["plain"]) == set(result["untouched"]) == {"gaussian", "salt_and_pepper"}
    assert all(found["options"] == {"by": 0.5} for found in result["filters"]["plain"]["gaussian"].values())
    assert list(result["filters"]["told"]["gaussian"]) == ["0.01", "0.02", "0.03", "0.04", "0.05", "0.1"]
    assert result["filters"]["told"]["gaussian"]["0.1"]["options"] == {"level": 0.1, "by": 0.3}
    assert result["untouched"]["gaussian"]["0.1"] == pytest.approx(20, abs=0.5)
    assert result["data"]["items"] == 2


def test_command_and_tuned(picture_folder, tmp_path, monkeypatch, capsys):
    blur = Rival(filters.gaussian, ("gaussian", "salt_and_pepper"), "sigma_px", (0.3, 0.6))
    task = dataclasses.replace(TASK, rivals={"gaussian": blur, "sharpen": TASK.rivals["sharpen"]})
    monkeypatch.setitem(tune.TASKS, "denoise", task)
    path = tmp_path / "filters.json"
    found = partial(tuned, task, results=path)
    with pytest.raises(InputError, match=r"python -m eval\.tune"):
        found("gaussian", "gaussian", 0.1)
    assert tune.main([f"--data={picture_folder}", "--limit=1", f"--json={path}"]) == 0
    printed = capsys.readouterr().out
    assert "gaussian, gaussian | 0.01: " in printed
    assert "gaussian, untouched | 0.01: 39.9" in printed
    written = json.loads(path.read_text())
    assert (written["data"]["items"], len(written["data"]["sha256"])) == (1, 64)
    chosen = written["filters"]["gaussian"]["gaussian"]
    for level, nearest in ((0.0, "0.01"), (0.042, "0.04"), (0.08, "0.1"), (0.5, "0.1")):
        assert found("gaussian", "gaussian", level) == chosen[nearest]["options"]
    assert found("sharpen", "gaussian", 0.1) == {}
    with pytest.raises(FlagError, match="choose one of: gaussian, salt_and_pepper"):
        found("gaussian", "poisson", 0.1)
    with pytest.raises(FlagError, match="unknown filter"):
        found("magic", "gaussian", 0.1)
    assert tune.main([f"--data={picture_folder}", "--limit=0"]) == 2
