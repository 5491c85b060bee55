"""What every step promises: one test body over all of them, each in a chain as a user writes it."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests import clips
from zoo import cli, color, filters, masks, pictures
from zoo.budget import Budget
from zoo.chain import STEPS, Chain
from zoo.color import Layout
from zoo.errors import FlagError
from zoo.models.network import OneToOne
from zoo.presets import PRESETS
from zoo.steps import grammar
from zoo.steps.step import NOISY, Aside, Kind, Moment
from zoo.survey import ROW, Survey

CHAINS = {
    "deinterlace": "deinterlace=fields=top:rate=single",
    "antialias": "antialias=own=top",
    "remove": f"remove={Path(__file__).parent / 'inputs' / 'any size.png'}",  # see `masks_of_any_size`
    "deflicker": "deflicker=0.9",
    "repair": f"repair=mask={Path(__file__).parent / 'inputs' / 'any size.png'}",
    "denoise": "denoise=model=fast-gaussian:strength=0.7",
    "fuse": "denoise=fast-gaussian,fuse",
    "filter": "filter=bilateral:sigma=0.1:luma=on",
    "enhance": "enhance=sharpen:amount=0.3",
    "undo": f"undo={Path(__file__).parent / 'inputs' / 'any size.png'}:frames=0-9:box=8\\,4\\,16\\,20",
    "upscale": "upscale=83x101:model=none:fit=pad",
    "grade": f"grade={Path(__file__).parent / 'inputs' / 'warm.cube'}:strength=0.8",
}
SIZE = (40, 50)
SURVEY = Survey(np.zeros(9, ROW))  # of light alone, which flickers in both shots
SURVEY.rows["number"], SURVEY.rows["new"] = range(9), [1, 0, 0, 0, 0, 1, 0, 0, 0]
SURVEY.rows["light"] = np.array([0, 1, -1, 1, -1, 0, 1, -1, 1])[:, None, None] / 20
EVERY = pytest.mark.parametrize("name", STEPS)
OF_STILLS = pytest.mark.parametrize("name", [name for name in STEPS if name not in ("deflicker", "repair", "undo")])


@pytest.fixture(scope="module")
def budget():
    return Budget()


@pytest.fixture(scope="module")
def film() -> list[Moment]:
    """Nine noisy frames of a slow pan, with a cut at the sixth."""
    rng = np.random.default_rng(0)
    wide = np.kron(rng.random((8, 12, 3)), np.ones((8, 8, 1)))
    frames = [wide[: SIZE[0], k : k + SIZE[1]][:: -1 if k > 5 else 1] for k in range(9)]
    light = [1, 0.9, 1, 0.95, 1.05, 1, 1, 0.9, 1.1]
    noisy = [
        np.clip(x * frame + rng.normal(0, 0.03, frame.shape), 0, 1) for x, frame in zip(light, frames, strict=True)
    ]
    return [Moment(k, k in (0, 6), (), jnp.asarray(x, jnp.float32)) for k, x in enumerate(noisy)]


def stripe(height: int, width: int, *, at: int = 0) -> np.ndarray:
    """A mask: white from top to bottom, four pixels wide."""
    return np.repeat((np.arange(width) - at - 5) % width < 4, height).reshape(width, height).T.astype(np.float32)


@pytest.fixture(autouse=True)
def masks_of_any_size(monkeypatch):
    """Every mask that a step names is a stripe."""
    monkeypatch.setattr(masks, "read", lambda path, height, width, what="": stripe(height, width))
    monkeypatch.setattr(masks, "sum_of", str)


def through(name: str, budget: Budget, moments, batch: int = 2) -> dict[int, np.ndarray]:
    chain, layout = Chain(CHAINS[name], batch=batch), Layout("rgb", 32, full=True)
    kind = Kind(*SIZE)
    if chain.steps[0].on == "planes":
        kind = Kind(*SIZE, layout=layout)
        moments = [m._replace(planes=(m.rgb[..., 1], m.rgb[..., 2], m.rgb[..., 0]), rgb=None) for m in moments]
    mask = lambda number: jnp.asarray(stripe(*SIZE, at=3 * number))[..., None]
    original = lambda number: (jnp.full(SIZE, (number + 1) / 20, jnp.float32),) * 3
    aside = Aside(network=budget.network, kind=kind, survey=SURVEY, mask=mask, original=original)
    made = chain.run(moments, aside, budget.retried)
    shown = lambda m: color.picture(m.planes, layout=layout) if m.rgb is None else m.rgb
    return {m.number: np.asarray(shown(m)) for m in made}


def test_every_step_is_tested():
    assert CHAINS.keys() == STEPS.keys()


@EVERY
def test_each_does_something_and_gives_the_kind_that_it_says(name, budget, film):
    kind = Chain(CHAINS[name]).kinds(Kind(*SIZE))[-1]
    out = through(name, budget, film)
    assert [*out] == [m.number for m in film]
    for moment in film:
        assert out[moment.number].shape == (kind.height, kind.width, 3)
        assert 0 <= out[moment.number].min() <= out[moment.number].max() <= 1
        assert out[moment.number].shape != moment.rgb.shape or not np.array_equal(out[moment.number], moment.rgb)


@EVERY
@pytest.mark.parametrize("length", [2, 4])
def test_segments_are_the_whole(name, length, budget, film, as_shipped):
    whole = through(name, budget, film)
    before, after = Chain(CHAINS[name]).reach
    for first in range(0, len(film), length):
        part = through(name, budget, film[max(0, first - before) : first + length + after])
        for k in range(first, min(first + length, len(film))):
            assert np.array_equal(part[k], whole[k]), k


@EVERY
def test_what_is_written_is_the_same_chain(name):
    chain = Chain(CHAINS[name])
    again = Chain(str(chain))
    assert again.steps == chain.steps
    assert again.identity() == chain.identity()


@OF_STILLS
def test_a_still_of_any_kind_comes_back_as_it_was(name, budget):
    rng = np.random.default_rng(1)
    for channels, dtype in ((1, np.uint8), (4, np.uint16), (3, np.float32)):
        picture = rng.random((33, 20, channels))
        picture = (picture * np.iinfo(dtype).max).astype(dtype) if dtype != np.float32 else picture.astype(dtype)
        out = zoo.Chain(CHAINS[name])(picture, budget=budget)
        kind = Chain(CHAINS[name]).kinds(Kind(33, 20, still=True))[-1]
        shape = (kind.height, kind.width, channels)
        assert (out.shape, out.dtype, type(out)) == (shape, picture.dtype, type(picture))
        if shape == picture.shape:
            assert channels != 4 or np.array_equal(out[..., 3], picture[..., 3])
            assert not np.array_equal(out, picture)


def test_a_still_is_what_the_restorer_makes_of_it(budget):
    picture = np.random.default_rng(2).integers(0, 256, (40, 40, 3), np.uint8)
    assert np.array_equal(zoo.Chain("denoise=fast-gaussian")(picture), zoo.Restorer("fast-gaussian")(picture))


@EVERY
def test_fields_are_shown_and_documented(name):
    shown = grammar.described(name, STEPS[name])
    assert all(option.about for option in grammar.options(STEPS[name])), shown
    page = (Path(__file__).parents[1] / "docs" / "steps.md").read_text()
    assert shown in page, "docs/steps.md shows other options than the step has"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("denoise=fast-gaussian:strength=2", "strength=2 must be from 0 to 1"),
        ("filter=gaussian", "filter=gaussian needs sigma_px"),
        ("filter=median:radius_px=1:sigma=0.1", "filter=median has no sigma; its options are: radius_px"),
        ("filter=gaussian:sigma_px=-1", "sigma_px=-1 must be above 0"),
        ("filter=nonesuch", "unknown filter of filter 'nonesuch'"),
    ],
)
def test_options_that_cannot_be_are_named(text, said):
    with pytest.raises(FlagError) as problem:
        Chain(text)
    assert said in str(problem.value)


def test_every_filter_is_a_step():
    offered = {option.values for step in ("filter", "enhance") for option in grammar.options(STEPS[step])[:1]}
    assert {name for text in offered for name in text.split("|")} == filters.FILTERS.keys()


def test_a_filter_of_the_luma_keeps_the_colours(film, budget):
    rgb = film[3].rgb * 0.5 + 0.25  # nothing is cut off
    (made,) = Chain("filter=gaussian:sigma_px=1:luma=on").run([film[3]._replace(rgb=rgb)])
    apart = lambda x: x - color.grey(x)
    np.testing.assert_allclose(apart(made.rgb), apart(rgb), atol=1e-5)
    np.testing.assert_allclose(color.grey(made.rgb), filters.gaussian(color.grey(rgb), sigma_px=1.0), atol=1e-5)


def test_what_denoise_took_off_lies_aside(film, budget):
    (made,) = Chain("denoise=fast-gaussian").run(film[:1], Aside(network=budget.network))
    assert np.array_equal(made.aside[NOISY], film[0].rgb)


def test_films_go_through_steps(tmp_path, monkeypatch):
    """A median on a film of numbered pictures: as on each; -m is short for a chain."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (34, 36, 3), np.uint8) for _ in range(5)]
    for k, frame in enumerate(frames):
        pictures.write(tmp_path / f"in{k:02}.png", pictures.Picture(frame))
    words = ["restore", "in%02d.png", "--progress", "off"]
    assert cli.main([*words, "-o", "out%02d.png", "--steps", "filter=median:radius_px=1"]) == 0
    for k, frame in enumerate(frames):
        wanted = 255 * np.asarray(filters.median(jnp.asarray(frame, jnp.float32) / 255, radius_px=1))
        assert np.array_equal(pictures.read(tmp_path / f"out{k:02}.png").samples, np.rint(wanted))
    assert cli.main([*words, "-o", "a.mkv", "-m", "fast-gaussian"]) == 0
    assert cli.main([*words, "-o", "b.mkv", "--steps", "denoise=fast-gaussian,fuse"]) == 0
    assert clips.same(tmp_path / "a.mkv", tmp_path / "b.mkv")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-m", "fast-gaussian", "--steps", "fuse"], "--model and --steps both say what is to be done"),
        (["--steps", "fuse", "--temporal", "off"], "--temporal belongs to --model"),
        (["--steps", "fuse", "--tile", "512"], "--tile cannot be used with fuse, where no network is; leave it out"),
        (["--steps", "fuse", "--precision", "bfloat16"], "--precision cannot be used with fuse, where no network is"),
        (["--preset", "nonesuch"], "unknown preset 'nonesuch'; choose one of: film-grain, film-grain-fast"),
        (["--steps", "sharpen"], f"unknown step 'sharpen'; choose one of: {', '.join(sorted(STEPS))}"),
    ],
)
def test_flags_that_contradict_are_refused(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    clips.write(tmp_path / "in.mkv")
    assert cli.main(["restore", "in.mkv", "-o", "out.mkv", *words]) == 2
    assert said in capsys.readouterr().err


def test_steps_and_presets_are_listed(capsys):
    assert cli.main(["steps"]) == 0
    assert cli.main(["presets"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in [*STEPS, "film-noise"])
    assert cli.main(["steps", "denoise"]) == 0
    assert "strength=NUMBER" in capsys.readouterr().out
    page = (Path(__file__).parents[1] / "docs" / "steps.md").read_text()
    for name, preset in PRESETS.items():
        assert f"| `{name}` | {preset.about} | `{preset.steps}` |" in page
        Chain(preset.steps).kinds(Kind(*SIZE))


# ---- networks that look at several frames


@dataclasses.dataclass(frozen=True)
class FilmConfig(OneToOne):
    multiple: int = 2
    halo: int | None = 1
    task: str = "denoise"
    frames: tuple[int, int] = (2, 2)
    scale: int = 1
    needs: tuple[str, ...] = ()


class FilmNetwork(nnx.Module):
    """Another mix of the five frames in each row: so that what is swapped, lacking or repeated shows."""

    def __init__(self, config: FilmConfig):
        self.config = config

    def __call__(self, x):
        assert x.shape[-1] == 15
        weights = jnp.asarray([0.1, 0.2, 0.4, 0.05, 0.15])[:, None]
        return (x.reshape(*x.shape[:3], 5, 3) * weights).sum(-2)


@pytest.fixture
def film_network(monkeypatch):
    """A function that has every name be a FilmNetwork of a config."""
    stand_in = lambda config: clips.stand_in(monkeypatch, lambda: FilmNetwork(config))
    stand_in(FilmConfig())
    return stand_in


def seen_by(film: list[Moment], numbers: list[int]) -> np.ndarray:
    weights = (0.1, 0.2, 0.4, 0.05, 0.15)
    return sum(w * np.asarray(film[k].rgb) for w, k in zip(weights, numbers, strict=True))


@pytest.mark.parametrize("tile", [None, 68])
def test_a_network_sees_its_neighbours_in_the_shot(film, film_network, tile):
    film = [m._replace(rgb=jnp.tile(m.rgb, (3, 3, 1))) for m in film]
    budget, chain = Budget(tile=tile), Chain("denoise=film-x", batch=2)
    assert chain.reach == (2, 2)
    out = [np.asarray(m.rgb) for m in chain.run(film, Aside(network=budget.network), budget.retried)]
    around = {0: [0, 0, 0, 1, 2], 1: [0, 0, 1, 2, 3], 3: [1, 2, 3, 4, 5], 5: [3, 4, 5, 5, 5]}  # the cut is at 6
    for k, numbers in (around | {6: [6, 6, 6, 7, 8], 8: [6, 7, 8, 8, 8]}).items():
        np.testing.assert_allclose(out[k], seen_by(film, numbers), atol=1e-6)


@pytest.mark.parametrize("length", [2, 4])
def test_segments_of_a_network_of_several_frames_are_the_whole(film, film_network, length):
    budget = Budget()
    run = lambda part: {
        m.number: np.asarray(m.rgb)
        for m in Chain("denoise=film-x:strength=0.5,fuse", batch=2).run(part, Aside(network=budget.network))
    }
    whole = run(film)
    for first in range(0, len(film), length):
        part = run(film[max(0, first - 3) : first + length + 3])
        assert all(np.array_equal(part[k], whole[k]) for k in range(first, min(first + length, len(film))))


def test_a_still_is_its_own_neighbour(film, film_network, tmp_path, monkeypatch):
    picture = np.random.default_rng(3).integers(0, 256, (33, 40, 3), np.uint8)
    wanted = np.rint(picture * 0.9)
    assert np.abs(zoo.Chain("denoise=film-x")(picture) - wanted).max() <= 1
    monkeypatch.chdir(tmp_path)
    pictures.write(tmp_path / "in.png", pictures.Picture(picture))
    assert cli.main(["restore", "in.png", "-m", "film-x"]) == 0
    assert np.abs(pictures.read(tmp_path / "in_restored.png").samples - wanted).max() <= 1


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (FilmConfig(task="upscale"), "film-x is a network for the task 'upscale'; give one whose task is 'denoise'"),
        (FilmConfig(scale=2), "film-x makes pictures 2 times larger; give a network that takes pictures alone"),
        (
            FilmConfig(needs=("mask",)),
            "film-x needs a mask beside the picture; give a network that takes pictures alone",
        ),
    ],
)
def test_what_a_network_cannot_do_is_said_by_name(config, said, film_network, tmp_path, monkeypatch, capsys):
    film_network(config)
    monkeypatch.chdir(tmp_path)
    clips.write(tmp_path / "in.mkv")
    assert cli.main(["restore", "in.mkv", "-o", "out.mkv", "--steps", "denoise=film-x"]) == 2
    assert said in capsys.readouterr().err
    with pytest.raises(FlagError, match=said):
        zoo.Restorer("film-x")


def test_a_film_through_a_network_of_several_frames_in_segments(film_network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clips.write(tmp_path / "in.mkv", count=9)
    for name, segment in (("whole.mkv", "9"), ("parts.mkv", "2")):
        assert cli.main(["restore", "in.mkv", "-o", name, "-m", "film-x", "--segment", segment, "--batch", "2"]) == 0
    assert clips.same(tmp_path / "whole.mkv", tmp_path / "parts.mkv")
