"""Grain, measured: on pictures with grain that is known, in films, and what is chosen by it."""

import json
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from tests.clips import write
from zoo import cli, grain, noise, presets
from zoo.grain import Grain
from zoo.made import leaves


@pytest.fixture(scope="module")
def pictures():
    return leaves.pictures(jax.random.key(5), count=6, size=256)


def shots(degrade, pictures, frames=2) -> np.ndarray:
    """[shot frame h w 3]: frames of one picture each differ in their grain alone."""
    return np.stack([np.asarray(degrade(jax.random.key(k), pictures)) for k in range(frames)], axis=1)


@pytest.mark.parametrize(
    ("level", "px", "share"),
    [(0.02, 0.8, 0.5), (0.02, 1.4, 0.85), (0.05, 0.8, 1.0), (0.05, 1.4, 0.85), (0.05, 2.0, 0.85)],
)
def test_grain_that_is_known_is_found_upon_leaves(pictures, level, px, share):
    grainy = partial(noise.grain, sigma=level, correlation=px, monochrome=share)
    found = grain.estimate(shots(grainy, pictures))
    assert found.level == pytest.approx(level, rel=0.15)
    assert found.correlation_px == pytest.approx(px, abs=0.3)
    assert found.monochrome == pytest.approx(share, abs=0.15)
    alone = grain.estimate(shots(grainy, pictures, frames=1))  # a still chooses its own places
    assert alone.level == pytest.approx(level, rel=0.25)
    assert alone.correlation_px == pytest.approx(px, abs=0.6)


def test_white_noise_is_sharp_and_of_all_colours(pictures):
    found = grain.estimate(shots(partial(noise.gaussian, sigma=0.03), pictures))
    assert found.level == pytest.approx(0.03, rel=0.15)
    assert found.correlation_px < 0.5
    assert found.monochrome < 0.15


def test_grain_lies_where_it_is_not_cut_off():
    """Black bars and burnt-out skies say nothing; pictures without another place have no grain."""
    grey = jnp.full((1, 96, 160, 3), 0.5)
    noisy = partial(noise.grain, sigma=0.04, correlation=0.8, monochrome=0.85)
    barred = shots(lambda key, x: noisy(key, x).at[:, :32].set(0).at[:, 64:].set(1), grey)
    wide = np.concatenate([barred] * 6, axis=0)
    assert grain.estimate(wide).level == pytest.approx(0.04, rel=0.15)
    for nothing in (np.zeros((1, 2, 64, 64, 3)), np.full((1, 1, 8, 8, 3), 0.5)):
        assert grain.estimate(nothing.astype(np.float32)) is None
    assert grain.estimate([]) is None


@pytest.mark.parametrize(
    ("found", "film", "preset"),
    [
        (Grain(0.05, 0.8, 0.85), True, "film-grain"),
        (Grain(0.05, 0.8, 0.85), False, "film-grain-fast"),
        (Grain(0.03, 0.3, 0.05), True, "film-noise"),
        (Grain(0.008, 0.9, 0.9), True, "film-noise-fast"),  # faint: a network for grain would take picture off
        (None, True, "film-grain"),
        (None, False, "film-noise-fast"),
    ],
)
def test_presets_are_chosen_by_grain(found, film, preset):
    assert presets.for_grain(found, film=film)[0] == preset


@pytest.fixture
def reel(tmp_path):
    """Ten grey frames with the soft grain of film, 8 bits."""
    grey = jnp.full((10, 112, 160, 3), 0.45)
    frames = noise.grain(jax.random.key(0), grey, sigma=0.05, correlation=1.0, monochrome=1.0)
    luma = np.rint(np.asarray(frames[..., 0]) * 255).astype(np.uint8)
    write(tmp_path / "reel.mkv", "gray", 10, size=(160, 112), pictures=list(luma), tags=(1, 2, 1, 1))
    (tmp_path / "frames").mkdir()
    for k, picture in enumerate(luma):
        Image.fromarray(picture).save(tmp_path / "frames" / f"{k:03}.png")
    return tmp_path


@pytest.mark.parametrize("name", ["reel.mkv", "frames/%03d.png"])
def test_probe_says_what_grain_a_film_has(reel, name, capsys):
    assert cli.main(["probe", str(reel / name)]) == 0
    found = json.loads(capsys.readouterr().out)["grain"]
    assert found["level"] == pytest.approx(0.05, rel=0.15)
    assert found["correlation_px"] == pytest.approx(1.0, abs=0.3)
    assert found["monochrome"] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("name", ["reel.mkv", "frames/%03d.png", "frames/004.png"])
def test_restore_without_steps_chooses_by_grain_and_says_so(reel, name, capsys):
    output = "out.mkv" if "%" in name else f"out{name[-4:]}"
    assert cli.main(["restore", str(reel / name), "--dry-run", "-o", str(reel / output)]) == 0
    out, err = capsys.readouterr()
    chosen = (
        "film-grain-fast (denoise=fast-grain,fuse)" if name.endswith("4.png") else "film-grain (denoise=film-grain)"
    )
    assert err.startswith(f"nothing says what is to be done, so it is --preset {chosen}:")
    assert re.search(r"of level 0\.0[45]\d, soft by (0\.[789]|1\.[012]) px", err)
    assert "-grain" in json.loads(out)["steps"]


def test_restore_of_nothing_still_asks_what_is_to_be_done(capsys):
    assert cli.main(["restore"]) == 2
    assert "say what is to be done" in capsys.readouterr().err
