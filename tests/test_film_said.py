"""What is said about a film, and what is refused or found damaged, in a sentence."""

import json
import os

import av
import numpy as np
import pytest

from tests import clips
from tests.clips import files, restore
from zoo import cli
from zoo.errors import InputError
from zoo.film import formats, threads
from zoo.film.progress import Progress
from zoo.film.read import source
from zoo.film.read.decoding import Losses

pytestmark = pytest.mark.usefixtures("identity")


@pytest.mark.parametrize(("number", "name"), [(8, "ycgco"), (16, "ycgco-re"), (12, "of number 12")])
def test_a_matrix_that_cannot_be_converted_is_refused(number, name):
    with pytest.raises(InputError, match=f"the colour matrix {name} cannot be restored"):
        formats.layout("yuv444p", formats.Tags(matrix=number), 64, 64)


@pytest.mark.parametrize(("own", "written"), [("yuv420p", "yuv411p"), ("yuv440p", "yuv422p"), ("yuv422p", "yuv420p")])
def test_chroma_that_is_lost_along_either_axis_is_said(folder, capsys, own, written):
    clips.write(folder / "in.mkv", own, 1)
    assert restore("in.mkv", "-o", "out.mkv", "--pix-fmt", written, "--dry-run") == 0
    assert "loses: some of its resolution of colour" in capsys.readouterr().out


def test_a_colour_that_is_not_said_is_guessed_aloud(folder, capsys):
    clips.write(folder / "in.mkv", tags=(2, 0, 2, 2))
    assert restore("in.mkv", "-o", "out.mkv") == 0
    assert "guessed: matrix smpte170m (by its size, 36x34), limited range (tv)" in capsys.readouterr().err
    assert restore("in.mkv", "-o", "other.mkv", "--strict-color") == 3
    assert restore("in.mkv", "-o", "other.mkv", "--strict-color", "--colorspace=bt709", "--color-range=tv") == 0
    assert [int(clips.read(folder / "other.mkv")[0].colorspace)] == [1]


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_refused_without_force(folder, capsys, transfer):
    clips.write(folder / "in.mkv", "yuv420p10le", 1, tags=(9, 1, 9, transfer))
    assert restore("in.mkv", "-o", "out.mkv") == 3
    assert "--force-hdr" in capsys.readouterr().err
    assert restore("in.mkv", "-o", "out.mkv", "--force-hdr") == 0


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("in.mkv -o in.mkv -y", 2, "in.mkv is an original, which is never overwritten"),
        ("in.mkv -o there.mkv", 2, "there.mkv exists; overwrite it with -y"),
        ("in.mkv -o out.foo", 2, "unknown film suffix '.foo'; choose one of: .mkv"),
        ("in.mkv -o out.mkv -c:v libx266", 2, "unknown encoder 'libx266'; near ones: libx26"),
        ("in.mkv -o out.mkv -c:v aac", 2, "aac is no video encoder"),
        ("in.mkv -o out.mkv --pix-fmt yuv420p11", 2, "does not take the pixel format 'yuv420p11'; near ones: yuv420p"),
        ("in.mkv -o out.mp4 -e crv=3", 2, "libx265 has no option 'crv'; near ones: crf"),
        ("in.mkv -o out.mkv -e level", 2, "-e takes KEY=VALUE"),
        ("in.mkv -o out.webm", 2, ".webm cannot hold stream 1 of the film (audio, pcm_s16le); write .mkv, or leave it"),
        ("in.mkv -o out.mkv --drop sound", 2, "cannot drop sound; the kinds are: audio"),
        ("in.mkv -o out.mkv --strength 2", 2, "--strength must be from 0 to 1"),
        ("in.mkv -o out.mkv --batch many", 2, "--batch must be auto or a number"),
        ("in.mkv -o out.mkv --colorspace bt601", 2, "unknown colour matrix 'bt601'; choose one of: bt709"),
        (f"in.mkv -o {'x' * 247}.mkv", 2, "has 256 bytes with the .json beside it, 255 at most"),
        (f"in.mkv -o {'x' * 248}%d.png", 2, "has 259 bytes"),
        ("in.mkv -o there.mkv/x.mkv", 2, "there.mkv is a file, not a folder"),
        ("in.mkv in.mkv -o out.mkv", 2, "restore films one at a time"),
        ("in.mkv -o out.mkv --rate 25 --gaps copy", 2, "--rate, --gaps cannot be used with a film that has times"),
        ("in.mkv -o - -c:v ffv1 -e level=3", 2, "--codec, -e cannot be used with pictures or y4m"),
        ("in.mkv -o %d.png --pix-fmt gray", 2, "--pix-fmt cannot be used with pictures or y4m"),
        ("in.mkv -o out.ts", 2, ".ts cannot hold stream 1 of the film (audio, pcm_s16le); write .mkv, or leave it out"),
        ("in.mkv -o out.avi -c:v libx265", 2, "pictures of libx265 cannot go into avi; choose another with -c:v"),
        ("in.mkv -o out.avi -c:v huffyuv", 2, "pictures of huffyuv cannot go into matroska, in which every film is"),
        (
            "in.mkv -o out.avi -c:v libx264",
            2,
            ".avi cannot hold pictures of libx264; choose another with -c:v",
        ),
        ("in.mkv -o out.avi -c:v mpeg4 -e bf=2", 2, ".avi holds pictures in the order they are shown in; add -e bf=0"),
        ("late.mkv -o out.avi", 2, "when streams begin, and its picture begins at 0.4 s; write .mkv"),
        ("none.mkv -o out.mkv", 3, "none.mkv is missing: no such file"),
        ("in.mkv -o out.mkv --mask no.png --dry-run", 3, "no.png does not exist"),
        ("empty.mkv -o out.mkv", 3, "empty.mkv is empty"),
        ("text.mkv -o out.mkv", 3, "text.mkv is damaged or no film"),
        ("sound.wav -o out.mkv", 3, "sound.wav holds no moving pictures, only audio"),
    ],
)
def test_what_cannot_be_is_one_sentence(folder, capsys, words, code, sentence):
    clips.write(folder / "in.mkv", count=2, audio=True, size=(64, 64))
    clips.write(folder / "late.mkv", count=2, times=[400, 440])
    (folder / "there.mkv").write_text("precious")
    (folder / "empty.mkv").touch()
    (folder / "text.mkv").write_text("hello " * 99)
    with av.open(str(folder / "sound.wav"), "w") as out:
        sound = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        heard.sample_rate = 8000
        out.mux(sound.encode(heard))
    before = files(folder)
    assert restore(*words.split()) == code
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert sentence in message
    assert files(folder) == before
    assert (folder / "there.mkv").read_text() == "precious"


def test_odd_sizes_where_the_encoder_takes_only_even_ones(folder, capsys):
    clips.write(folder / "in.mkv", size=(65, 67), count=2)
    assert restore("in.mkv", "-o", "out.mp4") == 2
    message = capsys.readouterr().err
    assert "libx265 does not take 65x67 px in yuv420p10le, whose chroma needs even sizes" in message
    assert message.count("\n") == 1
    assert restore("in.mkv", "-o", "out.mp4", "--pix-fmt", "yuv444p10le") == 0


@pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="no such scheduling on this system")
def test_encoders_make_no_thread_real_time():
    """SVT-AV1 does where it may, as root: everything else on the machine would then wait for the film."""
    with threads.ordinary():
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pytest.skip("only root may make a thread real-time")
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_dry_run_says_what_would_be_done_and_does_nothing(folder, capsys):
    clips.write(folder / "in.mkv")
    assert restore("in.mkv", "--dry-run") == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["output"], plan["encoding"]["encoder"]) == ("in_restored.mkv", "ffv1")
    assert files(folder) == ["in.mkv"]


def test_a_stretch_that_ends_where_it_begins_is_no_traceback(folder, capsys):
    clips.write(folder / "in.mkv")
    assert restore("in.mkv", "-o", "out.mkv", "--end", "0") == 2
    assert "no frame of in.mkv lies between" in capsys.readouterr().err


def test_a_stretch_without_frames(folder, capsys):
    clips.write(folder / "in.mkv")
    assert restore("in.mkv", "-o", "out.mkv", "--start", "9") == 2
    assert "no frame of in.mkv lies between --start and --end" in capsys.readouterr().err


def test_a_film_that_breaks_off_is_restored_so_far(folder, capsys):
    data = clips.write(folder / "in.mkv", count=40).read_bytes()
    (folder / "in.mkv").write_bytes(data[: len(data) // 2])
    assert restore("in.mkv", "-o", "out.mkv") == 1
    message = capsys.readouterr().err
    lost = int(message.split("about ")[1].split()[0])
    assert lost + len(clips.read(folder / "out.mkv")) in (39, 40, 41)
    assert 15 < lost < 25
    assert "in.mkv is damaged: it breaks off, about" in message


def test_what_is_lost_in_the_middle_of_a_film_that_breaks_off_is_counted_too(folder, capsys):
    path = clips.write(folder / "in.ts", count=40, codec="mpeg2video", size=(96, 80), options={"g": "1"})
    film = source.describe(path)
    times = [f.pts for f in source.read(film, Losses())]
    last = source.Frame((), times[29], 0)
    assert film.lost(last, 20, Losses()) in (19, 20, 21)
    assert film.lost(source.Frame((), times[39], 0), 40, Losses()) == 0


def test_damaged_packets_are_passed_by_and_counted(folder, capsys):
    path = clips.write(folder / "in.mkv", count=20, codec="libx264", size=(96, 80), options={"g": "1", "crf": "5"})
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as film:
        at = [p.pos for p in film.demux(video=0) if p.size]
    data[at[9] + 40 : at[9] + 1500] = bytes(1460)
    path.write_bytes(bytes(data))
    assert restore("in.mkv", "-o", "out.mkv") == 1
    after = [round(f.time * 25) for f in clips.read(folder / "out.mkv")]
    assert {*after} >= set(range(20)) - {9}
    message = capsys.readouterr().err
    assert ("1 frames were decoded in part" if 9 in after else "1 packets could not be decoded") in message


def test_what_is_lost_in_the_middle_is_counted(folder, capsys):
    """A transport stream: its packets vanish without an error of the decoder, and the end is whole."""
    path = clips.write(folder / "in.ts", count=40, codec="mpeg2video", size=(96, 80), options={"g": "1"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8000] = bytes(8000)
    path.write_bytes(bytes(data))
    assert restore("in.ts", "-o", "out.mkv") == 1
    message = capsys.readouterr().err
    assert "in.ts is damaged: " in message
    lost = int(message.split("about ")[1].split()[0])
    assert abs(lost + len(clips.read(folder / "out.mkv")) - 40) <= 1


def test_an_unwritable_folder_is_named_before_the_work(folder, capsys, monkeypatch):
    clips.write(folder / "in.mkv")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    for output in ("out.mkv", "new/%d.png"):
        assert restore("in.mkv", "-o", output) == 1
        assert capsys.readouterr().err.endswith("choose another folder with -o\n")
    assert files(folder) == ["in.mkv"]


def test_a_new_size_on_the_way_is_named(folder, capsys):
    for name, size in (("a.ts", (64, 64)), ("b.ts", (96, 80))):
        clips.write(folder / name, codec="mpeg2video", size=size)
    (folder / "in.ts").write_bytes((folder / "a.ts").read_bytes() + (folder / "b.ts").read_bytes())
    assert restore("in.ts", "-o", "out.mkv") == 3
    message = capsys.readouterr().err
    assert "is 96x80 yuv420p after 64x64 yuv420p; restore each part as a film of its own, --on-change split" in message
    assert not (folder / "out.mkv").exists()


def test_probe_says_what_it_is(folder, capsys):
    clips.write(folder / "in.mkv", "yuv420p10le", audio=True)
    assert cli.main(["probe", "in.mkv"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["width"], about["height"], about["pixel_format"]) == (36, 34, "yuv420p10le")
    assert [s["type"] for s in about["streams"]] == ["video", "audio", "attachment"]
    assert about["chapters"] == 1
    assert about["fields"]["flagged"] == "unknown"
    would = about["restore"]
    assert (would["output"], would["encoder"], would["pixel_format"]) == ("in_restored.mkv", "ffv1", "yuv420p10le")
    clips.write(folder / "hdr.mkv", "yuv420p10le", 1, tags=(9, 1, 9, 16))
    assert cli.main(["probe", "hdr.mkv"]) == 0
    assert "--force-hdr" in json.loads(capsys.readouterr().out)["restore"]["refused"]
    assert cli.main(["probe", "none.mkv"]) == 3


def bar(kind: str, name: str = "in.mkv", **options: str) -> None:
    """A bar that moves from field to field, the upper ones first, or only from frame to frame."""
    with av.open(name, "w") as out:
        stream = out.add_stream("ffv1", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "gray"
        for k in range(30):
            picture = np.full((64, 96), 40, np.uint8)
            for line in range(64):
                t = 2 * k + (line % 2 if kind == "interlaced" else 0)
                at = round(40 + 30 * np.sin(0.15 * t) + 6 * np.sin(1.1 * t))
                picture[line, at : at + 12] = 220 - line
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "gray")))
        out.mux(stream.encode(None))


def noted(capsys, *words: str) -> str:
    assert cli.main(["restore", "in.mkv", "--dry-run", *words]) == 0
    return "\n".join(json.loads(capsys.readouterr().out)["notes"])


@pytest.mark.parametrize("kind", ["progressive", "interlaced"])
def test_fields_are_found_and_announced(folder, capsys, kind):
    bar(kind)
    assert (
        "in.mkv is interlaced (top first) and its fields" in noted(capsys, "--steps", "filter=median:radius_px=1")
    ) == (kind == "interlaced")
    assert cli.main(["probe", "in.mkv"]) == 0
    fields = json.loads(capsys.readouterr().out)["fields"]
    assert (fields["kind"], fields["order"]) == (kind, "top first" if kind == "interlaced" else None)
    assert fields["sure"] > 0.95


def test_pictures_win_over_flags(folder, capsys):
    bar("interlaced", field_order="bb")
    assert "flagged bottom first, and its pictures show top first" in noted(capsys, "--steps", "deinterlace")
    contrary = noted(capsys, "--steps", "deinterlace=fields=bottom")
    assert "is interlaced (top first); deinterlace=fields=bottom is done as it is asked" in contrary


def test_progressive_film_that_is_to_be_deinterlaced_is_said(folder, capsys):
    bar("progressive", field_order="tt")
    assert "flagged top first, and its pictures show progressive film" in noted(
        capsys, "--steps", "filter=median:radius_px=1"
    )
    assert "deinterlace gives its frames as they are, each twice" in noted(capsys, "--steps", "deinterlace")
    assert "makes every second line of its frames anew" in noted(capsys, "--steps", "deinterlace=fields=top")


def test_progress_as_json_lines(folder, capsys, monkeypatch):
    monkeypatch.setattr("zoo.film.progress._EVERY_S", {"json": 0.0})
    clips.write(folder / "in.mkv")
    assert restore("in.mkv", "-o", "out.mkv", "--progress", "json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert [line["frame"] for line in lines] == [1, 2, 3, 4, 5, 5]
    assert lines[-1]["percent"] == 100


def test_the_time_left_of_a_long_reel_is_more_than_a_day(capsys, monkeypatch):
    clock = iter((0.0, 10.0, 10.0))
    monkeypatch.setattr("zoo.film.progress.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Progress("auto", "reel") as shown:
        shown(1, 36001)
        shown(2, 36001)
    assert "eta=99:59:50" in capsys.readouterr().err


def test_doctor_restores_a_frame(capsys, monkeypatch):
    monkeypatch.undo()
    assert cli.main(["doctor"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["encoders"]["ffv1"]
    assert "cpu" in about["devices"][0]
    assert " ms, after " in about["one frame"]
