"""Times that begin anew, below 0, or anywhere: every frame is shown, and sound stays in step with it."""

import dataclasses
import itertools
import json
import random
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from tests import clips
from tests.clips import restore
from zoo import cli
from zoo.film.read import clock, source
from zoo.film.read.clock import Clock

pytestmark = pytest.mark.usefixtures("identity")

WRAP = Fraction(2**33, 90000)  # seconds until an MPEG clock begins again


def write(name: str, begin: Fraction = Fraction(0), count: int = 12, kind: str = "mpegts", seed: int = 0):
    """Pictures with B-frames and sound of the same length, which begins a little earlier."""
    with av.open(name, "w", format=kind, options={"avoid_negative_ts": "disabled"}) as out:
        stream = out.add_stream("mpeg2video", rate=25, options={"g": "6", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        sound = out.add_stream("mp2", rate=48000, layout="mono")
        packets = []
        for k in range(count):
            picture = clips.frame("yuv420p", seed + k, 64, 64)
            picture.pts, picture.time_base = k, Fraction(1, 25)
            packets += stream.encode(picture)
        for k in range(count * 48000 // 25 // 1152):
            heard = av.AudioFrame.from_ndarray(np.full((1, 1152), 99 * k, np.int16), "s16", "mono")
            heard.sample_rate, heard.pts = 48000, 1152 * k
            packets += sound.encode(heard)
        packets += [*stream.encode(None), *sound.encode(None)]
        seconds = lambda p: p.dts * Fraction(p.time_base.numerator, p.time_base.denominator)
        for packet in sorted(packets, key=seconds):
            ticks = round(begin * packet.time_base.denominator / packet.time_base.numerator)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            out.mux(packet)


def held(name: str) -> tuple[list[float], list[float], list[bytes]]:
    """The times of the pictures as they decode, those of the packets of sound, and these."""
    with av.open(name) as film:
        times = [frame.time for frame in film.decode(video=0)]
    with av.open(name) as film:
        sound = [p for p in film.demux(film.streams.audio[0]) if p.size]
    return times, [float(p.pts * p.time_base) for p in sound], [bytes(p) for p in sound]


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4", "out.ts"])
@pytest.mark.parametrize("kind", ["mpegts", "vob"])
def test_times_that_begin_anew_go_on_in_step(folder, capsys, kind, name):
    parts = []
    for k in range(3):
        write(f"{k}.part", begin=Fraction(k * k), kind=kind, seed=99 * k)
        parts.append((folder / f"{k}.part").read_bytes())
    (folder / "in.x").write_bytes(b"".join(reversed(parts)))
    assert restore("in.x", "-o", name, "-c:v", "mpeg2video") == 0
    said = capsys.readouterr().err
    assert "have times" not in said
    assert said.count("has times that begin anew at frame ") == 2
    assert "at frame 12: all streams are moved" in said
    times, heard, sound = held(name)
    assert len(times) == 36
    assert len(sound) == len(held("in.x")[2]) == 3 * 20
    if name != "out.ts":
        assert sound == held("in.x")[2]
    assert np.diff(times) == pytest.approx([0.04] * 35, abs=0.0011)
    for k in range(3):  # as in each of the parts
        one, other, _ = held(f"{2 - k}.part")
        assert heard[20 * k] - times[12 * k] == pytest.approx(other[0] - one[0], abs=0.0011)


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        (WRAP - Fraction(1, 4), "begins before time 0: all streams are moved"),
        (WRAP - 70, "s of its clock: all streams are moved"),
        (Fraction(80000), "begins at 79999.9"),
    ],
)
@pytest.mark.parametrize("name", ["out.mkv", "out.mp4", "out.avi"])
def test_a_clock_that_begins_anywhere(folder, capsys, begin, said, name):
    write("in.ts", begin)
    assert restore("in.ts", "-o", name) == 0
    assert said in capsys.readouterr().err
    (times, heard, sound), (before, heard_before, same) = held(name), held("in.ts")
    assert sound == same
    assert len(times) == 12
    assert min(times[0], heard[0]) == pytest.approx(0, abs=0.0011)
    if name != "out.avi":  # which has no place for when its pictures begin
        assert times[0] - heard[0] == pytest.approx(before[0] - heard_before[0], abs=0.0011)


def test_a_matroska_film_below_0(folder, capsys):
    write("in.mkv", Fraction(-1, 2), count=20, kind="matroska")
    assert restore("in.mkv", "-o", "out.mkv") == 0
    assert "begins before time 0" in capsys.readouterr().err
    (times, heard, _), (before, heard_before, _) = held("out.mkv"), held("in.mkv")
    assert heard[0] == 0
    assert len(times) == 20
    assert times[0] - heard[0] == pytest.approx(before[0] - heard_before[0])
    log = json.loads((folder / "out.mkv.json").read_text())
    assert float(Fraction(log["film"]["joints"][0]["seconds"])) == pytest.approx(-heard_before[0])


def test_a_stretch_of_a_joined_film_has_its_sound(folder):
    write("a.ts", Fraction(3))
    write("b.ts")
    (folder / "in.ts").write_bytes((folder / "a.ts").read_bytes() + (folder / "b.ts").read_bytes())
    assert restore("in.ts", "-o", "out.mkv", "--start", "0.4", "--frames", "6") == 0
    times, heard, sound = held("out.mkv")
    assert times == pytest.approx([0.04 * k for k in range(6)])
    assert len(sound) == 10  # of 24 ms each
    assert max(heard) < 0.24


# ---- the joints, told from packets alone


@dataclasses.dataclass
class Packet:
    stream: SimpleNamespace
    dts: int
    duration: int = 3600
    size: int = 1
    time_base: Fraction = Fraction(1, 90000)

    @property
    def stream_index(self):
        return self.stream.index

    @property
    def pts(self):
        return self.dts

    @pts.setter
    def pts(self, value):
        pass


PICTURES, SOUND = SimpleNamespace(index=0, type="video"), SimpleNamespace(index=1, type="audio")


def joints(packets: list[Packet]):
    container = SimpleNamespace(demux=lambda: iter(packets))
    return clock.scan(container, PICTURES, Fraction(25))[0]


def part(begin: float, count: int, heard: int | None = None) -> list[Packet]:
    """Pictures and sound in step, of 40 ms a packet both, the sound ten packets late in the file."""
    at = [round(begin * 90000) + 3600 * k for k in range(count)]
    sound = [Packet(SOUND, t) for t in at[: count if heard is None else heard]]
    pictures = [Packet(PICTURES, t) for t in at]
    mixed = itertools.zip_longest(pictures, [None] * 10 + sound)
    return [p for pair in mixed for p in pair if p]


@pytest.mark.parametrize("seed", range(5))
def test_streams_that_change_over_at_other_places_of_the_file_stay_in_step(seed):
    """The sound of the first part comes among the pictures of the second."""
    one, two = part(50, 100), part(2, 100)
    tail = [p for p in one[-10:] if p.stream is SOUND]
    rng, packets = random.Random(seed), [p for p in one if p not in tail]
    places = sorted(rng.randrange(12) for _ in tail)
    for k, (place, packet) in enumerate(zip(places, tail, strict=True)):
        two.insert(place + k, packet)
    put = Clock(joints(packets := packets + two), wraps=True)
    for packet in packets:
        put.set(packet)
    for stream in (PICTURES, SOUND):
        times = [p.dts for p in packets if p.stream is stream]
        assert np.diff(times).tolist() == [3600] * 199


def test_sound_that_was_silent_before_the_joint_follows_the_pictures():
    packets = part(1, 100, heard=0) + part(0.5, 100)
    (joint,) = joints(packets)
    assert dict(joint.packets) == {0: 100, 1: 0} or dict(joint.packets) == {0: 100}
    put = Clock((joint,), wraps=True)
    for packet in packets:
        put.set(packet)
    assert [p.dts for p in packets if p.stream is SOUND] == [p.dts for p in packets[100:] if p.stream is PICTURES]


@pytest.mark.parametrize("stray", [-40.0, 7000.0])
def test_packets_that_stray_are_no_joint(stray):
    packets = part(50, 60)
    for packet in packets[40:42]:
        packet.dts += round(stray * 90000)
    assert joints(packets) in ((), joints(part(50, 60)))


def test_a_gap_is_none_either():
    """What was lost on the way is said to be lost."""
    assert joints(part(1, 50) + part(40, 50)) == ()


def test_the_end_of_a_joined_film_is_known(folder):
    write("a.ts")
    (folder / "in.ts").write_bytes(2 * (folder / "a.ts").read_bytes())
    film = source.describe("in.ts")
    assert film.expected == 24
    assert film.ends - film.begins == Fraction(24, 25)


def test_a_time_that_goes_back_is_said_and_the_film_comes_into_step_again(folder, capsys):
    """One bit of a time: without a word all that follows would be half a second behind its sound."""
    path = clips.write(folder / "in.mkv", count=30)
    with av.open(str(path)) as film:
        at = [p.pos for p in film.demux(video=0) if p.size][1] + 1
    data = bytearray(path.read_bytes())
    assert data[at : at + 2] == (40).to_bytes(2, "big")
    data[at] = 2
    path.write_bytes(data)
    assert restore("in.mkv", "-o", "out.mkv") == 0
    assert "24 frames of in.mkv have no later time than the one before, the first is frame 2" in capsys.readouterr().err
    times = [round(f.time * 1000) for f in clips.read(folder / "out.mkv")]
    assert times == [0, *range(552, 1033, 20), *range(1040, 1200, 40)]
    assert json.loads((folder / "out.mkv.json").read_text())["times_turned_back"] == 24
    assert cli.main(["compare", "in.mkv", "in.mkv"]) == 0
    assert "24 frames of in.mkv have no later time" in capsys.readouterr().err
