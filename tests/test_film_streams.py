"""What lies beside the pictures of a film is copied: sound, subtitles, chapters, timecode, words."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests import clips
from tests.clips import restore
from zoo.film.write import streams, timecode

pytestmark = pytest.mark.usefixtures("identity")


def test_everything_else_in_the_file_is_copied(folder):
    clips.write(folder / "in.mkv", audio=True, tags=(9, 2, 9, 14))
    assert restore("in.mkv", "-o", "out.mkv") == 0
    held = []
    for name in ("in.mkv", "out.mkv"):
        with av.open(str(folder / name)) as film:
            picture = film.streams.video[0]
            context = picture.codec_context
            sound = [bytes(p) for p in film.demux(film.streams.audio[0]) if p.size]
            attached = [(s.name, s.mimetype, bytes(s.data)) for s in film.streams.attachments]
            held.append(
                [
                    [s.type for s in film.streams],
                    [s.metadata.get("language") for s in film.streams],
                    [int(s.disposition) for s in film.streams],
                    picture.metadata.get("title"),
                    film.metadata.get("title"),
                    [int(n) for n in (context.colorspace, context.color_range)],
                    [int(n) for n in (context.color_primaries, context.color_trc)],
                    [(c["start"] * c["time_base"], c["metadata"]) for c in film.chapters()],
                    sound,
                    attached,
                ]
            )
    assert held[0] == held[1]
    assert held[0][4] == "Probe"
    assert held[0][-1] == [("font.ttf", "application/x-truetype-font", b"not quite a font")]


def write_said(name: str, said: list[tuple[int, int, str]]):
    """A film of five frames with German subtitles: (from, to, in milliseconds; what)."""
    clock = lambda ms: f"00:00:{ms // 1000:02},{ms % 1000:03}"
    text = [f"{k}\n{clock(start)} --> {clock(end)}\n{words}\n" for k, (start, end, words) in enumerate(said, 1)]
    Path("in.srt").write_text("\n".join(text))
    silent = clips.write(Path("silent.mkv"))
    with av.open(str(silent)) as pictures, av.open("in.srt") as spoken, av.open(name, "w") as out:
        streams = [(film, out.add_stream_from_template(film.streams[0])) for film in (pictures, spoken)]
        streams[1][1].metadata["language"] = "deu"
        for film, stream in streams:
            for packet in (p for p in film.demux(film.streams[0]) if p.size):
                packet.stream = stream
                out.mux(packet)


def test_subtitles_are_copied_word_for_word(folder):
    write_said("in.mkv", [(40, 120, "Wer da?"), (120, 200, "Ü!")])
    assert restore("in.mkv", "-o", "out.mkv") == 0
    held = []
    for name in ("in.mkv", "out.mkv"):
        with av.open(name) as film:
            (stream,) = film.streams.subtitles
            said = [(bytes(p).decode(), p.pts, p.duration) for p in film.demux(stream) if p.size]
            held.append((stream.codec_context.name, stream.metadata["language"], said))
    assert held[0] == held[1]
    assert held[0][2] == [("Wer da?", 40, 80), ("Ü!", 120, 80)]


def write_timed(name: str, code: str):
    """A film of ten frames with a timecode."""
    with av.open(name, "w") as out:
        stream = out.add_stream("prores_ks", rate=Fraction(30000, 1001), options={"profile": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv422p10le"
        stream.metadata["timecode"] = code
        for k in range(10):
            out.mux(stream.encode(clips.frame("yuv422p10le", k, 64, 64)))
        out.mux(stream.encode(None))


@pytest.mark.parametrize(("words", "code"), [("", "00:00:59;27"), ("--start 0.1 --frames 2", "00:01:00;02")])
@pytest.mark.parametrize("name", ["out.mov", "out.mp4", "out.mkv"])
def test_the_timecode_is_that_of_the_first_frame(folder, name, words, code):
    write_timed("in.mov", "00:00:59;27")
    assert restore("in.mov", "-o", name, *words.split()) == 0
    with av.open(name) as film:
        words = {key.lower(): value for key, value in film.streams.video[0].metadata.items()}
        assert words["timecode"] == code
        assert film.streams.video[0].average_rate == Fraction(30000, 1001)
        assert [s.metadata["timecode"] for s in film.streams if s.type == "data"] == [code] * (name != "out.mkv")


@pytest.mark.parametrize(
    ("code", "frames", "rate", "expected"),
    [
        ("00:00:59;29", 1, "30000/1001", "00:01:00;02"),
        ("00:09:59;29", 1, "30000/1001", "00:10:00;00"),
        ("00:00:00;00", 107892, "30000/1001", "01:00:00;00"),
        ("00:00:59;59", 1, "60000/1001", "00:01:00;04"),
        ("01:00:00:23", 1, "24000/1001", "01:00:01:00"),
        ("23:59:59:24", 1, "25", "00:00:00:00"),
    ],
)
def test_timecodes_go_on_and_leave_numbers_out(code, frames, rate, expected):
    assert timecode.later(code, frames, Fraction(rate)) == expected
    assert timecode.later("", 1, Fraction(rate)) is None


@pytest.mark.parametrize(("language", "in_mov"), [("deu", "ger"), ("fre", "fra"), ("eng", "eng"), ("zho", "chi")])
def test_languages_are_kept_in_the_words_of_the_container(folder, language, in_mov):
    clips.write(folder / "in.mkv", audio=True, size=(64, 64))
    with av.open("in.mkv") as film, av.open("named.mkv", "w") as out:
        picture, sound = (out.add_stream_from_template(film.streams[k], opaque=True) for k in (0, 1))
        picture.metadata["BPS"], sound.metadata["BPS"], sound.metadata["language"] = "123", "128000", language
        for packet in (p for p in film.demux(film.streams[0], film.streams[1]) if p.size):
            packet.stream = (picture, sound)[packet.stream_index]
            out.mux(packet)
    for name, expected in (("out.mkv", language), ("out.mov", in_mov)):
        assert restore("named.mkv", "-o", name) == 0
        with av.open(name) as film:
            assert film.streams.audio[0].metadata["language"] == expected
            assert "BPS" not in film.streams.video[0].metadata, "it was that of the old pictures"
    with av.open("out.mkv") as film:
        assert film.streams.audio[0].metadata["BPS"] == "128000"


def test_uncompressed_sound_goes_from_matroska_into_mp4(folder):
    """Matroska does not say which channels there are, mp4 must."""
    clips.write(folder / "in.mkv", count=2, audio=True, channels="stereo", size=(64, 64))
    assert restore("in.mkv", "-o", "out.mp4", "--drop", "attachment") == 0
    sound = []
    for name in ("in.mkv", "out.mp4"):
        with av.open(name) as film:
            sound.append(b"".join(bytes(p) for p in film.demux(film.streams.audio[0])))
    assert sound[0] == sound[1]


def test_a_file_that_cannot_be_ended_is_one_sentence(folder, monkeypatch, capsys):
    monkeypatch.setattr(streams, "_name_channels", lambda context: None)
    clips.write(folder / "in.mkv", count=2, audio=True, channels="stereo", size=(64, 64))
    assert restore("in.mkv", "-o", "out.mp4", "--drop", "attachment") == 1
    assert "error: in.mkv could not be joined: " in capsys.readouterr().err
    assert not (folder / "out.mp4").exists()


def test_dropped_streams_are_not_in_the_result(folder):
    clips.write(folder / "in.mkv", audio=True)
    assert restore("in.mkv", "-o", "out.webm", "--drop", "audio,attachment,chapters") == 0
    with av.open(str(folder / "out.webm")) as film:
        assert [s.type for s in film.streams] == ["video"]
        assert film.chapters() == []


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("--frames 3", range(3)),
        ("--start 0.2", range(5, 12)),
        ("--start 0", range(12)),
        ("--end 0:00:00.12", range(3)),
        ("--start 0.08 --end 1:00 --frames 2", range(2, 4)),
    ],
)
def test_a_stretch_begins_at_zero_and_is_cut_alike(folder, words, kept):
    clips.write(folder / "in.mkv", count=12, audio=True)
    assert restore("in.mkv", "-o", "out.mkv", *words.split()) == 0
    before, after = clips.read(folder / "in.mkv"), clips.read(folder / "out.mkv")
    assert all(np.array_equal(clips.planes(before[k])[0], clips.planes(f)[0]) for k, f in zip(kept, after, strict=True))
    assert [round(f.time * 25) for f in after] == list(range(len(kept)))
    with av.open(str(folder / "out.mkv")) as film:
        sound = [p.pts * p.time_base for p in film.demux(film.streams.audio[0]) if p.size]
    begin, end = kept[0] / 25, (kept[-1] + 1) / 25
    held = [k / 100 for k in range(20) if begin <= k / 100 < min(end, 0.2)]  # packets of 10 ms, 0.2 s in all
    assert [float(t) for t in sound] == pytest.approx([t - begin for t in held])


def test_chapters_go_into_quicktime_and_back(folder):
    """There they have a stream of their own, with their titles."""
    clips.write(folder / "in.mkv", count=5, size=(64, 64), audio=True)
    assert restore("in.mkv", "-o", "out.mp4", "--drop", "audio,attachment") == 0
    assert restore("out.mp4", "-o", "back.mkv") == 0
    for name in ("in.mkv", "out.mp4", "back.mkv"):
        with av.open(name) as film:
            (chapter,) = film.chapters()
            assert (chapter["end"] * chapter["time_base"], chapter["metadata"]["title"]) == (Fraction(9, 100), "A")
    with av.open("back.mkv") as film:
        assert len(film.streams) == 1


def test_subtitles_that_last_into_a_stretch_are_kept(folder):
    write_said("in.mkv", [(0, 90, "before"), (40, 120, "into it"), (150, 500, "out of it"), (200, 300, "after")])
    assert restore("in.mkv", "-o", "out.mkv", "--start", "0.08", "--end", "0.2") == 0
    with av.open("out.mkv") as film:
        said = [(bytes(p).decode(), p.pts, p.duration) for p in film.demux(film.streams.subtitles[0]) if p.size]
    assert said == [("before", 0, 10), ("into it", 0, 40), ("out of it", 70, 350)]
