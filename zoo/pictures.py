"""Still pictures in and out, with nothing lost on the way.

A `Picture` holds the file's own samples: unsigned 8 or 16 bits, or 32-bit float, never quietly fewer bits.
Pillow handles 8 bits and 16-bit grey. It would drop 16-bit colour to 8 bits without a word, so that, float, EXR and DPX
go through `zoo.openimageio`. Alpha is unassociated (not multiplied into the colour), EXR's as stored.

On reading, palettes become RGB(A), 1-bit becomes grey, CMYK becomes RGB (by Pillow's plain formula, and its profile is
dropped, since it no longer describes the samples), and the EXIF orientation is applied: what comes back, and what is
written from it, stands upright and carries no orientation tag. A file of several pages is refused, not cut to one.
"""

import contextlib
import glob
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from zoo import files, openimageio
from zoo.errors import FlagError, InputError, OutOfMemory, ZooError

# Scans of large film pass Pillow's "decompression bomb" limit of 89 million pixels, which it only has as a global.
Image.MAX_IMAGE_PIXELS = None

_U8, _U16, _F32 = map(np.dtype, ("uint8", "uint16", "float32"))
_NAMES = {_U8: "8-bit", _U16: "16-bit", _F32: "float"}
_CHANNELS = ("grey", "grey with alpha", "colour", "colour with alpha")
_KINDS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_KINDS |= openimageio.KINDS
SUFFIXES = (*_KINDS, ".bmp")  # what `find` looks for
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")  # what Pillow is asked to read
WRITABLE = tuple(_KINDS)

# What each kind of file can hold: sample types, numbers of channels.
_HOLDS = {
    "PNG": ((_U8, _U16), (1, 2, 3, 4)),
    "TIFF": ((_U8, _U16, _F32), (1, 2, 3, 4)),
    "JPEG": ((_U8,), (1, 3)),
    "WEBP": ((_U8,), (1, 2, 3, 4)),  # grey comes back as three equal channels
    "EXR": ((_F32,), (1, 2, 3, 4)),
    "DPX": ((_U16,), (1, 3, 4)),
}
_SAVE: dict[str, dict[str, Any]] = {
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "JPEG": {"quality": 95, "subsampling": 0},  # 4:4:4
    "WEBP": {"lossless": True, "exact": True},  # exact: the colour under transparent pixels too
}
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # TIFF tags


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
    header: openimageio.Header | None = None

    def __post_init__(self):
        shape = self.samples.shape
        if self.samples.dtype not in _NAMES or len(shape) != 3 or shape[2] not in (1, 2, 3, 4) or 0 in shape:
            raise FlagError(
                f"a picture is [h w c] uint8, uint16 or float32 with 1 to 4 channels, not {self.samples.dtype} {shape}"
            )


def rgb8(picture: Picture) -> np.ndarray:
    """The picture as uint8 [h w 3]: grey replicated, alpha dropped, deeper samples rounded to 8 bits."""
    samples = picture.samples
    samples = samples[..., :3] if samples.shape[2] >= 3 else np.repeat(samples[..., :1], 3, axis=2)
    if samples.dtype == _U16:
        samples = (samples.astype(np.uint32) + 128) // 257
    elif samples.dtype == _F32:
        samples = np.rint(255 * np.clip(np.nan_to_num(samples), 0, 1))
    return np.ascontiguousarray(samples, np.uint8)


def find(pattern: str | Path) -> list[Path]:
    """The pictures that a file, a folder (searched to its depths) or a glob names, sorted. Hidden files are left out.

    Raises InputError where there is none.
    """
    path = Path(pattern)
    if path.is_file():
        return [path]
    pattern = f"{glob.escape(str(path))}/**" if path.is_dir() else str(pattern)
    names = glob.iglob(pattern, recursive=True)  # noqa: PTH207 (unlike Path.glob it passes hidden names by)
    found = sorted({Path(n) for n in names if n.lower().endswith(SUFFIXES) and Path(n).is_file()})
    if not found:
        exists = path.is_dir() or glob.has_magic(pattern)
        raise InputError(f"no pictures ({', '.join(SUFFIXES)}) in {path}" if exists else f"{path} does not exist")
    return found


def find_frames(pattern: str | Path) -> list[Path]:
    """`find`, in the order of the numbers in the names: f2.png before f10.png."""
    words = lambda path: [[int(w) if w.isdecimal() else w for w in re.split(r"(\d+)", part)] for part in path.parts]
    return sorted(find(pattern), key=words)


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by its suffix, or, where it has none, by what it holds."""
    if path.suffix:
        return path.suffix.lower() in SUFFIXES
    with contextlib.suppress(OSError), Image.open(path, formats=_FORMATS):
        return True
    return False


# ---- reading


def read(path: str | Path) -> Picture:
    """The picture in the file at `path`. Raises InputError, naming the file, for all but one whole picture."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is {'a folder, not a picture' if path.is_dir() else 'missing: no such file'}")
    try:
        if path.suffix.lower() in openimageio.KINDS:
            return _read_deep(path)
        try:
            image = Image.open(path, formats=_FORMATS)
        except Image.UnidentifiedImageError:  # e.g. a TIFF of three floats
            if path.read_bytes()[:2] not in (b"II", b"MM"):
                raise
            return _read_deep(path)
        with image:
            pages = getattr(image, "n_frames", 1)
            if pages > 1 and image.format != "MPO":  # a camera's JPEG: the second picture is its preview
                raise InputError(f"{path} holds {pages} pages; split it into one file a page")
            return _read_plain(image) if _is_plain(image, path) else _read_deep(path)
    except (ZooError, PermissionError):
        raise
    except MemoryError as e:
        raise OutOfMemory(f"{path} is too large for this machine's memory") from e
    except Image.UnidentifiedImageError as e:
        raise InputError(f"{path} is {'damaged or not a picture' if path.stat().st_size else 'empty'}") from e
    except Exception as e:  # on damaged bytes decoders raise almost anything
        raise InputError(f"{path} is damaged: {e}") from e


def _is_plain(image: Image.Image, path: Path) -> bool:
    """Whether Pillow returns every bit of this picture."""
    if image.format == "PNG":
        with path.open("rb") as f:
            depth, white_is_zero = f.read(25)[24], False
    elif image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        depth = max(tags.get(_BITS_PER_SAMPLE, (1,)))
        white_is_zero = tags.get(_PHOTOMETRIC) == openimageio.WHITE_IS_ZERO
    else:
        return True
    # Pillow does not scale 12-bit grey to 16 bits, nor turn 16-bit white-is-zero about.
    grey16 = depth == 16 and image.mode.startswith("I;16") and not white_is_zero
    return depth <= 8 or (grey16 and "transparency" not in image.info)


def _read_plain(image: Image.Image) -> Picture:
    icc, dpi = image.info.get("icc_profile"), image.info.get("dpi")
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in ("CMYK", "LAB", "YCbCr"):
        image, icc = image.convert("RGB"), None
    elif image.mode == "1":
        image = image.convert("L")
    if image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    elif image.mode == "P":
        image = image.convert("RGB")
    samples = np.asarray(image)
    samples = samples[..., None] if samples.ndim == 2 else samples
    samples = samples.astype(samples.dtype.newbyteorder("="))  # TIFF may be big-endian
    return Picture(samples, icc or None, _plausible(dpi))


def _read_deep(path: Path) -> Picture:
    samples, icc, dpi, bits, half, header = openimageio.read(path)
    return Picture(samples, icc, _plausible(dpi), bits, half, header)


def header(path: Path) -> openimageio.Header | None:
    """`Picture.header` of a file, without its samples. Raises InputError where it is damaged."""
    return openimageio.header(path) if path.suffix.lower() in openimageio.KINDS else None


def _plausible(dpi) -> tuple[float, float] | None:
    return (float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 1 else None


# ---- writing


def check_writable(path: str | Path, picture: Picture | None = None) -> str:
    """The kind of file that `path` names, e.g. "PNG". Raises FlagError where its suffix names none, or where that kind
    cannot hold `picture`; a command asks before its long work."""
    kind = _KINDS.get((path := Path(path)).suffix.lower())
    if kind is None:
        raise FlagError(f"{path}: unknown picture suffix {path.suffix!r}; choose one of: {', '.join(WRITABLE)}")
    if picture is not None and not _holds(kind, picture):
        what = f"{_NAMES[picture.samples.dtype]} {_CHANNELS[picture.samples.shape[2] - 1]}"
        fitting = ", ".join(s for s, k in _KINDS.items() if _holds(k, picture))
        raise FlagError(f"{path}: {kind} cannot hold {what}; choose one of: {fitting}")
    return kind


def _holds(kind: str, picture: Picture) -> bool:
    dtypes, channels = _HOLDS[kind]
    return picture.samples.dtype in dtypes and picture.samples.shape[2] in channels


def write(path: str | Path, picture: Picture) -> None:
    """Writes `picture` as the suffix of `path` says: JPEG at quality 95 and 4:4:4, all others without loss.

    The file appears whole or not at all. Raises FlagError for a suffix that cannot hold the picture.
    """
    path = Path(path)
    kind = check_writable(path, picture)
    if not path.parent.is_dir():
        raise FlagError(f"{path}: the folder {path.parent} does not exist; make it first")
    deep = kind in openimageio.KINDS.values() or picture.samples.dtype == _F32
    deep |= picture.samples.dtype == _U16 and picture.samples.shape[2] > 1
    try:
        with files.whole(path) as part:
            (_write_deep if deep else _write_plain)(part, picture, kind)
    except ZooError:
        raise
    except ValueError as e:  # such as a side of more pixels than the kind allows
        raise FlagError(f"{path}: {kind} cannot hold this picture ({e}); choose .png or .tif") from e


def jpeg(samples: np.ndarray, *, quality: int) -> np.ndarray:
    """uint8 [h w 3] after JPEG as Pillow writes it at `quality` (1 to 100), with chroma at half size (4:2:0)."""
    file = io.BytesIO()
    Image.fromarray(samples).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file))


def _write_plain(path: Path, picture: Picture, kind: str) -> None:
    samples = picture.samples
    image = Image.fromarray(np.ascontiguousarray(samples[..., 0] if samples.shape[2] == 1 else samples))
    options = _SAVE.get(kind, {}) | ({"dpi": picture.dpi} if picture.dpi else {})
    image.save(path, kind, icc_profile=_icc(picture, kind), **options)


def _write_deep(path: Path, picture: Picture, kind: str) -> None:
    openimageio.write(
        path,
        kind,
        picture.samples,
        icc=_icc(picture, kind),
        dpi=picture.dpi,
        bits=picture.bits,
        half=picture.half,
        header=picture.header,
    )


def _icc(picture: Picture, kind: str) -> bytes | None:
    """The profile, unless it is one of grey and the file will hold colour."""
    colour = picture.samples.shape[2] >= 3 or kind == "WEBP"
    return None if colour and (picture.icc or b"")[16:20] == b"GRAY" else picture.icc
