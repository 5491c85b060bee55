"""What films say of showing their pictures is kept, or named."""

import dataclasses
import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests import clips
from zoo import cli, color
from zoo.film import plan, presentation
from zoo.film.plan import Options
from zoo.film.presentation import Presentation

TOLD = Presentation(
    crop=(4, 12, 8, 6),
    siting="topleft",
    mastering=(0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 1000.0, 0.0001),
    light=(1000, 400),
)


@pytest.fixture
def film(tmp_path, monkeypatch) -> Path:
    """A film that says all of TOLD."""
    clips.stand_in(monkeypatch)
    monkeypatch.chdir(tmp_path)
    plain = clips.write(
        tmp_path / "plain.mkv", "yuv420p10le", 2, size=(96, 80), options={"chroma_sample_location": "topleft"}
    )
    with (
        av.open(presentation.template(plain, TOLD)) as told,
        av.open("in.mkv", "w") as out,
        av.open(str(plain)) as film,
    ):
        stream = out.add_stream_from_template(told.streams.video[0], opaque=True)
        stream.time_base, stream.codec_context.framerate = Fraction(1, 1000), 25
        for packet in film.demux():
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return Path("in.mkv")


def _told(name: str | Path) -> Presentation:
    found = plan.describe(str(name), Options()).presentation
    screen = tuple(round(x, 5) for x in found.mastering or ()) or None
    return dataclasses.replace(found, mastering=screen)


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4", "out.mov", "out.webm"])
def test_it_is_kept(film, name):
    assert _told(film) == TOLD
    assert cli.main(["restore", str(film), "-o", name, "-m", "any"]) == 0
    siting = "left" if name == "out.mov" else "topleft"  # ProRes of 4:2:2, whose chroma lies so
    assert dataclasses.replace(_told(name), siting="topleft") == TOLD
    assert plan.describe(name, Options()).layout.siting == siting


@pytest.mark.parametrize("name", ["out.avi", "out.nut", "out.ts"])
def test_what_a_file_cannot_hold_is_named(film, name, capsys):
    assert cli.main(["restore", str(film), "-o", name, "-m", "any"]) == 0
    noted = capsys.readouterr().err
    assert "hidden edges (4 px at the top, 12 px at the bottom, 8 px left, 6 px right)" in noted
    assert "the screen that it was graded on, its light levels" in noted
    assert ("where its chroma lies (topleft)" in noted) == (name != "out.ts")  # which x265 itself says


def test_the_shape_of_samples_is_that_of_what_is_shown(film):
    narrow = dataclasses.replace(TOLD, mastering=None, light=None)
    assert narrow.shown(80, 96) == (64, 82)


@pytest.mark.parametrize("siting", sorted(color.SITINGS))
def test_the_siting_reaches_the_conversion(tmp_path, siting):
    path = clips.write(tmp_path / "in.mkv", count=1, options={"chroma_sample_location": siting})
    assert plan.describe(str(path), Options()).layout.siting == siting


def test_a_screen_whose_luminances_are_unknown():
    data = struct.pack("=22i", *[1, 2] * 10, 1, 0)
    assert presentation._screen(data) == (*[0.5] * 8, 0.0, 0.0)
