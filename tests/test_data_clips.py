"""Clips to train on: stretches of films, and pictures made to move."""

import numpy as np
import pytest

from tests import clips as films
from tests.sources import take
from train.loop import clips
from train.loop.clips import ClipsSource
from train.loop.data import batches, halves, hold_out, middles
from train.loop.sources import LeavesSource
from zoo import pictures
from zoo.errors import FlagError, InputError

SIDE = 32


def filmed(count: int, *, scene: int = 0, first: int = 0, side: int = 64) -> list[np.ndarray]:
    """Pictures of a scene that goes one pixel a frame to the left; each says its number in its first column."""
    wide = np.random.default_rng(scene).integers(40, 216, (8, 40, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    shown = [wide[:side, k : k + side].copy() for k in range(first, first + count)]
    for k, picture in enumerate(shown, first):
        picture[:, 0] = k
    return shown


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A film of two shots, one of one shot, a folder of numbered pictures with a gap, one too short, and no film."""
    root = tmp_path_factory.mktemp("films")
    one = {"codec": "png", "size": (64, 64)}
    cut = [*filmed(12, scene=1), *filmed(12, scene=2, first=50)]
    films.write(root / "cut.mov", "rgb24", 24, pictures=cut, **one)
    films.write(root / "one.mov", "rgb24", 20, pictures=filmed(20, scene=3, first=100), **one)
    films.write(root / "short.mov", "rgb24", 2, pictures=filmed(2), **one)
    (root / "scans").mkdir()
    for k, picture in enumerate(filmed(16, scene=4, first=200)):
        if k != 8:
            pictures.write(root / f"scans/f{2 * k:03}.png", pictures.Picture(picture))
    (root / "notes.txt").write_text("no film")
    (root / ".hidden.mkv").write_text("not looked at")
    return root


def opened(folder, **options) -> ClipsSource:
    return ClipsSource(folder, **{"frames": 3, "size": 48, "count": 64, **options})


def numbers(stretch: np.ndarray) -> list[int]:
    """The numbers of a stretch's frames, where its window has the first column."""
    return stretch[:, 0, 0, 0].tolist()


def test_stretches_are_successive_frames_of_one_shot(folder):
    source = opened(folder, size=64)
    assert len(source.places) == len(source) >= 40
    for k in range(len(source)):
        assert source[k].shape in ((6, 64, 64, 3), (3, 64, 64, 3))
        assert set(np.diff(numbers(source[k]))) == {1}, "none is left out, none is from beyond a cut or a gap"
    seen = {name: {n for k, (film, _) in enumerate(source.places) if film == name for n in numbers(source[k])}
            for name, _ in source.places}  # fmt: skip
    assert len(seen["cut.mov"]) >= 12
    assert max(seen["cut.mov"]) > 55
    assert seen["one.mov"] <= {*range(100, 120)}
    assert {name for name, _ in source.places} == {"cut.mov", "one.mov", "scans/f000.png", "scans/f018.png"}


def test_codes_are_the_films_own(folder):
    shown = {k: picture for k, picture in enumerate(filmed(20, scene=3, first=100), 100)}
    source = opened(folder / "one.mov", size=64)
    for stretch in (source[0], source[5]):
        for number, picture in zip(numbers(stretch), stretch, strict=True):
            np.testing.assert_array_equal(picture, shown[number])


def test_what_cannot_be_trained_on_is_said(folder):
    (name, reason), short = opened(folder).skipped
    assert (name, f"{folder}/notes.txt is" in reason) == ("notes.txt", True)
    assert short == ("short.mov", "no shot of 3 frames was found in it")
    with pytest.raises(InputError, match=r"nothing in .* can be trained on; short.mov: no shot of 3 frames"):
        opened(folder / "short.mov")
    with pytest.raises(InputError, match=r"no film in .*notes.txt"):
        opened(folder / "notes.txt")
    with pytest.raises(InputError, match="missing"):
        opened(folder / "none.mov")


def test_films_in_fields_are_passed_by(folder, tmp_path):
    (tmp_path / "one.mov").write_bytes((folder / "one.mov").read_bytes())
    options = {"flags": "+ilme+ildct", "top": "1"}
    films.write(tmp_path / "tape.mpg", "yuv420p", 12, codec="mpeg2video", size=(64, 64), options=options)
    assert [(name, "deinterlace it first" in why) for name, why in opened(tmp_path).skipped] == [("tape.mpg", True)]


def test_what_is_read_is_a_function_of_the_seed_and_the_films(folder, tmp_path):
    one, again, other = opened(folder), opened(folder), opened(folder, seed=1)
    assert one.fingerprint() == again.fingerprint() != other.fingerprint()
    assert all(np.array_equal(one[k], again[k]) for k in range(len(one)))
    (tmp_path / "one.mov").write_bytes((folder / "one.mov").read_bytes())
    assert opened(tmp_path).fingerprint() == opened(tmp_path).fingerprint() != one.fingerprint()


def test_memory_is_bounded(folder):
    few = opened(folder, count=1000, cache_bytes=20 * 6 * 48 * 48 * 3)
    assert 4 <= len(few) <= 20
    assert clips._shared(3, [5] * 10).count(1) == 3
    assert sum(clips._shared(64, [7, 99, 1000, 3])) <= 64
    assert min(clips._shared(64, [7, 99, 1000, 3])) == 1


def test_films_are_held_out_whole(folder):
    source = opened(folder)
    rest, held = hold_out(source, 8)
    assert 1 <= len(held) <= 8
    assert not {film for film, _ in rest.places} & {film for film, _ in held.places}
    clean, degraded = halves(source)
    assert not {*clean.places} & {*degraded.places}
    alone = opened(folder / "one.mov")
    rest, held = hold_out(alone, 8)
    assert max(place for _, place in rest.places) < min(place for _, place in held.places)


@pytest.mark.parametrize("frames", [1, 3])
def test_batches_of_films(folder, frames):
    source = opened(folder)
    first = take(source, 4, crop=SIDE, frames=frames)
    assert first[0].shape == ((4, SIDE, SIDE, 3) if frames == 1 else (4, 3, SIDE, SIDE, 3))
    np.testing.assert_array_equal(take(source, 2, crop=SIDE, frames=frames, start=2), first[2:])
    parts = [take(source, 4, crop=SIDE, frames=frames, process_index=p, process_count=2) for p in range(2)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), first)
    assert middles(source, side=SIDE, frames=frames).shape == (len(source), *first[0].shape[1:])


def test_a_clip_is_the_same_part_of_each_frame(folder):
    """A scene that goes one pixel a frame does so in the clip, to the left or, mirrored, to the right."""
    for clip in np.concatenate(take(opened(folder / "one.mov", size=64), 3, crop=SIDE, frames=3)):
        inner, after = clip[0][:, 2:-2], clip[1]
        assert any(np.array_equal(inner, after[:, 2 + k : SIDE - 2 + k]) for k in (-1, 1))


# ---- pictures made to move


def test_pictures_move_where_a_lesson_asks_for_clips(quick_leaves):
    source = LeavesSource(5, 8, size=64)
    options = {"crop": SIDE, "frames": 3}
    first = take(source, 3, **options)
    assert first[0].shape == (4, 3, SIDE, SIDE, 3)
    assert first[0].dtype == np.uint8
    np.testing.assert_array_equal(take(source, 1, start=2, **options)[0], first[2])
    parts = [take(source, 3, process_index=p, process_count=2, **options) for p in range(2)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), first)
    assert not np.array_equal(take(source, 1, seed=4, **options)[0], first[0])
    assert len({clip.tobytes() for batch in first for clip in batch}) == 12
    held = middles(source, side=SIDE, frames=3)
    assert held.shape == (8, 3, SIDE, SIDE, 3)
    np.testing.assert_array_equal(held, middles(source, side=SIDE, frames=3))
    assert middles(source, side=SIDE).shape == (8, SIDE, SIDE, 3)


def test_the_truth_of_their_motion_comes_where_it_is_asked_for(quick_leaves):
    source = LeavesSource(5, 8, size=64)
    asked = {"crop": SIDE, "frames": 3, "aside": ("motion", "seen", "behind")}
    batch = take(source, 1, **asked)[0]
    np.testing.assert_array_equal(batch["clean"], take(source, 1, crop=SIDE, frames=3)[0])
    assert {name: (x.shape, x.dtype.name) for name, x in batch.items()} == {
        "clean": ((4, 3, SIDE, SIDE, 3), "uint8"),
        "motion": ((4, 3, SIDE, SIDE, 2), "float32"),
        "seen": ((4, 3, SIDE, SIDE, 1), "float32"),
        "behind": ((4, 3, SIDE, SIDE, 3), "uint8"),
    }
    with pytest.raises(FlagError, match="motion is known of clips that are made alone"):
        batches(source, seed=0, batch=1, crop=8, aside=("motion",))
