"""Still pictures from their files, with nothing lost on the way.

A `Picture` holds the file's own samples: unsigned 8 or 16 bits, or 32-bit float, never quietly fewer bits.
Pillow handles 8 bits and 16-bit grey. It would drop 16-bit colour to 8 bits without a word, so that, float, EXR and DPX
go through `zoo.pictures.openimageio`. Alpha is as stored: not multiplied into the colour, but EXR's and, where it says
so, TIFF's.

Some kinds are read and not written, such as PPM, TGA, JPEG 2000 and AVIF: they become PNG.

On reading, palettes become RGB(A), 1-bit becomes grey, CMYK becomes RGB (by Pillow's plain formula, and its profile is
dropped, since it no longer describes the samples), and the EXIF orientation is applied: what comes back, and what is
written from it, stands upright and carries no orientation tag. A file of several pages is refused, not cut to one; a
thumbnail is no page.
"""

import dataclasses
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from zoo import bounds
from zoo.errors import InputError, OutOfMemory, ZooError
from zoo.pictures import exif, openimageio, png
from zoo.pictures.exif import Tags
from zoo.pictures.picture import DEEP_KINDS, DEEP_SUFFIXES, FORMATS, Header, Picture

# Scans of large film pass Pillow's "decompression bomb" limit of 89 million pixels, which it only has as a global;
# `zoo.bounds` has another.
Image.MAX_IMAGE_PIXELS = None
_PHOTOMETRICS = {0: "white is zero", 1: "black is zero", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr"}
_REFUSED = {4: "a mask", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "raw sensor data", 34892: "raw sensor data"}
_RESOLUTION = 282  # a tag of EXIF
_UNTURNED = b"\\g<1>1"
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=\"|=\'|>))[2-8]")
_EXIF_HEAD = b"Exif\0\0"
# Segments of a JPEG that fields hold (JFIF, EXIF, XMP, profile), or that do not hold for another file: where the
# second picture lies, how colour was coded.
_JPEG_FIELDS = (b"JFIF", b"JFXX", _EXIF_HEAD, b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0", b"MPF\0", b"Adobe")


def read(path: str | Path, *, samples: bool = True) -> Picture:
    """The picture in the file at `path`; without `samples` all that it says beside them, which are then one pixel of 0.
    Raises InputError, naming the file, for all but one whole picture."""
    path = Path(path)
    bounds.check_regular(path, "picture")
    try:
        return _upright_about(_read(path, samples))
    except (ZooError, PermissionError):
        raise
    except MemoryError as e:
        raise OutOfMemory(f"{path} is too large for this machine's memory") from e
    except Image.UnidentifiedImageError as e:
        raise InputError(f"{path} is {'damaged or not a picture' if path.stat().st_size else 'empty'}") from e
    except Exception as e:  # on damaged bytes decoders raise almost anything
        raise InputError(f"{path} is damaged: {e}") from e


def _read(path: Path, samples: bool) -> Picture:
    if path.suffix.lower() in (*DEEP_KINDS, *DEEP_SUFFIXES):
        picture = openimageio.read(path, samples=samples)
        return dataclasses.replace(picture, dpi=_plausible(picture.dpi))
    with path.open("rb") as file:
        if file.read(2) in (b"II", b"MM"):
            return _read_tiff(path, samples)
    with Image.open(path, formats=FORMATS) as image:
        pages = getattr(image, "n_frames", 1)
        if pages > 1 and image.format != "MPO":  # a camera's JPEG: the second picture is its preview
            raise InputError(f"{path} holds {pages} pages; split it into one file a page")
        if image.format == "AVIF" and _is_deep_avif(path):
            raise InputError(f"{path} has more than 8 bits, and would lose them; make it a PNG or TIFF of 16 bits")
        if image.format == "PNG":
            return _read_png(path, image, samples)
        picture = _read_plain(path, image, samples)
        if image.format not in ("JPEG", "MPO"):
            return picture
        segments = image.applist  # type: ignore[attr-defined]
        rest = tuple((name, None, data) for name, data in segments if not data.startswith(_JPEG_FIELDS))
        left = ("second picture",) * (pages > 1)
        return dataclasses.replace(picture, header=Header("JPEG", rest), left=picture.left + left)


def _is_deep_avif(path: Path) -> bool:
    """Whether an AVIF has 10 or 12 bits, as the configuration of its AV1 says, and of which Pillow makes 8."""
    configuration = path.read_bytes().partition(b"av1C")[2]
    return len(configuration) > 2 and bool(configuration[2] & 0x40)


def _read_png(path: Path, image: Image.Image, samples: bool) -> Picture:
    with path.open("rb") as file:
        kept, left = png.about(file)
        file.seek(24)
        depth = file.read(1)[0]
    # Pillow returns every bit of 16-bit grey alone.
    plain = depth <= 8 or (image.mode.startswith("I;16") and "transparency" not in image.info)
    if depth < 8 and image.mode == "L" and isinstance(image.info.get("transparency"), int):
        image.info["transparency"] *= 255 // (2**depth - 1)  # Pillow makes the samples so, but not this one
    if plain:
        picture = _read_plain(path, image, samples)
    else:
        deep = openimageio.read(path, samples=samples)
        picture = dataclasses.replace(_about(image, deep), samples=deep.samples)
    header = Header("PNG", tuple((name.decode("latin-1"), None, data) for name, data in kept))
    return dataclasses.replace(picture, header=header, left=(*picture.left, *left))


def _read_tiff(path: Path, samples: bool) -> Picture:
    with path.open("rb") as file:
        try:
            pages = exif.pages(file)
        except struct.error as e:
            raise ValueError("it breaks off") from e
    full = [k for k, tags in enumerate(pages) if not _is_thumbnail(tags)]
    if len(full) != 1:
        raise InputError(f"{path} holds {len(full) or 'no'} pages; split it into one file a page")
    page, tags = full[0], pages[full[0]]
    photometric = exif.number(tags, exif.PHOTOMETRIC, 1)
    if photometric not in _PHOTOMETRICS:
        what = _REFUSED.get(photometric, f"colour of TIFF's kind {photometric}")
        raise InputError(f"{path} holds {what}, which is not restored; convert it to RGB")
    depth = max([*tags[exif.BITS_PER_SAMPLE].numbers, 1] if exif.BITS_PER_SAMPLE in tags else [1])
    associated = exif.number(tags, exif.EXTRA_SAMPLES, 0) == 1
    picture = None
    # Pillow does not scale 12-bit grey to 16 bits, nor turn 16-bit white-is-zero about; it divides colour by alpha.
    if not associated and (depth <= 8 or (depth == 16 and photometric == 1)):
        picture = _tiff_by_pillow(path, page, samples)
    if picture is None:
        deep = openimageio.read(path, page=page, samples=samples)
        picture = dataclasses.replace(deep, dpi=_plausible(deep.dpi), associated=associated)
    held = tags.get(exif.XMP)
    return dataclasses.replace(
        picture,
        exif=exif.of_tags(tags),
        xmp=held.data if held and isinstance(held.data, bytes) else None,
        left=picture.left + ("thumbnail",) * (len(pages) > 1),
    )


def _is_thumbnail(tags: Tags) -> bool:
    return bool(exif.number(tags, exif.SUBFILE, 0) & 1) or exif.number(tags, exif.OLD_SUBFILE, 0) == 2


def _tiff_by_pillow(path: Path, page: int, samples: bool) -> Picture | None:
    """None where Pillow knows no such TIFF, as one of three floats, or would not return every bit."""
    try:
        image = Image.open(path, formats=("TIFF",))
    except Image.UnidentifiedImageError:
        return None
    with image:
        image.seek(page)
        grey16 = image.mode.startswith("I;16")
        return _read_plain(path, image, samples) if image.mode[:1] not in ("I", "F") or grey16 else None


def _read_plain(path: Path, image: Image.Image, samples: bool) -> Picture:
    bounds.check_size(path, *image.size, len(image.getbands()) * (2 if image.mode.startswith("I;16") else 1))
    channels = np.zeros((1, 1, 1), np.uint8)
    about = _about(image, Picture(channels))
    if not samples:
        return about
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in ("CMYK", "YCbCr"):
        image = image.convert("RGB")
    elif image.mode == "1":
        value = image.info.get("transparency")
        image = image.convert("L")
        if isinstance(value, int):
            image.info["transparency"] = 255 if value else 0
    if image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    elif image.mode == "P":
        image = image.convert("RGB")
    array = np.asarray(image)
    array = array[..., None] if array.ndim == 2 else array
    # A TIFF may be big-endian.
    return dataclasses.replace(about, samples=array.astype(array.dtype.newbyteorder("=")))


def _about(image: Image.Image, like: Picture) -> Picture:
    """What Pillow says of a picture beside its samples, which are those of `like`."""
    info: dict[Any, Any] = image.info
    held, left = info.get("exif"), ()
    if held is None and image.format == "PNG" and any("Raw profile type" in str(key) for key in info):
        held = image.getexif().tobytes()  # which stands there as text
    icc = info.get("icc_profile") or None
    if image.mode in ("CMYK", "YCbCr") and icc:
        icc, left = None, (f"profile of {image.mode}",)
    xmp = info.get("xmp")
    return dataclasses.replace(
        like,
        icc=icc,
        dpi=_plausible(info.get("dpi")) if _says_resolution(image) else None,
        exif=held.removeprefix(_EXIF_HEAD) if held and image.format != "TIFF" else None,
        xmp=(xmp.encode() if isinstance(xmp, str) else xmp) if image.format != "TIFF" else None,
        left=left,
    )


def _says_resolution(image: Image.Image) -> bool:
    """Whether a file says how large its pixels are; of a JPEG that does not, Pillow says 72 dpi."""
    return image.format not in ("JPEG", "MPO") or bool(image.info.get("jfif_unit")) or _RESOLUTION in image.getexif()


def _upright_about(picture: Picture) -> Picture:
    """The same picture, whose EXIF and XMP know that it has been turned."""
    xmp = picture.xmp and _XMP_ORIENTATION.sub(_UNTURNED, picture.xmp)
    return dataclasses.replace(picture, exif=picture.exif and exif.upright(picture.exif), xmp=xmp)


def _plausible(dpi) -> tuple[float, float] | None:
    return (float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 1 else None
