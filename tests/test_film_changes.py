"""What changes within a film is said with the frame, and refused unless one insists."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest

from tests import clips
from tests.clips import files, restore
from zoo import cli, registry, sums
from zoo.film import job, pyav
from zoo.film.read import source
from zoo.film.read.decoding import Losses

pytestmark = pytest.mark.usefixtures("identity")


def write(
    name: str, *parts: dict, codec: str = "mpeg2video", count: int = 6, size=(64, 64), first: int = 0, sound=False
):
    """A transport stream of several recordings, one after the other on one clock. `parts`: of each, what its encoder
    says, and how many frames it has. `first`: the number of the first. `sound`: some from before the first picture to
    after the last."""
    with av.open(name, "w", format="mpegts") as out:
        template, at = None, first
        heard = out.add_stream("mp2", rate=48000, layout="mono") if sound else None
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
            for k in range(length := part.get("count", count)):
                picture = clips.frame("yuv420p", at + k, *part.get("size", size))
                if "first" in part:
                    picture = pyav.filtered(picture, "setfield", mode=part["first"])
                picture.pts, picture.time_base = k, Fraction(1, 25)
                packets += context.encode(picture)
            for packet in packets + context.encode(None):
                packet.pts, packet.dts = packet.pts + at, (packet.pts if options["bf"] == "0" else packet.dts) + at
                packet.time_base = Fraction(1, 25)
                packet.stream = template
                out.mux(packet)
            at += length
        for k in range(-3, at * 40 // 24 + 3) if heard else ():
            samples = np.random.default_rng(k + 3).integers(-9000, 9000, (1, 1152)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
            frame.sample_rate, frame.pts = 48000, 1152 * k
            out.mux(heard.encode(frame))


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
def test_a_change_is_said_with_its_frame(folder, capsys, codec, parts, said):
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
def test_the_order_of_fields(folder, codec):
    woven = {"mpeg2video": {"flags": "+ildct+ilme"}, "libx264": {"x264-params": "interlaced=1"}}[codec]
    write("in.ts", *({"options": woven, "first": first} for first in ("tff", "bff")), codec=codec)
    found = []
    assert len(list(source.read(source.describe("in.ts"), Losses(), found))) == 12
    assert found == ["frame 6: order of fields from top first to bottom first"]


@pytest.mark.parametrize("words", ["--frames 6", "--end 0.24"])
def test_a_film_may_be_cut_where_it_changes(folder, words):
    """The frame after the last is looked at for its neighbour's sake, and is another."""
    write("in.ts", *SHAPES)
    assert restore("in.ts", "-o", "out.mkv", *words.split()) == 0
    assert len(clips.read(folder / "out.mkv")) == 6


def test_a_film_that_says_less_goes_on(folder):
    write("in.ts", *SHAPES[:1], {}, codec="libx264")
    assert restore("in.ts", "-o", "out.mkv") == 0


def test_compare_says_it_too(folder, capsys):
    write("in.ts", *SHAPES)
    assert cli.main(["compare", "in.ts", "in.ts"]) == 0
    assert "in.ts changes at frame 6: shape of samples" in capsys.readouterr().err


# ---- split


def look(name: str) -> tuple:
    """(width, height, sample aspect, matrix), of a film."""
    with av.open(name) as film:
        frame = next(film.decode(film.streams.video[0]))
        aspect = film.streams.video[0].sample_aspect_ratio
        return frame.width, frame.height, pyav.exact(aspect or Fraction(1)), int(frame.colorspace)


def codes(*names: str) -> list[str]:
    """The sum of every frame of films, one after the other."""
    return [sums.of_planes(clips.planes(frame)) for name in names for frame in clips.read(name)]


def heard(name: str) -> list[tuple[float, bytes]]:
    """(time after the first picture, bytes) of each packet of sound."""
    with av.open(name) as film:
        packets = [(p.stream.type, float(p.pts * p.time_base), bytes(p)) for p in film.demux() if p.size]
    first = min(at for kind, at, _ in packets if kind == "video")
    return [(at - first, data) for kind, at, data in packets if kind == "audio"]


SPLIT = ("in.ts", "-o", "out.mkv", "--on-change", "split")
PLAIN = {"options": {"bf": "0"}}
THREE = (PLAIN, PLAIN | {"size": (96, 80), "count": 1}, PLAIN | {"count": 5})


def test_each_piece_has_its_own_shape_and_the_codes_of_the_whole(folder, capsys, monkeypatch):
    monkeypatch.setattr(registry, "load", lambda name: clips.Lighter())
    write("in.ts", *SHAPES, SHAPES[0])
    assert restore(*SPLIT) == 0
    said = capsys.readouterr().err
    assert "in.ts is cut where it changes, at frame 6 (shape of samples from 1 to 4/3), at frame 12 (shape of" in said
    assert "3 films, out.1.mkv to out.3.mkv" in said
    assert restore("in.ts", "-o", "whole.mkv", "--on-change", "first") == 0
    assert [look(f"out.{k}.mkv")[2] for k in (1, 2, 3)] == [1, Fraction(4, 3), 1]
    assert codes("out.1.mkv", "out.2.mkv", "out.3.mkv") == codes("whole.mkv")
    assert files(folder) == sorted(
        ["in.ts", "whole.mkv", "whole.mkv.json"] + [f"out.{k}.mkv{e}" for k in (1, 2, 3) for e in ("", ".json")]
    )


def test_each_piece_has_its_own_tags(folder):
    write("in.ts", *TAGS)
    assert restore(*SPLIT) == 0
    assert [look(f"out.{k}.mkv")[3] for k in (1, 2)] == [1, 5]
    assert codes("out.1.mkv", "out.2.mkv") == codes("in.ts")


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
def test_each_piece_has_its_own_size(folder, codec):
    """The one in the middle has one frame. FFmpeg's decoder of MPEG-2 alone loses the last frame of a size."""
    write("in.ts", *THREE, codec=codec)
    for k, (part, first) in enumerate(zip(THREE, (0, 6, 7), strict=True), 1):
        write(f"{k}.ts", part, codec=codec, size=part.get("size", (64, 64)), first=first)
    assert restore(*SPLIT, "--segment", "4", "--batch", "2") == 0
    assert [look(f"out.{k}.mkv")[:2] for k in (1, 2, 3)] == [(64, 64), (96, 80), (64, 64)]
    assert [len(codes(f"out.{k}.mkv")) for k in (1, 2, 3)] == [6, 1, 5]
    assert all(codes(f"out.{k}.mkv") == codes(f"{k}.ts") for k in (1, 2, 3))
    assert all(cli.main(["verify", f"out.{k}.mkv"]) == 0 for k in (1, 2, 3))


def test_sound_is_cut_with_its_pictures(folder):
    write("in.ts", *THREE, codec="libx264", sound=True)
    assert restore(*SPLIT) == 0
    whole, begins, packets = heard("in.ts"), (0, 0.24, 0.28), []
    for k, begin in enumerate(begins):
        packets += [(at + begin, data) for at, data in heard(f"out.{k + 1}.mkv")]
    assert [data for _, data in packets] == [data for _, data in whole], "each packet once"
    assert np.allclose([at for at, _ in packets], [at for at, _ in whole], atol=0.002)


@pytest.mark.parametrize("at", [1, 2])
def test_a_piece_that_is_finished_is_not_done_again(folder, monkeypatch, at):
    """Interrupted between two pieces; then what was finished is changed."""
    write("in.ts", *THREE, codec="libx264")
    done, run = [], job.run

    def interrupted(plan, *rest):
        if len(done) == at:
            raise KeyboardInterrupt
        done.append(plan.output.name)
        return run(plan, *rest)

    monkeypatch.setattr(job, "run", interrupted)
    assert restore(*SPLIT) == 130
    assert done == [f"out.{k + 1}.mkv" for k in range(at)]
    at = 9
    assert restore(*SPLIT) == 0
    assert done == ["out.1.mkv", "out.2.mkv", "out.3.mkv"]
    assert codes("out.1.mkv", "out.2.mkv", "out.3.mkv") == codes("in.ts")
    assert restore(*SPLIT) == 0
    assert len(done) == 3
    (folder / "out.2.mkv").write_bytes(b"another film")
    assert restore(*SPLIT) == 2, "what is not of this run is not overwritten"
    assert restore(*SPLIT, "-y") == 0
    assert done[3:] == ["out.2.mkv"]


def test_pieces_in_shards(folder):
    """There are more shards than the second piece has segments."""
    write("in.ts", *THREE, codec="libx264")
    for k in (2, 1, 3):
        assert restore(*SPLIT, "--segment", "2", "--batch", "1", "--shard", f"{k}/3") == 0
    assert codes("out.1.mkv", "out.2.mkv", "out.3.mkv") == codes("in.ts")
    assert not list(folder.glob("*.part"))


def test_what_is_cut_too_and_what_has_no_change(folder, capsys):
    write("in.ts", *THREE, codec="libx264")
    assert restore(*SPLIT, "--start", "0.24") == 0
    assert files(folder) == ["in.ts", *(f"out.{k}.mkv{e}" for k in (1, 2) for e in ("", ".json"))]
    assert codes("out.1.mkv", "out.2.mkv") == codes("in.ts")[6:]
    assert restore(*SPLIT, "--start", "0.28", "--frames", "3") == 0
    assert codes("out.mkv") == codes("in.ts")[7:10]
    capsys.readouterr()
    assert restore("in.ts", "-o", "dry.mkv", "--on-change", "split", "--dry-run") == 0
    assert [told["film"]["width"] for told in json.loads(capsys.readouterr().out)] == [64, 96, 64]


@pytest.mark.parametrize(("name", "output"), [("-", "out.mkv"), ("in.ts", "-"), ("in.ts", "out/%04d.png")])
def test_what_cannot_be_split_is_refused(folder, capsys, name, output):
    write("in.ts", *SHAPES)
    assert restore(name, "-o", output, "--on-change", "split") == 2
    assert "--on-change split" in capsys.readouterr().err
    assert files(folder) == ["in.ts"]
