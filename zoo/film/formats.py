"""FFmpeg's pixel formats as `zoo.color.Layout`s, and its frames as planes of NumPy integers.

Frames of packed formats are repacked to planes of the same codes; swscale never converts a colour here.
"""

import dataclasses
import difflib
import re
from typing import Any, cast

import av
import numpy as np

from zoo.color import MATRICES, Layout
from zoo.errors import FlagError, InputError

_CELLS = {"420": (2, 2), "422": (1, 2), "444": (1, 1), "411": (1, 4), "410": (4, 4), "440": (2, 1)}
_PLANAR = re.compile(r"(?:yuv(?P<alpha>a?)p?(?P<cell>4\d\d)p|gbr(?P<gbra>a?)p|(?P<grey>gray))(?P<depth>\d+)?(?:le)?")
# FFmpeg's numbers: AVColorSpace, AVColorRange, AVColorTransferCharacteristic.
MATRIX_NAMES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc"}
MATRIX_NUMBERS = {name: number for number, name in MATRIX_NAMES.items()}
RGB, UNTAGGED = 0, 2
# Matrices of television before HD, with the primaries that go with them: of 625 lines, of 525.
SD_PRIMARIES = {"bt470bg": 5, "smpte170m": 6}
_OTHER_MATRICES = {8: "ycgco", 10: "bt2020c", 14: "ictcp", 15: "ipt-c2", 16: "ycgco-re", 17: "ycgco-ro"}
FULL = 2
HDR = {16: "PQ (SMPTE 2084)", 18: "HLG (ARIB STD-B67)"}


@dataclasses.dataclass(frozen=True)
class Tags:
    """The colour tags of a film, as FFmpeg's numbers."""

    matrix: int = UNTAGGED
    range: int = 0
    primaries: int = UNTAGGED
    transfer: int = UNTAGGED


def planar(name: str) -> str:
    """The planar, little-endian pixel format with the same codes as the format `name`.

    Raises InputError for one that no layout describes (floats, Bayer mosaics, less than 8 bits of luma).
    """
    name = name.replace("yuvj", "yuv")
    if _layout(name):
        return f"{name}le" if name[-1].isdigit() and _layout(name).depth > 8 else name  # type: ignore[union-attr]
    found = av.VideoFormat(name)
    if found.is_bayer or "f16" in name or "f32" in name or name.startswith("xyz") or not found.components:
        raise InputError(f"the pixel format {name} cannot be restored; convert the film to gbrp16le or yuv444p16le")
    bits, alpha = max(c.bits for c in found.components), any(c.is_alpha for c in found.components)
    if found.is_rgb or found.has_palette:
        kind = "gbrap" if alpha or found.has_palette else "gbrp"
    elif len([c for c in found.components if not c.is_alpha]) == 1:
        kind = "gray" if not alpha else "gbrap"  # no planar grey with alpha
    else:
        height, width = 64 // found.chroma_height(64), 64 // found.chroma_width(64)
        kind = f"yuv{'a' * alpha}{next(k for k, cell in _CELLS.items() if cell == (height, width))}p"
    planar_name = kind if bits <= 8 else f"{kind}{bits}le"
    try:
        av.VideoFormat(planar_name)
    except ValueError:
        planar_name = f"{kind}16le"
    return planar_name


def _layout(name: str) -> Layout | None:
    match = _PLANAR.fullmatch(name)
    if not match or (match["depth"] and not 8 <= int(match["depth"]) <= 16):
        return None
    depth = int(match["depth"] or 8)
    if match["cell"]:
        cell = _CELLS.get(match["cell"])
        return cell and Layout("yuv", depth, cell, alpha=bool(match["alpha"]))
    return Layout("grey", depth) if match["grey"] else Layout("rgb", depth, alpha=bool(match["gbra"]))


def layout(name: str, tags: Tags, height: int, width: int, siting: str | None = None) -> tuple[Layout, list[str]]:
    """(what the planes of the pixel format `name` mean, what had to be guessed about them, in words). `siting`: where
    chroma lies, if the film says it.

    Raises InputError for a matrix that cannot be converted.
    """
    base, guesses = _layout(planar(name)), []
    assert base is not None
    if base.family == "rgb":
        return dataclasses.replace(base, full=True), []
    if tags.matrix not in (RGB, UNTAGGED, *MATRIX_NAMES):
        name = matrix_name(tags.matrix)
        raise InputError(f"the colour matrix {name} cannot be restored; convert it to bt709, or name it: --colorspace")
    full = tags.range == FULL or name.startswith("yuvj") or (tags.range == 0 and base.family == "grey")
    matrix = MATRIX_NAMES.get(tags.matrix)
    if base.family == "yuv":
        if matrix is None:
            matrix = guess_matrix(height, width)
            guesses.append(f"matrix {matrix} (by its size, {width}x{height})")
        if tags.range == 0 and not full:
            guesses.append("limited range (tv)")
    matrix = matrix or "bt709"
    siting = siting or ("topleft" if matrix == "bt2020nc" else "left")
    return dataclasses.replace(base, matrix=matrix, full=full, siting=siting), guesses


def matrix_name(number: int) -> str:
    return (MATRIX_NAMES | _OTHER_MATRICES).get(number, f"of number {number}")


def guess_matrix(height: int, width: int) -> str:
    if width <= 1024 and height <= 576:
        return "smpte170m" if height <= 486 else "bt470bg"
    return "bt709"


def retagged(tags: Tags, matrix: str | None, range_: str | None) -> Tags:
    """The tags with a matrix and a range ("tv", "pc") that the user knows better."""
    if matrix is not None and matrix not in MATRICES:
        raise FlagError(f"unknown colour matrix {matrix!r}; choose one of: {', '.join(MATRICES)}")
    if range_ not in (None, "tv", "pc"):
        raise FlagError(f"unknown colour range {range_!r}; choose one of: tv, pc")
    number = tags.matrix if matrix is None else MATRIX_NUMBERS[matrix]
    return dataclasses.replace(tags, matrix=number, range=tags.range if range_ is None else (1, 2)[range_ == "pc"])


def planes_of(frame: av.VideoFrame, planar_name: str, layout: Layout) -> tuple[np.ndarray, ...]:
    """The planes [h w] of a frame, in the order of `layout`, copied out of FFmpeg's memory."""
    if frame.format.name.replace("yuvj", "yuv") != planar_name:
        frame = repacked(frame, planar_name)
    out = []
    for plane, (height, width) in zip(frame.planes, layout.shapes(frame.height, frame.width), strict=True):
        rows = np.frombuffer(cast(Any, plane), np.uint8).reshape(-1, plane.line_size)[
            :height, : width * layout.dtype.itemsize
        ]
        out.append(np.ascontiguousarray(rows).view(layout.dtype))
    return tuple(out)


def repacked(frame: av.VideoFrame, name: str) -> av.VideoFrame:
    """The same codes in the pixel format `name`, which differs from the frame's in their order alone.

    On one thread: on several, swscale (of FFmpeg 8) now and then spoils rows of formats of more than 8 bits."""
    return frame.reformat(format=name, threads=1)


def frame_of(planes: tuple[np.ndarray, ...], planar_name: str) -> av.VideoFrame:
    """A frame with these planes [h w]."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, planar_name)
    for plane, samples in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(cast(Any, plane), np.uint8).reshape(-1, plane.line_size)
        packed = np.ascontiguousarray(samples).view(np.uint8).reshape(samples.shape[0], -1)
        rows[: packed.shape[0], : packed.shape[1]] = packed
    return frame


def nearest(source: str, offered: list[str], least_depth: int) -> str:
    """The offered pixel format that loses least of the format `source`: colour, then depth, chroma and alpha kept;
    then the fewest superfluous. `least_depth`: bits it should have at least."""
    have = _layout(planar(source))
    assert have is not None

    def cost(name: str):
        want = _layout(planar(name))
        assert want is not None
        lost = max(0, have.depth - want.depth), max(0, least_depth - want.depth)
        chroma = [want.cell[k] > have.cell[k] and have.family != "grey" for k in (0, 1)]
        grey_lost = want.family == "grey" and have.family != "grey"
        more = want.depth - have.depth + 16 * (have.cell[0] * have.cell[1] - want.cell[0] * want.cell[1])
        other = want.family != have.family
        return grey_lost, lost, have.alpha and not want.alpha, sum(chroma), other, want.alpha, more, "j" in name

    return min((name for name in offered if _usable(name)), key=cost)


def _usable(name: str) -> bool:
    try:
        return _layout(planar(name)) is not None
    except InputError:
        return False


def check_name(name: str, offered: list[str], encoder: str) -> str:
    """`name` if the encoder takes it, else a FlagError that lists the near ones."""
    if name in offered and _usable(name):
        return name
    near = difflib.get_close_matches(name, offered, 6, 0.5) or offered[:12]
    raise FlagError(f"{encoder} does not take the pixel format {name!r}; near ones: {', '.join(near)}")
