"""Pictures into files, whole or not at all."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo import files
from zoo.errors import FlagError, ZooError
from zoo.pictures import openimageio
from zoo.pictures.picture import DEEP_KINDS, F32, U16, Picture, check_writable

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
    deep = kind in DEEP_KINDS.values() or picture.samples.dtype == F32
    deep |= picture.samples.dtype == U16 and picture.samples.shape[2] > 1
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
