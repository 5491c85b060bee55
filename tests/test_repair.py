"""Dirt and scratches go, and nothing else: what is undamaged stays to the bit, whatever moves or stands upright."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests import clips
from tests.test_film_resume import break_at
from zoo import cli, dirt, pictures
from zoo.chain import Chain
from zoo.errors import FlagError
from zoo.steps.step import Kind

HEIGHT, WIDTH, COUNT = 96, 128, 7


def scene(count: int = COUNT, *, speed: int = 2, bars: bool = False, object_speed: int = 0) -> np.ndarray:
    """uint8 [t h w]: a soft texture that pans, with grain; with upright bars; with something that moves before it."""
    rng = np.random.default_rng(4)
    coarse = np.kron(rng.uniform(70, 180, (HEIGHT // 8, WIDTH // 4)), np.ones((8, 8)))
    wide = sum(np.roll(coarse, k, axis) for k in range(5) for axis in (0, 1)) / 10
    if bars:
        wide[:, ::11] -= 40
        wide[:, 5::23] += 30
    film = np.stack([wide[:, speed * k : speed * k + WIDTH] for k in range(count)])
    if object_speed:
        shape = rng.uniform(20, 235, (40, 24))
        for k, frame in enumerate(film):
            frame[30:70, 20 + object_speed * k : 44 + object_speed * k] = shape
    return np.uint8(np.rint(film + rng.normal(0, 1, film.shape)).clip(0, 255))


def dirtied(film: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the film with a dark and a bright spot on each frame, elsewhere on each; where they are)"""
    out, where = film.copy(), np.zeros(film.shape, bool)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for k, frame in enumerate(out):
        for row, column, radius, code in ((20 + 9 * k, 30, 4, 10), (70 - 7 * k, 90, 3, 250)):
            spot = (y - row) ** 2 + (x - column) ** 2 <= radius**2
            frame[spot], where[k] = code, where[k] | spot
    return out, where


def scratched(film: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The film with a bright line at one place in the gate; where it is."""
    where = np.zeros(film.shape, bool)
    where[:, :, 60:62] = True
    return np.where(where, np.uint8(225), film), where


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, film: np.ndarray):
    clips.write(path, "gray", len(film), pictures=[*film], size=(WIDTH, HEIGHT), tags=(2, 2, 1, 1))


def codes(path) -> np.ndarray:
    return np.stack([clips.planes(frame)[0] for frame in clips.read(path)])


RULES, NETWORK = "repair=model=none", "repair"
BOTH = pytest.mark.parametrize("steps", [RULES, NETWORK])


def repaired(film: np.ndarray, *words: str, steps: str = RULES) -> tuple[np.ndarray, np.ndarray]:
    """(what came out, the mask that was given)"""
    write("in.mkv", film)
    given = ["--give", "mask=mask.mkv", "-o", "out.mkv", "--progress", "off"]
    assert cli.main(["restore", "in.mkv", "--steps", steps, *given, *words]) == 0
    return codes("out.mkv"), codes("mask.mkv") > 127


@BOTH
def test_dirt_goes_and_only_what_is_under_the_mask_is_written(steps, folder):
    film = scene()
    bad, where = dirtied(film)
    out, mask = repaired(bad, steps=steps)
    assert mask[where].mean() > 0.75  # less at the ends of a shot, where one side in time is missing
    assert mask[1:-1][where[1:-1]].mean() > 0.95
    assert (mask & ~where).mean() < (0.01 if steps == RULES else 0.02)  # a rim
    assert np.array_equal(out[~mask], bad[~mask])
    assert np.abs(out[1:-1].astype(float) - film[1:-1])[where[1:-1]].mean() < 5


@pytest.mark.parametrize("kind", [{}, {"speed": 0, "bars": True}, {"bars": True}, {"object_speed": 6}, {"speed": 0}])
def test_undamaged_film_stays_to_the_bit(kind, folder):
    film = scene(**kind)
    out, mask = repaired(film)
    assert not mask.any()
    assert np.array_equal(out, film)


@BOTH
def test_a_scratch_goes_where_the_picture_moves(steps, folder):
    film = scene(speed=5)
    bad, where = scratched(film)
    out, mask = repaired(bad, steps=steps)
    assert mask[where].mean() > 0.9
    assert (
        np.abs(out[where].astype(float) - film[where]).mean()
        < 0.3 * np.abs(bad[where].astype(float) - film[where]).mean()
    )


@BOTH
@pytest.mark.parametrize(("off", "code"), [("dark", 10), ("bright", 250)])
def test_a_kind_of_dirt_that_is_off_stays(off, code, steps, folder):
    bad, where = dirtied(scene())
    out, _ = repaired(bad, steps=f"repair={off}=off:scratches=off:model={steps.partition('model=')[2] or 'repair'}")
    changed = (out != bad)[where]
    assert changed[bad[where] == code].mean() < 0.1  # but for a rim
    assert changed[bad[where] == 260 - code].mean() > 0.7


def test_less_strength_is_a_part_of_the_way(folder):
    bad, where = dirtied(scene())
    outs = [repaired(bad, "-y", steps=f"repair=strength={k}")[0].astype(float) for k in (0, 0.5, 1)]
    assert np.array_equal(outs[0], bad)
    assert np.abs(outs[1] - (outs[0] + outs[2]) / 2).max() <= 1
    assert np.abs(outs[2] - bad)[where].mean() > 50


@BOTH
def test_more_sensitive_finds_more(steps, folder):
    bad, where = dirtied(scene())
    model = steps.partition("model=")[2] or "repair"
    least = 0.01 if steps == RULES else 1e-4
    found = [repaired(bad, "-y", steps=f"repair=sensitivity={level:f}:model={model}")[1] for level in (least, 1, 2)]
    assert not found[0].any()
    assert (found[1] & ~found[2]).mean() < 1e-3
    assert found[2][where].mean() > 0.75


@BOTH
def test_a_painted_mask_says_where(steps, folder):
    film = scene()
    bad, where = dirtied(film)
    for k, mask in enumerate(where):
        pictures.write(folder / f"painted{k:02}.png", pictures.Picture(np.uint8(255 * mask)[..., None]))
    model = steps.partition("model=")[2] or "repair"
    out, mask = repaired(bad, steps=f"repair=mask=painted%02d.png:model={model}")
    assert np.array_equal(mask, where)
    assert np.array_equal(out[~where], bad[~where])
    assert np.abs(out[where].astype(float) - film[where]).mean() < 5


@BOTH
def test_nothing_crosses_a_cut_and_short_shots_stay(steps, folder):
    shots = [scene(1), 255 - scene(1)[:, ::-1], scene(1, bars=True)]
    film = np.concatenate(shots)
    out, mask = repaired(film, steps=steps)
    assert np.array_equal(out, film)
    assert not mask.any()


@BOTH
def test_segments_killed_and_shards_are_the_whole(steps, folder, monkeypatch):
    bad, _ = dirtied(scene(speed=5))
    whole, _ = repaired(scratched(bad)[0], steps=steps)
    words = ["restore", "in.mkv", "--steps", steps, "--progress", "off", "--segment", "2"]
    assert cli.main([*words, "-o", "parts.mkv"]) == 0
    for k in (1, 2):
        assert cli.main([*words, "-o", "shards.mkv", "--shard", f"{k}/2"]) == 0
    for name in ("parts.mkv", "shards.mkv"):
        assert np.array_equal(codes(name), whole), name
    with monkeypatch.context() as broken:
        break_at(broken, 4, KeyboardInterrupt())
        assert cli.main([*words, "-o", "killed.mkv"]) != 0
    assert cli.main([*words, "-o", "killed.mkv"]) == 0
    assert np.array_equal(codes("killed.mkv"), whole)


def test_large_pictures_go_band_by_band(folder, monkeypatch):
    bad, where = dirtied(scene())
    whole, _ = repaired(bad)
    monkeypatch.setattr("zoo.steps.repair._AT_ONCE_PX", 64 * WIDTH)
    monkeypatch.setattr("zoo.steps.repair._MARGIN_PX", 16)
    out, mask = repaired(bad, "-y")
    assert np.array_equal(out[~mask], bad[~mask])
    assert mask[1:-1][where[1:-1]].mean() > 0.9
    assert np.abs(out.astype(float) - whole)[1:-1][where[1:-1]].mean() < 5


def test_what_cannot_be_is_said(folder):
    with pytest.raises(FlagError, match="a still has none; leave repair out"):
        Chain("repair").kinds(Kind(32, 32, still=True))
    with pytest.raises(FlagError, match="are all off"):
        Chain("repair=dark=off:bright=off:scratches=off")
    with pytest.raises(FlagError, match=r"strength=1\.5 must be from 0 to 1"):
        Chain("repair=strength=1.5")
    with pytest.raises(FlagError, match="for the task 'denoise'"):
        Chain("repair=model=fast-gaussian").kinds(Kind(32, 32))
    with pytest.raises(FlagError, match="sensitivity=9 must be above 0 and at most 4"):
        Chain("repair=sensitivity=9")


def test_spots_are_what_touches():
    here = np.zeros((9, 12), bool)
    here[1, 1:9] = here[2:7, 8] = here[6, 3:8] = True
    here[3:5, 3:5] = True
    here[8, 11] = here[7, 10] = True
    spots = np.asarray(dirt._spots(jnp.asarray(here)))
    assert len({*spots[here].tolist()}) == 3
    assert len({*spots[1, 1:9].tolist(), *spots[6, 3:9].tolist()}) == 1
    assert spots[8, 11] == spots[7, 10] == 8 * 12 + 11
