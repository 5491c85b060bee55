"""Still pictures from their files, with nothing lost on the way.

A `Picture` holds the file's own samples: unsigned 8 or 16 bits, or 32-bit float, never quietly fewer bits.
Pillow handles 8 bits and 16-bit grey. It would drop 16-bit colour to 8 bits without a word, so that, float, EXR and DPX
go through `zoo.pictures.openimageio`. Alpha is unassociated (not multiplied into the colour), EXR's as stored.

Some kinds are read and not written, such as PPM, TGA, JPEG 2000 and AVIF: they become PNG.

On reading, palettes become RGB(A), 1-bit becomes grey, CMYK becomes RGB (by Pillow's plain formula, and its profile is
dropped, since it no longer describes the samples), and the EXIF orientation is applied: what comes back, and what is
written from it, stands upright and carries no orientation tag. A file of several pages is refused, not cut to one.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from zoo.errors import InputError, OutOfMemory, ZooError
from zoo.pictures import openimageio
from zoo.pictures.picture import DEEP_KINDS, DEEP_SUFFIXES, FORMATS, Header, Picture

# Scans of large film pass Pillow's "decompression bomb" limit of 89 million pixels, which it only has as a global.
Image.MAX_IMAGE_PIXELS = None
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # TIFF tags


def read(path: str | Path) -> Picture:
    """The picture in the file at `path`. Raises InputError, naming the file, for all but one whole picture."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is {'a folder, not a picture' if path.is_dir() else 'missing: no such file'}")
    try:
        if path.suffix.lower() in (*DEEP_KINDS, *DEEP_SUFFIXES):
            return _read_deep(path)
        try:
            image = Image.open(path, formats=FORMATS)
        except Image.UnidentifiedImageError:  # e.g. a TIFF of three floats
            if path.read_bytes()[:2] not in (b"II", b"MM"):
                raise
            return _read_deep(path)
        with image:
            pages = getattr(image, "n_frames", 1)
            if pages > 1 and image.format != "MPO":  # a camera's JPEG: the second picture is its preview
                raise InputError(f"{path} holds {pages} pages; split it into one file a page")
            if image.format == "AVIF" and _is_deep_avif(path):
                raise InputError(f"{path} has more than 8 bits, and would lose them; make it a PNG or TIFF of 16 bits")
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


def _is_deep_avif(path: Path) -> bool:
    """Whether an AVIF has 10 or 12 bits, as the configuration of its AV1 says, and of which Pillow makes 8."""
    configuration = path.read_bytes().partition(b"av1C")[2]
    return len(configuration) > 2 and bool(configuration[2] & 0x40)


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


def header(path: Path) -> Header | None:
    """`Picture.header` of a file, without its samples. Raises InputError where it is damaged."""
    return openimageio.header(path) if path.suffix.lower() in DEEP_KINDS else None


def _plausible(dpi) -> tuple[float, float] | None:
    return (float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 1 else None
