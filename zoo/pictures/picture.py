"""What a picture is, and which kinds of file hold which pictures."""

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
    "DPX": ((U16,), (1, 3, 4)),
}


@dataclass(frozen=True)
class Header:
    """What a file says beside its samples, profile and resolution, such as its timecode and whether its codes are
    logarithmic. kind: "EXR" or "DPX"; only a file of the same kind takes it. entries: (name, OpenImageIO's type, value)
    each."""

    kind: str
    entries: tuple[tuple[str, Any, Any], ...]


@dataclass(frozen=True, eq=False)
class Picture:
    """samples: [h w c], uint8, uint16 or float32; c = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA.
    icc: the colour profile. dpi: the resolution of the scan. bits: how many of 16 a DPX uses (8, 10, 12, 16).
    half: whether the floats of an EXR have 16 bits. header: what else a DPX or an EXR says."""

    samples: np.ndarray
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    bits: int | None = None
    half: bool = False
    header: Header | None = None

    def __post_init__(self):
        shape = self.samples.shape
        if self.samples.dtype not in NAMES or len(shape) != 3 or shape[2] not in (1, 2, 3, 4) or 0 in shape:
            raise FlagError(
                f"a picture is [h w c] uint8, uint16 or float32 with 1 to 4 channels, not {self.samples.dtype} {shape}"
            )


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
