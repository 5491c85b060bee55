"""Pictures into files, whole or not at all."""

import dataclasses
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo import files
from zoo.errors import FlagError, ZooError
from zoo.pictures import exif, openimageio, png
from zoo.pictures.picture import DEEP_KINDS, F32, U16, Picture, check_writable, exif_for, profile_of

_SAVE: dict[str, dict[str, Any]] = {
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "JPEG": {"quality": 95, "subsampling": 0},  # 4:4:4
    "WEBP": {"lossless": True, "exact": True},  # exact: the colour under transparent pixels too
}


def write(path: str | Path, picture: Picture) -> None:
    """Writes `picture` as the suffix of `path` says: JPEG at quality 95 and 4:4:4, all others without loss.

    The file appears whole or not at all. Raises FlagError for a suffix that cannot hold the picture.
    """
    path = Path(path)
    kind = check_writable(path, picture)
    if not path.parent.is_dir():
        raise FlagError(f"{path}: the folder {path.parent} does not exist; make it first")
    if kind in ("PNG", "WEBP"):  # which know no other
        picture = _unassociated(picture)
    deep = kind in DEEP_KINDS.values() or picture.samples.dtype == F32 or picture.associated
    deep |= picture.samples.dtype == U16 and picture.samples.shape[2] > 1
    try:
        with files.whole(path) as part:
            if deep:
                openimageio.write(part, kind, picture)
            else:
                _write_plain(part, picture, kind)
            _describe(part, picture, kind)
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
    if kind in ("JPEG", "WEBP"):
        held, xmp = exif_for(picture, kind)
        options |= {"exif": b"Exif\0\0" + held} if held else {}
        options |= {"xmp": xmp} if xmp else {}
    if kind == "JPEG":
        options["extra"] = b"".join(_segment(name, data) for name, data in _native(picture, kind))
    image.save(path, kind, icc_profile=profile_of(picture, kind), **options)


def _segment(name: str, data: bytes) -> bytes:
    """A segment of a JPEG: a comment, or one that is called APP0 to APP15."""
    marker = 0xFE if name == "COM" else 0xE0 + int(name.removeprefix("APP"))
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def _native(picture: Picture, kind: str) -> list[tuple[str, bytes]]:
    """What only a file of this kind says, where the picture came from one."""
    header = picture.header
    return [(name, data) for name, _, data in header.entries] if header and header.kind == kind else []


def _describe(path: Path, picture: Picture, kind: str) -> None:
    """Puts into the written file what its writer knows nothing of."""
    held, xmp = exif_for(picture, kind)
    if kind == "TIFF":
        exif.extend(path, held, xmp)
    elif kind == "PNG":
        chunks = [(name.encode("latin-1"), data) for name, data in _native(picture, kind)]
        chunks += [(b"eXIf", held)] if held else []
        chunks += [png.text_of(xmp)] if xmp else []
        png.extend(path, chunks)


def _unassociated(picture: Picture) -> Picture:
    """The same picture with its colour divided by its alpha; where that is 0, as it is."""
    if not picture.associated:
        return picture
    top = 1 if picture.samples.dtype == F32 else np.iinfo(picture.samples.dtype).max
    alpha = picture.samples[..., -1:].astype(np.float64)
    colour = picture.samples[..., :-1] * (top / np.where(alpha == 0, top, alpha))
    colour = colour if top == 1 else np.rint(np.minimum(colour, top))
    samples = np.concatenate([colour.astype(picture.samples.dtype), picture.samples[..., -1:]], axis=-1)
    return dataclasses.replace(picture, samples=samples, associated=False)
