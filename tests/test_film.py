"""The pictures of a film: every code at its time, in every format, changed as the network says."""

import io
import json
from fractions import Fraction

import av
import numpy as np
import pytest

from tests import clips
from tests.clips import files, restore
from zoo import cli, color, pictures, registry
from zoo.film import formats
from zoo.film.read import masks, source
from zoo.film.read.decoding import Losses
from zoo.film.write import encode

pytestmark = pytest.mark.usefixtures("identity")


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
        planes = next(source.read(film, Losses())).planes
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
