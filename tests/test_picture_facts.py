"""What pictures say beside their samples: kept as it came, or named."""

import dataclasses
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin
from PIL.PngImagePlugin import PngInfo

from tests.test_pictures import F32, SRGB, U8, U16, noise
from zoo import bounds
from zoo.commands.restore import stills
from zoo.errors import InputError
from zoo.pictures import Picture, find, left_out, read, write
from zoo.pictures.picture import Window

oiio = pytest.importorskip("OpenImageIO")  # the outside implementation, too
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="1"/></x:xmpmeta>'


def exif(**texts: str) -> bytes:
    """A small EXIF, by Pillow, with a sub-directory."""
    made = Image.Exif()
    made[0x010F], made[0x8298] = texts.get("make", "Lasergraphics"), "(c) Archive"
    made.get_ifd(0x8769)[0x9003] = "1969:07:20 20:17:40"
    return made.tobytes().removeprefix(b"Exif\0\0")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(rows: np.ndarray, depth: int, colour: int, *chunks: tuple[bytes, bytes], size: tuple[int, int]) -> bytes:
    """A PNG of packed rows with any chunks, made by hand."""
    head = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [(b"IHDR", head), *chunks, (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def chunks_of(path: Path) -> dict[bytes, bytes]:
    data, at, found = path.read_bytes(), 8, {}
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found[data[at + 4 : at + 8]] = data[at + 8 : at + 8 + length]
        at += 12 + length
    return found


def exr(path: Path, channels: dict[str, np.ndarray], half: bool = True, **facts) -> None:
    """An EXR by OpenImageIO, whose channels are [h w]."""
    height, width = next(iter(channels.values())).shape
    spec = oiio.ImageSpec(width, height, len(channels), "half" if half else "float")
    spec.channelnames = tuple(channels)
    if "formats" in facts:
        spec.channelformats = tuple(oiio.TypeDesc(name) for name in facts["formats"])
    if "window" in facts:
        spec.x, spec.y, spec.full_x, spec.full_y, spec.full_width, spec.full_height = facts["window"]
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec)
    assert out.write_image(np.dstack([*channels.values()]).astype(np.float32))
    assert out.close()


# ---- every kind: what is read and written again is equal


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from([".png", ".tif", ".webp", ".exr", ".dpx"]),
    dtype=st.sampled_from([U8, U16, F32]),
    channels=st.integers(1, 4),
    make=st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1),
    xmp=st.binary(min_size=1, max_size=40).map(lambda rest: XMP + rest.replace(b"\0", b" ")),
    named=st.booleans(),
)
def test_what_is_read_and_written_again_is_equal(tmp_path, suffix, dtype, channels, make, xmp, named):
    fits = {".webp": (U8,), ".exr": (F32,), ".dpx": (U8, U16), ".png": (U8, U16), ".tif": (U8, U16, F32)}[suffix]
    dtype = dtype if dtype in fits else fits[0]
    channels = 3 if suffix == ".dpx" else max(3, channels) if suffix == ".webp" else channels
    facts = {"exif": exif(make=make), "xmp": xmp if suffix != ".png" else XMP, "icc": SRGB if channels > 2 else None}
    whole = Picture(noise(channels, dtype), **(facts if named and suffix not in (".exr", ".dpx") else {}))
    write(tmp_path / f"a{suffix}", whole)
    once = read(tmp_path / f"a{suffix}")
    assert (once.xmp, once.icc) == (whole.xmp, whole.icc)
    write(tmp_path / f"b{suffix}", once)
    twice = read(tmp_path / f"b{suffix}")
    alone = read(tmp_path / f"b{suffix}", samples=False)
    for field in dataclasses.fields(Picture):
        if field.name == "samples":
            np.testing.assert_array_equal(twice.samples, whole.samples)
        else:
            assert getattr(twice, field.name) == getattr(once, field.name) == getattr(alone, field.name), field.name
    if named and once.exif:
        held = Image.Exif()
        held.load(once.exif)
        assert held[0x8298] == "(c) Archive"
        assert held.get_ifd(0x8769)[0x9003] == "1969:07:20 20:17:40"
    assert not left_out(f"c{suffix}", once)


# ---- PNG

CHROMATICITIES = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
TEXT = [(b"tEXt", b"Source\0Reel 12"), (b"zTXt", b"Note\0\0" + zlib.compress(b"dirt"))]
COLOUR = {
    "gamma": [(b"gAMA", struct.pack(">I", 100000)), (b"cHRM", CHROMATICITIES)],
    "sRGB": [(b"sRGB", b"\0")],
    "P3": [(b"cICP", bytes((12, 13, 0, 1)))],
    "nothing": [],
}


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("colour", COLOUR)
def test_chunks_of_colour_and_text_are_kept_and_none_is_added(tmp_path, depth, colour):
    samples = noise(3, U8 if depth == 8 else U16)
    said = [*COLOUR[colour], *TEXT, (b"sBIT", bytes((8, 8, 8)))]
    (tmp_path / "a.png").write_bytes(
        png(samples.astype(samples.dtype.newbyteorder(">")), depth, 2, *said, size=(13, 9))
    )
    write(tmp_path / "b.png", read(tmp_path / "a.png"))
    after = chunks_of(tmp_path / "b.png")
    needed = {name: data for name, data in after.items() if name not in (b"IHDR", b"IDAT", b"IEND")}
    assert needed == dict(said[:-1])
    np.testing.assert_array_equal(read(tmp_path / "b.png").samples, samples)
    names = {"gamma": ["gAMA", "cHRM"], "sRGB": ["sRGB"], "P3": ["cICP"], "nothing": []}[colour]
    assert left_out("b.tif", read(tmp_path / "a.png")) == [*names, "Source", "Note"]


@pytest.mark.parametrize(("depth", "clear"), [(1, 0), (1, 1), (2, 3), (4, 15), (4, 6), (8, 200)])
def test_a_grey_that_is_clear_is_clear_in_any_depth(tmp_path, depth, clear):
    codes = np.random.default_rng(0).integers(0, 2**depth, (8, 16), np.uint8)
    codes[0] = clear
    bits = (codes[..., None] >> np.arange(depth - 1, -1, -1)) & 1
    rows = np.packbits(bits.reshape(8, -1).astype(np.uint8), axis=1)
    (tmp_path / "a.png").write_bytes(png(rows, depth, 0, (b"tRNS", struct.pack(">H", clear)), size=(16, 8)))
    samples = read(tmp_path / "a.png").samples
    np.testing.assert_array_equal(samples[..., 0], codes * (255 // (2**depth - 1)))
    np.testing.assert_array_equal(samples[..., 1] == 0, codes == clear)


def test_an_orientation_in_a_text_of_a_png_is_applied_once(tmp_path):
    turned = Image.Exif()
    turned[274] = 6
    data = turned.tobytes()
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(data):8}\n{data.hex()}\n")
    Image.fromarray(noise(3)).save(tmp_path / "a.png", pnginfo=text)
    write(tmp_path / "b.png", read(tmp_path / "a.png"))
    np.testing.assert_array_equal(read(tmp_path / "b.png").samples, noise(3).transpose(1, 0, 2)[:, ::-1])


# ---- JPEG, and from kind to kind


def camera(path: Path, orientation: int = 1) -> None:
    held = Image.Exif()
    held[0x010F], held[274] = "Nikon", orientation
    xmp = XMP.replace(b'="1"', b'="%d"' % orientation)
    image = Image.fromarray(noise(3, height=16, width=24))
    photoshop = b"Photoshop 3.0\x008BIM"
    extra = b"\xff\xed" + struct.pack(">H", len(photoshop) + 2) + photoshop
    image.save(path, quality=95, exif=held.tobytes(), xmp=xmp, comment=b"reel 12", extra=extra)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_keeps_what_it_says_and_stands_upright(tmp_path, orientation):
    camera(tmp_path / "a.jpg", orientation)
    write(tmp_path / "b.jpg", read(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "a.jpg") as before, Image.open(tmp_path / "b.jpg") as after:
        assert after.size == (before.size if orientation == 1 else before.size[::-1])
        assert after.getexif()[0x010F] == "Nikon"
        assert after.getexif()[274] == 1
        assert after.info["xmp"] == XMP
        assert after.info["comment"] == b"reel 12"
        segments = lambda image: [data for name, data in image.applist if name == "APP13"]
        assert segments(after) == segments(before) != []
        if orientation == 1:
            assert after.info["exif"] == before.info["exif"]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_exif_and_xmp_go_from_kind_to_kind_and_the_rest_is_named(tmp_path, suffix):
    camera(tmp_path / "a.jpg")
    picture = read(tmp_path / "a.jpg")
    write(tmp_path / f"b{suffix}", picture)
    assert left_out(f"b{suffix}", picture) == ["APP13", "comment"]
    with Image.open(tmp_path / f"b{suffix}") as after:
        assert after.getexif()[0x010F] == "Nikon"
        xmp = after.tag_v2[700] if suffix == ".tif" else after.info["xmp"]  # type: ignore[attr-defined]
        assert xmp == XMP
    assert left_out("b.dpx", picture) == ["EXIF", "XMP", "APP13", "comment"]


# ---- TIFF


def tiff(path: Path, samples: np.ndarray, **tags) -> None:
    """A TIFF by OpenImageIO."""
    out = oiio.ImageOutput.create(str(path))
    spec = oiio.ImageSpec(samples.shape[1], samples.shape[0], samples.shape[2], str(samples.dtype))
    for name, value in tags.items():
        spec[name] = value
    assert out.open(str(path), spec)
    assert out.write_image(samples)
    assert out.close()


def pages(*held: tuple[np.ndarray, int]) -> bytes:
    """A TIFF of pages of RGB, each with the number that says what it is, made by hand."""
    data = b"II*\0" + struct.pack("<I", 8)
    for k, (samples, subfile) in enumerate(held):
        height, width, channels = samples.shape
        at, bits = len(data), 8 * samples.itemsize
        end = at + 2 + 12 * 11 + 4
        tags = [(254, subfile), (256, width), (257, height), (258, bits), (259, 1), (262, 2), (273, end + 6)]
        tags += [(277, channels), (278, height), (279, samples.nbytes), (284, 1)]
        entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags]
        entries[3] = struct.pack("<HHII", 258, 3, 3, end)
        following = 0 if k == len(held) - 1 else end + 6 + samples.nbytes
        data += struct.pack("<H", len(tags)) + b"".join(entries) + struct.pack("<I3H", following, bits, bits, bits)
        data += samples.tobytes()
    return data


@pytest.mark.parametrize("dtype", [U8, U16])
def test_tags_of_a_tiff_are_kept_and_none_is_added(tmp_path, dtype):
    said = {"ImageDescription": "Reel 12 frame 5", "Make": "Lasergraphics", "Copyright": "(c) Archive"}
    tiff(tmp_path / "a.tif", noise(3, dtype), **said, DateTime="1969:07:20 20:17:40", FNumber=2.5)
    write(tmp_path / "b.tif", read(tmp_path / "a.tif"))
    held = []
    for name in ("a.tif", "b.tif"):
        with (tmp_path / name).open("rb") as file:
            tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
            file.seek(tags.next)
            tags.load(file)
            held.append({number: tags[number] for number in tags if number in (270, 271, 305, 306, 33432)})
    assert held[0] == held[1]
    assert {*said.values()} <= {*held[1].values()}
    spec = oiio.ImageBuf(str(tmp_path / "b.tif")).spec()
    assert spec.getattribute("FNumber") == 2.5
    write(tmp_path / "c.png", read(tmp_path / "a.tif"))
    with Image.open(tmp_path / "c.png") as after:
        assert after.getexif()[270] == "Reel 12 frame 5"


@pytest.mark.parametrize("dtype", [U8, U16, F32])
def test_associated_alpha_stays_so_in_tiff_and_is_divided_out_for_png(tmp_path, dtype):
    top = 1 if dtype == F32 else np.iinfo(dtype).max
    alpha = np.full((9, 13, 1), top / 2).astype(dtype)
    samples = np.concatenate([(noise(3, U8) / 510 * top).astype(dtype), alpha], axis=-1)
    write(tmp_path / "a.tif", Picture(samples, associated=True))
    with Image.open(tmp_path / "a.tif") if dtype == U8 else (tmp_path / "a.tif").open("rb"):
        picture = read(tmp_path / "a.tif")
    assert picture.associated
    np.testing.assert_array_equal(picture.samples, samples)
    stored = oiio.ImageBuf(str(tmp_path / "a.tif"))
    np.testing.assert_array_equal(stored.get_pixels(stored.spec().format), samples)
    assert stored.spec().get_int_attribute("oiio:UnassociatedAlpha") == 0
    if dtype != F32:
        write(tmp_path / "a.png", picture)
        wanted = np.rint(samples[..., :3].astype(float) * top / alpha.astype(float))
        np.testing.assert_array_equal(read(tmp_path / "a.png").samples[..., :3], np.minimum(wanted, top))


@pytest.mark.parametrize("photometric", [8, 9, 32803])
@pytest.mark.parametrize("dtype", [U8, U16])
def test_colour_that_is_no_rgb_is_refused_by_name(tmp_path, photometric, dtype):
    write(tmp_path / "a.tif", Picture(noise(3, dtype)))
    data = bytearray((tmp_path / "a.tif").read_bytes())
    at = struct.unpack_from("<I", data, 4)[0]
    for k in range(struct.unpack_from("<H", data, at)[0]):
        if struct.unpack_from("<H", data, at + 2 + 12 * k)[0] == 262:
            struct.pack_into("<H", data, at + 10 + 12 * k, photometric)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.tif holds (CIELab|ICCLab|raw sensor data), .* convert it to RGB"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [U8, U16])
@pytest.mark.parametrize("thumbnail", [0, 1])
def test_a_thumbnail_is_no_page_wherever_it_lies(tmp_path, dtype, thumbnail):
    samples, small = noise(3, dtype, height=18, width=26), noise(3, dtype, height=10, seed=1)
    held = [(small, 1), (samples, 0)] if thumbnail == 0 else [(samples, 0), (small, 1)]
    (tmp_path / "a.tif").write_bytes(pages(*held))
    picture = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.samples, samples)
    assert left_out("b.tif", picture) == ["thumbnail"]
    (tmp_path / "a.tif").write_bytes(pages((samples, 0), (small, 0)))
    with pytest.raises(InputError, match="holds 2 pages"):
        read(tmp_path / "a.tif")


# ---- EXR and DPX

RGB = {name: noise(1, F32)[..., 0].astype(np.float16) for name in "RGB"}


@pytest.mark.parametrize("window", [(10, 6, 0, 0, 100, 80), (-8, -4, 0, 0, 5, 3)])
def test_both_windows_of_an_exr_are_kept(tmp_path, window):
    exr(tmp_path / "a.exr", RGB, window=window)
    picture = read(tmp_path / "a.exr")
    assert picture.window == Window(*window[:2], window[2:])
    write(tmp_path / "b.exr", picture)
    spec = oiio.ImageBuf(str(tmp_path / "b.exr")).spec()
    assert (spec.x, spec.y, spec.full_x, spec.full_y, spec.full_width, spec.full_height) == window
    assert left_out("b.tif", picture)[0] == "data window"


def test_channels_of_an_exr_go_by_their_names(tmp_path):
    depth = noise(1, F32, seed=1)[..., 0] * 1e4
    channels = {"Z": depth, "B": RGB["B"], "A": RGB["R"] / 2, "diffuse.R": RGB["R"], "R": RGB["R"], "G": RGB["G"]}
    exr(tmp_path / "a.exr", channels, half=False, formats=["float", *["half"] * 5])
    picture = read(tmp_path / "a.exr")
    assert picture.half
    np.testing.assert_array_equal(picture.samples, np.dstack([channels[c] for c in "RGBA"]).astype(np.float32))
    write(tmp_path / "b.exr", dataclasses.replace(picture, samples=picture.samples + 1))
    after = oiio.ImageBuf(str(tmp_path / "b.exr"))
    held = dict(zip(after.spec().channelnames, np.moveaxis(after.get_pixels("float"), 2, 0), strict=True))
    assert {*held} == {*channels}
    for name in ("Z", "diffuse.R"):
        np.testing.assert_array_equal(held[name], channels[name].astype(np.float32))
    formats = dict(zip(after.spec().channelnames, map(str, after.spec().channelformats), strict=True))
    assert (formats["Z"], formats["R"]) == ("float", "half")
    np.testing.assert_array_equal(held["G"], (channels["G"].astype(np.float32) + 1).astype(np.float16))
    assert left_out("b.tif", picture)[:2] == ["channel Z", "channel diffuse.R"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("Y", "RY", "BY"), "holds luma and chroma"),
        (("forward.u", "forward.v"), "no colour, only the channels forward.u, forward.v"),
        (("Z",), "no colour, only the channels Z"),
    ],
)
def test_an_exr_without_colour_is_refused_by_name(tmp_path, names, words):
    exr(tmp_path / "a.exr", dict.fromkeys(names, RGB["R"]))
    with pytest.raises(InputError, match=words):
        read(tmp_path / "a.exr")


def test_an_attribute_that_is_no_utf8_is_named(tmp_path):
    exr(tmp_path / "a.exr", RGB)
    data = (tmp_path / "a.exr").read_bytes()
    assert b"capDate\0" in data
    (tmp_path / "a.exr").write_bytes(data.replace(b"capDate\0", b"cap\xff\xfete\0"))
    picture = read(tmp_path / "a.exr")
    assert left_out("b.exr", picture) == ["1 attribute not in UTF-8"]
    write(tmp_path / "b.exr", picture)
    np.testing.assert_array_equal(read(tmp_path / "b.exr").samples, picture.samples)


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_a_dpx_keeps_bits_and_byte_order(tmp_path, order, bits):
    codes = np.random.default_rng(0).integers(0, 2**bits, (9, 13, 3))
    samples = codes.astype(U8) if bits == 8 else np.rint(codes * (65535 / (2**bits - 1))).astype(U16)
    spec = oiio.ImageSpec(13, 9, 3, str(samples.dtype))
    spec["oiio:Endian"], spec["oiio:BitsPerSample"] = order, bits
    spec["dpx:TimeCode"] = "01:00:00:07"
    out = oiio.ImageOutput.create("a.dpx")
    assert out.open(str(tmp_path / "a.dpx"), spec)
    assert out.write_image(
        samples if bits in (8, 16) else (codes << (16 - bits) | codes >> (2 * bits - 16)).astype(U16)
    )
    assert out.close()
    write(tmp_path / "b.dpx", read(tmp_path / "a.dpx"))
    before, after = ((tmp_path / name).read_bytes() for name in ("a.dpx", "b.dpx"))
    assert after[:4] == before[:4] == {"big": b"SDPX", "little": b"XPDS"}[order]
    start = struct.unpack_from(">I" if order == "big" else "<I", before, 4)[0]
    assert after[start:] == before[start:]


# ---- values that no network has seen


def test_what_lies_outside_0_and_1_is_kept_and_said():
    samples = np.array([[[-0.2, 0.5, 3.7, 1.25]]], F32).repeat(4, 0)
    darker = lambda inside, progress: np.concatenate([inside[..., :3] * 0.9, inside[..., 3:]], axis=-1)
    restored = stills._restored(darker, samples, lambda *_: None)
    np.testing.assert_allclose(restored[0, 0], [-0.2, 0.45, 3.6, 1.25], atol=1e-6)
    np.testing.assert_array_equal(stills._restored(lambda inside, progress: inside, samples, lambda *_: None), samples)
    assert "66.7% of its samples lie outside [0, 1]" in "".join(stills._notes(Picture(samples), Path("a.tif")))


# ---- sizes that cannot be


def bombs() -> dict[str, bytes]:
    """Small files that say that they are very large."""
    jpeg, webp = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (64, 48)).save(jpeg, "JPEG")
    Image.new("RGB", (64, 48)).save(webp, "WEBP", lossless=True)
    jpeg, webp = bytearray(jpeg.getvalue()), bytearray(webp.getvalue())
    struct.pack_into(">HH", jpeg, jpeg.index(b"\xff\xc0") + 5, 65500, 65500)
    struct.pack_into("<I", webp, webp.index(b"VP8L") + 9, 16382 | 16382 << 14)
    tags = [(256, 90000), (257, 90000), (258, 8), (259, 8), (262, 1), (273, 122), (277, 1), (278, 90000), (279, 9)]
    tif = (
        b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in tags)
    )
    row = np.zeros((1, 9), U8)
    return {
        "a.png": png(row, 8, 0, size=(100_000, 100_000)),
        "b.png": png(row, 16, 2, size=(100_000, 100_000)),
        "a.tif": tif + bytes(4) + zlib.compress(bytes(20)),
        "a.jpg": bytes(jpeg),
        "a.webp": bytes(webp),
    }


@pytest.mark.parametrize("name", [*bombs(), "a.exr", "a.dpx"])
def test_a_declared_size_that_no_file_so_small_holds_is_refused(tmp_path, name):
    path = tmp_path / name
    if name in bombs():
        path.write_bytes(bombs()[name])
    else:
        write(path, Picture(noise(3, F32 if name == "a.exr" else U16)))
        data = path.read_bytes()
        if name == "a.exr":
            at = data.index(b"dataWindow\0box2i\0") + 29
            assert struct.unpack_from("<4i", data, at - 8) == (0, 0, 12, 8)
            path.write_bytes(data[:at] + struct.pack("<ii", 99_999, 99_999) + data[at + 8 :])
        else:
            path.write_bytes(data[:772] + struct.pack("<II", 100_000, 100_000) + data[780:])
    with pytest.raises(InputError, match=name) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_the_user_says_how_large_pictures_are(tmp_path, monkeypatch):
    write(tmp_path / "a.png", Picture(noise(3)))
    monkeypatch.setattr(bounds, "_most_px", 9 * 13 - 1)
    with pytest.raises(InputError, match="13x9 px, more than --max-pixels 116"):
        read(tmp_path / "a.png")
    monkeypatch.setattr(bounds, "_most_px", None)
    monkeypatch.setattr(bounds, "free_memory", lambda: 100)
    with pytest.raises(InputError, match=r"memory, and .* are free; if it is so, allow it with --max-pixels 117"):
        read(tmp_path / "a.png")
    monkeypatch.setattr(bounds, "_most_px", 117)
    assert read(tmp_path / "a.png").samples.shape == (9, 13, 3)


def test_what_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    for ask in (read, find):
        with pytest.raises(InputError, match="no regular file"):
            ask(tmp_path / "a.png")
