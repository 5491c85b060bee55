"""What changes within a film is said with the frame, and refused unless one insists."""

import json
from fractions import Fraction

import av
import pytest

from tests import clips
from tests.test_film import files, folder, identity, restore  # noqa: F401 (fixtures)
from zoo import cli
from zoo.film import pyav, source


def write(name: str, *parts: dict, codec: str = "mpeg2video", count: int = 6, size=(64, 64)):
    """A transport stream of several recordings, one after the other on one clock. `parts`: of each, what its encoder
    says."""
    with av.open(name, "w", format="mpegts") as out:
        template, at = None, 0
        for part in parts:
            options = {"g": "3", "bf": "2"} | part.get("options", {})
            context = av.CodecContext.create(codec, "w")
            context.width, context.height = part.get("size", size)
            context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
            context.options = options
            if "shape" in part:
                context.sample_aspect_ratio = part["shape"]
            if "tags" in part:
                context.colorspace, context.color_range, context.color_primaries, context.color_trc = part["tags"]
            if template is None:
                template = out.add_stream(codec, rate=25)
                template.width, template.height, template.pix_fmt = *size, "yuv420p"
            packets = []
            for k in range(count):
                picture = clips.frame("yuv420p", at + k, *part.get("size", size))
                if "first" in part:
                    picture = pyav.filtered(picture, "setfield", mode=part["first"])
                picture.pts, picture.time_base = k, Fraction(1, 25)
                packets += context.encode(picture)
            for packet in packets + context.encode(None):
                packet.pts, packet.dts = packet.pts + at, packet.dts + at
                packet.time_base = Fraction(1, 25)
                packet.stream = template
                out.mux(packet)
            at += count


SHAPES = ({"shape": Fraction(1)}, {"shape": Fraction(4, 3)})
TAGS = ({"tags": (1, 1, 1, 1)}, {"tags": (5, 1, 5, 6)})


@pytest.mark.parametrize(
    ("codec", "parts", "said"),
    [
        ("mpeg2video", SHAPES, "shape of samples from 1 to 4/3"),
        ("libx264", SHAPES, "shape of samples from 1 to 4/3"),
        ("mpeg2video", TAGS, "matrix from bt709 to bt470bg, primaries from 1 to 5, transfer from 1 to 6"),
        ("libx264", ({"tags": (1, 1, 1, 1)}, {"tags": (1, 2, 1, 1)}), "range from limited to full"),
    ],
)
def test_a_change_is_said_with_its_frame(folder, capsys, codec, parts, said):  # noqa: F811
    write("in.ts", *parts, codec=codec)
    assert restore("in.ts", "-o", "out.mkv") == 3
    message = capsys.readouterr().err
    assert f"in.ts changes at frame 6: {said}; go on with what it began with, --on-change first" in message
    assert not (folder / "out.mkv").exists()
    assert restore("in.ts", "-o", "out.mkv", "--on-change", "first") == 0
    assert f"in.ts changes at frame 6: {said}" in capsys.readouterr().err
    assert json.loads((folder / "out.mkv.json").read_text())["changes"] == [f"frame 6: {said}"]
    with av.open("out.mkv") as film:
        stream = film.streams.video[0]
        assert len(list(film.decode(stream))) == 12
        assert int(stream.codec_context.colorspace) == int(source.describe("in.ts").tags.matrix)


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
def test_the_order_of_fields(folder, codec):  # noqa: F811
    woven = {"mpeg2video": {"flags": "+ildct+ilme"}, "libx264": {"x264-params": "interlaced=1"}}[codec]
    write("in.ts", *({"options": woven, "first": first} for first in ("tff", "bff")), codec=codec)
    found = []
    assert len(list(source.read(source.describe("in.ts"), source.Losses(), found))) == 12
    assert found == ["frame 6: order of fields from top first to bottom first"]


@pytest.mark.parametrize("words", ["--frames 6", "--end 0.24"])
def test_a_film_may_be_cut_where_it_changes(folder, words):  # noqa: F811
    """The frame after the last is looked at for its neighbour's sake, and is another."""
    write("in.ts", *SHAPES)
    assert restore("in.ts", "-o", "out.mkv", *words.split()) == 0
    assert len(clips.read(folder / "out.mkv")) == 6


def test_a_film_that_says_less_goes_on(folder):  # noqa: F811
    write("in.ts", *SHAPES[:1], {}, codec="libx264")
    assert restore("in.ts", "-o", "out.mkv") == 0


def test_compare_says_it_too(folder, capsys):  # noqa: F811
    write("in.ts", *SHAPES)
    assert cli.main(["compare", "in.ts", "in.ts"]) == 0
    assert "in.ts changes at frame 6: shape of samples" in capsys.readouterr().err
