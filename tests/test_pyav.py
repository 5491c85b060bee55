"""What differs from one PyAV to the other comes out alike."""

import json
from fractions import Fraction

import av
import pytest

from tests import clips
from zoo import cli
from zoo.film import plan, pyav
from zoo.film.plan import Options

PLAIN, FOREIGN = "caf\udce9", b"caf\xe9"  # as Python reads it, and Latin-1 in the file


@pytest.fixture
def film(tmp_path, monkeypatch):
    """A film whose title, and that of its picture stream, is no UTF-8."""
    monkeypatch.chdir(tmp_path)
    clips.stand_in(monkeypatch)
    clips.write(tmp_path / "plain.mkv")
    with pyav.container("plain.mkv") as plain, pyav.container("in.mkv", "w") as out:
        stream = out.add_stream_from_template(plain.streams.video[0], opaque=True)
        out.metadata["title"] = stream.metadata["title"] = PLAIN
        chapter = {"id": 1, "start": 0, "end": 90, "time_base": Fraction(1, 1000), "metadata": {"title": PLAIN}}
        out.set_chapters([chapter])
        for packet in plain.demux(plain.streams.video[0]):
            if packet.size:
                packet.stream = stream
                out.mux_one(packet)
    assert (tmp_path / "in.mkv").read_bytes().count(FOREIGN) == 3
    return tmp_path


def test_words_that_are_no_utf_8_are_kept_byte_for_byte(film):
    assert cli.main(["restore", "in.mkv", "-m", "any", "-o", "out.mkv"]) == 0
    assert (film / "out.mkv").read_bytes().count(FOREIGN) == 3


def test_words_that_are_no_utf_8_are_printed(film, capfdbinary):
    assert cli.main(["probe", "in.mkv"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["metadata"]["title"] == PLAIN


def test_rates_times_and_shapes_are_fractions(tmp_path):
    rate, aspect = Fraction(30000, 1001), Fraction(16, 15)
    path = clips.write(tmp_path / "in.mp4", codec="mpeg4", rate=rate, aspect=aspect)
    found = plan.describe(str(path), Options())
    assert (type(found.rate), type(found.time_base), type(found.begins), type(found.aspect)) == (Fraction,) * 4
    assert (found.rate, found.aspect) == (rate, aspect)


@pytest.mark.parametrize("numbers", [(30000, 1001), (1, 2**31 - 1)])
def test_sums_are_exact(numbers):
    one = pyav.exact(av.AVRational(*numbers))
    assert one * one == Fraction(*numbers) ** 2  # FFmpeg's own product is rounded to 32 bits
