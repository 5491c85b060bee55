"""What lies in the pictures of a film beside their samples: captions and other data that are not written again."""

import json
import struct
from pathlib import Path

import av
import pytest

from tests import clips
from tests.clips import restore
from zoo import cli
from zoo.film import pyav
from zoo.film.read import carried

pytestmark = pytest.mark.usefixtures("identity")

CAPTIONS = b"\xb5\0\x31GA94\x03\x42\xff" + b"\xfc\x80\x80" * 2 + b"\xff"  # two pairs of ATSC A/53
ACTIVE_FORMAT = b"\xb5\0\x31DTG1\x41\xf9"
WORDS = ["closed captions (CEA-608, CEA-708)", "the active format description"]


def write(name: str, payloads: tuple[bytes, ...], begin: int = 0, count: int = 3, kind: int = 4):
    """A transport stream of H.264, in whose frames from `begin` such SEI lie."""
    sei = b"".join(b"\0\0\0\1\x06" + bytes((kind, len(data))) + data + b"\x80" for data in payloads)
    with av.open(name, "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "1"})
        stream.width, stream.height, stream.pix_fmt = 96, 80, "yuv420p"
        packets = []
        for k in range(count):
            frame = clips.frame("yuv420p", k, 96, 80)
            frame.pts = k
            packets += stream.encode(frame)
        for k, packet in enumerate([*packets, *stream.encode(None)]):
            carrying = av.Packet((sei if k >= begin else b"") + bytes(packet))
            carrying.pts, carrying.dts, carrying.time_base = packet.pts, packet.dts, packet.time_base
            carrying.stream, carrying.is_keyframe = stream, packet.is_keyframe
            out.mux(carrying)


def notes(capsys, *words: str) -> list[str]:
    assert restore(*words, "--dry-run") == 0
    return json.loads(capsys.readouterr().out)["notes"]


@pytest.mark.parametrize("output", ["out.mkv", "out.mp4", "out.ts", "%d.png", "-"])
def test_it_is_named_before_the_work(folder, capsys, output):
    write("in.ts", (CAPTIONS, ACTIVE_FORMAT))
    expected = f"what lies in the pictures of in.ts is not written again: {', '.join(WORDS)}"
    assert expected in notes(capsys, "in.ts", "-o", output)


def test_probe_shows_it(folder, capsys):
    write("in.ts", (CAPTIONS,))
    assert cli.main(["probe", "in.ts"]) == 0
    assert json.loads(capsys.readouterr().out)["in its pictures"] == WORDS[:1]


def test_a_film_without_it_says_nothing(folder, capsys):
    write("in.ts", ())  # x264's own settings lie in it
    assert not any("not written again" in note for note in notes(capsys, "in.ts", "-o", "out.mkv"))


def test_what_begins_later_is_said_with_its_frame(folder, capsys):
    first = carried.FIRST + 2
    write("in.ts", (CAPTIONS,), begin=first, count=first + 2)
    assert restore("in.ts", "-o", "out.mkv") == 0
    said = capsys.readouterr().err
    assert f"in.ts changes at frame {first}: {WORDS[0]}, not written again" in said


def test_data_of_no_standard(folder, capsys):
    write("in.ts", (b"MISPmicrosectime" + bytes(12),), kind=5)
    assert any(note.endswith("data of no standard") for note in notes(capsys, "in.ts", "-o", "out.mkv"))


def test_a_camera_that_writes_exif_into_every_frame(folder, capsys):
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x112, 3, 1, 6, 0)  # it is shown turned
    exif = b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff
    with av.open("in.avi", "w") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 80, "yuvj420p"
        for packet in [*stream.encode(clips.frame("yuvj420p", 0, 96, 80)), *stream.encode(None)]:
            data = bytes(packet)
            turned = av.Packet(data[:2] + exif + data[2:])
            turned.pts = turned.dts = 0
            turned.stream, turned.is_keyframe, turned.time_base = stream, True, packet.time_base
            out.mux(turned)
    assert {"EXIF", "DISPLAYMATRIX"} <= pyav.side_data(clips.read(Path("in.avi"))[0]).keys()
    found = notes(capsys, "in.avi", "-o", "out.ts")
    assert any("rotation by 270 degrees" in note for note in found)
    assert any(note.endswith("not written again: EXIF") for note in found)
