"""Whether a file is a picture or a film, and what is neither."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests import clips
from tests.clips import restore
from zoo import pictures
from zoo.film import threads

pytestmark = pytest.mark.usefixtures("identity", "folder")

RNG = np.random.default_rng(0)


def _coded(name: str, codec: str, kind: str, pixel_format: str, samples: np.ndarray | None = None, **options: str):
    with threads.ordinary(), av.open(name, "w", format=kind) as out:  # of which SVT-AV1 would make this one real-time
        stream = out.add_stream(codec, rate=1, options=options)
        frame = clips.frame(pixel_format, 0, 64, 64)
        if samples is not None:
            frame = av.VideoFrame.from_ndarray(samples, pixel_format)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pixel_format
        out.mux([*stream.encode(frame), *stream.encode(None)])


@pytest.mark.parametrize("name", ["in.ppm", "in.pgm", "in16.ppm", "in16.jp2", "in.tga", "in.jp2", "in.avif", "in.gif"])
def test_a_still_of_a_kind_that_is_not_written_becomes_one_that_is(name):
    samples = RNG.integers(0, 256, (64, 64, 1 if "pgm" in name else 3), np.uint8)
    if "16" in name:
        samples = RNG.integers(0, 65536, (64, 64, 3), np.uint16)
    if name == "in16.ppm":
        Path(name).write_bytes(b"P6\n64 64\n65535\n" + samples.astype(">u2").tobytes())
    elif name == "in16.jp2":
        _coded(name, "jpeg2000", "image2", "rgb48le", samples, pred="1")
    elif name == "in.gif":
        samples = samples // 128 * 255  # few enough colours
        Image.fromarray(samples).save(name)
    else:
        lossless = {"quality": 100, "subsampling": "4:4:4"} if name == "in.avif" else {}
        Image.fromarray(samples.squeeze()).save(name, **lossless)
    assert restore(name) == 0
    restored = pictures.read(f"{Path(name).stem}_restored.png").samples
    close = 3 if name == "in.avif" else 0  # which is coded as YCbCr
    assert restored.dtype == samples.dtype
    np.testing.assert_allclose(restored.astype(int), samples, atol=close)
    assert restore(name, "-o", "x.tif") == 0
    assert restore(name, "-o", name.replace("in", "out")) == 2  # not a film, whatever it says


def test_a_gif_that_moves_is_a_film(capsys):
    frames = [Image.fromarray(RNG.integers(0, 2, (64, 64), np.uint8) * 255) for _ in range(3)]
    frames[0].save("in.gif", save_all=True, append_images=frames[1:])
    assert restore("in.gif", "-o", "out.mkv") == 0
    assert "3 frames" in capsys.readouterr().err
    assert len(clips.read(Path("out.mkv"))) == 3


def test_bits_that_pillow_would_drop_are_said(capsys):
    _coded("in.avif", "libsvtav1", "avif", "yuv420p10le")
    assert restore("in.avif") == 3
    assert "in.avif has more than 8 bits" in capsys.readouterr().err
