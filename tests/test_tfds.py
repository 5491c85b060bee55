"""Prepared TFDS data sets as training pictures: made from a folder, read, and not trusted."""

import io
import json
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from tests.sources import BAD, mix, photo, take
from tests.test_picture_facts import bombs
from train.loop.data import open_source
from train.loop.sources import FolderSource, TfdsSource
from zoo import bounds, pictures
from zoo.errors import FlagError, InputError


@pytest.fixture
def mixed(tmp_path) -> Path:
    return mix(tmp_path / "mixed")


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


def test_flickr30k_as_others_prepare_it_is_read(tmp_path, no_network):
    """Five captions, names and numbers beside each picture; three splits, in more than one file."""
    import tensorflow_datasets as tfds

    held = {
        "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
        "captions": tfds.features.Sequence(tfds.features.Text()),
        "filename": tfds.features.Text(),
        "img_id": np.int64,
        "sentids": tfds.features.Sequence(np.int64),
    }
    encoded = []
    for k in range(8):
        pictures.write(tmp_path / "one.jpg", pictures.Picture(photo(k, 40, 50 - k)))
        encoded.append((tmp_path / "one.jpg").read_bytes())
    whole = [np.asarray(Image.open(io.BytesIO(data))) for data in encoded]

    class Flickr30k(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.1.0")

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(held), disable_shuffling=True
            )

        def _split_generators(self, dl_manager):
            return {
                "train": self._generate_examples(range(4)),
                "val": self._generate_examples([4, 5]),
                "test": self._generate_examples([6, 7]),
            }

        def _generate_examples(self, numbers):
            for k in numbers:
                said = [f"Two young men look at hand {j}." for j in range(5)]
                about = {
                    "captions": said,
                    "filename": f"{k}.jpg",
                    "img_id": k,
                    "sentids": list(range(5 * k, 5 * k + 5)),
                }
                yield k, {"image": encoded[k], **about}

    Flickr30k(data_dir=str(tmp_path), file_format="array_record").download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=2)
    )
    source = open_source("tfds:flickr30k", data_dir=tmp_path)
    assert len(source) == 4
    for k in range(4):
        np.testing.assert_array_equal(source[k], whole[k])
    np.testing.assert_array_equal(open_source("tfds:flickr30k:test", data_dir=tmp_path)[1], whole[7])
    with pytest.raises(InputError, match="choose one of: train, val, test"):
        open_source("tfds:flickr30k:dev", data_dir=tmp_path)


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
