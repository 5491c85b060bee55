"""Covers and subtitles go into another kind of file in the form that it has for them."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.stream
import pytest

from tests import clips
from tests.clips import restore
from zoo.film.write import mux

pytestmark = pytest.mark.usefixtures("identity")

TEXTS = ["<i>schräg</i> und <b>fett</b>\nzwei", "schlicht < & >"]
MILLI = Fraction(1, 1000)


def picture(codec: str) -> bytes:
    context: Any = av.CodecContext.create(codec, "w")
    kind = {"png": "rgb24", "mjpeg": "yuvj420p"}[codec]
    context.width, context.height, context.pix_fmt, context.time_base = 32, 24, kind, Fraction(1, 25)
    return b"".join(map(bytes, [*context.encode(clips.frame(kind, 0, 32, 24)), *context.encode(None)]))


def write(name: str, cover: str | None = None, texts: list[str] | None = None):
    """Two frames, with a cover of a codec or with subtitles, as the kind of file has them."""
    with av.open(name, "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 80, "yuv420p"
        added: Any = None
        is_matroska = name.endswith(".mkv")
        if cover and is_matroska:
            kind = "image/jpeg" if cover == "mjpeg" else f"image/{cover}"
            out.add_attachment("cover.jpg" if cover == "mjpeg" else f"cover.{cover}", kind, picture(cover))
        elif cover:
            added = out.add_stream(cover)
            added.width, added.height = 32, 24
            added.pix_fmt = {"png": "rgb24", "mjpeg": "yuvj420p"}[cover]
            added.disposition = added.disposition.attached_pic
        if texts:
            added = out.add_mux_stream("subrip" if is_matroska else "mov_text")
            added.metadata["language"], added.disposition = "ger", added.disposition.default
        for k in range(10):
            out.mux(stream.encode(clips.frame("yuv420p", k, 96, 80)))
        out.mux(stream.encode(None))
        payloads = [picture(cover)] if cover and not is_matroska else []
        for text in texts or ():
            data = text.encode()
            payloads.append(data if is_matroska else len(data).to_bytes(2, "big") + data)
        for k, data in enumerate(payloads):
            packet = av.Packet(data)
            packet.pts = packet.dts = 100 * k
            packet.duration, packet.time_base, packet.stream, packet.is_keyframe = 80, MILLI, added, True
            out.mux(packet)


def read(name: str) -> list[str]:
    return [data[2 : 2 + data[1]].decode() for _, data in beside(name) if data[1]]


def beside(name: str | Path) -> list[tuple[int, bytes]]:
    """(disposition of the stream, what lies in it) of each packet that is not the film's own."""
    with av.open(str(name)) as film:
        return [(int(p.stream.disposition), bytes(p)) for p in film.demux() if p.size and p.stream.index]


@pytest.mark.parametrize("cover", ["png", "mjpeg"])
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv"])
@pytest.mark.parametrize("output", ["out.mkv", "out.mp4", "out.m4v"])
def test_a_cover_stays_one(folder, cover, source, output):
    write(source, cover)
    assert [data for _, data in beside(source)] == [picture(cover)]
    assert restore(source, "-o", output) == 0
    assert beside(output) == [(av.stream.Disposition.attached_pic, picture(cover))]
    with av.open(output) as film:
        name = {"png": "cover.png", "mjpeg": "cover.jpg"}[cover] if output == "out.mkv" else None
        assert film.streams[1].metadata.get("filename") == name


def test_a_cover_of_a_part_of_a_film(folder):
    write("in.mp4", "png")
    assert restore("in.mp4", "-o", "out.mp4", "--start", "0.2", "--frames", "2") == 0
    assert [data for _, data in beside("out.mp4")] == [picture("png")]


@pytest.mark.parametrize(("cover", "output"), [("png", "out.avi"), ("png", "out.nut"), ("png", "out.mov")])
def test_a_cover_without_a_place_is_named(folder, capsys, cover, output):
    write("in.mp4", cover)
    assert restore("in.mp4", "-o", output) == 2
    assert f"cannot hold stream 1 of the film (video, {cover})" in capsys.readouterr().err


def test_a_cover_that_is_lost_is_code_5(folder, capsys, monkeypatch):
    write("in.mp4", "png")
    monkeypatch.setattr(mux.recast, "attached", lambda out, stream: out.add_attachment("a.png", "image/png", b"\x89P"))
    assert restore("in.mp4", "-o", "out.mkv") == 5
    assert "stream 1 (cover) is not in the file" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["out.mp4", "out.mov"])
def test_srt_becomes_text_of_quicktime_and_comes_back(folder, capsys, output):
    write("in.mkv", texts=TEXTS)
    assert restore("in.mkv", "-o", output) == 0
    assert "(subtitle, srt) becomes mov_text" in capsys.readouterr().err
    assert b"styl" in beside(output)[0][1]
    assert read(output) == ["schräg und fett\nzwei", TEXTS[1]]
    assert restore(output, "-o", "back.mkv", "-c:v", "ffv1") == 0
    assert [data.decode() for _, data in beside("back.mkv")] == TEXTS
    assert shown("back.mkv") == shown(output) == [(0, 80), (100, 80)]


def shown(name: str) -> list[tuple[int, int]]:
    """When each text begins and how long it stays, in milliseconds; of QuickTime's not what is between two."""
    with av.open(name) as film:
        [stream] = film.streams.subtitles
        assert stream.metadata["language"] == "ger"
        assert stream.disposition == stream.disposition.default
        packets: Any = film.demux(stream)
        return [
            (round(p.pts * p.time_base * 1000), round(p.duration * p.time_base * 1000)) for p in packets if p.size > 2
        ]


def test_text_of_quicktime_becomes_srt(folder, capsys):
    write("in.mp4", texts=["hi", TEXTS[1]])
    assert restore("in.mp4", "-o", "out.mkv") == 0
    assert "(subtitle, mov_text) becomes SRT" in capsys.readouterr().err
    assert [data.decode() for _, data in beside("out.mkv")] == ["hi", TEXTS[1]]
    assert json.loads(Path("out.mkv.json").read_text())["verified"]


def test_text_that_does_not_become_another_is_code_5(folder, capsys):
    write("in.mp4", texts=["hi"])
    Path("in.mp4").write_bytes(Path("in.mp4").read_bytes().replace(b"\0\2hi", b"\0\2\xff\xc0"))
    assert restore("in.mp4", "-o", "out.mkv") == 5
    assert "the subtitle at 0.000 s of stream 1" in capsys.readouterr().err
