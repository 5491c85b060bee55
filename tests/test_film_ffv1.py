"""FFV1's checksums: a byte that changed on the way is known, though FFmpeg makes a picture of what is left."""

import av
import numpy as np
import pytest

from tests import clips
from tests.clips import restore
from zoo import cli
from zoo.film.read import ffv1, source
from zoo.film.read.decoding import Losses

pytestmark = pytest.mark.usefixtures("identity")

KINDS = {
    "as it comes": {},
    "without checksums": {"level": "3", "slices": "4", "slicecrc": "0"},
    "24 slices": {"level": "3", "slices": "24", "slicecrc": "1"},
    "version 1": {"level": "1"},
    "version 4": {"level": "4", "strict": "experimental"},
}
FLIPPED = 3  # the frame of a film in which a byte is changed


# The same picture again and again: what FFmpeg puts in place of a damaged slice is then right.
STILL = [np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)] * 6


def flip(path, share: float = 0.4, frame: int = FLIPPED):
    with av.open(str(path)) as film:
        packet = [p for p in film.demux(video=0) if p.size][frame]
        at = packet.pos + int(share * packet.size)
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)


def losses(path) -> Losses:
    found = Losses()
    assert len(list(source.read(source.describe(path), found))) == len(STILL)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["mkv", "avi", "nut"])
def test_a_whole_film_is_no_damaged_one(folder, kind, suffix):
    path = clips.write(folder / f"in.{suffix}", "gray", len(STILL), pictures=STILL, size=(64, 48), options=KINDS[kind])
    assert not losses(path)


@pytest.mark.parametrize("kind", ["as it comes", "24 slices", "version 4"])
@pytest.mark.parametrize("suffix", ["mkv", "avi", "nut"])
def test_a_changed_byte_is_counted_with_its_frame(folder, kind, suffix):
    path = clips.write(folder / f"in.{suffix}", "gray", len(STILL), pictures=STILL, size=(64, 48), options=KINDS[kind])
    flip(path)
    found = losses(path)
    assert (found.frames, found.first) == (1, FLIPPED)
    flip(path, frame=1)
    found = losses(path)
    assert (found.frames, found.first) == (2, 1)


def test_it_is_known_wherever_it_is(folder):
    path = clips.write(folder / "in.mkv", "gray", len(STILL), pictures=STILL, size=(64, 48), options=KINDS["24 slices"])
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        whole = bytes(next(p for p in film.demux(stream) if p.size))
        assert not ffv1.is_damaged(av.Packet(whole), stream.codec_context)
        for at in range(len(whole)):
            packet = av.Packet(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
            assert ffv1.is_damaged(packet, stream.codec_context), at


def test_restore_and_compare_say_so(folder, capsys):
    clips.write(folder / "in.mkv", "gray", len(STILL), pictures=STILL, size=(64, 48))
    (folder / "whole.mkv").write_bytes((folder / "in.mkv").read_bytes())
    flip(folder / "in.mkv")
    assert restore("in.mkv", "-o", "out.mkv") == 1
    said = "in.mkv is damaged: 1 frames were decoded in part, the first is frame 3"
    assert said in capsys.readouterr().err
    assert len(clips.read(folder / "out.mkv")) == 6
    assert cli.main(["compare", "whole.mkv", "in.mkv"]) == 1
    assert said in capsys.readouterr().err


def test_verify_names_the_frame(folder, capsys):
    """Whose decoded picture is the right one."""
    clips.write(folder / "in.mkv", "gray", len(STILL), pictures=STILL, size=(64, 48))
    assert restore("in.mkv", "-o", "out.mkv") == 0
    flip(folder / "out.mkv")
    assert cli.main(["verify", "out.mkv"]) == 5
    assert "out.mkv: frame 3 is not the one that was written" in capsys.readouterr().err
