"""Flicker is taken off; fades, lightning and what moves stay; a film without flicker comes back to the bit."""

import numpy as np
import pytest

from tests import clips
from tests.test_survey import surveyed
from zoo import cli
from zoo.steps import deflicker
from zoo.steps.deflicker import course

HEIGHT, WIDTH, COUNT = 96, 144, 32
RNG = np.random.default_rng(3)


def pan(count: int = COUNT) -> np.ndarray:
    """A texture that pans by two pixels a frame, in [0, 1], between dark and white, with grain."""
    coarse = RNG.uniform(0.2, 0.7, (HEIGHT // 8 + 1, (WIDTH + 2 * count) // 8 + 1))
    wide = np.kron(coarse, np.ones((8, 8)))[:HEIGHT]
    moved = np.stack([wide[:, 2 * k : 2 * k + WIDTH] for k in range(count)])
    return moved + RNG.normal(0, 0.01, moved.shape)


def gains(count: int = COUNT, level: float = 0.05) -> np.ndarray:
    """Of each frame: another in each half."""
    whole, halves = RNG.normal(0, level, (count, 1)), RNG.normal(0, level / 2, (count, 2))
    sides = np.repeat(whole + halves, WIDTH // 2, axis=1)
    return np.exp(sides)[:, None]


def flickering(count: int) -> np.ndarray:
    """What a survey knows of the light of such a film."""
    return np.diff(RNG.normal(0, 0.05, (count + 1, 4, 6)), axis=0)


def changes(film: np.ndarray) -> np.ndarray:
    """The log ratios that the step gives for each frame."""
    light = surveyed([*np.rint(255 * film.clip(0, 1))]).rows["light"].astype(float)
    return np.stack([course(light, k) for k in range(len(light))])


def test_flicker_of_the_frame_and_of_its_parts_is_taken_off():
    known = gains()
    out = changes(pan() * known)
    true = np.log(known[:, 0, [0, -1]])
    left = true + out.mean(1)[:, [1, -2]]
    slow = lambda x: np.stack([np.convolve(side, np.hanning(15) / np.hanning(15).sum(), "valid") for side in x.T], 1)
    deviation = lambda x: (x[7:-7] - slow(x)).std()
    assert deviation(left) < 0.33 * deviation(true)


@pytest.mark.parametrize("scene", ["still light", "fade", "lightning", "lamp"])
def test_light_that_is_the_scenes_own_stays_to_the_bit(scene):
    light = {
        "still light": np.ones(COUNT),
        "fade": np.linspace(0.3, 1.2, COUNT),
        "lightning": np.where(np.isin(np.arange(COUNT), (9, 10, 20)), 1.4, 1.0),
        "lamp": np.where(np.arange(COUNT) < 13, 0.7, 1.2),
    }[scene]
    assert not changes(pan() * light[:, None, None]).any()


def test_nothing_crosses_a_cut_and_short_shots_stay():
    rows = flickering(40)
    assert not course(rows[:3], 1).any()
    for at in (0, 20, 39):
        assert course(rows, at).any()
    far = rows.copy()
    far[0] = 9  # of what came before the cut
    assert np.array_equal(course(far, 2), course(rows, 2))


def test_it_depends_on_no_more_than_it_says():
    rows = flickering(120)
    around = deflicker.Deflicker.surveyed
    for at in (0, 3, 60, 119):
        first = max(0, at - around)
        assert np.array_equal(course(rows[first : at + around + 1], at - first), course(rows, at))


@pytest.fixture
def reel(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    film = np.uint8(np.rint(255 * (pan() * gains()).clip(0, 1)))
    clips.write(tmp_path / "in.mkv", "gray", COUNT, pictures=[*film], size=(WIDTH, HEIGHT))
    return film


def restored(*words: str) -> int:
    return cli.main(["restore", "in.mkv", "--steps", "deflicker", "--progress", "off", *words])


def test_segments_and_stretches_are_the_whole(reel, tmp_path):
    assert restored("-o", "whole.mkv") == 0
    assert restored("-o", "parts.mkv", "--segment", "5") == 0
    assert clips.same(tmp_path / "whole.mkv", tmp_path / "parts.mkv")
    assert restored("-o", "some.mkv", "--start", "0.4", "--frames", "4") == 0
    whole, some = ([clips.planes(frame)[0] for frame in clips.read(tmp_path / f"{n}.mkv")] for n in ("whole", "some"))
    assert np.array_equal(some, whole[10:14])
    assert not np.array_equal(whole, reel)
    assert np.diff(np.mean(whole, axis=(1, 2))).std() < 0.5 * np.diff(reel.mean((1, 2))).std()


def test_steady_film_comes_back_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    film = np.uint8(np.rint(255 * pan(12).clip(0, 1)))
    clips.write(tmp_path / "in.mkv", "gray", 12, pictures=[*film], size=(WIDTH, HEIGHT))
    assert restored("-o", "out.mkv") == 0
    assert np.array_equal([clips.planes(frame)[0] for frame in clips.read(tmp_path / "out.mkv")], film)


def test_what_cannot_be_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    clips.write(tmp_path / "in.mkv")
    assert cli.main(["restore", "in.mkv", "-o", "o.mkv", "--steps", "deflicker=2"]) == 2
    assert "strength=2 must be from 0 to 1" in capsys.readouterr().err
