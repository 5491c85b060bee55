"""Films as numbered pictures and as y4m pipes."""

import io
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from tests import clips
from tests.clips import files, restore
from zoo import bounds, pictures
from zoo.errors import InputError
from zoo.film import job
from zoo.film.read import decoding, sequence
from zoo.pictures import Header, Picture
from zoo.pictures.picture import Window

pytestmark = pytest.mark.usefixtures("identity", "folder")


def draw(pattern: str, dtype, channels: int = 3, numbers=range(7, 12), **facts):
    """Random pictures under the numbers; returns their samples."""
    held = {}
    for n in numbers:
        rng = np.random.default_rng(n)
        shape = (20, 27, channels)
        high = 1 if dtype is np.float32 else np.iinfo(dtype).max
        held[n] = (rng.random(shape) * high).astype(dtype) if high == 1 else rng.integers(0, high, shape, dtype, True)
        if facts.get("bits"):
            codes = held[n] >> (16 - facts["bits"])
            held[n] = (codes << (16 - facts["bits"]) | codes >> (2 * facts["bits"] - 16)).astype(dtype)
        pictures.write(pattern % n, Picture(held[n], **facts))
    return held


def said(path: str) -> dict:
    """What the header of a picture says, by name; the same whether its samples are read or not."""
    header = pictures.read(path).header
    assert header == pictures.read(path, samples=False).header
    return {name: value for name, _, value in header.entries}


@pytest.mark.parametrize(
    ("pattern", "dtype", "channels", "facts"),
    [
        ("f.%06d.dpx", np.uint16, 3, {"bits": 10}),
        ("f.%06d.dpx", np.uint16, 3, {"bits": 16}),
        ("f-%d.png", np.uint8, 4, {}),
        ("f%04d.png", np.uint16, 1, {}),
        ("f_%03d.tif", np.uint16, 3, {"dpi": (2000.0, 2000.0)}),
        ("f_%03d.exr", np.float32, 3, {}),
    ],
)
def test_a_sequence_keeps_numbers_bits_and_every_sample(pattern, dtype, channels, facts):
    held = draw(pattern, dtype, channels, **facts)
    assert restore(pattern, "-o", f"new/{pattern}", "--segment", "2") == 0
    written = sorted(p.name for p in Path("new").iterdir() if p.suffix != ".json")
    assert written == sorted(pattern % n for n in held)
    for n, samples in held.items():
        after = pictures.read(Path("new") / (pattern % n))
        if dtype is np.float32:
            assert np.allclose(after.samples, pictures.read(pattern % n).samples, atol=1e-6)
        else:
            assert np.array_equal(after.samples, samples)
        assert after.dpi == facts.get("dpi")
        assert after.bits == facts.get("bits")


def test_every_picture_keeps_its_own_header():
    """A DPX that says its codes are logarithmic would else be shown as if they were not."""
    about = lambda n: {
        "dpx:Transfer": "Printing density",
        "dpx:FrameRate": 24.0,
        "dpx:TimeCode": f"01:00:00:{n:02}",
        "ImageDescription": "reel 3",
        "PixelAspectRatio": 2.0,
    }
    for n in (7, 8, 9):
        header = Header("DPX", tuple((k, {str: "string", float: "float"}[type(v)], v) for k, v in about(n).items()))
        pictures.write(f"f{n}.dpx", Picture(np.zeros((20, 27, 3), np.uint16), bits=10, header=header))
    assert restore("f%d.dpx", "-o", "new/f%d.dpx", "--start", "0.04", "--segment", "1") == 0
    assert restore("f%d.dpx", "-o", "other/f%d.exr") == 0
    for n in (8, 9):
        before, after = (said(f"{d}f{n}.dpx") for d in ("", "new/"))
        assert {k: after[k] for k in about(n)} == about(n)
        assert before == after
        assert "dpx:TimeCode" not in said(f"other/f{n}.exr")


@pytest.mark.parametrize("half", [True, False])
def test_floats_keep_their_bits(half):
    samples = np.random.default_rng(0).random((20, 27, 3), np.float32) * 3 - 1
    samples = samples.astype(np.float16).astype(np.float32) if half else samples
    header = Header("EXR", (("Copyright", "string", "me"),))
    pictures.write("f1.exr", Picture(samples, half=half, header=header))
    assert restore("f%d.exr", "-o", "g%d.exr") == 0
    after = pictures.read("g1.exr")
    assert after.half == half
    assert np.array_equal(after.samples, samples)
    assert said("g1.exr")["Copyright"] == "me"


def test_pictures_before_the_stretch_are_not_read():
    """But for the two that its first frame depends on."""
    held = draw("f%03d.png", np.uint8, numbers=range(1, 10))
    for n in (2, 3):
        Path(f"f{n:03}.png").write_text("not a picture")
    assert restore("f%03d.png", "-o", "new/f%03d.png", "--start", "0.2", "--rate", "25", "--segment", "2") == 0
    assert sorted(p.name for p in Path("new").glob("*.png")) == [f"f{n:03}.png" for n in range(6, 10)]
    assert np.array_equal(pictures.read("new/f006.png").samples, held[6])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_floats_that_are_no_numbers_are_named(capsys, value):
    for n in (1, 2):
        pictures.write(f"f{n}.exr", Picture(np.full((20, 27, 3), 0.5 if n == 1 else value, np.float32)))
    assert restore("f%d.exr", "-o", "g%d.exr") == 3
    assert "f2.exr holds NaN or infinite samples" in capsys.readouterr().err


def test_a_sequence_becomes_a_film_and_back():
    held = draw("f%03d.tif", np.uint16)
    assert restore("f%03d.tif", "-o", "film.mkv", "--rate", "24000/1001") == 0
    with av.open("film.mkv") as film:
        assert film.streams.video[0].codec_context.pix_fmt == "gbrp16le"
        assert [round(f.time * 24000 / 1001) for f in film.decode(video=0)] == list(range(5))
    assert restore("film.mkv", "-o", "out/g%03d.tif") == 0
    for k, samples in enumerate(held.values()):
        assert np.array_equal(pictures.read(f"out/g{k:03}.tif").samples, samples)


def test_pictures_become_a_film_of_the_matrix_that_is_wanted(capsys, monkeypatch):
    draw("f%d.png", np.uint8)
    words = ["f%d.png", "-o", "film.mkv", "--pix-fmt", "yuv444p"]
    with monkeypatch.context() as breaking:
        breaking.setattr(job, "_joined", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert restore(*words) == 130
    assert restore(*words, "--colorspace", "bt709") == 2
    assert "colour written was" in capsys.readouterr().err
    assert restore(*words, "--colorspace", "bt709", "--restart") == 0
    seen = clips.read(Path("film.mkv"))[0]
    assert int(seen.colorspace) == 1
    rgb = pictures.read("f7.png").samples / 255.0
    luma = 16 + 219 * rgb @ (0.2126, 0.7152, 0.0722)
    assert np.abs(luma - clips.planes(seen)[0]).max() < 1


@pytest.mark.parametrize("name", ["scan", "reel.01", "reel.01/*.*"])
def test_a_folder_becomes_a_film(name):
    scan = Path(name.partition("/")[0])
    scan.mkdir()
    draw(f"{scan}/%d.png", np.uint8)
    assert restore(name, "-o", "film.mkv") == 0
    assert len(clips.read(Path("film.mkv"))) == 5


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("f%03d.png -o g%03d.png", 3, "f009.png missing; --gaps copy repeats the frame before"),
        ("h%03d.png -o g%03d.png", 3, "no picture is called h%03d.png, such as h001.png"),
        ("f%03d.png -o f%03d.png -y", 2, "f%03d.png is an original"),
        ("f%03d.png -o f%3d.png -y", 2, "f%3d.png is an original"),
        (". -o m%03d.png -y", 2, "m%03d.png is an original"),
        ("f*.png -o f%03d.png -y", 2, "f%03d.png is an original"),
        ("old%03d.png -o g%03d.bmp", 2, "unknown picture suffix '.bmp'"),
        ("old%03d.png -o g%03d.gif", 2, "unknown film suffix '.gif'"),
        ("old%03d.png -o f.mkv --drop audio --color-range pc", 2, "--drop, --color-range cannot be used with pictures"),
        ("old%03d.png -o f.mkv --strict-color", 2, "--strict-color cannot be used with pictures"),
        ("old%03d.png -o f.mkv --colorspace bt709", 2, "--colorspace cannot be used with pictures that become bgr0"),
        ("old%03d.png -o - --colorspace bt709", 2, "--colorspace cannot be used with pictures that become y4m"),
        (
            "old%03d.png -o g%03d.png --colorspace bt709",
            2,
            "--colorspace cannot be used with pictures that become .png",
        ),
        ("f%03d.png -o f.mkv --rate none", 2, "--rate must be frames a second"),
        ("m%03d.png -o g%03d.png", 3, "m002.png is 27x20 px with 1 channels of 8 bits after 27x20 with 3 of 8"),
        ("m%03d.png -o old%03d.png", 2, "old004.png exists; overwrite it with -y"),
    ],
)
def test_sequences_that_cannot_be(capsys, words, code, sentence):
    draw("f%03d.png", np.uint8, numbers=(7, 8, 10))
    draw("m%03d.png", np.uint8, numbers=(1,))
    draw("m%03d.png", np.uint8, 1, numbers=(2,))
    draw("old%03d.png", np.uint8, numbers=(4,))
    assert restore(*words.split()) == code
    message = capsys.readouterr().err
    assert sentence in message
    assert message.count("\n") == 1
    assert not list(Path().glob("g*.png"))


def test_older_pictures_among_the_new_ones_are_named(capsys):
    draw("f%03d.png", np.uint8, numbers=(7, 8))
    draw("g%03d.png", np.uint8, numbers=(7, 8, 9, 10))
    assert restore("f%03d.png", "-o", "g%03d.png", "-y") == 0
    assert "note: g009.png and 1 more were there before and are not of this run" in capsys.readouterr().err


def test_a_gap_becomes_a_copy_when_asked():
    held = draw("f%03d.png", np.uint8, numbers=(7, 8, 10))
    assert restore("f%03d.png", "-o", "g%03d.png", "--gaps", "copy") == 0
    assert np.array_equal(pictures.read("g009.png").samples, held[8])
    assert np.array_equal(pictures.read("g010.png").samples, held[10])


@pytest.mark.parametrize(
    ("numbers", "pattern", "missing"),
    [((7, 8, 10), "f%03d.png", "f009.png"), ((98, 99, 101), "%d.png", "100.png"), ((2, 4, 8), "x%02d.png", "x06.png")],
)
def test_a_gap_in_a_folder_is_named(capsys, numbers, pattern, missing):
    Path("scan").mkdir()
    held = draw(f"scan/{pattern}", np.uint8, numbers=numbers)
    assert restore("scan", "-o", "film.mkv") == 3
    assert f"{missing} missing; --gaps copy repeats the frame before" in capsys.readouterr().err
    assert restore("scan", "-o", f"new/{pattern}", "--gaps", "copy") == 0
    assert np.array_equal(pictures.read(Path("new") / missing).samples, held[numbers[1]])


@pytest.mark.parametrize(
    ("name", "pattern", "numbers"),
    [
        ("scan/*.png", "f%d.png", range(1, 13)),
        ("scan/f1*.png", "f%d.png", (1, 10, 11, 12)),
        ("scan", "f%04d.png", range(999, 15000, 4500)),
        ("scan", "f%d_x.png", (9, 10)),
    ],
)
def test_pictures_come_in_the_order_of_their_numbers(name, pattern, numbers):
    Path("scan").mkdir()
    for n in {*range(1, 13), *numbers} if "f1*" in name else numbers:
        (Path("scan") / (pattern % n)).touch()
    assert [path for _, path in sequence.find(name)] == [Path("scan") / (pattern % n) for n in numbers]


def test_a_gap_in_a_glob_is_named():
    draw("f%d.png", np.uint8, numbers=(9, 10, 12))
    with pytest.raises(InputError, match=r"f11\.png missing"):
        sequence.find("f*.png")


@pytest.mark.parametrize("names", [("a.png", "b.png"), ("f2.png", "f4.png", "f6.png"), ("f1.png", "g3.png")])
def test_a_folder_of_other_names_or_steps_has_no_gaps(names):
    Path("scan").mkdir()
    for name in names:
        draw(f"scan/{name}%.0s", np.uint8, numbers=(1,))
    assert restore("scan", "-o", "film.mkv") == 0
    assert len(clips.read(Path("film.mkv"))) == len(names)


def test_without_an_output_the_pictures_go_into_a_folder_beside_theirs():
    Path("scan").mkdir()
    draw("scan/f%03d.png", np.uint8)
    assert restore("scan/f%03d.png") == 0
    assert sorted(p.name for p in Path("scan_restored").glob("*.png")) == sorted(p.name for p in Path("scan").iterdir())


def test_a_run_that_was_broken_off_while_it_moved_the_pictures_goes_on(monkeypatch):
    held, moved, replace = draw("f%03d.png", np.uint8), [], Path.replace

    def breaking(self, target):
        if Path(target).parent.name == "new":
            moved.append(target)
            if len(moved) == 4:
                raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", breaking)
    words = ["f%03d.png", "-o", "new/f%03d.png", "--segment", "2"]
    assert restore(*words) == 130
    monkeypatch.setattr(sequence.PictureSegment, "write", lambda *_: pytest.fail("restored again"))
    assert restore(*words) == 0
    assert all(np.array_equal(pictures.read(f"new/f{n:03}.png").samples, held[n]) for n in held)


def test_a_damaged_picture_may_be_replaced(monkeypatch):
    held, write, written = draw("f%03d.png", np.uint8, numbers=range(10)), sequence.PictureSegment.write, []
    words = ["f%03d.png", "-o", "new/f%03d.png", "--segment", "2"]
    with monkeypatch.context() as breaking:
        breaking.setattr(job, "_joined", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert restore(*words) == 130
    Path("f001.png").write_text("not a picture")
    assert restore(*words) == 3
    held[1] = draw("other%d.png", np.uint8, numbers=(20,))[20]
    Path("other20.png").replace("f001.png")
    monkeypatch.setattr(sequence.PictureSegment, "write", lambda *of: written.append(of) or write(*of))
    assert restore(*words) == 0
    assert len(written) == 4, "its own segment and the next, which depends on it"
    assert all(np.array_equal(pictures.read(f"new/f{n:03}.png").samples, held[n]) for n in held)


@pytest.mark.parametrize("output", ["-", "g%03d.png"])
def test_what_pictures_cannot_hold_is_said(capfd, monkeypatch, output):
    clips.write(Path("in.mkv"), "yuv444p", 4, audio=True, times=[0, 40, 200, 240])
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    assert restore("in.mkv", "-o", output) == 0
    message = capfd.readouterr().err
    assert "the film's other streams are not: attachment, audio" in message
    assert "the rate of in.mkv varies, which pictures and y4m cannot hold" in message


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "yuv444p", "gray"])
def test_a_film_on_standard_output(monkeypatch, pixel_format):
    clips.write(Path("in.mkv"), pixel_format, 4)
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe))
    assert restore("in.mkv", "-o", "-") == 0
    with av.open(io.BytesIO(pipe.getvalue()), format="yuv4mpegpipe") as film:
        after = list(film.decode(video=0))
    before = clips.read(Path("in.mkv"))
    for one, other in zip(before, after, strict=True):
        assert other.format.name == one.format.name
        assert all(np.array_equal(p, q) for p, q in zip(clips.planes(one), clips.planes(other), strict=True))


@pytest.mark.parametrize("name", ["in.y4m", "-"])
@pytest.mark.parametrize(("missing", "code"), [(0, 0), (100, 1), (5 + 20 * 27, 1)])
def test_a_y4m_stream_that_ends_within_a_frame(monkeypatch, capsys, name, missing, code):
    written = io.TextIOWrapper(io.BytesIO())
    clips.write(Path("in.mkv"), "gray", 4, size=(27, 20))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", written)
        assert restore("in.mkv", "-o", "-") == 0
    data = written.buffer.getvalue()
    Path("in.y4m").write_bytes(data[: len(data) - missing])
    decoding.pipe.cache_clear()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("in.y4m").read_bytes())))
    capsys.readouterr()
    assert restore(name, "-o", "out.mkv") == code
    said = "is damaged: it breaks off within a frame, about 1 frames are lost"
    assert (said in capsys.readouterr().err) == bool(code)
    assert len(clips.read(Path("out.mkv"))) == 4 - code


def test_a_pipe_from_end_to_end(folder):
    """The real command between two pipes."""
    clips.write(folder / "in.mkv", "yuv420p", 3, size=(64, 48))
    root = str(Path(clips.__file__).parents[1])
    command = [sys.executable, "-m", "zoo", "restore", "-m", "fast-gaussian"]
    run = lambda *words, **pipes: subprocess.run(
        [*command, *words], env=os.environ | {"PYTHONPATH": root}, cwd=folder, capture_output=True, check=True, **pipes
    )
    first = run("in.mkv", "-o", "-").stdout
    run("-", "-o", "out.mkv", input=first)
    assert len(clips.read(folder / "out.mkv")) == 3
    assert files(folder) == ["in.mkv", "out.mkv", "out.mkv.json"]


def test_every_picture_keeps_windows_other_channels_and_what_it_says():
    rng, held = np.random.default_rng(0), {}
    for n in (7, 8, 9):
        held[n] = rng.random((20, 27, 3), np.float32).astype(np.float16).astype(np.float32) * 4 - 1
        depth = (("Z", rng.random((20, 27), np.float32) * 100 + n),)
        window = Window(10 + n, 6, (0, 0, 100, 80))
        pictures.write(f"f{n}.exr", Picture(held[n], others=depth, window=window))
        dpx = rng.integers(0, 255, (20, 27, 3), np.uint8, True)
        pictures.write(f"f{n}.dpx", Picture(dpx, bits=8, big_endian=True))
        text = Header("PNG", (("tEXt", None, b"Source\0Reel %d" % n), ("gAMA", None, b"\0\1\x86\xa0")))
        pictures.write(f"f{n}.png", Picture(dpx, header=text))
    for suffix in (".exr", ".dpx", ".png"):
        assert restore(f"f%d{suffix}", "-o", f"new/f%d{suffix}", "--segment", "2") == 0
        for n in held:
            before, after = (pictures.read(f"{d}f{n}{suffix}") for d in ("", "new/"))
            assert np.array_equal(before.samples, after.samples)
            assert (before.window, before.big_endian, before.bits) == (after.window, after.big_endian, after.bits)
            assert suffix == ".exr" or before.header == after.header
            for (name, z), (name_after, z_after) in zip(before.others, after.others, strict=True):
                assert name == name_after
                assert np.array_equal(z, z_after)
    assert pictures.read("new/f8.exr").window == Window(18, 6, (0, 0, 100, 80))


def test_what_the_pictures_of_a_sequence_cannot_hold_is_named(capsys):
    text = Header("PNG", (("tEXt", None, b"Source\0Reel 12"),))
    for n in (1, 2):
        pictures.write(f"f{n}.png", Picture(np.zeros((20, 27, 3), np.uint8), header=text))
    assert restore("f%d.png", "-o", "g%d.tif") == 0
    assert "note: f%d.png: not kept in g%d.tif: Source\n" in capsys.readouterr().err


def test_a_film_that_says_it_is_very_large_is_refused_before_the_work(monkeypatch, capsys):
    clips.write(Path("in.mkv"), "gray", 2)
    monkeypatch.setattr(bounds, "_most_px", None)  # put back at the end
    monkeypatch.setattr(bounds, "free_memory", lambda: 100)
    assert restore("in.mkv", "-o", "out.mkv") == 3
    assert "are free; if it is so, allow it with --max-pixels" in capsys.readouterr().err
    assert restore("in.mkv", "-o", "out.mkv", "--max-pixels", "100000") == 0


@pytest.mark.parametrize("name", ["pipe.mkv", "pipe.png"])
def test_a_named_pipe_is_no_film(capsys, name):
    os.mkfifo(name)
    assert restore(name, "-o", "out.mkv") == 3
    assert f"{name} is no regular file" in capsys.readouterr().err
