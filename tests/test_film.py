import io
import json
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests import clips
from zoo import cli, color, pictures, registry
from zoo.errors import InputError
from zoo.film import formats, threads
from zoo.film.progress import Progress
from zoo.film.read import masks, source
from zoo.film.write import encode, streams, timecode


@pytest.fixture(autouse=True)
def identity(monkeypatch):
    """All models change nothing."""
    monkeypatch.setattr(registry, "load", lambda name: clips.Identity())
    monkeypatch.setattr(registry, "card", lambda name: {"sha256": "0" * 64})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def restore(*words: str) -> int:
    return cli.main(["restore", *words, "-m", "any"])


def files(folder):
    return sorted(p.name for p in folder.rglob("*"))


# ---- nothing is lost


LOSSLESS = ["yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv420p10le", "yuv422p10le", "yuv444p12le", "yuv420p16le"]
LOSSLESS += ["yuva420p", "yuva444p10le", "gray", "gray10le", "gray16le", "gbrp10le", "gbrp16le", "gbrap12le", "bgr0"]


@pytest.mark.parametrize("pixel_format", LOSSLESS)
def test_what_is_not_changed_is_the_same_code_for_code(folder, pixel_format):
    rgb = pixel_format.startswith(("gbr", "bgr"))
    clips.write(folder / "in.mkv", pixel_format, 3, tags=(0, 2, 1, 1) if rgb else (1, 1, 1, 1))
    assert restore("in.mkv", "-o", "out.mkv") == 0
    before, after = clips.read(folder / "in.mkv"), clips.read(folder / "out.mkv")
    assert after[0].format.name == before[0].format.name
    assert clips.same(folder / "in.mkv", folder / "out.mkv")


def _packed(name: str, y, u, v) -> list[np.ndarray]:
    """The planes of a packed format, whose codes lie in the high bits of 16 where they are 10."""
    if name in ("nv12", "p010le", "p210le"):
        out = [y, np.stack([u, v], -1).reshape(u.shape[0], -1)]
    else:
        y = np.pad(y, ((0, 0), (0, y.shape[1] % 2)))
        order = {"uyvy422": (u, y[:, ::2], v, y[:, 1::2])}.get(name, (y[:, ::2], u, y[:, 1::2], v))
        out = [np.stack(order, -1).reshape(y.shape[0], -1)]
    return out if y.dtype == np.uint8 else [plane << 6 for plane in out]


@pytest.mark.parametrize("name", ["nv12", "yuyv422", "uyvy422", "p010le", "p210le", "y210le"])
def test_packed_formats_give_their_codes_every_time(name):
    """swscale on several threads spoiled rows of those of ten bits, in one of two frames."""
    planar, rng = formats.planar(name), np.random.default_rng(0)
    layout, _ = formats.layout(name, formats.Tags(), 721, 1281)
    planes = [rng.integers(0, 2**layout.depth, shape, layout.dtype) for shape in layout.shapes(721, 1281)]
    frame = av.VideoFrame(1281, 721, name)
    for plane, samples in zip(frame.planes, _packed(name, *planes), strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        codes = samples.view(np.uint8).reshape(samples.shape[0], -1)
        rows[: codes.shape[0], : codes.shape[1]] = codes
    for _ in range(8):
        for found, expected in zip(formats.planes_of(frame, planar, layout), planes, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("size", [(35, 33), (1, 1), (17, 2)])
def test_odd_sizes_of_subsampled_chroma(folder, size):
    clips.write(folder / "in.mkv", "yuv420p", 2, size=size)
    assert restore("in.mkv", "-o", "out.mkv") == 0
    assert clips.same(folder / "in.mkv", folder / "out.mkv")


def test_a_variable_rate_keeps_every_time(folder):
    times = [0, 40, 47, 48, 500, 533, 1900]
    clips.write(folder / "in.mkv", count=7, times=times, size=(64, 64))
    for name in ("out.mkv", "out.mp4", "out.mov"):
        assert restore("in.mkv", "-o", name) == 0
        assert [round(f.time * 1000) for f in clips.read(folder / name)] == times


def test_names_in_any_script_and_one_frame(folder):
    clips.write(folder / "影片 测试.mkv", count=1)
    assert restore("影片 测试.mkv") == 0
    assert files(folder) == ["影片 测试.mkv", "影片 测试_restored.mkv", "影片 测试_restored.mkv.json"]
    assert clips.same(*sorted(folder.glob("*.mkv")))


@pytest.mark.parametrize("name", ["reel [1080p].mkv", "100%discount.mkv", "reel"])
def test_a_name_that_is_a_files_is_that_file(folder, name):
    clips.write(folder / "in.mkv", count=1).rename(folder / name)
    assert restore(name) == 0
    assert restore(name, "-o", "done 100%done.mkv") == 0
    assert (folder / f"{(folder / name).stem}_restored.mkv").exists()
    assert clips.same(folder / name, folder / "done 100%done.mkv")
    assert cli.main(["preview", name, "-m", "any"]) == 0
    assert (folder / f"{(folder / name).stem}_preview.png").exists()


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


@pytest.mark.parametrize(("name", "codec", "depth"), [("out.mp4", "hevc", 10), ("out.mov", "prores", 10)])
def test_other_containers_have_their_codec_ten_bits_and_the_tags(folder, name, codec, depth):
    clips.write(folder / "in.mkv", "yuv420p10le", 12, tags=(1, 1, 1, 1), size=(64, 64))
    assert restore("in.mkv", "-o", name) == 0
    with av.open(str(folder / name)) as film:
        stream = film.streams.video[0]
        frames = list(film.decode(stream))
        assert stream.codec_context.name == codec
    assert len(frames) == 12
    assert frames[0].format.components[0].bits == depth
    tags = frames[0].colorspace, frames[0].color_range, frames[0].color_primaries, frames[0].color_trc
    assert [int(t) for t in tags] == [1, 1, 1, 1]


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


def test_material_exchange_format(folder):
    clips.write(folder / "in.mkv", "yuv422p10le", 3, audio=True, size=(320, 240))
    assert restore("in.mkv", "-o", "out.mxf", "--drop", "audio,attachment,chapters") == 0
    assert [round(f.time * 25) for f in clips.read(folder / "out.mxf")] == [0, 1, 2]


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(24000, 1001)])
def test_avi_has_the_films_own_rate(folder, rate):
    clips.write(folder / "in.mkv", count=12, rate=rate)
    assert restore("in.mkv", "-o", "out.avi") == 0
    with av.open("out.avi") as film:
        assert film.streams.video[0].average_rate == rate
        assert [p.pts for p in film.demux(video=0) if p.size] == list(range(12))
    assert restore("in.mkv", "-o", "cut.avi", "--start", "0.15", "-c:v", "mpeg4") == 0
    assert len(clips.read(folder / "cut.avi")) == 8


@pytest.mark.parametrize("name", ["out.mov", "out.mxf", "out.avi", "out.mp4", "out.ts", "out.mkv"])
@pytest.mark.parametrize(("pixel_format", "range_"), [("yuv422p", 2), ("gray", 0), ("gray", 1)])
def test_full_range_is_read_back_as_it_was_meant(folder, capsys, name, pixel_format, range_):
    """ProRes and AVI cannot say it; grey that does not say its range has it."""
    size = (320, 240) if name == "out.mxf" else (64, 64)
    with av.open("in.mkv", "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.codec_context.color_range = range_
        picture = av.VideoFrame(*size, pixel_format)
        for plane in picture.planes:
            plane.update(bytes([60]) * plane.buffer_size)
        out.mux([*stream.encode(picture), *stream.encode(None)])
    assert restore("in.mkv", "-o", name) == 0
    noted = "full range, so its codes become those of limited range; ffv1 in .mkv can" in capsys.readouterr().err
    limited = name in ("out.mov", "out.mxf") or (name == "out.avi" and pixel_format != "gray")
    assert noted == (limited and range_ != 1)
    shown = []
    for film in map(source.describe, ("in.mkv", name)):
        planes = next(source.read(film, source.Losses())).planes
        shown.append(np.median(color.to_rgb(tuple(p[None] for p in planes), layout=film.layout), axis=(0, 1, 2)))
    np.testing.assert_allclose(*shown, atol=0.01)


def test_a_range_that_would_be_read_as_another_is_code_5(folder, capsys):
    clips.write(folder / "in.mkv", "gray", 2, size=(64, 64), tags=(2, 0, 2, 2))
    assert restore("in.mkv", "-o", "out.mp4", "-c:v", "mpeg4") == 5
    assert "mpeg4 in .mp4 does not say that its codes are of full range" in capsys.readouterr().err
    assert not (folder / "out.mp4").exists()


@pytest.mark.parametrize(
    ("name", "unsaid"),
    [("out.avi", "its colour tags, its rotation by"), ("out.ts", "its rotation by"), ("out.mp4", "")],
)
def test_what_a_kind_of_file_has_no_place_for_is_said(folder, capsys, name, unsaid):
    with av.open("in.mp4", "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.codec_context.colorspace = 64, 64, "yuv420p", 1
        stream.set_display_rotation(90)
        out.mux([*stream.encode(clips.frame("yuv420p", 0, 64, 64)), *stream.encode(None)])
    assert restore("in.mp4", "-o", name, "--dry-run") == 0
    notes = [note for note in json.loads(capsys.readouterr().out)["notes"] if "cannot say of the film" in note]
    assert len(notes) == bool(unsaid)
    assert all(f"in {name[3:]} cannot say of the film: {unsaid}" in note for note in notes)


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_the_aspect_of_a_sample_is_kept(folder, capsys, name):
    clips.write(folder / "in.mp4", codec="libx264", size=(64, 64), aspect=Fraction(16, 15))
    assert restore("in.mp4", "-o", name) == 0
    with av.open(str(folder / name)) as film:
        aspect = film.streams.video[0].sample_aspect_ratio
    assert aspect == Fraction(16, 15)


@pytest.mark.parametrize("name", ["out.mov", "out.mp4", "out.mkv", "-"])
@pytest.mark.parametrize(("fields", "shown"), [("tt", 2), ("bb", 3), ("tb", 3), ("bt", 2), ("progressive", 1)])
def test_the_order_of_fields_is_kept(folder, monkeypatch, name, fields, shown):
    """Who deinterlaces the restored film must know it."""
    clips.write(folder / "in.mov", "yuv422p10le", 1, codec="prores_ks", size=(64, 64), options={"field_order": fields})
    pipe = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(pipe))
    assert restore("in.mov", "-o", name) == 0
    with av.open(io.BytesIO(pipe.getvalue()) if name == "-" else name) as film:
        assert film.streams.video[0].codec_context.field_order in (shown, shown if shown > 1 else 0)


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_film_shot_upright_stays_upright(folder, name, degrees):
    with av.open("in.mp4", "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.set_display_rotation(degrees)
        out.mux([*stream.encode(clips.frame("yuv420p", 0, 64, 64)), *stream.encode(None)])
    assert restore("in.mp4", "-o", name) == 0
    assert clips.read(folder / name)[0].rotation == clips.read(folder / "in.mp4")[0].rotation != 0


@pytest.mark.parametrize("chance", [0x7F7F7F7F7F7F7F7F, -(2**62)])
def test_decoding_times_that_an_encoder_leaves_to_chance(folder, monkeypatch, chance):
    """As x265 does in films of one or two frames."""

    class Careless:
        def __init__(self, *about):
            self.stream = add_stream(*about)

        def encode(self, frame):
            for packet in self.stream.encode(frame):
                packet.dts = chance
                yield packet

    add_stream = encode.add_stream
    monkeypatch.setattr(encode, "add_stream", Careless)
    clips.write(folder / "in.mkv", "yuv420p10le", 2)
    assert restore("in.mkv", "-o", "out.mov", "-c:v", "prores_ks") == 0
    assert [f.time for f in clips.read(folder / "out.mov")] == [f.time for f in clips.read(folder / "in.mkv")]


def test_encoder_and_pixel_format_by_flags(folder):
    clips.write(folder / "in.mkv", "yuv420p10le")
    assert restore("in.mkv", "-o", "out.mkv", "-c:v", "libx264", "--pix-fmt", "yuv444p10le", "-e", "qp=0") == 0
    with av.open(str(folder / "out.mkv")) as film:
        assert film.streams.video[0].codec_context.name == "h264"
        assert film.streams.video[0].codec_context.pix_fmt == "yuv444p10le"
        assert len(list(film.decode(video=0))) == 5


@pytest.mark.parametrize(("codec", "options"), [("libx264", {"b": "200000"}), ("mpeg2video", {"b": "400000"})])
def test_encoders_spend_as_many_bits_as_at_the_films_own_rate(folder, codec, options):
    clips.write(folder / "in.mkv", count=25, size=(96, 80))
    clips.write(folder / "alike.mkv", count=25, size=(96, 80), codec=codec, options=options)
    assert restore("in.mkv", "-o", "out.mkv", "-c:v", codec, *(f"-e{k}={v}" for k, v in options.items())) == 0
    sizes = []
    for name in ("out.mkv", "alike.mkv"):
        with av.open(name) as film:
            sizes.append(sum(p.size for p in film.demux(video=0)))
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)


# ---- what is said and refused


@pytest.mark.parametrize(("number", "name"), [(8, "ycgco"), (16, "ycgco-re"), (12, "of number 12")])
def test_a_matrix_that_cannot_be_converted_is_refused(number, name):
    with pytest.raises(InputError, match=f"the colour matrix {name} cannot be restored"):
        formats.layout("yuv444p", formats.Tags(matrix=number), 64, 64)


@pytest.mark.parametrize(("own", "written"), [("yuv420p", "yuv411p"), ("yuv440p", "yuv422p"), ("yuv422p", "yuv420p")])
def test_chroma_that_is_lost_along_either_axis_is_said(folder, capsys, own, written):
    clips.write(folder / "in.mkv", own, 1)
    assert restore("in.mkv", "-o", "out.mkv", "--pix-fmt", written, "--dry-run") == 0
    assert "loses: some of its resolution of colour" in capsys.readouterr().out


def test_a_colour_that_is_not_said_is_guessed_aloud(folder, capsys):
    clips.write(folder / "in.mkv", tags=(2, 0, 2, 2))
    assert restore("in.mkv", "-o", "out.mkv") == 0
    assert "guessed: matrix smpte170m (by its size, 36x34), limited range (tv)" in capsys.readouterr().err
    assert restore("in.mkv", "-o", "other.mkv", "--strict-color") == 3
    assert restore("in.mkv", "-o", "other.mkv", "--strict-color", "--colorspace=bt709", "--color-range=tv") == 0
    assert [int(clips.read(folder / "other.mkv")[0].colorspace)] == [1]


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_refused_without_force(folder, capsys, transfer):
    clips.write(folder / "in.mkv", "yuv420p10le", 1, tags=(9, 1, 9, transfer))
    assert restore("in.mkv", "-o", "out.mkv") == 3
    assert "--force-hdr" in capsys.readouterr().err
    assert restore("in.mkv", "-o", "out.mkv", "--force-hdr") == 0


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("in.mkv -o in.mkv -y", 2, "in.mkv is an original, which is never overwritten"),
        ("in.mkv -o there.mkv", 2, "there.mkv exists; overwrite it with -y"),
        ("in.mkv -o out.foo", 2, "unknown film suffix '.foo'; choose one of: .mkv"),
        ("in.mkv -o out.mkv -c:v libx266", 2, "unknown encoder 'libx266'; near ones: libx26"),
        ("in.mkv -o out.mkv -c:v aac", 2, "aac is no video encoder"),
        ("in.mkv -o out.mkv --pix-fmt yuv420p11", 2, "does not take the pixel format 'yuv420p11'; near ones: yuv420p"),
        ("in.mkv -o out.mp4 -e crv=3", 2, "libx265 has no option 'crv'; near ones: crf"),
        ("in.mkv -o out.mkv -e level", 2, "-e takes KEY=VALUE"),
        ("in.mkv -o out.webm", 2, ".webm cannot hold stream 1 of the film (audio, pcm_s16le); write .mkv, or leave it"),
        ("in.mkv -o out.mkv --drop sound", 2, "cannot drop sound; the kinds are: audio"),
        ("in.mkv -o out.mkv --strength 2", 2, "--strength must be from 0 to 1"),
        ("in.mkv -o out.mkv --batch many", 2, "--batch must be auto or a number"),
        ("in.mkv -o out.mkv --colorspace bt601", 2, "unknown colour matrix 'bt601'; choose one of: bt709"),
        (f"in.mkv -o {'x' * 247}.mkv", 2, "has 256 bytes with the .json beside it, 255 at most"),
        (f"in.mkv -o {'x' * 248}%d.png", 2, "has 259 bytes"),
        ("in.mkv -o there.mkv/x.mkv", 2, "there.mkv is a file, not a folder"),
        ("in.mkv in.mkv -o out.mkv", 2, "restore films one at a time"),
        ("in.mkv -o out.mkv --rate 25 --gaps copy", 2, "--rate, --gaps cannot be used with a film that has times"),
        ("in.mkv -o - -c:v ffv1 -e level=3", 2, "--codec, -e cannot be used with pictures or y4m"),
        ("in.mkv -o %d.png --pix-fmt gray", 2, "--pix-fmt cannot be used with pictures or y4m"),
        ("in.mkv -o out.ts", 2, ".ts cannot hold stream 1 of the film (audio, pcm_s16le); write .mkv, or leave it out"),
        ("in.mkv -o out.avi -c:v libx265", 2, "pictures of libx265 cannot go into avi; choose another with -c:v"),
        ("in.mkv -o out.avi -c:v huffyuv", 2, "pictures of huffyuv cannot go into matroska, in which every film is"),
        (
            "in.mkv -o out.avi -c:v libx264",
            2,
            ".avi cannot hold pictures of libx264; choose another with -c:v",
        ),
        ("in.mkv -o out.avi -c:v mpeg4 -e bf=2", 2, ".avi holds pictures in the order they are shown in; add -e bf=0"),
        ("late.mkv -o out.avi", 2, "when streams begin, and its picture begins at 0.4 s; write .mkv"),
        ("none.mkv -o out.mkv", 3, "none.mkv is missing: no such file"),
        ("in.mkv -o out.mkv --mask no.png --dry-run", 3, "no.png does not exist"),
        ("empty.mkv -o out.mkv", 3, "empty.mkv is empty"),
        ("text.mkv -o out.mkv", 3, "text.mkv is damaged or no film"),
        ("sound.wav -o out.mkv", 3, "sound.wav holds no moving pictures, only audio"),
    ],
)
def test_what_cannot_be_is_one_sentence(folder, capsys, words, code, sentence):
    clips.write(folder / "in.mkv", count=2, audio=True, size=(64, 64))
    clips.write(folder / "late.mkv", count=2, times=[400, 440])
    (folder / "there.mkv").write_text("precious")
    (folder / "empty.mkv").touch()
    (folder / "text.mkv").write_text("hello " * 99)
    with av.open(str(folder / "sound.wav"), "w") as out:
        sound = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        heard.sample_rate = 8000
        out.mux(sound.encode(heard))
    before = files(folder)
    assert restore(*words.split()) == code
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert sentence in message
    assert files(folder) == before
    assert (folder / "there.mkv").read_text() == "precious"


def test_odd_sizes_where_the_encoder_takes_only_even_ones(folder, capsys):
    clips.write(folder / "in.mkv", size=(65, 67), count=2)
    assert restore("in.mkv", "-o", "out.mp4") == 2
    message = capsys.readouterr().err
    assert "libx265 does not take 65x67 px in yuv420p10le, whose chroma needs even sizes" in message
    assert message.count("\n") == 1
    assert restore("in.mkv", "-o", "out.mp4", "--pix-fmt", "yuv444p10le") == 0


def test_dropped_streams_are_not_in_the_result(folder):
    clips.write(folder / "in.mkv", audio=True)
    assert restore("in.mkv", "-o", "out.webm", "--drop", "audio,attachment,chapters") == 0
    with av.open(str(folder / "out.webm")) as film:
        assert [s.type for s in film.streams] == ["video"]
        assert film.chapters() == []


@pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="no such scheduling on this system")
def test_encoders_make_no_thread_real_time():
    """SVT-AV1 does where it may, as root: everything else on the machine would then wait for the film."""
    with threads.ordinary():
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pytest.skip("only root may make a thread real-time")
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_dry_run_says_what_would_be_done_and_does_nothing(folder, capsys):
    clips.write(folder / "in.mkv")
    assert restore("in.mkv", "--dry-run") == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["output"], plan["encoding"]["encoder"]) == ("in_restored.mkv", "ffv1")
    assert files(folder) == ["in.mkv"]


# ---- the picture


@pytest.fixture
def lighter(monkeypatch):
    """All models go halfway to white."""
    monkeypatch.setattr(registry, "load", lambda name: clips.Lighter())


def luma(folder, name):
    return np.stack([clips.planes(f)[0] for f in clips.read(folder / name)]).astype(float)


def test_the_network_sees_rgb_and_its_change_arrives(folder, lighter):
    clips.write(folder / "in.mkv", "gray10le", 3, tags=(1, 2, 1, 1))
    assert restore("in.mkv", "-o", "out.mkv") == 0
    assert np.abs(luma(folder, "out.mkv") - (1023 + luma(folder, "in.mkv")) / 2).max() <= 0.5
    assert restore("in.mkv", "-o", "half.mkv", "--strength", "0.5") == 0
    assert np.abs(luma(folder, "half.mkv") - (1023 + 3 * luma(folder, "in.mkv")) / 4).max() <= 0.75


def test_grain_comes_back_where_it_is_flat(folder, lighter):
    clips.write(folder / "in.mkv", "gray", 1, tags=(1, 2, 1, 1))
    grain = {}
    for share in ("0", "1"):
        assert restore("in.mkv", "-o", f"{share}.mkv", "--keep-grain", share) == 0
        grain[share] = np.abs(luma(folder, f"{share}.mkv") - luma(folder, "in.mkv")).mean()
    assert 0.3 * grain["0"] < grain["1"] < grain["0"], "this noise is hardly flat anywhere"


def test_a_mask_keeps_every_pixel_outside(folder, lighter, capsys):
    clips.write(folder / "in.mkv", "yuv444p", 3)
    mask = np.zeros((34, 36, 1), np.uint8)
    mask[5:20, 7:30] = 255
    pictures.write(folder / "mask.png", pictures.Picture(mask))
    assert restore("in.mkv", "-o", "out.mkv", "--mask", "mask.png") == 0
    for before, after in zip(clips.read(folder / "in.mkv"), clips.read(folder / "out.mkv"), strict=True):
        for p, q in zip(clips.planes(before), clips.planes(after), strict=True):
            assert np.array_equal(p[mask[..., 0] == 0], q[mask[..., 0] == 0])
    assert (luma(folder, "out.mkv") != luma(folder, "in.mkv"))[:, mask[..., 0] == 255].mean() > 0.8
    pictures.write(folder / "small.png", pictures.Picture(mask[:9]))
    assert restore("in.mkv", "-o", "other.mkv", "--mask", "small.png") == 3
    assert "small.png is 36x9 px, but the film is 36x34" in capsys.readouterr().err


def test_masks_come_in_the_order_of_their_numbers(folder):
    (folder / "masks").mkdir()
    for n in range(1, 13):
        pictures.write(folder / f"masks/m{n}.png", pictures.Picture(np.full((4, 6, 1), 20 * n, np.uint8)))
    mask = masks.reader(folder / "masks", 4, 6, 12)
    assert [round(255 * float(mask(k)[0, 0])) for k in range(12)] == [20 * n for n in range(1, 13)]


def test_masks_of_a_folder_are_those_of_the_films_frames(folder, lighter, capsys):
    clips.write(folder / "in.mkv", "yuv444p", 4)
    for k in range(4):
        mask = np.zeros((34, 36, 1), np.uint8)
        mask[8 * k : 8 * k + 8] = 255
        pictures.write(folder / f"{k}.png", pictures.Picture(mask))
    assert restore("in.mkv", "-o", "out.mkv", "--mask", ".", "--start", "0.08") == 0
    for k, before, after in zip((2, 3), luma(folder, "in.mkv")[2:], luma(folder, "out.mkv"), strict=True):
        changed = (before != after).any(axis=1)
        assert changed[8 * k : 8 * k + 8].all()
        assert changed.sum() == 8
    (folder / "3.png").unlink()
    assert restore("in.mkv", "-o", "other.mkv", "--mask", ".") == 3
    assert "holds 3 masks, the film about 4 frames; give one for each frame" in capsys.readouterr().err
    assert not (folder / "other.mkv.part").exists(), "said before any work"


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


def test_a_stretch_that_ends_where_it_begins_is_no_traceback(folder, capsys):
    clips.write(folder / "in.mkv")
    assert restore("in.mkv", "-o", "out.mkv", "--end", "0") == 2
    assert "no frame of in.mkv lies between" in capsys.readouterr().err


def test_a_stretch_without_frames(folder, capsys):
    clips.write(folder / "in.mkv")
    assert restore("in.mkv", "-o", "out.mkv", "--start", "9") == 2
    assert "no frame of in.mkv lies between --start and --end" in capsys.readouterr().err


# ---- damaged films


def test_a_film_that_breaks_off_is_restored_so_far(folder, capsys):
    data = clips.write(folder / "in.mkv", count=40).read_bytes()
    (folder / "in.mkv").write_bytes(data[: len(data) // 2])
    assert restore("in.mkv", "-o", "out.mkv") == 1
    message = capsys.readouterr().err
    lost = int(message.split("about ")[1].split()[0])
    assert lost + len(clips.read(folder / "out.mkv")) in (39, 40, 41)
    assert 15 < lost < 25
    assert "in.mkv is damaged: it breaks off, about" in message


def test_what_is_lost_in_the_middle_of_a_film_that_breaks_off_is_counted_too(folder, capsys):
    path = clips.write(folder / "in.ts", count=40, codec="mpeg2video", size=(96, 80), options={"g": "1"})
    film = source.describe(path)
    times = [f.pts for f in source.read(film, source.Losses())]
    last = source.Frame((), times[29], 0)
    assert film.lost(last, 20, source.Losses()) in (19, 20, 21)
    assert film.lost(source.Frame((), times[39], 0), 40, source.Losses()) == 0


def test_damaged_packets_are_passed_by_and_counted(folder, capsys):
    path = clips.write(folder / "in.mkv", count=20, codec="libx264", size=(96, 80), options={"g": "1", "crf": "5"})
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as film:
        at = [p.pos for p in film.demux(video=0) if p.size]
    data[at[9] + 40 : at[9] + 1500] = bytes(1460)
    path.write_bytes(bytes(data))
    assert restore("in.mkv", "-o", "out.mkv") == 1
    after = [round(f.time * 25) for f in clips.read(folder / "out.mkv")]
    assert {*after} >= set(range(20)) - {9}
    message = capsys.readouterr().err
    assert ("1 frames were decoded in part" if 9 in after else "1 packets could not be decoded") in message


def test_what_is_lost_in_the_middle_is_counted(folder, capsys):
    """A transport stream: its packets vanish without an error of the decoder, and the end is whole."""
    path = clips.write(folder / "in.ts", count=40, codec="mpeg2video", size=(96, 80), options={"g": "1"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8000] = bytes(8000)
    path.write_bytes(bytes(data))
    assert restore("in.ts", "-o", "out.mkv") == 1
    message = capsys.readouterr().err
    assert "in.ts is damaged: " in message
    lost = int(message.split("about ")[1].split()[0])
    assert abs(lost + len(clips.read(folder / "out.mkv")) - 40) <= 1


def test_an_unwritable_folder_is_named_before_the_work(folder, capsys, monkeypatch):
    clips.write(folder / "in.mkv")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    for output in ("out.mkv", "new/%d.png"):
        assert restore("in.mkv", "-o", output) == 1
        assert capsys.readouterr().err.endswith("choose another folder with -o\n")
    assert files(folder) == ["in.mkv"]


def test_a_new_size_on_the_way_is_named(folder, capsys):
    for name, size in (("a.ts", (64, 64)), ("b.ts", (96, 80))):
        clips.write(folder / name, codec="mpeg2video", size=size)
    (folder / "in.ts").write_bytes((folder / "a.ts").read_bytes() + (folder / "b.ts").read_bytes())
    assert restore("in.ts", "-o", "out.mkv") == 3
    message = capsys.readouterr().err
    assert "is 96x80 yuv420p after 64x64 yuv420p; restore each part as a film of its own, --on-change split" in message
    assert not (folder / "out.mkv").exists()


# ---- what a film is


def test_probe_says_what_it_is(folder, capsys):
    clips.write(folder / "in.mkv", "yuv420p10le", audio=True)
    assert cli.main(["probe", "in.mkv"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["width"], about["height"], about["pixel_format"]) == (36, 34, "yuv420p10le")
    assert [s["type"] for s in about["streams"]] == ["video", "audio", "attachment"]
    assert about["chapters"] == 1
    assert about["woven from fields"] is None
    would = about["restore"]
    assert (would["output"], would["encoder"], would["pixel_format"]) == ("in_restored.mkv", "ffv1", "yuv420p10le")
    clips.write(folder / "hdr.mkv", "yuv420p10le", 1, tags=(9, 1, 9, 16))
    assert cli.main(["probe", "hdr.mkv"]) == 0
    assert "--force-hdr" in json.loads(capsys.readouterr().out)["restore"]["refused"]
    assert cli.main(["probe", "none.mkv"]) == 3


@pytest.mark.parametrize("woven", [False, True])
def test_fields_are_found_and_announced(folder, capsys, woven):
    """A bar that moves between the fields of a frame, and one that moves only between frames."""
    with av.open("in.mkv", "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "gray"
        for k in range(30):
            picture = np.full((64, 96), 40, np.uint8)
            for line in range(64):
                at = 3 * (2 * k + (line % 2 if woven else 0)) % 80
                picture[line, at : at + 12] = 220 - line
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "gray")))
        out.mux(stream.encode(None))
    assert restore("in.mkv", "--dry-run") == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any("is interlaced (top first)" in note for note in notes) == woven


def test_progress_as_json_lines(folder, capsys, monkeypatch):
    monkeypatch.setattr("zoo.film.progress._EVERY_S", {"json": 0.0})
    clips.write(folder / "in.mkv")
    assert restore("in.mkv", "-o", "out.mkv", "--progress", "json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert [line["frame"] for line in lines] == [1, 2, 3, 4, 5, 5]
    assert lines[-1]["percent"] == 100


def test_the_time_left_of_a_long_reel_is_more_than_a_day(capsys, monkeypatch):
    clock = iter((0.0, 10.0, 10.0))
    monkeypatch.setattr("zoo.film.progress.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Progress("auto", "reel") as shown:
        shown(1, 36001)
        shown(2, 36001)
    assert "eta=99:59:50" in capsys.readouterr().err


def test_doctor_restores_a_frame(capsys, monkeypatch):
    monkeypatch.undo()
    assert cli.main(["doctor"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["encoders"]["ffv1"]
    assert "cpu" in about["devices"][0]
    assert " ms, after " in about["one frame"]
