"""`compare`: its numbers are scikit-image's, frames that one film lacks are named, plot and clip hold what they say."""

import json
import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from skimage.metrics import mean_squared_error, structural_similarity

from tests import clips
from zoo import cli, pictures
from zoo.film.compare.comparison import time_code
from zoo.film.formats import repacked
from zoo.film.write.encode import SUFFIXES

pytestmark = pytest.mark.usefixtures("folder")
SIZE = (48, 32)


def picture(k: int, noise: float = 0, size=SIZE) -> np.ndarray:
    """A smooth picture of three colours that moves with `k`, in [0, 1]."""
    y, x = np.mgrid[: size[1], : size[0]] / 16
    waves = [0.5 + 0.3 * np.sin(x * (1 + c / 2) + y + k / 3 + c) for c in range(3)]
    rng = np.random.default_rng(k)
    return np.clip(np.stack(waves, -1) + noise * rng.standard_normal((size[1], size[0], 3)), 0, 1)


def write(name, frames, pixel_format="bgr0", codec="ffv1", *, times=None, options=None, matrix="bt709", tag=None):
    """A film of RGB pictures, converted by swscale where it is not RGB; `times` in frames of 1/25 s."""
    rgb, number, space = pixel_format == "bgr0", *{"bt709": (1, "ITU709"), "smpte170m": (6, "SMPTE170M")}[matrix]
    number = tag or number
    with av.open(name, "w") as out:
        stream = out.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], pixel_format
        stream.codec_context.colorspace, stream.codec_context.color_range = (0, 2) if rgb else (number, 1)
        for k, samples in enumerate(frames):
            if rgb:
                frame = repacked(av.VideoFrame.from_ndarray(np.uint8(np.rint(samples * 255)), "rgb24"), "bgr0")
            else:
                frame = av.VideoFrame.from_ndarray(np.uint16(np.rint(samples * 65535)), "rgb48le")
                colour = {"dst_colorspace": space, "dst_color_range": "MPEG"}
                frame = frame.reformat(format=pixel_format, threads=1, **colour)  # on several it may spoil rows
                frame.colorspace, frame.color_range = number, 1
            frame.pts, frame.time_base = k if times is None else times[k], Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return name


def compare(*words: str, code: int = 0) -> dict:
    assert cli.main(["compare", *words, "-o", "out.json", "-y"]) == code
    with open("out.json", encoding="utf-8") as file:  # noqa: PTH123
        return json.load(file, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def decoded(name) -> list[np.ndarray]:
    return [f.to_ndarray(format="rgb24") / 255 for f in clips.read(name)]


def oracle(a, b):
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    error = mean_squared_error(a, b)
    ssim = structural_similarity(a, b, data_range=1, channel_axis=-1, **window)
    return -10 * math.log10(error), ssim, np.abs(a - b).mean()


# ---- the numbers


def test_the_numbers_are_those_of_scikit_image():
    write("a.mkv", [picture(k) for k in range(4)])
    write("b.mkv", [picture(k, noise=0.02 * (k + 1)) for k in range(4)])
    found = compare("a.mkv", "b.mkv")
    theirs = [oracle(a, b) for a, b in zip(decoded("a.mkv"), decoded("b.mkv"), strict=True)]
    for (column, exact), *values in zip([("psnr_rgb", 1e-3), ("ssim", 1e-5), ("mae", 1e-6)], *theirs, strict=True):
        assert found["frames"][column] == pytest.approx(values, abs=exact)
        assert found["mean"][column] == pytest.approx(np.mean(values), abs=exact)
    assert [row["frame"] for row in found["worst"]] == [3, 2, 1, 0]
    assert found["worst"][0]["time_code"] == "00:00:00.120"
    assert found["frames"]["flicker_a"][0] is None
    assert found["mean"]["flicker_b"] > found["mean"]["flicker_a"]


def test_a_film_with_itself_is_identical_and_the_json_is_json():
    clips.write("a.mkv", "yuv420p10le", 3, size=(35, 33))
    found = compare("a.mkv", "a.mkv")
    assert (found["pairs"], found["identical"], found["only_in_a"], found["only_in_b"]) == (3, 3, [], [])
    assert found["mean"]["psnr_rgb"] == "inf"
    assert found["mean"]["psnr_rgb_of_the_others"] is None
    assert found["frames"]["psnr_rgb"] == ["inf"] * 3
    assert found["worst"] == []


def test_one_picture_in_other_pixel_formats_and_matrices_is_nearly_one():
    """Each film is read by its own tags. swscale, which wrote them, sites chroma in another way than 4:4:4 has it."""
    frames = [picture(k) for k in range(2)]
    write("420.mkv", frames, "yuv420p")
    write("422-601.mkv", frames, "yuv422p10le", matrix="smpte170m")
    write("444.mkv", frames, "yuv444p")
    write("444-601.mkv", frames, "yuv444p", matrix="smpte170m")
    write("444-wrong.mkv", frames, "yuv444p", tag=6)
    write("rgb.mkv", frames)
    for one, other in [("420", "422-601"), ("444", "444-601"), ("444-601", "rgb")]:
        assert compare(f"{one}.mkv", f"{other}.mkv")["mean"]["psnr_rgb"] > 46
    assert compare("444.mkv", "444-wrong.mkv")["mean"]["psnr_rgb"] < 36


def test_a_lossy_copy_has_a_finite_psnr_and_every_time():
    size = (96, 80)
    write("a.mkv", [picture(k, 0.02, size) for k in range(12)], "yuv420p")
    write("b.mp4", [picture(k, 0.02, size) for k in range(12)], "yuv420p", "libx264", options={"crf": "30"})
    found = compare("a.mkv", "b.mp4")
    assert (found["paired_by"], found["pairs"], found["identical"]) == ("time", 12, 0)
    assert 20 < found["mean"]["psnr_rgb"] < 40
    assert found["mean"]["flicker_b"] < found["mean"]["flicker_a"], "the codec took grain off"


# ---- which frames belong together


@pytest.mark.parametrize("missing", [0, 4, 7])
def test_a_missing_frame_is_named_and_the_others_are_paired(capsys, missing):
    kept = [k for k in range(8) if k != missing]
    write("a.mkv", [picture(k) for k in range(8)])
    write("b.mkv", [picture(k) for k in kept], times=kept)
    found = compare("a.mkv", "b.mkv", code=5)
    assert found["only_in_a"] == [{"frame": missing, "time_code": time_code(Fraction(missing, 25))}]
    assert (found["pairs"], found["identical"], found["only_in_b"]) == (7, 7, [])
    assert f"b.mkv lacks 1 frame of a.mkv, the first is frame {missing} at " in capsys.readouterr().err
    assert compare("b.mkv", "a.mkv", code=5)["only_in_b"] == found["only_in_a"]
    if 0 < missing < 7:
        assert found["frames"]["flicker_a"][missing] is None, "the frame before has no pair"


def test_clocks_that_begin_elsewhere_are_no_missing_frames():
    frames = [picture(k) for k in range(6)]
    write("a.mkv", frames, "yuv420p")
    write("b.mkv", frames, "yuv420p", times=[35 + k for k in range(6)])
    assert compare("a.mkv", "b.mkv")["identical"] == 6


@pytest.mark.parametrize(("words", "count"), [("--frames 4", 4), ("--start 0.16", 8), ("--start 0.08 --end 0.24", 4)])
def test_a_stretch_is_that_of_the_first_film(words, count):
    frames = [picture(k) for k in range(12)]
    write("a.mkv", frames)
    write("b.avi", frames)
    found = compare("a.mkv", "b.avi", *words.split())
    assert (found["pairs"], found["identical"]) == (count, count)


def test_a_stretch_that_was_cut_out_is_compared_with_its_place():
    frames = [picture(k) for k in range(12)]
    write("a.mkv", frames)
    write("b.mkv", frames[5:9])
    found = compare("a.mkv", "b.mkv", "--start", "0.2", "--b-start", "0", "--frames", "4")
    assert found["identical"] == 4
    assert found["frames"]["number_a"] == [5, 6, 7, 8]
    assert found["frames"]["number_b"] == [0, 1, 2, 3]


def test_numbered_pictures_are_paired_by_number_and_with_a_film_in_order(capsys):
    for k in range(4):
        pictures.write(f"a{k:03}.png", pictures.Picture(np.uint8(np.rint(255 * picture(k)))))
        if k != 2:
            pictures.write(f"b{k:03}.png", pictures.Picture(np.uint8(np.rint(255 * picture(k)))))
    write("c.mkv", [picture(k) for k in range(4)])
    found = compare("a%03d.png", "c.mkv")
    assert (found["paired_by"], found["identical"]) == ("order", 4)
    assert cli.main(["compare", "a%03d.png", "b%03d.png"]) == 3
    assert "b002.png missing" in capsys.readouterr().err
    Path("b000.png").unlink()
    Path("b001.png").unlink()
    found = compare("a%03d.png", "b%03d.png", code=5)
    assert (found["paired_by"], found["identical"], [f["frame"] for f in found["only_in_a"]]) == (
        "number",
        1,
        [0, 1, 2],
    )


# ---- what cannot be


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("a.mkv small.mkv", 3, "a.mkv is 48x32 px and small.mkv 40x32; scale one to the other's size"),
        ("a.mkv none.mkv", 3, "none.mkv is missing"),
        ("a.mkv a.mkv -o a.mkv -y", 2, "a.mkv is an original, which is never overwritten"),
        ("a.mkv a.mkv --clip there.mkv", 2, "there.mkv exists; overwrite it with -y"),
        ("a.mkv a.mkv --clip out.gif", 2, "unknown film suffix '.gif'; choose one of: .mkv"),
        ("a.mkv a.mkv --clip f%03d.png", 2, "--clip f%03d.png is no film; choose one of: .mkv"),
        ("a.mkv a.mkv --plot out.jpg", 2, "unknown picture suffix '.jpg'; choose one of: .png, .svg, .pdf"),
        ("a.mkv a.mkv --plot p.png -o p.png -y", 2, "p.png is named twice; choose another output"),
        ("a.mkv a.mkv --start 9", 3, "no frame of a.mkv has the time of one of a.mkv"),
        ("a.mkv a.mkv --difference -1", 2, "--difference must be 0 or more, not -1"),
        ("a.mkv hdr.mkv", 3, "one is HDR"),
        ("a.mkv a.mkv --frames 0", 2, "--frames must be 1 or more"),
        ("- -", 2, "standard input is one film"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(capsys, words, code, sentence):
    clips.write("a.mkv", count=2, size=SIZE)
    clips.write("small.mkv", count=2, size=(40, 32))
    clips.write("hdr.mkv", "yuv420p10le", count=2, size=SIZE, tags=(9, 1, 9, 16))
    Path("there.mkv").write_text("precious")
    before = sorted(p.name for p in Path().iterdir())
    assert cli.main(["compare", *words.split()]) == code
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert sentence in message
    assert sorted(p.name for p in Path().iterdir()) == before
    assert Path("there.mkv").read_text() == "precious"


def test_without_matplotlib_the_mend_is_named(capsys, monkeypatch):
    clips.write("a.mkv", count=1)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["compare", "a.mkv", "a.mkv", "--plot", "p.png"]) == 2
    assert "pip install 'filmzoo[report]'" in capsys.readouterr().err


def test_a_film_that_breaks_off_is_measured_so_far(capsys):
    data = Path(write("a.mkv", [picture(k, 0.1) for k in range(20)])).read_bytes()
    Path("b.mkv").write_bytes(data[: len(data) // 2])
    found = compare("a.mkv", "b.mkv", code=5)
    assert found["identical"] == found["pairs"] == 20 - len(found["only_in_a"])
    assert abs(found["b"]["lost_frames"] - len(found["only_in_a"])) <= 1
    compare("b.mkv", "b.mkv", code=1)
    assert "b.mkv is damaged" in capsys.readouterr().err


# ---- plot and clip


def test_names_in_any_script_a_plot_and_json_on_standard_output(capsys):
    write("影片 测试.mkv", [picture(k) for k in range(3)])
    write("b $x$.mkv", [picture(k, 0.05 * (k > 0)) for k in range(3)])
    assert cli.main(["compare", "影片 测试.mkv", "b $x$.mkv", "--plot", "图.png", "--clip", "片/片.mkv"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["a"]["film"] == "影片 测试.mkv"
    assert found["frames"]["psnr_rgb"][0] == "inf"
    assert pictures.read("图.png").samples.std() > 10
    assert len(clips.read("片/片.mkv")) == 3


@pytest.mark.parametrize("size", [(48, 32), (35, 33)])
@pytest.mark.parametrize("difference", [0, 10])
def test_the_clip_holds_both_films_code_for_code_and_their_difference(size, difference):
    times = [0, 40, 47, 500]
    for name, first in (("a.mkv", 0), ("b.mkv", 50)):
        with av.open(name, "w") as out:
            stream = out.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.codec_context.colorspace, stream.codec_context.color_range = 6, 1
            stream.codec_context.time_base = Fraction(1, 1000)
            for k, time in enumerate(times):
                frame = clips.frame("yuv420p", first + k, *size)
                frame.pts, frame.time_base = time, Fraction(1, 1000)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    compare("a.mkv", "b.mkv", "--clip", "side.mkv", "--difference", str(difference))
    side = clips.read("side.mkv")
    width = size[0] + size[0] % 2
    assert [round(f.time * 1000) for f in side] == times
    assert (side[0].width, side[0].height, int(side[0].colorspace)) == ((3 if difference else 2) * width, size[1], 6)
    for frame, one, other in zip(side, clips.read("a.mkv"), clips.read("b.mkv"), strict=True):
        for held, left, right in zip(*map(clips.planes, (frame, one, other)), strict=True):
            half = held.shape[1] // (3 if difference else 2)
            assert np.array_equal(held[:, : left.shape[1]], left)
            assert np.array_equal(held[:, half : half + right.shape[1]], right)
    compare("a.mkv", "a.mkv", "--clip", "side.mkv", "--difference", "10")
    luma = clips.planes(clips.read("side.mkv")[0])[0]
    assert {*luma[:, 2 * width :].flat} <= {125, 126}, "equal films differ by mid-grey"


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s in (".mkv", ".mp4", ".mov", ".webm")])
def test_a_clip_of_films_of_two_kinds_in_every_file(suffix):
    frames = [picture(k, size=(96, 64)) for k in range(3)]
    write("a.mkv", frames, "yuv420p")
    write("b.mkv", frames, "yuv444p", matrix="smpte170m")
    compare("a.mkv", "b.mkv", "--clip", f"side{suffix}")
    side = clips.read(f"side{suffix}")
    assert [round(f.time * 25) for f in side] == [0, 1, 2]
    for frame, samples in zip(side, frames, strict=True):
        rgb = frame.to_ndarray(format="rgb24", src_colorspace="ITU709") / 255
        for panel in (rgb[:, :96], rgb[:, 96:]):
            assert np.abs(panel - samples).mean() < 0.02
