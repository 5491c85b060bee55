"""Training pictures: the sources, and the order and content of their crops."""

import contextlib
import io
import json
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from tests.test_picture_facts import bombs
from train.loop import data
from train.loop.data import FolderSource, LeavesSource, TfdsSource, View, batches, halves, hold_out, open_source
from zoo import bounds, pictures
from zoo.errors import FlagError, InputError


class Plain:
    """A source of given pictures."""

    skipped = ()
    name = "plain"

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


def take(source, count, **options) -> list[np.ndarray]:
    options = {"seed": 3, "batch": 4, "crop": 16, **options}
    with contextlib.closing(batches(source, **options)) as crops:
        return [next(crops) for _ in range(count)]


def photo(seed: int, height: int, width: int, channels=3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


@pytest.fixture
def mixed(tmp_path) -> Path:
    """Seven pictures of all kinds and sizes, three unreadable files, and a text that is no picture."""
    folder = tmp_path / "mixed"
    (folder / "deep").mkdir(parents=True)
    Image.fromarray(photo(0, 30, 50)).save(folder / "a.jpg")
    Image.fromarray(photo(1, 20, 70)).save(folder / "deep/b.png")
    Image.fromarray(photo(2, 64, 33, 4)).save(folder / "c.png")
    Image.fromarray(photo(3, 40, 40, 1)[..., 0]).save(folder / "d.webp")
    Image.fromarray(photo(4, 40, 40)).quantize(8).save(folder / "e.png")
    Image.fromarray(photo(5, 3, 1)).save(folder / "f.TIFF")
    Image.new("CMYK", (21, 34), (0, 255, 255, 0)).save(folder / "g.jpg")
    (folder / "deep/half.jpg").write_bytes((folder / "a.jpg").read_bytes()[:900])
    (folder / "text.png").write_text("no picture")
    (folder / "empty.jpg").touch()
    (folder / "notes.txt").write_text("passed by")
    return folder


BAD = ["deep/half.jpg", "empty.jpg", "text.png"]

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


# ---- TFDS


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args):
        raise AssertionError(f"the network was asked for: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_a_folder_goes_through_tfds_and_comes_back(mixed, tmp_path, capsys, no_network):
    from train import tfds_folder

    command = [str(mixed), "--name=flickr30k", "--data-dir", str(tmp_path / "tfds")]
    assert tfds_folder.main(command) == 0
    out, err = capsys.readouterr()
    assert "7 pictures, 3 skipped; use them with --data=tfds:flickr30k" in out
    assert all(f"skipped {name}:" in err for name in BAD)

    source = open_source("tfds:flickr30k", data_dir=tmp_path / "tfds")
    straight = FolderSource(mixed)
    assert len(source) == 7
    for i in range(7):
        np.testing.assert_array_equal(source[i], straight[i])
    np.testing.assert_array_equal(take(source, 3), take(straight, 3))
    part = open_source("tfds:flickr30k:train[2:4]", data_dir=tmp_path / "tfds", cache_bytes=0)
    np.testing.assert_array_equal(part[0], straight[2])
    assert len(part) == 2
    assert len({source.fingerprint(), part.fingerprint(), straight.fingerprint()}) == 3
    assert "tensorflow" not in sys.modules

    assert tfds_folder.main(command) == 2  # never over what is there
    assert "exists already" in capsys.readouterr().err
    with pytest.raises(InputError, match="no split 'nosplit'; choose one of: train"):
        open_source("tfds:flickr30k:nosplit", data_dir=tmp_path / "tfds")


def test_tfds_stores_the_files_own_bytes_where_they_are_plain(mixed):
    from train.tfds_folder import _encoded

    assert _encoded(mixed / "a.jpg") == (mixed / "a.jpg").read_bytes()
    for name in ("c.png", "e.png", "g.jpg", "f.TIFF"):  # alpha, palette, CMYK, TIFF
        assert _encoded(mixed / name)[:4] == b"\x89PNG"


def test_deep_pictures_are_stored_as_8_bit_png(tmp_path):
    """Of which Pillow can open some alone."""
    from train.tfds_folder import _encoded

    pictures.write(tmp_path / "deep.tif", pictures.Picture(photo(0, 8, 8).astype(np.float32) / 255))
    assert _encoded(tmp_path / "deep.tif")[:4] == b"\x89PNG"


@pytest.mark.parametrize("place", ["notes.txt", "notes.txt/sub", "/proc/none"])
def test_tfds_folders_that_cannot_be_made_get_one_sentence(mixed, place, capsys):
    from train import tfds_folder

    assert tfds_folder.main([str(mixed), "--name=flickr30k", "--data-dir", str(mixed / place)]) in (1, 2)
    assert "choose another" in capsys.readouterr().err


def test_preparing_nothing_leaves_no_data_set(tmp_path):
    from train.tfds_folder import prepare

    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_text("text")
    with pytest.raises(InputError, match=r"a\.png"):
        prepare(tmp_path / "in", name="none", data_dir=tmp_path / "tfds")
    assert not list((tmp_path / "tfds").rglob("*.array_record*"))
    with pytest.raises(FlagError, match="small letters"):
        prepare(tmp_path / "in", name="My-Set", data_dir=tmp_path / "tfds")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tfds:tf_flowers", "not prepared under .*tfds build tf_flowers --file_format=array_record"),
        ("tfds:div2k/bicubic_x2:train[:80%]", "not prepared"),
        ("tfds:flickr30k", "python -m train.tfds_folder FOLDER --name flickr30k"),
        ("tfds:No Such/Thing!", "cannot open|no TFDS data set"),
        ("tfds:", "name"),
    ],
)
def test_tfds_names_that_cannot_be_opened_say_what_to_do(tmp_path, name, words, no_network):
    with pytest.raises(InputError, match=words) as caught:
        open_source(name, data_dir=tmp_path)
    assert "\n" not in str(caught.value)


def test_tfds_without_a_picture_is_refused(tmp_path):
    import tensorflow_datasets as tfds

    class Numbers(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict({"label": np.int64}))

        def _split_generators(self, dl_manager):
            return {"train": ((i, {"label": i}) for i in range(2))}

        def _generate_examples(self):
            raise NotImplementedError

    Numbers(data_dir=str(tmp_path), file_format="array_record").download_and_prepare()
    with pytest.raises(InputError, match="no 8-bit feature image or hr; it has: label"):
        TfdsSource("numbers", data_dir=tmp_path)


def test_a_view_keeps_the_name(mixed):
    view = View(FolderSource(mixed), [1])
    assert view.name == str(mixed)
    assert [name for name, _ in view.skipped] == BAD


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A prepared data set's own folder."""
    from train.tfds_folder import prepare

    root = tmp_path_factory.mktemp("tfds")
    for k in range(2):
        pictures.write(root / f"{k}.png", pictures.Picture(photo(k, 8, 8)))
    prepare(root, name="mine", data_dir=root / "sets")
    return root / "sets/mine/1.0.0"


@pytest.fixture
def copied(prepared, tmp_path):
    shutil.copytree(prepared.parents[1], tmp_path / "sets")
    return tmp_path / "sets/mine/1.0.0"


EVIL = "import pathlib; pathlib.Path(__file__).with_name('ran').touch()"


@pytest.mark.parametrize("how", ["proto", "legacy", "hidden"])
def test_a_strangers_data_set_runs_no_code(copied, monkeypatch, tmp_path, how):
    """Wherever features.json names it: TFDS imports the module of each class that it finds there."""
    (tmp_path / "evil_features.py").write_text(EVIL)
    monkeypatch.syspath_prepend(tmp_path)
    path = copied / "features.json"
    evil = {"pythonClassName": "evil_features.Evil", "jsonFeature": {"json": "{}"}}
    legacy = {"type": "evil_features.Evil", "content": {}}
    held = {"type": "tensorflow_datasets.core.features.features_dict.FeaturesDict", "content": {"image": legacy}}
    hidden = {"pythonClassName": held["type"], "jsonFeature": {"json": json.dumps(held["content"])}}
    path.write_text(json.dumps({"proto": evil, "legacy": held, "hidden": hidden}[how]))
    with pytest.raises(InputError, match=r"names the code 'evil_features.Evil', which is not run"):
        TfdsSource("mine", data_dir=copied.parents[1])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("features.json", lambda about: [], "must be an object"),
        ("features.json", lambda about: about | {"pythonClassName": "os.system"}, "names the code 'os.system'"),
        ("features.json", lambda about: {}, "cannot open the TFDS data set 'mine'"),
        ("dataset_info.json", lambda about: about | {"name": "../../mine"}, "lies outside its folder"),
        (
            "dataset_info.json",
            lambda about: about | {"splits": [about["splits"][0] | {"filepathTemplate": "/etc/{SPLIT}"}]},
            "lies outside its folder",
        ),
        (
            "dataset_info.json",
            lambda about: about | {"splits": [about["splits"][0] | {"shardLengths": [str(10**18)]}]},
            "said to hold 1000000000000000000 pictures, but its files have",
        ),
        ("dataset_info.json", lambda about: about | {"splits": [{"name": "train"}]}, "missing|empty|no split"),
    ],
)
def test_a_changed_description_of_a_data_set_is_one_sentence(copied, name, change, words):
    path = copied / name
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(InputError, match=words) as caught:
        TfdsSource("mine", data_dir=copied.parents[1])
    assert "\n" not in str(caught.value)


def test_a_picture_in_a_record_is_held_against_its_bytes(copied, monkeypatch):
    source = TfdsSource("mine", data_dir=copied.parents[1])
    with pytest.raises(InputError, match=r"picture 0 of tfds:mine:train says that it is 100000x100000 px, far more"):
        source._decode([{"image": bombs()["a.png"]}], 0, "image")
    monkeypatch.setattr(bounds, "free_memory", lambda: 100)
    with pytest.raises(InputError, match=r"memory, and .* are free"):
        source[0]


def test_a_picture_in_a_record_is_no_program(copied, monkeypatch):
    ran = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: ran.append(1))
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
    with Image.open(io.BytesIO(script)) as image:
        assert image.format == "EPS", "it is one that Pillow would run"
    with pytest.raises(InputError, match="picture 0 of tfds:mine:train is damaged"):
        TfdsSource("mine", data_dir=copied.parents[1])._decode([{"image": script}], 0, "image")
    assert not ran


def test_damaged_records_are_said(copied):
    (path,) = copied.glob("*.array_record*")
    whole, flipped = path.read_bytes(), bytearray(path.read_bytes())
    flipped[175] ^= 1

    def read():
        source = TfdsSource("mine", data_dir=copied.parents[1])
        return [source[i] for i in range(len(source))]

    assert len(read()) == 2
    for broken in (b"", whole[:100], bytes(len(whole)), flipped):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"damaged|its files have") as caught:
            read()
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(InputError, match="is missing; copy the whole data set"):
        read()
