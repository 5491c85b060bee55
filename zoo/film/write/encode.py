"""Which encoder and pixel format a film is written with, and the segments of it."""

import contextlib
import dataclasses
import difflib
import errno
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError

from zoo.color import Layout
from zoo.errors import FlagError
from zoo.film import display, formats, pyav, threads
from zoo.film.formats import Tags
from zoo.film.read import sequence
from zoo.film.read.changes import BOTTOM, TOP
from zoo.film.read.source import PIPE, Film
from zoo.film.write import y4m

# By suffix: the encoder, its options, the least bits a sample of a film of 8 bits.
_FFV1 = ("ffv1", {"level": "3", "slicecrc": "1", "g": "1"}, 8)
_X265 = ("libx265", {"crf": "14", "preset": "medium", "x265-params": "log-level=none"}, 10)
_PRORES = ("prores_ks", {"vendor": "apl0"}, 10)
_DEFAULTS: dict[str, tuple[str, dict[str, str], int]] = {
    ".mkv": _FFV1,
    ".avi": _FFV1,
    ".nut": _FFV1,
    ".mov": _PRORES,
    ".mxf": _PRORES,
    ".mp4": _X265,
    ".m4v": _X265,
    ".ts": _X265,
    ".webm": ("libsvtav1", {"crf": "20", "preset": "5"}, 10),
}
_LIMITED = ("prores", "mpeg1video", "mpeg2video")  # encoders whose pictures are of limited range by definition
_UNTAGGED = (".avi", ".nut")  # files without a place for the tags of colour and the shape of samples
_UPRIGHT = (*_UNTAGGED, ".ts", ".mxf")  # files without one for the display matrix
_HEADLESS = (*_UNTAGGED, ".ts", ".mxf")  # files without one for hidden edges, the graded screen, light levels
_SITED = (".mkv", ".webm")  # files with one for where chroma lies
_TURNED = (".mkv", ".webm")  # files with one for what it turns and mirrors alone
_TAGGED = ("libx264", "libx265", "libvpx-vp9", "libsvtav1", "libaom", "mjpeg")  # encoders whose own stream has tags
_FIELDS = {TOP: "tt", BOTTOM: "bb", "progressive": "progressive"}  # FFmpeg's names
_LEAST_X265_PX = 64  # on less it writes beyond its memory
Y4M = "y4m"
SUFFIXES = tuple(_DEFAULTS)
os.environ.setdefault("SVT_LOG", "1")  # errors only; libsvtav1 has no other switch
_REORDERED = 64  # frames: more than any encoder decodes before it shows
_QUIET = {"libx265": {"x265-params": "log-level=none"}}


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How a film is encoded. `pixel_format`: the encoder's; `planar`: of the planes that it is given."""

    encoder: str
    pixel_format: str
    planar: str
    layout: Layout
    options: tuple[tuple[str, str], ...]


def choose(
    film: Film, output: Path, encoder: str | None, pixel_format: str | None, options: dict[str, str]
) -> tuple[Encoding, list[str]]:
    """(the encoding for an output file, by its suffix where the user does not say; what the film loses by it).

    Raises FlagError for what this FFmpeg does not have.
    """
    suffix = output.suffix.lower()
    if str(output) == PIPE:
        return Encoding(Y4M, "y4m", "y4m", y4m.layout(film), ()), []
    if sequence.is_pattern(output):
        layout = sequence.target_layout(film, suffix)
        return Encoding(sequence.CONTAINER, suffix, suffix, layout, ()), _losses(film, layout)
    if suffix not in _DEFAULTS:
        raise FlagError(f"{output}: unknown film suffix {output.suffix!r}; choose one of: {', '.join(SUFFIXES)}")
    usual, usual_options, least = _DEFAULTS[suffix]
    name = encoder or usual
    offered = _offered(name)
    if name == "libx265" and min(film.height, film.width) < _LEAST_X265_PX:
        raise FlagError(
            f"libx265 breaks down on {film.width}x{film.height} px; write .mkv, or choose another with -c:v"
        )
    if pixel_format is not None:
        formats.check_name(pixel_format, offered, name)
    else:
        least = max(least if name == usual else 8, 10 if film.layout.depth > 8 else 8)
        pixel_format = formats.nearest(film.planar, offered, least)
    planar = formats.planar(pixel_format)
    layout = target_layout(film, pixel_format, says_range=_says_range(name, suffix))
    chosen = (usual_options if name == usual else _QUIET.get(name, {})) | options
    return Encoding(name, pixel_format, planar, layout, tuple(sorted(chosen.items()))), _losses(film, layout)


def target_layout(film: Film, pixel_format: str, *, says_range: bool = True) -> Layout:
    """What the planes written mean: like the film's own, where the pixel format lets them and the file can say so."""
    base, _ = formats.layout(pixel_format, film.tags, film.height, film.width)
    if base.family == "rgb":
        return base
    full = film.layout.full and (film.layout.family != "rgb" or base.family == "grey")
    if not says_range:
        full = base.family == "grey"  # what a film that says nothing is taken for
    return dataclasses.replace(base, full=full or pixel_format.startswith("yuvj"), siting=film.layout.siting)


def _says_range(encoder: str, suffix: str) -> bool:
    """Whether the range of codes is read back as it was written."""
    return not encoder.startswith(_LIMITED) and (suffix not in _UNTAGGED or encoder.startswith(_TAGGED))


def is_lossless(encoding: Encoding) -> bool:
    """Whether the encoder always gives back the codes that it was given."""
    codec, kind = av.Codec(encoding.encoder, "w"), av.VideoFormat(encoding.pixel_format)
    whole = max(c.bits for c in kind.components) == encoding.layout.depth and not kind.has_palette
    return codec.lossless and not codec.lossy and whole


def unsaid(film: Film, encoding: Encoding, output: Path) -> list[str]:
    """What of the film an output has no place to say; of colour and range pictures and y4m have their own."""
    found, suffix, tags = [], output.suffix.lower(), film.tags
    pictures, piped = encoding.encoder == sequence.CONTAINER, encoding.encoder == Y4M
    if film.aspect not in (None, 1) and (pictures or suffix in _UNTAGGED):
        found.append(f"the shape of its samples, {film.aspect}")
    tagged = tags != Tags(tags.matrix) or (tags.matrix != formats.UNTAGGED and film.layout.family == "yuv")
    if tagged and suffix in _UNTAGGED and not encoding.encoder.startswith(_TAGGED):
        found.append("its colour tags")
    if film.display:
        turns_alone = suffix in _TURNED and not display.is_turn(film.display)
        if pictures or piped or suffix in _UPRIGHT or turns_alone:
            found.append(f"its {display.words(film.display)}")
    if suffix in _HEADLESS or pictures or piped:
        found += film.presentation.words()
    sited = suffix in _SITED or encoding.encoder in ("libx264", "libx265", "libsvtav1") or pictures or piped
    if encoding.layout.cell == (2, 2) and film.layout.siting != _usual_siting(film) and not sited:
        found.append(f"where its chroma lies ({film.layout.siting})")
    own_range = pictures or piped or "rgb" in (film.layout.family, encoding.layout.family)
    if film.layout.full != encoding.layout.full and not own_range:
        own, other = (("limited", "full")[full] for full in (film.layout.full, encoding.layout.full))
        found.append(f"{own} range, so its codes become those of {other} range")
    return found


def _usual_siting(film: Film) -> str:
    """Where chroma is taken to lie in a film that does not say it."""
    return formats.layout(film.planar, film.tags, film.height, film.width)[0].siting


def _losses(film: Film, layout: Layout) -> list[str]:
    losses, source = [], film.layout
    if layout.depth < source.depth:
        losses.append(f"{source.depth} bits become {layout.depth}")
    if source.family != "grey" and layout.family == "grey":
        losses.append("its colour")
    elif layout.family == "yuv" and source.family != "grey" and any(map(int.__gt__, layout.cell, source.cell)):
        losses.append("some of its resolution of colour")
    if source.alpha and not layout.alpha:
        losses.append("its alpha channel")
    return losses


def _offered(encoder: str) -> list[str]:
    try:
        codec = av.Codec(encoder, "w")
    except (UnknownCodecError, ValueError):
        raise FlagError(f"unknown encoder {encoder!r}; near ones: {', '.join(_near_encoders(encoder))}") from None
    if codec.type != "video":
        raise FlagError(f"{encoder} is no video encoder; choose one of: ffv1, libx265, prores_ks, libsvtav1")
    if codec.video_formats:
        return [f.name for f in codec.video_formats]
    return [f"yuv{c}p{d}" for c in ("420", "422", "444") for d in ("", "10le", "16le")] + ["gray", "gray16le"]


def _near_encoders(name: str) -> list[str]:
    def encodes(codec: str) -> bool:
        try:
            return av.Codec(codec, "w").type == "video"
        except (UnknownCodecError, ValueError):
            return False

    near = difflib.get_close_matches(name, sorted(av.codecs_available), 12, 0.4)
    return [n for n in near if encodes(n)][:4] or ["ffv1", "libx265", "prores_ks", "libsvtav1"]


def segments(film: Film, encoding: Encoding) -> Callable[[Path, int], "Segment | sequence.PictureSegment"]:
    """(path, number of its first frame in the film) -> a segment of the kind that the encoding says."""
    if encoding.encoder == sequence.CONTAINER:
        return sequence.segments(film, encoding.pixel_format)
    return lambda path, _: Segment(path, film, encoding)


class Segment:
    """A stretch of the film, encoded for itself into a Matroska file: frame k stands at k milliseconds there, and the
    film's own timestamps come when the segments are joined."""

    def __init__(self, path: Path, film: Film, encoding: Encoding):
        self._film, self._encoding, self._count = film, encoding, 0
        self._file = pyav.container(path, "w", format="matroska", options={"avoid_negative_ts": "disabled"})
        try:
            self._stream = add_stream(self._file, film, encoding)
        except BaseException:
            self._file.close()
            raise

    def write(self, planes: tuple[np.ndarray, ...]):
        """Encodes one frame [h w] of the encoding's layout."""
        frame = picture(planes, self._film, self._encoding)
        frame.pts, frame.time_base = self._count, 1 / self._film.rate  # encoders steer the bits by it
        self._count += 1
        self._mux(frame)

    def _mux(self, frame: Any):
        """None for the frame: what the encoder still holds."""
        try:
            for packet in self._stream.encode(frame):
                # x265 leaves it to chance in films of one or two frames. Matroska demands one, and keeps none.
                pts, dts = packet.pts, packet.dts
                if pts is not None and dts is not None and not pts - _REORDERED <= dts <= pts:
                    packet.dts = pts
                packet.time_base = Fraction(1, 1000)
                self._file.mux(packet)
        except FFmpegError as e:
            raise _encoder_error(self._encoding, e) from None

    def close(self):
        """Writes what the encoder still holds."""
        try:
            self._mux(None)
        finally:
            self._file.close()

    def abandon(self):
        """Lets go of the file, whatever state it is in."""
        with contextlib.suppress(FFmpegError, OSError):
            self._file.close()


def add_stream(container: Any, film: Film, encoding: Encoding) -> Any:
    """A video stream with the film's size, colour tags, aspect and order of fields.

    Raises FlagError for options that cannot be."""
    woven = {"field_order": _FIELDS[film.field_order]} if film.field_order in _FIELDS else {}
    if (siting := film.presentation.siting) and encoding.layout.cell != (1, 1):
        woven["chroma_sample_location"] = siting
    try:
        stream = container.add_stream(encoding.encoder, rate=film.rate, options=woven | dict(encoding.options))
    except ValueError:
        kind = container.format.name
        first = ", in which every film is made first" if kind == "matroska" else ""
        raise FlagError(
            f"pictures of {encoding.encoder} cannot go into {kind}{first}; choose another with -c:v"
        ) from None
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = film.width, film.height, encoding.pixel_format
    context.time_base = 1 / film.rate
    if film.aspect:
        context.sample_aspect_ratio = film.aspect
    matrix, range_ = _numbers(film, encoding.layout)
    context.colorspace, context.color_range = matrix, range_
    context.color_primaries, context.color_trc = film.tags.primaries, film.tags.transfer
    try:
        with threads.ordinary():
            context.open()
    except (FFmpegError, ValueError) as e:
        height, width = encoding.layout.cell
        if film.height % height or film.width % width:
            raise FlagError(
                f"{encoding.encoder} does not take {film.width}x{film.height} px in {encoding.pixel_format}, whose "
                "chroma needs even sizes; write .mkv, or choose a format of full chroma, such as --pix-fmt yuv444p10le"
            ) from None
        raise _encoder_error(encoding, e) from None
    _check_taken(context, encoding)
    return stream


def _check_taken(context: Any, encoding: Encoding):
    """Options that an encoder does not know stay behind in its context; near names are listed."""
    for name in context.options:
        known = [
            o.name for kind in (context.supported_options.private, context.supported_options.generic) for o in kind
        ]
        near = difflib.get_close_matches(name, known, 4, 0.4) or known[:8]
        raise FlagError(f"{encoding.encoder} has no option {name!r}; near ones: {', '.join(near)}")


def picture(planes: tuple[np.ndarray, ...], film: Film, encoding: Encoding) -> Any:
    """A frame for the encoder, tagged: ProRes takes its tags from the frames."""
    frame = formats.frame_of(planes, encoding.planar)
    if encoding.pixel_format.replace("yuvj", "yuv") != encoding.planar:
        frame = formats.repacked(frame, encoding.pixel_format)
    frame.colorspace, frame.color_range = _numbers(film, encoding.layout)
    frame.color_primaries, frame.color_trc = film.tags.primaries, film.tags.transfer
    return frame


def _numbers(film: Film, layout: Layout) -> tuple[int, int]:
    """FFmpeg's matrix and range of what is written: the film's own tags, or none where it has none."""
    if layout.family == "rgb":
        return formats.RGB, formats.FULL
    if film.layout.family == "rgb":
        return formats.MATRIX_NUMBERS[layout.matrix], 1 + layout.full
    return film.tags.matrix, 1 + layout.full if layout.full or film.layout.full else film.tags.range


def _encoder_error(encoding: Encoding, error: Exception) -> Exception:
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return OSError(errno.ENOSPC, "no space left", "the output's folder")  # said, and resumed, as any full disk
    words = " ".join(f"-e {k}={v}" for k, v in encoding.options)
    reason = getattr(error, "strerror", None) or error
    return FlagError(f"{encoding.encoder} does not take {encoding.pixel_format} with {words or 'no options'}: {reason}")
