"""Unpaired learning from a film as it is: its noise is measured between frames, drawn again, and undone."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from train import cyclegan
from train.loop import beside
from train.loop.film_noise import noise_of
from train.methods.unpaired import Unpaired
from zoo import pictures
from zoo.models import film_noise
from zoo.models.film_noise import FilmNoiseConfig

SIDE, SOFT_PX = 128, 1.0
RNG = np.random.default_rng(11)
SHORT = ["--batch=2", "--crop=32", "--images=8", "--checkpoints=1", "--valid=2", "--leaves=8"]


def soft(shape: tuple[int, ...]) -> np.ndarray:
    """Noise of deviation 1 after a Gaussian, by the frequencies of [... h w c]."""
    gains = [np.exp(-2 * (np.pi * np.fft.fftfreq(n) * SOFT_PX) ** 2) for n in shape[-3:-1]]
    noise = np.fft.ifft2(
        np.fft.fft2(RNG.normal(size=shape), axes=(-3, -2)) * np.outer(*gains)[..., None], axes=(-3, -2)
    )
    return noise.real / noise.real.std()


def filmed(count: int, frames: int, side: int = SIDE, patch: int = 32) -> np.ndarray:
    """Scenes of even patches that stand still; their noise is soft, twice as strong in blue, and stronger in shadow."""
    scene = RNG.uniform(0.15, 0.85, (count, 1, side // patch, side // patch, 1)).repeat(patch, 2).repeat(patch, 3)
    noise = soft((count, frames, side, side, 3)) * np.array([1, 1, 2])
    return np.clip(scene + 0.02 * (1.5 - scene) * noise, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def reel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reel")
    for k, frame in enumerate(filmed(1, 8, 64, 8)[0]):
        pictures.write(folder / f"{k:03}.png", pictures.Picture(np.uint8(np.rint(255 * frame))))
    return folder


def test_the_noise_of_a_film_is_measured(key):
    found = noise_of(filmed(6, 2))
    deviations = np.sqrt(np.diag(found.covariance))
    assert deviations[2] / deviations[:2].mean() == pytest.approx(2, rel=0.1)
    assert np.abs(found.covariance[np.triu_indices(3, 1)]).max() < 0.1
    assert found.softness_px == pytest.approx(SOFT_PX, abs=0.15)
    shades = np.linspace(0, 1, film_noise.SHADES)
    true = 0.02 * (1.5 - shades) * 2**0.5  # the root of the mean over the channels: 1, 1 and 4
    np.testing.assert_allclose(found.strength[2:6], true[2:6], rtol=0.12)
    assert found.strength[1] > 1.3 * found.strength[-2]


def test_what_was_measured_is_drawn_again(key):
    """In clips, with a level for each and noise anew in each frame."""
    law = FilmNoiseConfig(spread=0.0).build(nnx.Rngs(0))
    strength = jnp.linspace(0.05, 0.02, film_noise.SHADES)
    covariance = jnp.array([[0.5, 0.2, 0.0], [0.2, 0.5, 0.0], [0.0, 0.0, 2.0]])
    for name, value in film_noise.measured(strength, covariance, SOFT_PX).items():
        getattr(law, name)[...] = value
    clean = jnp.full((2, 2, 96, 96, 3), 0.5)
    noise = np.asarray(law(clean, key, jnp.ones(2)) - clean)
    rest = noise.reshape(-1, 3) / np.interp(0.5, np.linspace(0, 1, film_noise.SHADES), strength)
    np.testing.assert_allclose(rest.T @ rest / len(rest), covariance, atol=0.08)
    lag = (noise[:, :, 2:] * noise[:, :, :-2]).mean() / np.square(noise).mean()
    assert lag == pytest.approx(np.exp(-1), abs=0.06)  # exp(-lag^2 / (4 softness^2))
    assert abs((noise[:, 0] * noise[:, 1]).mean() / np.square(noise).mean()) < 0.05
    spread = FilmNoiseConfig(spread=0.5).build(nnx.Rngs(0))
    levels = np.asarray(spread(jnp.full((16, 32, 32, 3), 0.5), key, jnp.ones(16)) - 0.5).std((1, 2, 3))
    assert 1.2 < levels.max() / levels.min() < np.exp(1.2)


@pytest.mark.parametrize(
    ("network", "more"),
    [
        (["--network=width=4,blocks=1"], []),
        (["--generator=film", "--network=width=4,blocks=1,doubt=4,around=1"], []),
        (["--network=width=4,blocks=1"], ["--joint", "--lambda-penalty=0"]),
    ],
)
def test_a_film_is_the_degraded_domain(reel, picture_folder, tmp_path, network, more):
    line = [f"--degraded={reel}", f"--data={picture_folder}", f"--workdir={tmp_path}", *network, *SHORT, *more]
    assert cyclegan.main([*line, "--judge=width=8"]) == 0
    about = zoo.card(tmp_path)
    assert about["recipe"]["degraded"] == str(reel)
    assert about["validation"]["protocol"] == beside.PROTOCOL
    assert about["licence"] != "Apache-2.0"
    assert zoo.load(tmp_path).config.width == 4


def test_its_noise_begins_as_it_was_measured(reel, picture_folder, key):
    command = cyclegan.COMMAND
    method = command.make(command.parse([f"--degraded={reel}", "--network=width=4,blocks=1", *SHORT]), 4)
    assert isinstance(method, Unpaired)
    frames = filmed(2, 2)
    method.lesson.found = frames
    state = method.init(key)
    expected = np.log(noise_of(frames).strength)
    np.testing.assert_allclose(state.params["g_ba"]["strength"], expected, rtol=1e-5)
    np.testing.assert_allclose(state.average["g_ba"]["params"]["strength"], expected, rtol=1e-5)
    damaged = jax.random.uniform(key, (2, 32, 32, 3))
    batch = {"degraded": damaged, "clean": damaged}
    assert (method.domains(batch, key, state.step)[0] == damaged).all()


def test_what_does_not_go_together_is_said(reel, tmp_path, capsys):
    flags = [
        ([f"--degraded={reel}", "--noise=grain"], "--noise cannot be used with --degraded"),
        ([f"--degraded={reel}", "--levels=0.1,0.2"], "--levels cannot be used with --degraded"),
        ([f"--degraded={reel}", "--joint", "--generator=film"], "learns from pairs"),
        (["--generator=film"], "learns from pairs"),
    ]
    for line, sentence in flags:
        assert cyclegan.main([*line, "--dry-run"]) == 2, line
        assert sentence in capsys.readouterr().err
    assert cyclegan.main([f"--degraded={reel}", "--dry-run"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["networks"]["g_ba"]["network"] == "FilmNoiseConfig"
    assert about["workdir"] == f"runs/cyclegan-{reel.name}"
    line = ["--degraded=none.mkv", f"--workdir={tmp_path / 'run'}", f"--data={reel}", *SHORT]
    assert cyclegan.main([*line, "--network=width=4,blocks=1"]) == 3
    assert "none.mkv" in capsys.readouterr().err
