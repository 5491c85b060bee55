"""Training pictures: the sources, and the order and content of their crops."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.sources import BAD, mix, photo, take
from train.loop import data
from train.loop.data import View, batches, halves, hold_out, open_source
from train.loop.sources import FolderSource, LeavesSource
from zoo.errors import FlagError, InputError


class Plain:
    """A source of given pictures."""

    skipped = ()
    name = "plain"
    places = None

    def __init__(self, *pictures):
        self.pictures = pictures

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        return self.pictures[index]

    def fingerprint(self):
        return "plain"


def numbered(count: int, height=24, width=40) -> Plain:
    """Picture i: red is i, green the row, blue the column."""
    rows, columns = np.mgrid[:height, :width]
    return Plain(*(np.stack([np.full_like(rows, i), rows, columns], -1).astype(np.uint8) for i in range(count)))


@pytest.fixture
def mixed(tmp_path) -> Path:
    return mix(tmp_path / "mixed")


# ---- the pipeline


def test_batches_are_uint8_crops_of_the_pictures():
    for batch in take(numbered(5), 6):
        assert batch.shape == (4, 16, 16, 3)
        assert batch.dtype == np.uint8
        for crop in batch:
            assert crop[..., 0].min() == crop[..., 0].max() < 5
            assert np.ptp(crop[..., 1]) == np.ptp(crop[..., 2]) == 15  # 16 rows and 16 columns, whichever way up


def test_every_pose_and_every_place_occurs():
    crops = np.concatenate(take(numbered(1, 18, 18), 60))
    steps = [(int(c[1, 0, 1]) - int(c[0, 0, 1]), int(c[0, 1, 1]) - int(c[0, 0, 1])) for c in crops]
    across = [(int(c[1, 0, 2]) - int(c[0, 0, 2]), int(c[0, 1, 2]) - int(c[0, 0, 2])) for c in crops]
    assert len(set(zip(steps, across, strict=True))) == 8
    assert {(c[..., 1].min(), c[..., 2].min()) for c in crops} == {(y, x) for y in range(3) for x in range(3)}


@pytest.mark.parametrize("count", [1, 2, 7])
def test_each_picture_is_drawn_once_a_round_in_a_new_order(count):
    rounds = np.concatenate(take(numbered(count), 3 * count))[:, 0, 0, 0].reshape(-1, count)
    assert len(rounds) == 12
    for drawn in rounds:
        assert sorted(drawn) == list(range(count))
    assert count < 7 or len(set(map(tuple, rounds))) > 8
    assert len({c.tobytes() for c in np.concatenate(take(numbered(1), 6))}) > 12  # and its crops are new as well


def test_same_seed_same_batches_whatever_the_threads(monkeypatch):
    source = numbered(6)
    first = take(source, 5)
    monkeypatch.setattr(data, "THREADS", 7)
    np.testing.assert_array_equal(take(source, 5), first)
    assert not np.array_equal(take(source, 5, seed=4), first)
    take(source, 1, seed=-1)


@pytest.mark.parametrize("start", [1, 3, 1000])
def test_a_run_continued_at_a_step_sees_what_an_unbroken_run_sees(start):
    source = numbered(5)
    if start < 10:
        np.testing.assert_array_equal(take(source, 3, start=start), take(source, start + 3)[start:])
    np.testing.assert_array_equal(take(source, 1, start=start + 1)[0], take(source, 2, start=start)[1])


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_together_see_the_batch_of_one(processes):
    source = numbered(7)
    parts = [take(source, 4, process_index=p, process_count=processes, start=2) for p in range(processes)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), take(source, 4, start=2))


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (50, 3), (16, 15)])
def test_small_pictures_are_mirrored_outwards(shape):
    picture = photo(0, *shape)
    crops = np.concatenate(take(Plain(picture), 3))
    assert crops.shape == (12, 16, 16, 3)
    colours = set(map(tuple, picture.reshape(-1, 3)))
    assert set(map(tuple, crops.reshape(-1, 3))) <= colours


def test_batches_that_cannot_be_shared_are_refused():
    with pytest.raises(FlagError, match="3 processes"):
        batches(numbered(2), seed=0, batch=4, crop=16, process_count=3)


def test_views_share_no_picture():
    source = numbered(9)
    for parts in (halves(source), hold_out(source, 3), hold_out(source, 8)):
        drawn = [{int(view[i][0, 0, 0]) for i in range(len(view))} for view in parts]
        assert drawn[0] | drawn[1] == set(range(9))
        assert not drawn[0] & drawn[1]
        assert parts[0].fingerprint() != parts[1].fingerprint()
    assert len(hold_out(source, 3)[1]) == 3
    with pytest.raises(FlagError, match="2 pictures"):
        halves(numbered(1))
    for count in (0, 9):
        with pytest.raises(FlagError, match="hold out"):
            hold_out(source, count)


# ---- a folder


def test_a_mixed_folder_opens_and_names_what_it_skips(mixed):
    seen = []
    source = open_source(str(mixed), seed=0, progress=lambda done, total: seen.append((done, total)))
    assert len(source) == 7
    assert [name for name, _ in source.skipped] == BAD
    assert all(name.rsplit("/")[-1] in reason for name, reason in source.skipped)
    assert seen == [(i + 1, 10) for i in range(10)]
    for i in range(7):
        assert source[i].dtype == np.uint8
        assert source[i].shape[2] == 3
    np.testing.assert_array_equal(source[3], photo(1, 20, 70))  # a.jpg, c.png, d.webp, deep/b.png
    assert take(source, 4)[3].shape == (4, 16, 16, 3)


def test_what_does_not_fit_the_memory_is_decoded_anew(mixed):
    kept, fresh = FolderSource(mixed), FolderSource(mixed, cache_bytes=10_000)
    assert kept[0] is kept[0]
    assert sum(fresh[i] is fresh[i] for i in range(7)) in range(1, 7)
    np.testing.assert_array_equal(take(kept, 5), take(fresh, 5))
    assert kept.fingerprint() == fresh.fingerprint()


def test_the_fingerprint_follows_the_files(mixed):
    """Their names and what they show, though the size stays."""
    before = FolderSource(mixed).fingerprint()
    assert FolderSource(mixed).fingerprint() == before
    file = mixed / "f.TIFF"
    was = file.read_bytes()
    Image.fromarray(photo(6, 3, 1)).save(file)
    assert file.stat().st_size == len(was)
    assert FolderSource(mixed).fingerprint() != before
    file.write_bytes(was)
    (mixed / "a.jpg").rename(mixed / "aa.jpg")
    assert FolderSource(mixed).fingerprint() != before


def test_a_picture_that_vanishes_during_training_is_named(mixed):
    source = FolderSource(mixed, cache_bytes=0)
    (mixed / "a.jpg").unlink()
    with pytest.raises(InputError, match=r"a\.jpg"):
        take(source, 4)


def test_folders_without_pictures_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_source(str(tmp_path / "gone"))
    with pytest.raises(InputError, match="no pictures"):
        open_source(str(tmp_path))
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(InputError, match=r"none of the 1 pictures.*a\.png"):
        open_source(str(tmp_path))


def test_real_photographs(photos):
    source = open_source(str(photos / "train"))
    assert len(source) == 400
    assert not source.skipped
    assert {source[i].shape for i in range(400)} == {(321, 481, 3), (481, 321, 3)}
    assert take(source, 2, batch=8, crop=128)[1].std() > 20


def test_a_view_keeps_the_name(mixed):
    view = View(FolderSource(mixed), [1])
    assert view.name == str(mixed)
    assert [name for name, _ in view.skipped] == BAD


# ---- leaves


def test_leaves_are_one_endless_row(quick_leaves):
    seen = []
    whole = LeavesSource(5, 30, size=16, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(8, 30), (16, 30), (24, 30), (30, 30)]
    for count in (1, 3, 8, 20):
        part = LeavesSource(5, count, size=16)
        np.testing.assert_array_equal([*part], whole[:count])
        assert part.fingerprint() != whole.fingerprint()
    assert len({whole[i].tobytes() for i in range(30)}) == 30
    assert not np.array_equal(LeavesSource(6, 1, size=16)[0], whole[0])
    assert whole[0].dtype == np.uint8
    assert whole[0].shape == (16, 16, 3)


def test_three_of_four_leaves_have_the_smooth_colour_of_jpeg(quick_leaves):
    """Noise is as strong in colour as in brightness; JPEG halves colour's side."""
    fine = lambda x: np.abs(np.diff(x, axis=1)[:, ::2]).mean()
    colour = [fine(x[..., 0] - x[..., 2]) / fine(x.sum(-1)) for x in LeavesSource(5, 64, size=64)[:].astype(float)]
    smooth = np.array(colour) < np.max(colour) / 2
    assert 0.6 < smooth.mean() < 0.9


def test_open_source_makes_leaves(quick_leaves):
    source = open_source("leaves", seed=5, size=16, count=3)
    assert (len(source), source.name, list(source.skipped)) == (3, "leaves", [])
    np.testing.assert_array_equal(source[2], LeavesSource(5, 3, size=16)[2])
    with pytest.raises(FlagError, match="0 leaves"):
        open_source("leaves", count=0)
