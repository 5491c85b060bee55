"""Pictures in and out: every sample, profile and refusal."""

import os
import struct
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageCms

from zoo import pictures
from zoo.errors import FlagError, InputError, ZooError
from zoo.pictures import Picture, find, openimageio, read, rgb8, write, writing

oiio = pytest.importorskip("OpenImageIO")  # the outside implementation, too
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
U8, U16, F32 = np.uint8, np.uint16, np.float32


def noise(channels: int, dtype=U8, *, height=9, width=13, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == F32:
        return rng.normal(size=(height, width, channels)).astype(F32)
    return rng.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)


HELD = [(suffix, dtype, c) for suffix in (".png", ".tif") for dtype in (U8, U16) for c in (1, 2, 3, 4)]
HELD += [(".webp", U8, 3), (".webp", U8, 4), (".dpx", U16, 3), (".dpx", U16, 4)]
HELD += [(suffix, F32, c) for suffix in (".tiff", ".exr") for c in (1, 3, 4)]


@pytest.mark.parametrize(("suffix", "dtype", "channels"), HELD)
def test_round_trip_is_bit_exact(tmp_path, suffix, dtype, channels):
    samples = noise(channels, dtype)
    write(tmp_path / f"a{suffix}", Picture(samples))
    back = read(tmp_path / f"a{suffix}").samples
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, samples)
    assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    samples=st.tuples(st.sampled_from([U8, U16]), st.integers(1, 7), st.integers(1, 7), st.integers(1, 4)).flatmap(
        lambda t: arrays(t[0], t[1:])
    ),
    suffix=st.sampled_from([".png", ".tif"]),
)
def test_any_size_and_any_samples_come_back(tmp_path, samples, suffix):
    write(tmp_path / f"a{suffix}", Picture(samples))
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}").samples, samples)


@pytest.mark.parametrize("channels", [1, 2])
def test_webp_returns_grey_as_three_equal_channels(tmp_path, channels):
    samples = noise(channels)
    write(tmp_path / "a.webp", Picture(samples))
    back = read(tmp_path / "a.webp").samples
    np.testing.assert_array_equal(back[..., :3], np.repeat(samples[..., :1], 3, 2))
    np.testing.assert_array_equal(back[..., 3:], samples[..., 1:])


@pytest.mark.parametrize(("suffix", "dtype"), [(".png", U8), (".png", U16), (".tif", U8), (".tif", U16), (".webp", U8)])
def test_profile_and_resolution_are_kept(tmp_path, suffix, dtype):
    write(tmp_path / f"a{suffix}", Picture(noise(3, dtype), icc=SRGB, dpi=(300.0, 150.0)))
    back = read(tmp_path / f"a{suffix}")
    assert back.icc == SRGB
    if suffix != ".webp":
        assert back.dpi == pytest.approx((300.0, 150.0), abs=0.02)  # PNG counts whole pixels a metre


def test_a_grey_profile_does_not_go_into_a_file_of_colour(tmp_path):
    grey = SRGB[:16] + b"GRAY" + SRGB[20:]
    for name, samples, kept in (
        ("a.png", noise(1), grey),
        ("a.png", noise(3), None),
        ("a.tif", noise(3, U16), None),
        ("a.webp", noise(1), None),
    ):
        write(tmp_path / name, Picture(samples, icc=grey))
        assert read(tmp_path / name).icc == kept


def test_jpeg_is_close_keeps_full_colour_resolution_and_the_profile(tmp_path):
    yx = np.mgrid[0:64, 0:64].transpose(1, 2, 0)
    stripes = np.where(yx[..., 1:] % 2 == 0, [[[200, 40, 60]]], [[[40, 60, 200]]]).astype(U8)
    write(tmp_path / "a.jpg", Picture(stripes, icc=SRGB))
    back = read(tmp_path / "a.jpg")
    assert np.abs(back.samples.astype(int) - stripes).mean() < 3  # 4:2:0 would smear it by tens
    assert back.icc == SRGB


def test_deep_samples_are_what_openimageio_says(tmp_path):
    samples = noise(4, U16)
    write(tmp_path / "a.png", Picture(samples))
    wish = oiio.ImageSpec()
    wish["oiio:UnassociatedAlpha"] = 1
    buffer = oiio.ImageBuf(str(tmp_path / "a.png"), 0, 0, wish)
    np.testing.assert_array_equal(buffer.get_pixels("uint16"), samples)
    assert (tmp_path / "a.png").read_bytes()[24] == 16


def test_a_dark_16_bit_frame_stays_dark(tmp_path):
    samples = np.full((4, 4, 3), 200, U16)
    write(tmp_path / "a.tif", Picture(samples))
    assert read(tmp_path / "a.tif").samples.max() == 200


@pytest.mark.parametrize("bits", [10, 12])
def test_dpx_keeps_its_codes(tmp_path, bits):
    top = 2**bits - 1
    codes = np.random.default_rng(0).integers(0, top, (9, 13, 3), endpoint=True)
    samples = np.rint(codes * (65535 / top)).astype(U16)
    write(tmp_path / "a.dpx", Picture(samples, bits=bits))
    back = read(tmp_path / "a.dpx")
    assert back.bits == bits
    np.testing.assert_array_equal(np.rint(back.samples * (top / 65535)), codes)
    write(tmp_path / "b.dpx", back)
    np.testing.assert_array_equal(read(tmp_path / "b.dpx").samples, back.samples)


# ---- unusual files


def test_palettes_become_colours(tmp_path):
    image = Image.fromarray(noise(3)).quantize(16)
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png").samples, np.asarray(image.convert("RGB")))
    image.info["transparency"] = 3
    image.save(tmp_path / "b.png", transparency=3)
    samples = read(tmp_path / "b.png").samples
    np.testing.assert_array_equal(samples[..., 3], np.where(np.asarray(image) == 3, 0, 255))
    np.testing.assert_array_equal(samples[..., :3], np.asarray(image.convert("RGBA"))[..., :3])


def test_colour_keys_become_alpha(tmp_path):
    grey = noise(1)[..., 0]
    Image.fromarray(grey).save(tmp_path / "a.png", transparency=int(grey[0, 0]))
    samples = read(tmp_path / "a.png").samples
    np.testing.assert_array_equal(samples[..., 0], grey)
    np.testing.assert_array_equal(samples[..., 1] == 0, grey == grey[0, 0])


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_one_bit_becomes_grey(tmp_path, suffix):
    bits = noise(1)[..., 0] > 99
    Image.fromarray(bits).save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}").samples, bits[..., None] * U8(255))


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_becomes_rgb_and_loses_its_profile(tmp_path, suffix):
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    image.save(tmp_path / f"a{suffix}", icc_profile=SRGB)
    picture = read(tmp_path / f"a{suffix}")
    assert picture.icc is None
    assert np.abs(picture.samples.astype(int) - [255, 0, 0]).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("suffix", "dtype"), [(".png", U8), (".tif", U8), (".tif", U16)])
def test_orientation_is_applied_once(tmp_path, orientation, suffix, dtype):
    stored = noise(3, dtype)
    upright = {1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1]}
    turned = stored.transpose(1, 0, 2)
    upright |= {5: turned, 6: turned[:, ::-1], 7: turned[::-1, ::-1], 8: turned[::-1]}
    if dtype == U8:
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(stored).save(tmp_path / f"a{suffix}", exif=exif)
    else:
        spec = oiio.ImageSpec(13, 9, 3, "uint16")
        spec["Orientation"] = orientation
        out = oiio.ImageOutput.create("a.tif")
        assert out.open(str(tmp_path / "a.tif"), spec)
        assert out.write_image(stored)
        assert out.close()
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}").samples, upright[orientation])
    write(tmp_path / f"b{suffix}", read(tmp_path / f"a{suffix}"))
    np.testing.assert_array_equal(read(tmp_path / f"b{suffix}").samples, upright[orientation])


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_16_bit_grey_tiff_in_either_byte_order_and_polarity(tmp_path, order, white_is_zero):
    samples = noise(1, U16)
    tags = [(256, 13), (257, 9), (258, 16), (259, 1), (262, 0 if white_is_zero else 1), (277, 1), (278, 9)]
    size = 8 + 2 + 12 * (len(tags) + 2) + 4
    tags = sorted([*tags, (273, size), (279, samples.nbytes)])
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", len(tags))
    body = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags) + bytes(4)
    (tmp_path / "a.tif").write_bytes(head + body + samples.astype(f"{order}u2").tobytes())
    np.testing.assert_array_equal(read(tmp_path / "a.tif").samples, 65535 - samples if white_is_zero else samples)


def test_a_camera_jpeg_with_a_preview_is_one_picture(tmp_path):
    main, preview = Image.new("RGB", (32, 24), "red"), Image.new("RGB", (8, 6), "blue")
    main.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[preview])
    assert read(tmp_path / "a.jpg").samples.shape == (24, 32, 3)


def test_a_large_scan_is_no_bomb(tmp_path):
    Image.new("1", (14000, 13500)).save(tmp_path / "a.png")
    with warnings.catch_warnings(), Image.open(tmp_path / "a.png") as image:
        warnings.simplefilter("error")
        assert image.size == (14000, 13500)


# ---- refusals


def spoil(kind: str, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    dtype = U16 if "deep" in kind else U8
    write(path, Picture(noise(3, dtype, height=50, width=70)))
    data = path.read_bytes()
    if "half" in kind:
        path.write_bytes(data[: len(data) // 2])
    elif "flipped" in kind:
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes(255 - b for b in data[middle : middle + 64]) + data[middle + 64 :])
    else:
        path.write_bytes({"text": b"not a picture at all\n", "empty": b"", "header": data[:20]}[kind])


SPOILT = [
    (kind, f"a{suffix}") for kind in ("half", "text", "empty", "header") for suffix in (".png", ".tif", ".jpg", ".webp")
]
SPOILT += [("half deep", "a.png"), ("half deep", "a.tif"), ("half deep", "a.dpx"), ("text", "a.bmp.png")]
SPOILT += [("flipped", "a.png"), ("flipped deep", "a.png"), ("flipped", "a.tif"), ("flipped deep", "a.tif")]


@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
@pytest.mark.parametrize(("kind", "name"), SPOILT)
def test_damaged_files_are_refused_in_one_sentence(tmp_path, kind, name):
    spoil(kind, tmp_path / name)
    with pytest.raises(InputError, match=name) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png"):
        read(tmp_path / "gone.png")
    with pytest.raises(InputError, match="folder"):
        read(tmp_path)


def test_samples_that_16_bits_cannot_hold_are_refused(tmp_path):
    Image.fromarray(noise(1)[..., 0].astype(np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="1 channels of type int"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".tif", ".webp", ".png"])
def test_pages_are_never_lost(tmp_path, suffix):
    pages = [Image.new("RGB", (8, 8), c) for c in ("red", "blue", "green")]
    pages[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match="3 pages"):
        read(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("name", "picture", "words"),
    [
        ("a.gif", Picture(noise(3)), r"choose one of: \.png, \.tif"),
        ("a", Picture(noise(3)), "choose one of"),
        ("a.jpg", Picture(noise(4)), r"JPEG cannot hold 8-bit colour with alpha; choose one of: \.png"),
        ("a.jpg", Picture(noise(3, U16)), r"JPEG cannot hold 16-bit colour; choose one of: \.png"),
        ("a.webp", Picture(noise(1, U16)), "16-bit grey"),
        ("a.png", Picture(noise(3, F32)), r"float colour; choose one of: \.tif, \.tiff, \.exr"),
        ("a.webp", Picture(np.zeros((1, 16400, 3), U8)), "WEBP cannot hold this picture"),
        ("no/a.png", Picture(noise(3)), "folder"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_with_the_choices(tmp_path, name, picture, words):
    with pytest.raises(FlagError, match=words):
        write(tmp_path / name, picture)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("samples", [noise(3)[..., 0], noise(5), noise(3).astype(np.int32), np.zeros((0, 4, 3), U8)])
def test_a_picture_has_a_known_layout(samples):
    with pytest.raises(FlagError, match="1 to 4 channels"):
        Picture(samples)


def test_without_openimageio_16_bit_colour_is_refused_and_the_rest_works(tmp_path, monkeypatch):
    write(tmp_path / "deep.png", Picture(noise(3, U16)))
    write(tmp_path / "grey.png", Picture(noise(1, U16)))
    monkeypatch.setitem(sys.modules, "OpenImageIO", None)
    with pytest.raises(InputError, match=r"16-bit colour needs OpenImageIO: pip install 'filmzoo\[film\]'"):
        read(tmp_path / "deep.png")
    with pytest.raises(InputError, match="needs OpenImageIO"):
        write(tmp_path / "b.png", Picture(noise(3, U16)))
    np.testing.assert_array_equal(read(tmp_path / "grey.png").samples, noise(1, U16))


@pytest.mark.parametrize("dtype", [U8, U16])
@pytest.mark.parametrize("failure", ["encoder", "rename"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, dtype, failure):
    path = tmp_path / "a.png"
    write(path, Picture(noise(3, dtype)))
    before = path.read_bytes()

    def full(*args, **kwargs):
        if failure == "encoder":
            Path(args[0]).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    if failure == "rename":
        monkeypatch.setattr(Path, "replace", full)
    else:
        monkeypatch.setattr(*((writing, "_write_plain") if dtype == U8 else (openimageio, "write")), full)
    with pytest.raises(OSError, match="No space"):
        write(path, Picture(noise(3, dtype, seed=1)))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    path, there = tmp_path / f"{'x' * 251}.png", []
    monkeypatch.setattr(os, "fsync", lambda number: there.append((number, path.exists())))
    pictures.write(path, Picture(np.zeros((2, 2, 3), np.uint8)))
    assert [exists for _, exists in there] == [False]
    assert path.exists()


def test_openimageio_that_cannot_write_is_an_error(tmp_path):
    with pytest.raises(ZooError, match="could not write"):
        openimageio.write(tmp_path / "no" / "a.png", "PNG", Picture(noise(3, U16)))


def test_written_files_have_ordinary_permissions(tmp_path):
    (tmp_path / "plain").touch()
    write(tmp_path / "a.png", Picture(noise(3)))
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


# ---- finding, and 8-bit views


def test_find(tmp_path):
    for name in ("b.PNG", "a.jpg", "deep/er/c.tiff", ".hidden.png", "._a.jpg", ".git/d.png", "note.txt", "x[1].png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    everything = [tmp_path / n for n in ("a.jpg", "b.PNG", "deep/er/c.tiff", "x[1].png")]
    assert find(tmp_path) == everything
    assert find(str(tmp_path)) == everything
    assert find(tmp_path / "*.jpg") == [tmp_path / "a.jpg"]
    assert find(f"{tmp_path}/**/*.tiff") == [tmp_path / "deep/er/c.tiff"]
    assert find(tmp_path / "x[1].png") == [tmp_path / "x[1].png"]
    for absent in (tmp_path / "*.webp", tmp_path / "nowhere", tmp_path / "deep/none.png"):
        with pytest.raises(InputError):
            find(absent)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures"):
        find(tmp_path / "empty")


def test_rgb8():
    np.testing.assert_array_equal(rgb8(Picture(noise(4))), noise(4)[..., :3])
    np.testing.assert_array_equal(rgb8(Picture(noise(2))), np.repeat(noise(2)[..., :1], 3, 2))
    ramp = np.arange(65536, dtype=U16).reshape(256, 256, 1)
    np.testing.assert_array_equal(rgb8(Picture(ramp))[..., 1], np.rint(ramp[..., 0] / 257.0))
    floats = np.array([[[-1, 0, np.nan], [0.5, 1, 7]]], F32)
    np.testing.assert_array_equal(rgb8(Picture(floats)), [[[0, 0, 0], [128, 255, 255]]])


def test_a_full_disk_is_no_damaged_picture(tmp_path, monkeypatch):
    class Full:
        open, write_image, close = (lambda *_, answer=answer: answer for answer in (True, False, True))
        geterror = lambda _: "Write error at scanline 7"

    kinds = {"ImageSpec": oiio.ImageSpec, "ImageOutput": SimpleNamespace(create=lambda _: Full())}
    monkeypatch.setattr(openimageio, "_library", lambda: SimpleNamespace(**kinds))
    picture = Picture(np.zeros((8, 8, 3), np.uint16))
    with pytest.raises(ZooError, match="scanline 7"):
        write(tmp_path / "a.tif", picture)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(OSError, match="no space left"):
        write(tmp_path / "a.tif", picture)
    assert not list(tmp_path.iterdir())
