"""What a picture is, and which kinds of file hold which pictures."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import FlagError

U8, U16, F32 = map(np.dtype, ("uint8", "uint16", "float32"))
NAMES = {U8: "8-bit", U16: "16-bit", F32: "float"}
CHANNELS = ("grey", "grey with alpha", "colour", "colour with alpha")
DEEP_KINDS = {".exr": "EXR", ".dpx": "DPX"}  # whose files have a `Header`; no other library reads them
KINDS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
KINDS |= DEEP_KINDS
# Read and not written: these by OpenImageIO, as Pillow would drop all bits but 8.
DEEP_SUFFIXES = (".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".tga", ".jp2", ".j2k", ".j2c", ".sgi", ".hdr")
SUFFIXES = (*KINDS, ".bmp", ".avif", *DEEP_SUFFIXES)  # what `find` looks for
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "AVIF", "GIF")  # what Pillow is asked to read
WRITABLE = tuple(KINDS)

# What each kind of file can hold: sample types, numbers of channels.
HOLDS = {
    "PNG": ((U8, U16), (1, 2, 3, 4)),
    "TIFF": ((U8, U16, F32), (1, 2, 3, 4)),
    "JPEG": ((U8,), (1, 3)),
    "WEBP": ((U8,), (1, 2, 3, 4)),  # grey comes back as three equal channels
    "EXR": ((F32,), (1, 2, 3, 4)),
    "DPX": ((U8, U16), (1, 3, 4)),
}
_WITH_EXIF = ("PNG", "TIFF", "JPEG", "WEBP")  # and XMP, and a profile
_STORAGE = ("compression", "screenWindow", "dpx:Version", "dpx:Packing", "dpx:DittoKey")
_MOST_IN_JPEG = 65_000  # bytes of an EXIF or an XMP


@dataclass(frozen=True)
class Header:
    """What a file says that only a file of the same kind can say, such as a timecode. kind: "PNG", "JPEG", "EXR" or
    "DPX". entries: (name, type, value) each; of EXR and DPX OpenImageIO's, of PNG and JPEG bytes without a type."""

    kind: str
    entries: tuple[tuple[str, Any, Any], ...]


@dataclass(frozen=True)
class Window:
    """Where an EXR's samples lie (x, y) in the picture that is shown, whose corner and size are `full`."""

    x: int
    y: int
    full: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Picture:
    """samples: [h w c], uint8, uint16 or float32; c = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA.
    associated: whether colour is multiplied by alpha, as a TIFF may say; EXR's is as stored.
    icc: the colour profile. dpi: the resolution of the scan. exif, xmp: as in the file, but of an upright picture.
    bits: how many of 16 a DPX uses (8, 10, 12, 16). big_endian: whether a DPX is. half: whether the floats of an EXR
    have 16 bits. window: an EXR's. others: the channels of an EXR that are no colour, by name, [h w] each.
    header: what else the file says. left: what it says that reading it leaves behind, in words."""

    samples: np.ndarray
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    bits: int | None = None
    half: bool = False
    header: Header | None = None
    associated: bool = False
    exif: bytes | None = None
    xmp: bytes | None = None
    big_endian: bool = False
    window: Window | None = None
    others: tuple[tuple[str, np.ndarray], ...] = ()
    left: tuple[str, ...] = ()

    def __post_init__(self):
        shape = self.samples.shape
        if self.samples.dtype not in NAMES or len(shape) != 3 or shape[2] not in (1, 2, 3, 4) or 0 in shape:
            raise FlagError(
                f"a picture is [h w c] uint8, uint16 or float32 with 1 to 4 channels, not {self.samples.dtype} {shape}"
            )


def of_no_size(picture: Picture) -> Picture:
    """The picture without what holds for its size alone, an EXR's window and other channels, which are then `left`."""
    words = ["data window"] * bool(picture.window) + [f"channel {name}" for name, _ in picture.others]
    return dataclasses.replace(picture, window=None, others=(), left=(*picture.left, *words))


def left_out(path: str | Path, picture: Picture) -> list[str]:
    """What `picture`, or the file it came from, says beside its samples and a file of the name `path` will not say, in
    words. Raises what `check_writable` does."""
    kind = check_writable(path)
    left = [*picture.left]
    for name, data in (("EXIF", picture.exif), ("XMP", picture.xmp)):
        if data and (kind not in _WITH_EXIF or (kind == "JPEG" and len(data) > _MOST_IN_JPEG)):
            left.append(name)
    if picture.icc and not profile_of(picture, kind):
        left.append("colour profile")
    if picture.dpi and kind in ("WEBP", "DPX"):
        left.append("resolution")
    if kind != "EXR":
        left += ["data window"] if picture.window else []
        left += [f"channel {name}" for name, _ in picture.others]
    if picture.header and picture.header.kind != kind:
        left += dict.fromkeys(word for entry in picture.header.entries if (word := _word(picture, *entry)))
    return left


def _word(picture: Picture, name: str, _type: Any, value: Any) -> str | None:
    """What an entry of a header is called; None where it says nothing, or what a field holds too."""
    if name in ("tEXt", "zTXt", "iTXt"):
        return value.partition(b"\0")[0].decode("latin-1")
    if name == "COM":
        return "comment"
    square = name == "PixelAspectRatio" and value == 1
    return None if name.startswith(_STORAGE) or square or (name == "pHYs" and picture.dpi) else name


def exif_for(picture: Picture, kind: str) -> tuple[bytes | None, bytes | None]:
    """The EXIF and the XMP that a file of a kind takes."""
    fits = lambda data: data if kind != "JPEG" or len(data or b"") <= _MOST_IN_JPEG else None
    return fits(picture.exif), fits(picture.xmp)


def profile_of(picture: Picture, kind: str) -> bytes | None:
    """The profile that a file of a kind takes; none of grey where it will hold colour."""
    colour = picture.samples.shape[2] >= 3 or kind == "WEBP"
    unfit = kind in ("EXR", "DPX") or (colour and (picture.icc or b"")[16:20] == b"GRAY")
    return None if unfit else picture.icc


def rgb8(picture: Picture) -> np.ndarray:
    """The picture as uint8 [h w 3]: grey replicated, alpha dropped, deeper samples rounded to 8 bits."""
    samples = picture.samples
    samples = samples[..., :3] if samples.shape[2] >= 3 else np.repeat(samples[..., :1], 3, axis=2)
    if samples.dtype == U16:
        samples = (samples.astype(np.uint32) + 128) // 257
    elif samples.dtype == F32:
        samples = np.rint(255 * np.clip(np.nan_to_num(samples), 0, 1))
    return np.ascontiguousarray(samples, np.uint8)


def check_writable(path: str | Path, picture: Picture | None = None) -> str:
    """The kind of file that `path` names, e.g. "PNG". Raises FlagError where its suffix names none, or where that kind
    cannot hold `picture`; a command asks before its long work."""
    kind = KINDS.get((path := Path(path)).suffix.lower())
    if kind is None:
        raise FlagError(f"{path}: unknown picture suffix {path.suffix!r}; choose one of: {', '.join(WRITABLE)}")
    if picture is not None and not _holds(kind, picture):
        what = f"{NAMES[picture.samples.dtype]} {CHANNELS[picture.samples.shape[2] - 1]}"
        fitting = ", ".join(s for s, k in KINDS.items() if _holds(k, picture))
        raise FlagError(f"{path}: {kind} cannot hold {what}; choose one of: {fitting}")
    return kind


def _holds(kind: str, picture: Picture) -> bool:
    dtypes, channels = HOLDS[kind]
    return picture.samples.dtype in dtypes and picture.samples.shape[2] in channels
