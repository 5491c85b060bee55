"""A film that was broken off goes on, and becomes what the unbroken run gives."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest

from benchmarks.processes import devices
from tests import clips
from tests.clips import files, restore
from tests.runs import ROOT
from zoo import color, registry
from zoo.errors import FlagError, ZooError
from zoo.film import engine, shots
from zoo.film.write.encode import Segment
from zoo.film.write.parts import Parts
from zoo.sums import of_pictures
from zoo.tiles import Tiled

pytestmark = pytest.mark.usefixtures("identity")

WORDS = ["in.mkv", "-o", "out.mkv", "--segment", "4", "--batch", "2"]


@pytest.fixture
def film(folder, monkeypatch):
    monkeypatch.setattr(registry, "load", lambda name: clips.Lighter())
    clips.write(folder / "in.mkv", count=14, times=[3 * k * k for k in range(14)], audio=True)
    assert restore("in.mkv", "-o", "whole.mkv", "--segment", "4", "--batch", "2") == 0
    return folder


def break_at(monkeypatch, number, error):
    """The encoder raises `error` once, at its frame `number`."""
    write, count = Segment.write, []

    def breaking(self, planes):
        count.append(1)
        if len(count) == number:
            raise error
        write(self, planes)

    monkeypatch.setattr(Segment, "write", breaking)
    return count


def test_the_same_command_finds_its_film_finished(film, monkeypatch, capsys):
    assert restore(*WORDS) == 0
    count = break_at(monkeypatch, 99, None)
    assert restore(*WORDS) == 0
    assert restore(*WORDS, "--shard", "2/2") == 0
    assert not count
    assert "out.mkv is finished" in capsys.readouterr().err
    assert restore(*WORDS, "--strength", "0.5") == 2, "another film has that name"
    assert restore(*WORDS, "--drop", "audio") == 2
    assert not count
    assert restore(*WORDS, "-y") == 0
    assert len(count) == 14, "as one insists"
    with (film / "out.mkv").open("ab") as file:
        file.write(b"x")
    assert restore(*WORDS) == 2, "it is no more what its log says"
    assert "out.mkv exists; overwrite it with -y" in capsys.readouterr().err


@pytest.mark.parametrize(("at", "again"), [(3, 14), (6, 10), (13, 2)])
def test_control_c_is_resumed_after_the_last_segment(film, monkeypatch, capsys, at, again):
    count = break_at(monkeypatch, at, KeyboardInterrupt())
    assert restore(*WORDS) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert not (film / "out.mkv").exists()
    assert not [name for name in files(film / "out.mkv.part") if name.startswith(".")], "no half segment"
    count.append(99)
    assert restore(*WORDS) == 0
    assert len(count) == at + 1 + again, "only what was not finished"
    assert clips.same(film / "out.mkv", film / "whole.mkv")
    assert (film / "out.mkv").stat().st_size == (film / "whole.mkv").stat().st_size
    assert not (film / "out.mkv.part").exists()


def test_a_segment_cut_short_is_done_again(film, monkeypatch, capsys):
    """As a power cut may leave it, its name and its record already there."""
    count = break_at(monkeypatch, 10, KeyboardInterrupt())
    assert restore(*WORDS) == 130
    parts = film / "out.mkv.part"
    cut = parts / "000000.mkv"
    cut.write_bytes(cut.read_bytes()[:-1000])
    done = len(count)
    assert restore(*WORDS) == 0
    assert len(count) == done + 10, "the first four frames and the six that were left"
    assert clips.same(film / "out.mkv", film / "whole.mkv")


@pytest.mark.parametrize("left", [None, b"", b"\xff{", b"[1]"])
def test_segments_of_unknown_settings_are_refused(film, monkeypatch, capsys, left):
    break_at(monkeypatch, 6, KeyboardInterrupt())
    assert restore(*WORDS) == 130
    manifest = film / "out.mkv.part" / "manifest.json"
    manifest.unlink() if left is None else manifest.write_bytes(left)
    assert restore(*WORDS) == 2
    assert "no manifest.json that can be read" in capsys.readouterr().err
    assert restore(*WORDS, "--restart") == 0
    assert clips.same(film / "out.mkv", film / "whole.mkv")


def test_a_run_that_finished_no_segment_does_not_stand_in_the_way(film):
    assert restore(*WORDS, "--start", "99") == 2
    assert restore(*WORDS) == 0
    assert clips.same(film / "out.mkv", film / "whole.mkv")


def test_a_film_that_another_run_is_writing_is_left_to_it(film, capsys):
    output = film / "out.mkv"
    with contextlib.closing(Parts(output, {"batch": 2})):
        for words in ([], ["--shard", "1/2"], ["--restart"]):
            assert restore(*WORDS, *words) == 1
            assert "another run is writing out.mkv" in capsys.readouterr().err
    with contextlib.closing(Parts(output, {}, shard=(1, 2))):
        Parts(output, {}, shard=(2, 2)).close()
        with pytest.raises(FlagError, match="other settings"):
            Parts(output, {"batch": 2}, shard=(2, 2))
        for shard, restart in (((1, 2), False), ((2, 3), False), ((1, 1), False), ((2, 2), True)):
            with pytest.raises(ZooError, match="another run"):
                Parts(output, {}, shard=shard, restart=restart)
    assert restore(*WORDS, "--restart") == 0
    assert not (film / "out.mkv.part").exists()


def test_what_is_dropped_may_be_chosen_after_the_work(film, monkeypatch):
    break_at(monkeypatch, 6, KeyboardInterrupt())
    assert restore(*WORDS) == 130
    assert restore(*WORDS, "--drop", "audio") == 0


@pytest.mark.parametrize(("at", "seen"), [(0, True), (2**18 - 1, True), (2**17, False)])
def test_of_every_picture_of_a_sequence_only_the_ends_are_read(tmp_path, at, seen):
    path = tmp_path / "f1.dpx"
    path.write_bytes(bytes(2**18))
    before = of_pictures([path])
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"x")
    assert (of_pictures([path]) != before) == seen
    assert of_pictures([path.rename(tmp_path / "f2.dpx")]) != before


def test_other_settings_are_refused_by_name(film, monkeypatch, capsys):
    break_at(monkeypatch, 6, KeyboardInterrupt())
    assert restore(*WORDS) == 130
    capsys.readouterr()
    assert restore(*WORDS, "--strength", "0.5") == 2
    message = capsys.readouterr().err
    assert "strength was 1.0 and is now 0.5" in message
    assert "--restart" in message
    assert restore(*WORDS, "--precision", "bfloat16") == 2
    assert "precision was 'float32' and is now 'bfloat16'" in capsys.readouterr().err
    clips.write(film / "in.mkv", count=13)
    assert restore(*WORDS) == 2
    assert "input was" in capsys.readouterr().err
    assert restore(*WORDS, "--restart") == 0
    assert len(clips.read(film / "out.mkv")) == 13


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [(OSError(28, "No space left on device"), 1, "the disk is full"), (ValueError("a mistake"), None, "")],
)
def test_what_goes_wrong_in_the_encoder_leaves_no_film(film, monkeypatch, capsys, error, code, sentence):
    break_at(monkeypatch, 7, error)
    if code is None:
        with pytest.raises(ValueError, match="a mistake"):
            restore(*WORDS)
    else:
        assert restore(*WORDS) == code
        assert sentence in capsys.readouterr().err
    assert not (film / "out.mkv").exists()
    assert restore(*WORDS) == 0
    assert clips.same(film / "out.mkv", film / "whole.mkv")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc, in which even root can write nothing")
def test_a_place_where_nothing_can_be(film, capsys):
    assert restore("in.mkv", "-o", "/proc/out.mkv") == 1
    message = capsys.readouterr().err
    assert "error: nothing can be written in /proc/out.mkv.part" in message


def test_out_of_memory_halves_the_tile_and_does_the_same_frames_again(film, monkeypatch, caplog):
    run, failed = Tiled._run, []

    def full(self, plan, *rest):
        if self.tile > 512:
            failed.append(self.tile)
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        run(self, plan, *rest)

    monkeypatch.setattr(Tiled, "_run", full)
    assert restore(*WORDS) == 0
    assert failed == [1024]
    assert "out of memory" in caplog.text
    assert clips.same(film / "out.mkv", film / "whole.mkv")


@pytest.mark.parametrize("stage", ["cut_score", "_flickers"])
def test_out_of_memory_while_shots_are_measured_does_it_again(film, monkeypatch, caplog, stage):
    work, tried = getattr(shots, stage), []

    def full(*of):
        tried.append(stage)
        if len(tried) == 1:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return work(*of)

    monkeypatch.setattr(shots, stage, full)
    assert restore(*WORDS) == 0
    assert caplog.text.count("out of memory") == 1
    assert clips.same(film / "out.mkv", film / "whole.mkv")
    assert (
        json.loads((film / "out.mkv.json").read_text())["shots"]
        == json.loads((film / "whole.mkv.json").read_text())["shots"]
    )


@pytest.mark.parametrize(
    ("place", "stage", "at_once", "then"),
    [(color, "picture", (), ()), (Tiled, "on_device", (4,), (1,)), (engine, "_changed", (), ())],
)
def test_out_of_memory_beside_the_network_does_the_same_frames_again_fewer_at_once(
    film, monkeypatch, caplog, place, stage, at_once, then
):
    work, sizes = getattr(place, stage), []

    def full(*given, **options):
        planes = given[1][..., 0] if place is Tiled else given[0][0]
        sizes.append(planes.shape[:-2])
        if len(sizes) == 1:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return work(*given, **options)

    monkeypatch.setattr(place, stage, full)
    monkeypatch.setattr(Tiled, "at_once", lambda self, height, width: 4 if self.tile > 512 else 1)
    assert restore("in.mkv", "-o", "out.mkv", "--segment", "4") == 0
    assert sizes[0] == at_once
    assert set(sizes[1:]) == {then}
    assert caplog.text.count("out of memory") == 1
    assert clips.same(film / "out.mkv", film / "whole.mkv")


def test_out_of_memory_after_all_is_code_4(film, monkeypatch, capsys):
    def full(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setattr(Tiled, "_run", full)
    assert restore(*WORDS) == 4
    assert "error: out of memory" in capsys.readouterr().err
    assert not (film / "out.mkv").exists()


def test_a_frame_too_few_is_code_5(film, monkeypatch, capsys):
    write = Segment.write
    monkeypatch.setattr(Segment, "write", lambda self, planes: None if self._count == 2 else write(self, planes))
    assert restore(*WORDS) == 5
    assert not (film / "out.mkv").exists()


def test_the_log_says_what_was_done(film):
    log = json.loads((film / "whole.mkv.json").read_text())
    assert (log["frames"], log["lost_frames"], log["sha256"]["weights"]) == (14, 0, {"any": "0" * 64})
    assert len(log["framemd5"]["input"]) == len(set(log["framemd5"]["output"])) == 14


def test_shards_in_any_order_give_the_same_film(film, capsys):
    assert restore(*WORDS, "--shard", "3/3") == 0
    assert "segments are left to other shards" in capsys.readouterr().err
    assert restore(*WORDS, "--shard", "1/3") == 0
    assert not (film / "out.mkv").exists()
    assert restore(*WORDS, "--shard", "2/3") == 0
    assert clips.same(film / "out.mkv", film / "whole.mkv")
    assert files(film) == ["in.mkv", "out.mkv", "out.mkv.json", "whole.mkv", "whole.mkv.json"]
    assert restore(*WORDS, "--shard", "4/3", "-y") == 2


def test_shards_at_the_same_time_one_killed_and_started_again(folder):
    clips.write(folder / "in.mkv", count=24, size=(96, 80))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "zoo", "restore", "in.mkv", "-m", "fast-gaussian", "--segment=2", "--batch=1"]
    start = lambda *words: subprocess.Popen([*command, *words], env=environment, cwd=folder)
    shards = [start("-o", "out.mkv", f"--shard={k}/3") for k in (1, 2, 3)]
    deadline = time.monotonic() + 60
    while not (folder / "out.mkv.part" / "000000.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    shards[0].kill()
    assert shards[0].wait() == -signal.SIGKILL
    assert [shard.wait() for shard in shards[1:]] == [0, 0]
    assert not (folder / "out.mkv").exists()
    assert start("-o", "out.mkv", "--shard=1/3").wait() == 0
    assert start("-o", "whole.mkv").wait() == 0
    assert clips.same(folder / "out.mkv", folder / "whole.mkv")


def test_three_devices_give_the_bytes_of_one(folder):
    """Also where frames are fewer than the devices, in 16 bits, which show every rounding."""
    clips.write(folder / "in.mkv", count=5, size=(160, 420), pixel_format="yuv444p16le")
    for out, count in (("one.mkv", 1), ("three.mkv", 3)):
        flags = devices(count) | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "zoo", "restore", "in.mkv", "-o", out, "-m", "fast-gaussian", "--batch=2"]
        assert subprocess.run(command, env=os.environ | flags, cwd=folder).returncode == 0
    assert clips.same(folder / "one.mkv", folder / "three.mkv")


def test_killed_and_started_again(folder):
    """The real command, killed at some moment of its work with no chance to tidy up."""
    clips.write(folder / "in.mkv", count=40, size=(96, 80))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "zoo", "restore", "in.mkv", "-m", "fast-gaussian", "--segment=5", "--batch=1"]
    assert subprocess.run([*command, "-o", "whole.mkv"], env=environment, cwd=folder).returncode == 0
    process = subprocess.Popen([*command, "-o", "out.mkv"], env=environment, cwd=folder)
    deadline = time.monotonic() + 60
    while not (folder / "out.mkv.part" / "000001.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = files(folder / "out.mkv.part")
    assert "000001.json" in done
    assert "000007.json" not in done
    assert subprocess.run([*command, "-o", "out.mkv"], env=environment, cwd=folder).returncode == 0
    assert clips.same(folder / "out.mkv", folder / "whole.mkv")
