"""A film teaches the network that is to restore it: the frame beside says what the scene is, where it may."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from train import adapt, denoise
from train.loop import beside
from train.loop import state as st
from zoo import pictures, registry
from zoo.damage.pair import Pair
from zoo.models.film import FilmConfig
from zoo.models.resnet import ResNetConfig
from zoo.motion.blocks import compensated

SIDE, NOISE = 64, 0.04
RNG = np.random.default_rng(5)
TINY = ["--crop=32", "--batch=2", "--images=4", "--checkpoints=1", "--valid=1", "--leaves=8"]


def scene(side: int = SIDE) -> np.ndarray:
    """Smooth enough to be found again, different everywhere."""
    return RNG.uniform(0.2, 0.8, (side // 8, side // 8, 3)).repeat(8, 0).repeat(8, 1).astype(np.float32)


def noisy(frames: np.ndarray) -> np.ndarray:
    return np.clip(frames + RNG.normal(0, NOISE, frames.shape), 0, 1).astype(np.float32)


def run(folder, config):
    """A training run's folder, of a network that nobody trained."""
    params, stats = st.arrays(config.build(nnx.Rngs(0)))
    registry.save(folder, "begun", config, params, stats, {})
    return folder


@pytest.fixture(scope="module")
def one_frame(tmp_path_factory):
    return run(tmp_path_factory.mktemp("one"), ResNetConfig(width=4, blocks=1))


@pytest.fixture(scope="module")
def reel(tmp_path_factory):
    """A folder of eight numbered pictures of a scene that stands still, each with noise of its own."""
    folder = tmp_path_factory.mktemp("reel")
    for k, frame in enumerate(noisy(np.repeat(scene()[None], 8, 0))):
        pictures.write(folder / f"{k:03}.png", pictures.Picture(np.uint8(np.rint(255 * frame))))
    return folder


def lesson(model, frames: np.ndarray) -> adapt.Adapt:
    settings = adapt.AdaptSettings(reel="reel", model=str(model)).settled()
    made = adapt.Adapt(settings)
    made.grain = beside.grain_of(frames[None, :2])
    return made


def test_the_frame_beside_is_told_and_its_noise_is_not_that_of_what_is_seen(one_frame, key):
    clean = np.repeat(scene()[None], 2, 0)
    frames = noisy(clean)
    pair = lesson(one_frame, frames).pairs(key, jnp.asarray(frames[None]), jnp.zeros(()))
    known = ~np.isnan(pair.wanted[0])
    assert known.mean() > 0.9
    seen, told = (np.asarray(x[0] - clean[0])[known] for x in (pair.seen, pair.wanted))
    assert abs(told.mean()) < 0.003
    assert np.std(told) == pytest.approx(NOISE, rel=0.15)
    assert abs(np.corrcoef(seen, told)[0, 1]) < 0.1


def test_a_network_of_several_frames_does_not_see_what_it_is_to_give(tmp_path, key, monkeypatch):
    monkeypatch.setattr(adapt, "repeated", lambda key, seen: seen)
    model = run(tmp_path, FilmConfig(width=4, blocks=1, doubt=4, around=1))
    clean = np.repeat(scene()[None], 4, 0)
    frames = noisy(clean)
    made = lesson(model, frames)
    assert made.frames == 4
    ways = set()
    for k in range(6):
        pair = made.pairs(jax.random.key(k), jnp.asarray(frames[None]), jnp.zeros(()))
        shown = np.moveaxis(np.asarray(pair.seen[0]).reshape(SIDE, SIDE, 3, 3), 2, 0)
        numbers = [int(np.square(frames - frame).sum((1, 2, 3)).argmin()) for frame in shown]
        told = int(np.nanmean(np.square(frames - pair.wanted[0]), (1, 2, 3)).argmin())
        assert sorted([*numbers, told]) == [0, 1, 2, 3]
        assert abs(told - numbers[1]) == 1
        ways.add((*numbers, told))
    assert ways == {(0, 1, 3, 2), (3, 2, 0, 1)}


def test_what_does_not_fit_and_what_came_twice_tell_nothing(one_frame, key):
    clean = np.repeat(scene(2 * SIDE)[None], 2, 0)
    clean[1, :SIDE, :SIDE] = 1 - clean[1, :SIDE, :SIDE]
    frames = noisy(clean)
    frames[1, SIDE:, SIDE:] = frames[0, SIDE:, SIDE:]
    known = ~np.isnan(lesson(one_frame, frames).pairs(key, jnp.asarray(frames[None]), jnp.zeros(())).wanted[0])
    corner = lambda row, column: known[row : row + SIDE, column : column + SIDE][16:-16, 16:-16].mean()
    assert corner(0, 0) < 0.1
    assert corner(SIDE, SIDE) < 0.1
    assert corner(0, SIDE) > 0.8
    assert corner(SIDE, 0) > 0.8


def test_what_is_carried_moves_as_what_is_compared_does():
    wide = scene(3 * SIDE)
    now, other = jnp.asarray(wide[:SIDE, :SIDE]), jnp.asarray(wide[3 : 3 + SIDE, 5 : 5 + SIDE])
    laid = compensated(now, other)
    carried = compensated(now, other, jnp.concatenate([other, -other], -1))
    np.testing.assert_allclose(carried, jnp.concatenate([laid, -laid], -1), rtol=0, atol=1e-6)
    inner = np.s_[16:48, 16:48]
    assert float(jnp.abs(laid[inner] - now[inner]).mean()) < 0.02


def test_where_nothing_is_told_nothing_is_learned(key):
    """A pair of which nothing is known leaves the weights as they are; one known place moves them."""
    made = denoise.COMMAND.make(denoise.COMMAND.parse(["--network=resnet:width=4,blocks=1", "--crop=16"]), 1)
    state = made.init(key)
    for told, moved in ((jnp.nan, False), (0.5, True)):
        wanted = jnp.full((2, 16, 16, 3), jnp.nan).at[0, 4, 4].set(told)
        made.pairs = lambda key, batch, step, wanted=wanted: Pair(jnp.full((2, 16, 16, 3), 0.2), wanted, {})
        after, losses = made.step(state, {}, key)
        assert np.isfinite(losses["pixel"])
        same = jax.tree.map(lambda a, b: bool(jnp.allclose(a, b)), state.params, after.params)
        assert jax.tree.all(same) != moved


def test_a_reel_is_learned_from_and_the_run_is_a_model(reel, one_frame, tmp_path, capsys):
    line = [str(reel), "-m", str(one_frame), f"--workdir={tmp_path / 'run'}", *TINY]
    assert adapt.main(line) == 0
    about = zoo.card(tmp_path / "run")
    assert about["recipe"]["weights"].startswith(str(one_frame))
    assert about["recipe"]["data"] == f"clips:{reel}"
    assert zoo.load(tmp_path / "run").config == zoo.load(one_frame).config
    assert adapt.main(line) == 0
    assert "continuing" in capsys.readouterr().err


def test_weights_stay_unless_others_foretell_the_film_better_by_enough(reel, one_frame, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(adapt.Adapt, "least_gain", 99.0)
    assert adapt.main([str(reel), "-m", str(one_frame), f"--workdir={tmp_path}", *TINY]) == 0
    assert zoo.card(tmp_path)["images"] == 0
    assert "by the weights that it began with: none were better" in capsys.readouterr().err
    old, new = (registry.flatten(nnx.to_pure_dict(nnx.state(zoo.load(run)))) for run in (one_frame, tmp_path))
    assert all(np.array_equal(old[name], new[name]) for name in old)


def test_what_cannot_be_learned_from_is_said_in_a_sentence(reel, one_frame, tmp_path, capsys):
    (tmp_path / "text.mkv").write_text("no film")
    black, single, cuts = (tmp_path / name for name in ("black", "single", "cuts"))
    for folder in (black, single, cuts):
        folder.mkdir()
    for k in range(8):
        pictures.write(black / f"{k:02}.png", pictures.Picture(np.zeros((SIDE, SIDE, 3), np.uint8)))
        cut = np.uint8(255 * scene())
        pictures.write(cuts / f"{k:02}.png", pictures.Picture(cut // 2 if k % 2 else 255 - cut // 2))
    pictures.write(single / "01.png", pictures.Picture(np.uint8(255 * scene())))
    said = {
        (black, 3): "its frames are of one shade",
        (single, 3): "no shot of 2 frames was found",
        (cuts, 3): "no shot of 2 frames was found",
        (tmp_path / "text.mkv", 3): "no film in",
        (tmp_path / "none.mkv", 3): "missing",
    }
    for (path, code), sentence in said.items():
        assert adapt.main([str(path), "-m", str(one_frame), f"--workdir={tmp_path / path.stem}-run", *TINY]) == code
        error = capsys.readouterr().err
        assert sentence in error, error
        assert "Traceback" not in error
    flags = [
        ([], "name a film and a model"),
        ([str(reel)], "name a film and a model"),
        ([str(reel), "-m", "upscale-x2"], "cannot learn from a film"),
        ([str(reel), "-m", "cyclegan-paper-gaussian"], "cannot learn from a film"),
        ([str(reel), "-m", "nonesuch"], "'nonesuch' is no model"),
        ([str(reel), "-m", str(one_frame), "--crop=40"], "must divide by 16"),
        ([str(reel), "-m", str(one_frame), "--preset=paper"], "choose small or full"),
    ]
    for line, sentence in flags:
        assert adapt.main([*line, "--dry-run"]) == 2, line
        assert sentence in capsys.readouterr().err
    assert dataclasses.replace(adapt.AdaptSettings(), reel="a", model="b").settled().data == "clips:a"
