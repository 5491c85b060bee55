"""`upscale`: where pictures go, by the conventions of television; that nothing is stretched, moved or tinted."""

from fractions import Fraction

import pytest

from zoo.errors import FlagError
from zoo.steps.step import Kind
from zoo.steps.upscale import Upscale

PAL, PAL_WIDE, NTSC = Kind(576, 720, Fraction(16, 15)), Kind(576, 720, Fraction(64, 45)), Kind(480, 720, Fraction(8, 9))


def upscale(to: str, **options) -> Upscale:
    return Upscale(to, model="none", **options)


@pytest.mark.parametrize(
    ("kind", "to", "options", "size", "part"),
    [
        (PAL, "1080p", {}, (1080, 1440), (0, 0, 576, 720)),  # no bars unless they are asked for
        (PAL, "1080p", {"fit": "pad"}, (1080, 1920), (0, 0, 576, 720)),
        (PAL, "1080p", {"fit": "crop"}, (1080, 1920), (72, 0, 504, 720)),
        (PAL_WIDE, "1080p", {}, (1080, 1920), (0, 0, 576, 720)),
        (PAL, "2048x1556", {}, (1536, 2048), (0, 0, 576, 720)),  # 1.316, not 4:3
        (PAL, "2048x1556", {"fit": "pad"}, (1556, 2048), (0, 0, 576, 720)),
        (PAL, "1080p", {"sar": "itu", "crop": "blanking"}, (1080, 1440), (0, 8, 576, 712)),
        (NTSC, "1080p", {"sar": "itu", "crop": "blanking"}, (1080, 1440), (0, 8, 480, 712)),
        (Kind(640, 480), "1080p", {}, (1440, 1080), (0, 0, 640, 480)),  # a telephone's, upright
        (Kind(77, 101), "2x", {}, (154, 202), (0, 0, 77, 101)),
        (Kind(1, 1), "4x", {}, (4, 4), (0, 0, 1, 1)),
    ],
)
def test_where_a_picture_goes(kind, to, options, size, part):
    step = upscale(to, **options)
    frame = step.frame(kind)
    assert frame.size == size
    assert frame.part == part
    out = step.kind(kind)
    assert (out.height, out.width, out.aspect, out.own) == (*size, 1, "none")


@pytest.mark.parametrize("fit", ["inside", "pad", "crop"])
@pytest.mark.parametrize("to", ["1080p", "2048x1556", "1101x999", "1.37x"])
@pytest.mark.parametrize("kind", [PAL, PAL_WIDE, NTSC, Kind(353, 241, Fraction(12, 11))])
def test_nothing_is_stretched_and_centres_lie_on_each_other(kind, to, fit):
    frame = upscale(to, fit=fit).frame(kind)
    part, bars = frame.part, frame.bars
    down, across = frame.height / (part.bottom - part.top), frame.width / (part.right - part.left) / float(kind.aspect)
    assert down == pytest.approx(across, rel=1e-9)
    assert part.top + part.bottom == pytest.approx(kind.height)
    assert part.left + part.right == pytest.approx(kind.width)
    assert all(0 <= after - before < 4 for before, after in bars)
    if fit != "crop":  # no more than the rounding of a side is lost or mirrored
        assert abs(part.bottom - part.top - kind.height) * down <= 2
        assert abs(part.right - part.left - kind.width) * down * kind.aspect <= 2


@pytest.mark.parametrize(
    ("kind", "to", "options", "sentence"),
    [
        (PAL, "1081p", {}, "to=1081p is no size; write WIDTHxHEIGHT"),
        (PAL, "x", {}, "is no size"),
        (PAL, "0x0", {}, "to=0x0 is smaller than the picture, which has 768x576 square samples"),
        (PAL, "640x480", {}, "smaller than the picture"),
        (PAL, "0.5x", {}, "smaller than the picture"),
        (Kind(576, 720, fields="top first"), "2x", {}, "write deinterlace before it"),
        (Kind(576, 720), "2x", {"sar": "itu"}, "sar=itu knows no like of 1:1, only of 16:15, 64:45, 8:9, 32:27"),
        (Kind(1080, 1920), "2x", {"crop": "blanking"}, "crop=blanking is for 720 columns, not 1920"),
    ],
)
def test_what_cannot_be_is_said(kind, to, options, sentence):
    with pytest.raises(FlagError, match=sentence):
        upscale(to, **options).kind(kind)
