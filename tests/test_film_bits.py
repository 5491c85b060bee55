"""A film is the same to the bit in one run or in many: resumed, sharded, cut out of the whole, short of memory."""

import dataclasses
import hashlib
import itertools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import clips
from tests.clips import restore
from tests.test_film_resume import break_at
from zoo import registry
from zoo.film import job
from zoo.film.plan import Options
from zoo.film.read import source
from zoo.film.write import encode
from zoo.film.write.parts import Parts
from zoo.tiles import Tiled

pytestmark = pytest.mark.usefixtures("identity")

WORDS = ["in.mkv", "--segment", "4", "--batch", "4"]
COUNT = 14
LOAD = registry.load
KINDS = (".png", ".tif", ".exr", ".dpx", ".jpg")


class Placed(clips.Identity):
    """Shows what a real network may show in the last bit: the place in the batch, and how large the batch is."""

    def __call__(self, x):
        places = jnp.arange(len(x), dtype=jnp.float32) + 1 / len(x)
        return 0.9 * x + places[:, None, None, None] / 100


def still(path, pixel_format="gray16le", count=COUNT, size=(36, 34)):
    """Frames of 16 bits that differ in their grain alone, so that they are fused."""
    width, height = size
    shape = (height, width, 3) if "444" in pixel_format else (height, width)
    base = np.kron(np.random.default_rng(0).uniform(12000, 50000, (height // 8 + 1, width // 8 + 1)), np.ones((8, 8)))
    grain = lambda k: np.random.default_rng(k).normal(0, 900, shape)
    base = base[:height, :width].reshape(height, width, *[1] * (len(shape) - 2))
    frames = [(base + grain(k)).astype(np.uint16) for k in range(count)]
    return clips.write(path, pixel_format, count, size=size, pictures=frames)


@pytest.fixture
def film(folder, monkeypatch):
    monkeypatch.setattr(registry, "load", lambda name: Placed())
    still(folder / "in.mkv")
    assert restore(*WORDS, "-o", "whole.mkv") == 0
    return folder


@pytest.fixture
def places(monkeypatch):
    """How many frames each call of the network was given, filled-up places with them."""
    work, given = Tiled.on_device, []

    def counted(self, rgb):
        given.append(len(rgb))
        return work(self, rgb)

    monkeypatch.setattr(Tiled, "on_device", counted)
    return given


def sums(folder, name: str) -> list[str]:
    """MD5 of each frame, as it went to the encoder."""
    return json.loads((folder / f"{name}.json").read_text())["framemd5"]["output"]


@pytest.mark.parametrize("at", [2, 6, 9, 13])
def test_resumed_is_unbroken(film, monkeypatch, at):
    break_at(monkeypatch, at, KeyboardInterrupt())
    assert restore(*WORDS, "-o", "out.mkv") == 130
    assert restore(*WORDS, "-o", "out.mkv") == 0
    assert clips.same(film / "out.mkv", film / "whole.mkv")
    shots = [json.loads((film / f"{name}.mkv.json").read_text())["shots"] for name in ("out", "whole")]
    assert shots[0] == shots[1]


@pytest.mark.parametrize("order", ["1/2 2/2", "2/2 1/2", "3/3 1/3 2/3", "5/5 4/5 3/5 2/5 1/5"])
def test_shards_are_the_whole(film, order):
    for shard in order.split():
        assert restore(*WORDS, "-o", "out.mkv", "--shard", shard) == 0
    assert clips.same(film / "out.mkv", film / "whole.mkv")


@pytest.mark.parametrize(
    ("words", "first", "stop"),
    [
        ("--start 0.12", 3, 14),
        ("--start 0.2 --end 0.4", 5, 10),
        ("--frames 6", 0, 6),
        ("--start 0.28 --frames 1", 7, 8),
        ("--start 0.04 --end 0.44 --temporal off", 1, 11),
    ],
)
def test_a_stretch_is_that_place_of_the_whole(film, words, first, stop):
    if "off" in words:
        assert restore(*WORDS, "-o", "whole.mkv", "-y", "--temporal", "off") == 0
    assert restore(*WORDS, "-o", "out.mkv", *words.split()) == 0
    assert sums(film, "out.mkv") == sums(film, "whole.mkv")[first:stop]
    for shard in ("2/2", "1/2"):
        assert restore(*WORDS, "-o", "shards.mkv", *words.split(), "--shard", shard) == 0
    assert sums(film, "shards.mkv") == sums(film, "whole.mkv")[first:stop]


def test_the_first_frame_of_a_stretch_does_not_flicker(film):
    """It is not shown after the one before."""
    assert restore(*WORDS, "-o", "out.mkv", "--start", "0.2", "--frames", "1") == 0
    assert json.loads((film / "out.mkv.json").read_text())["flicker"] is None


def test_only_the_last_batch_is_filled_up(film, places):
    assert restore(*WORDS, "-o", "out.mkv") == 0
    assert places == [4] * 4
    places.clear()
    for shard in ("1/2", "2/2"):
        assert restore(*WORDS, "-o", "shards.mkv", "--shard", shard) == 0
    assert places == [4] * (4 + 2), "and one batch on each side of where the shards meet"


def test_the_batch_and_the_segment_are_said_as_they_will_be(film, capsys):
    capsys.readouterr()
    for words, batch, segment in (
        ("--segment 9 --batch 4", 4, 12),
        ("--segment 5", 5, 5),
        ("", 14, 112),
        ("--batch 50", 14, 112),
        ("--frames 3 --batch 4", 4, 100),
    ):
        assert restore("in.mkv", "-o", "out.mkv", "--dry-run", *words.split()) == 0
        options = json.loads(capsys.readouterr().out)["options"]
        assert (options["batch"], options["segment"]) == (batch, segment), words


def test_a_run_goes_on_with_its_batch_or_not_at_all(film, monkeypatch, capsys):
    break_at(monkeypatch, 6, KeyboardInterrupt())
    assert restore(*WORDS, "-o", "out.mkv") == 130
    capsys.readouterr()
    assert restore(*WORDS[:-1], "2", "-o", "out.mkv") == 2
    assert "batch was 4 and is now 2" in capsys.readouterr().err


def test_a_film_for_which_memory_runs_out_is_of_one_tile(film):
    """In the middle of a segment, after frames of it were restored: these too are restored anew."""
    run, ran = Tiled._run, []

    def full(self, plan, *rest):
        ran.append(self.tile)
        if self.tile > 512 and len(ran) == 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        run(self, plan, *rest)

    words = ["in.mkv", "--segment", "8", "--batch", "4", "-o"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tiled, "_run", full)
        patch.setattr(Tiled, "at_once", lambda self, height, width: 8 if self.tile > 512 else 3)
        assert restore(*words, "smaller.mkv") == 0
        patch.setattr(Tiled, "at_once", lambda self, height, width: 2)
        assert restore(*words, "two.mkv") == 0
    assert sums(film, "smaller.mkv") == sums(film, "two.mkv") != sums(film, "whole.mkv"), "two at once, half of four"


def test_a_run_goes_on_in_the_tiles_that_it_came_to(film, monkeypatch, capsys):
    """What was finished in larger ones is kept, and said."""
    run, ran = Tiled._run, []

    def full(self, plan, *rest):
        ran.append(self.tile)
        if self.tile > 512 and len(ran) == 4:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        run(self, plan, *rest)

    def killed(self, segment, part, record):
        keep(self, segment, part, record)
        if record.tile < 512 and not stopped:
            stopped.append(len(ran))
            raise KeyboardInterrupt

    keep, stopped = Parts.finish, []
    monkeypatch.setattr(Tiled, "_run", full)
    monkeypatch.setattr(Parts, "finish", killed)
    assert restore(*WORDS, "-o", "out.mkv") == 130
    assert restore(*WORDS, "-o", "out.mkv") == 0
    assert max(ran[stopped[0] :]) < 512
    assert "the log says from which frame on tiles are smaller" in capsys.readouterr().err
    (first, tile), (later, smaller) = json.loads((film / "out.mkv.json").read_text())["tiles"]
    assert (first, tile, later) == (0, 1024, 8)
    assert smaller < 512


def test_every_segment_falls_to_one_shard_whatever_the_film_says(folder):
    """In runs, however long the film says it is, however long it is, wherever it is cut."""
    clips.write(folder / "in.mkv", count=1)
    rng, unsaid = np.random.default_rng(0), dataclasses.replace(source.describe("in.mkv"), ends=None)
    for _ in range(300):
        said, of, segment, skipped = (int(rng.integers(1, most)) for most in (400, 9, 20, 100))
        counted = job.Count(first=skipped)
        options = [Options(segment=segment, frames=said, shard=(k, of), start=None) for k in range(1, of + 1)]
        first = skipped // segment
        numbers = range(first, first + int(rng.integers(1, 40)))
        owners = [[k for k in range(of) if job._own(n, unsaid, options[k], counted)] for n in numbers]
        assert all(len(owner) == 1 for owner in owners)
        within = [owner[0] for owner in owners][: -(-(skipped % segment + said) // segment)]
        assert within == sorted(within), "each a run"
        runs = [len(list(run)) for _, run in itertools.groupby(within)][:-1]
        assert not runs or max(runs) - min(runs) <= 1


@pytest.fixture
def real(as_shipped, folder, monkeypatch):
    """A network with weights that ship, compiled as a user's, on grain of 16 bits, which shows every rounding."""
    network = LOAD("fast-gaussian")
    monkeypatch.setattr(registry, "load", lambda name: network)
    still(folder / "in.mkv", "yuv444p16le", 12, (211, 145))
    return folder


def test_a_real_network_gives_the_same_bits_however_the_film_is_restored(real, monkeypatch):
    words = ["in.mkv", "--segment", "8", "--batch", "8", "-o"]
    assert restore(*words, "whole.mkv") == 0
    for shard in ("2/2", "1/2"):
        assert restore(*words, "shards.mkv", "--shard", shard) == 0
    break_at(monkeypatch, 10, KeyboardInterrupt())
    assert restore(*words, "resumed.mkv") == 130
    assert restore(*words, "resumed.mkv") == 0
    assert restore(*words, "stretch.mkv", "--start", "0.28", "--frames", "3") == 0
    whole = sums(real, "whole.mkv")
    assert sums(real, "shards.mkv") == sums(real, "resumed.mkv") == whole
    assert sums(real, "stretch.mkv") == whole[7:10]
    assert (
        (real / "shards.mkv").read_bytes() == (real / "resumed.mkv").read_bytes() == (real / "whole.mkv").read_bytes()
    )


@pytest.mark.parametrize("name", [f"out{suffix}" for suffix in encode.SUFFIXES] + [f"%d{kind}" for kind in KINDS])
def test_two_runs_give_the_same_file(folder, name):
    """Nothing random, no date, and encoders of several threads: SHA-256 compares films."""
    few = dict.fromkeys((".webm", ".ts", ".mxf"), "audio,attachment,chapters")
    dropped = {".mkv": ""} | few
    drop = ["--drop", dropped.get(Path(name).suffix, "attachment")] if name.startswith("out") else []
    clips.write(folder / "in.mkv", count=5, size=(160, 128), audio=True)
    found = []
    for run in ("one", "two"):
        (folder / run).mkdir()
        assert restore("in.mkv", "-o", f"{run}/{name}", "--segment", "3", "--batch", "1", *drop) == 0
        written = sorted(path for path in (folder / run).iterdir() if path.suffix != ".json")
        found.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in written])
    assert found[0] == found[1] != []
