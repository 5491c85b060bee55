"""A finished film proves what it is: what was written is read again, and `zoo verify` does it years later."""

import errno
import hashlib
import json
import os
import shutil
import signal
import tracemalloc
from pathlib import Path

import av
import pytest

from tests import clips
from tests.clips import files, restore
from tests.test_film_resume import break_at
from zoo import cli, sums
from zoo.film import finish
from zoo.film.read import original
from zoo.film.write import mux, parts
from zoo.film.write.encode import Segment

pytestmark = pytest.mark.usefixtures("identity")

WORDS = ["in.mkv", "-o", "out.mkv", "--segment", "4", "--batch", "2"]


@pytest.fixture
def film(folder):
    clips.write(folder / "in.mkv", count=14, audio=True)
    return folder


def verify(name: str) -> int:
    return cli.main(["verify", name])


def flip(path: Path, at: int | None = None):
    """Changes one byte, in the middle if nothing else is said."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 0xFF
    path.write_bytes(data)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def broken(film: Path, monkeypatch, at: int, *words: str):
    """A run that is interrupted at its frame `at`."""
    with monkeypatch.context() as patch:
        break_at(patch, at, KeyboardInterrupt())
        assert restore(*WORDS, *words) == 130
    return film / "out.mkv.part"


# ---- the log, and what is checked against it


def test_the_log_holds_the_sums_of_what_was_read_and_written(film):
    assert restore(*WORDS) == 0
    log = json.loads((film / "out.mkv.json").read_text())
    assert log["sha256"] == {
        "weights": {"any": "0" * 64},
        "input": sha256(film / "in.mkv"),
        "output": sha256(film / "out.mkv"),
    }
    assert len(log["framemd5"]["encoded"]) == log["frames"] == 14
    with av.open(str(film / "out.mkv")) as out:
        packets = [hashlib.md5(bytes(p)).hexdigest() for p in out.demux(out.streams.video[0]) if p.size]
    assert log["framemd5"]["encoded"] == packets
    assert restore("in.mkv", "-o", "cut.mkv", "--frames", "2") == 0
    assert json.loads((film / "cut.mkv.json").read_text())["sha256"]["input"] is None


def test_verify_names_the_first_frame_that_differs(film, capsys):
    assert restore(*WORDS) == 0
    assert verify("out.mkv") == 0
    assert capsys.readouterr().out == "out.mkv: 14 frames, as they were written\n"
    with av.open(str(film / "out.mkv")) as out:
        begin = [p.pos for p in out.demux(out.streams.video[0]) if p.size][9]
    flip(film / "out.mkv", begin + 100)
    assert verify("out.mkv") == 5
    assert "out.mkv: frame 9 is not the one that was written" in capsys.readouterr().err


def test_verify_of_another_encoder(film, capsys):
    assert restore("in.mkv", "-o", "out.mkv", "-c:v", "libx264", "-e", "bf=2") == 0
    assert verify("out.mkv") == 0
    with av.open(str(film / "out.mkv")) as out:
        packets = [p for p in out.demux(out.streams.video[0]) if p.size]
        at = packets[5].pos + packets[5].size // 2
        shown = sorted(p.pts for p in packets).index(packets[5].pts)
    flip(film / "out.mkv", at)
    assert verify("out.mkv") == 5
    assert f"frame {shown} is not" in capsys.readouterr().err


def test_verify_tells_the_pictures_from_what_lies_beside_them(film, capsys):
    assert restore(*WORDS) == 0
    path = film / "out.mkv"
    path.write_bytes(path.read_bytes().replace(b"Probe", b"Prone"))
    assert verify("out.mkv") == 5
    assert "its 14 frames are those that were written, but" in capsys.readouterr().err


def test_verify_without_a_log_or_a_film(film, capsys):
    assert verify("in.mkv") == 3
    assert "in.mkv has no log, in.mkv.json" in capsys.readouterr().err
    assert restore(*WORDS) == 0
    (film / "out.mkv").write_bytes(b"")
    assert verify("out.mkv") == 3
    (film / "out.mkv.json").write_text("{}")
    assert verify("out.mkv") == 3
    assert "lacks the key" in capsys.readouterr().err


def test_verify_of_pictures(film, capsys):
    assert restore("in.mkv", "-o", "out/%04d.png", "--segment", "4") == 0
    assert verify("out/%04d.png") == 0
    log = json.loads((film / "out" / "%04d.png.json").read_text())
    lines = "".join(f"{sha256(p)}  {p.name}\n" for p in sorted((film / "out").glob("*.png")))
    assert log["sha256"]["output"] == hashlib.sha256(lines.encode()).hexdigest()
    assert log["numbers"] == list(range(14))
    flip(film / "out" / "0007.png")
    assert verify("out/%04d.png") == 5
    assert "0007.png is not the picture that was written" in capsys.readouterr().err
    (film / "out" / "0003.png").unlink()
    assert verify("out/%04d.png") == 5
    assert "0003.png is missing" in capsys.readouterr().err


# ---- what was written is read again


@pytest.mark.parametrize("what", ["picture", "sound"])
@pytest.mark.parametrize("encoder", ["ffv1", "libx264"])
def test_what_is_lost_while_joining_is_code_5(film, monkeypatch, capsys, what, encoder):
    join = mux.join

    def spoiling(film_, encoding, segments, times, part, drop):
        put = join(film_, encoding, segments, times, part, drop)
        with av.open(str(part)) as out:
            stream = out.streams.video[0] if what == "picture" else out.streams.audio[0]
            packet = [p for p in out.demux(stream) if p.size][6]
            at = packet.pos + packet.size - 9
        flip(part, at)
        return put

    words = [*WORDS, "-c:v", encoder, *(["-e", "bf=0"] if encoder == "libx264" else [])]
    with monkeypatch.context() as patch:
        patch.setattr(mux, "join", spoiling)
        assert restore(*words) == 5
    message = capsys.readouterr().err
    assert ("frame 6 is not in the file" if what == "picture" else "stream 1 (audio) is not in the file") in message
    assert not (film / "out.mkv").exists()
    assert files(film / "out.mkv.part").count("joined.mkv") == 0
    assert restore(*words) == 0, "the parts were kept"


def test_no_verify_leaves_it_out_and_the_log_says_so(film, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(finish.verify, "joined", None)
        assert restore(*WORDS, "--no-verify") == 0
    assert json.loads((film / "out.mkv.json").read_text())["verified"] is False
    assert verify("out.mkv") == 0


def test_a_picture_that_was_not_written_as_it_was_is_code_5(film, monkeypatch, capsys):
    name = parts.Parts.finish

    def spoiling(self, segment, part, record):
        if segment == 1:
            shutil.copy(part / "000000.png", part / "000002.png")
        name(self, segment, part, record)

    monkeypatch.setattr(parts.Parts, "finish", spoiling)
    assert restore("in.mkv", "-o", "out/%04d.png", "--segment", "4") == 5
    assert "0006.png does not hold the picture that was written" in capsys.readouterr().err


# ---- segments


@pytest.mark.parametrize("change", ["flip", "zeros", "gone", "[" * 25000, '{"pts": [1]}', "\xff"])
def test_a_changed_segment_is_done_again_by_itself(film, monkeypatch, change):
    assert restore("in.mkv", "-o", "whole.mkv", "--segment", "4", "--batch", "2") == 0
    folder_ = broken(film, monkeypatch, 11)
    path = folder_ / "000001.mkv"
    if change == "flip":
        flip(path)
    elif change == "zeros":
        half = path.stat().st_size // 2
        path.write_bytes(path.read_bytes()[:half] + bytes(path.stat().st_size - half))
    elif change == "gone":
        path.unlink()
    else:
        path.with_suffix(".json").write_text(change, encoding="latin-1")
    count = break_at(monkeypatch, 99, None)
    assert restore(*WORDS) == 0
    assert len(count) == 4 + 6
    assert clips.same(film / "out.mkv", film / "whole.mkv")


def test_a_segment_that_disappears_while_the_film_is_made_is_made_again(film, monkeypatch, capsys):
    finish_, taken = parts.Parts.finish, []

    def vanishing(self, segment, part, record):
        finish_(self, segment, part, record)
        if segment == 2 and not taken:
            taken.append(self.path(0).unlink())

    monkeypatch.setattr(parts.Parts, "finish", vanishing)
    assert restore(*WORDS) == 0
    assert taken
    assert len(clips.read(film / "out.mkv")) == 14
    assert "other shards" not in capsys.readouterr().err
    monkeypatch.setattr(parts.Parts, "has", lambda *_: False)
    assert restore(*WORDS, "-y") == 1
    assert "disappear or change" in capsys.readouterr().err


# ---- the input


@pytest.mark.parametrize("how", ["exchanged", "appended", "removed"])
def test_a_film_that_changes_while_it_is_restored_is_code_3(film, monkeypatch, capsys, how):
    clips.write(film / "other.mkv", count=14, audio=True, size=(36, 34))
    write, count = Segment.write, []

    def changing(self, planes):
        count.append(1)
        if len(count) == 6:
            if how == "exchanged":
                (film / "other.mkv").replace(film / "in.mkv")
            elif how == "removed":
                (film / "in.mkv").unlink()
            else:
                with (film / "in.mkv").open("ab") as file:
                    file.write(b"x")
        write(self, planes)

    monkeypatch.setattr(Segment, "write", changing)
    assert restore(*WORDS) == 3
    assert "in.mkv was changed or exchanged while it was restored" in capsys.readouterr().err
    assert not (film / "out.mkv").exists()


def test_a_picture_that_changes_while_it_is_restored_is_code_3(film, monkeypatch, capsys):
    assert restore("in.mkv", "-o", "a/%04d.png") == 0
    write, count = sums.of_planes, []

    def changing(planes):
        count.append(1)
        if len(count) == 4:
            shutil.copy(film / "a" / "0000.png", film / "a" / "0001.png")
        return write(planes)

    monkeypatch.setattr(sums, "of_planes", changing)
    assert restore("a/%04d.png", "-o", "b.mkv", "--segment", "4") == 3
    assert "0001.png was changed" in capsys.readouterr().err


def test_the_sum_of_pictures_is_that_of_what_sha256sum_prints(film):
    assert restore("in.mkv", "-o", "a/%04d.png") == 0
    assert restore("a/%04d.png", "-o", "b.mkv") == 0
    log = json.loads((film / "b.mkv.json").read_text())
    assert log["sha256"]["input"] == sums.sum_of_all(sorted((film / "a").glob("*.png")))
    assert original._identity(film / "nothing") == 0


# ---- kills and signals


class Killed(BaseException):
    """As if the process ended here."""


@pytest.mark.parametrize("at", ["before", "after", "tidied"])
def test_killed_around_the_moment_when_the_film_gets_its_name(film, monkeypatch, at):
    """The same command finishes, without doing the film again, and leaves nothing."""
    with monkeypatch.context() as patch:
        name, remove = parts.Parts.name, parts.Parts.remove

        def killed(self, *of):
            name(self, *of) if at == "after" else None
            raise Killed

        def tidied(self):
            remove(self)
            self.folder.mkdir()
            raise Killed

        patch.setattr(parts.Parts, *(("remove", tidied) if at == "tidied" else ("name", killed)))
        with pytest.raises(Killed):
            restore(*WORDS)
    if at == "after":
        (film / "out.mkv.part" / "000001.mkv").unlink()  # it had begun to tidy up
    count = break_at(monkeypatch, 99, None)
    assert restore(*WORDS) == 0
    assert not count
    assert files(film) == ["in.mkv", "out.mkv", "out.mkv.json"]
    assert verify("out.mkv") == 0
    assert restore(*WORDS) == 0, "it is finished"
    assert not count


def test_a_film_of_other_settings_is_not_overwritten_where_a_kill_left_its_folder(film, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(parts.Parts, "remove", lambda self: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            restore(*WORDS)
    before = sha256(film / "out.mkv")
    assert restore(*WORDS, "--strength", "0.5") == 2
    assert restore(*WORDS, "--restart") == 2
    assert sha256(film / "out.mkv") == before
    assert restore(*WORDS) == 0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_are_resumed_as_control_c_is(film, monkeypatch, capsys, name):
    write, count = Segment.write, []

    def signalled(self, planes):
        count.append(1)
        if len(count) == 6:
            os.kill(os.getpid(), getattr(signal, name))
        write(self, planes)

    monkeypatch.setattr(Segment, "write", signalled)
    assert restore(*WORDS) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert not [n for n in files(film / "out.mkv.part") if n.startswith(".")]
    assert restore(*WORDS) == 0
    assert files(film) == ["in.mkv", "out.mkv", "out.mkv.json"]


# ---- memory


def test_memory_does_not_grow_by_the_frame(tmp_path):
    """Of the end of a long film, made of its records alone: 16 bytes for the times of a frame, no list of its sums."""
    most = []
    for count in (500, 2_500):
        record = parts.Record([*range(250)], [1] * 250, ["0" * 32] * 250, ["1" * 32] * 250, [0.0] * 250,
                              [(0.5, 0.25)] * 250)  # fmt: skip
        made = parts.Parts(tmp_path / f"{count}.mkv", {})
        for segment in range(count // 250):
            with made.writing() as part:
                part.write_bytes(b"segment")
                made.finish(segment, part, record)
        tracemalloc.start()
        told = finish.Told()
        for segment in range(count // 250):
            told.add(made.known(segment))
        finish._log(made, range(count // 250), {"sha256": {}}, ("", ""), (), bytes(16 * count))
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        made.close()
    assert len(told.pts) == 2_500
    assert (most[1] - most[0]) / 2_000 < 150, "bytes a frame"


def test_a_folder_that_the_system_keeps_is_said_and_goes_with_the_next_run(film, monkeypatch, capsys):
    def refused(self):
        raise OSError(errno.EIO, "Input/output error", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rmdir", refused)
        assert restore(*WORDS) == 1
    assert "out.mkv.part failed (Input/output error)" in capsys.readouterr().err
    assert files(film / "out.mkv.part") == []
    assert restore(*WORDS) == 0
    assert files(film) == ["in.mkv", "out.mkv", "out.mkv.json"]
