"""Pictures of 16 bits and of floats, and what EXR and DPX say about theirs, through OpenImageIO (the extra `film`).

`reading` and `writing` decide what comes here. OpenImageIO itself is imported only when it is used.
"""

import contextlib
import errno
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InputError, ZooError
from zoo.pictures.picture import DEEP_KINDS, Header

WHITE_IS_ZERO, _CMYK = 0, 5  # two values of TIFF's PhotometricInterpretation
# What OpenImageIO sets itself, by the samples; an orientation is applied, a profile and a resolution are fields.
_OF_THE_SAMPLES = ("oiio:", "openexr:", "Orientation", "Software", "ICCProfile", "XResolution", "YResolution")
_OF_THE_SAMPLES += ("ResolutionUnit", "dpx:ImageDescriptor", "dpx:EndOf", "dpx:Signal", "nuke", "tiff:")


def read(path: Path) -> tuple[np.ndarray, bytes | None, tuple[float, float], int | None, bool, Header | None]:
    """(samples, icc, dpi, bits, half, header), as the fields of `zoo.pictures.Picture`, but dpi as the file has it: 0
    where it says none. Raises InputError, naming the file, for all but one whole picture."""
    oiio = _library()
    wish = oiio.ImageSpec()
    wish["oiio:UnassociatedAlpha"] = 1
    source = oiio.ImageInput.open(str(path), wish)
    if source is None:
        raise InputError(f"{path} is damaged or not a picture: {_first_line(oiio.geterror())}")
    with contextlib.closing(source):
        spec = source.spec()
        dtype = {"uint8": "uint8", "uint16": "uint16", "half": "float", "float": "float"}.get(str(spec.format))
        if dtype is None or spec.nchannels > 4:
            what = f"{path} has {spec.nchannels} channels of type {spec.format}"
            raise InputError(f"{what}; a picture has 1 to 4 of uint8, uint16, half or float")
        samples = source.read_image(0, 0, 0, spec.nchannels, dtype)
        if samples is None:
            raise InputError(f"{path} is damaged: {_first_line(source.geterror())}")
        if source.seek_subimage(1, 0):
            raise InputError(f"{path} holds several pages; split it into one file a page")
    samples = np.asarray(samples).reshape(spec.height, spec.width, spec.nchannels)
    if (orientation := spec.get_int_attribute("Orientation", 1)) != 1:
        buffer = oiio.ImageBuf(samples)
        buffer.orientation = orientation
        samples = np.asarray(oiio.ImageBufAlgo.reorient(buffer).get_pixels(dtype))
    photometric = spec.get_int_attribute("tiff:PhotometricInterpretation", -1)
    if photometric == WHITE_IS_ZERO and samples.dtype == np.uint16:  # OpenImageIO leaves it so; CMYK it makes RGB
        samples[..., 0] = 65535 - samples[..., 0]
    icc = spec.getattribute("ICCProfile") if photometric != _CMYK else None
    per_inch = 2.54 if spec.get_string_attribute("ResolutionUnit") == "cm" else 1
    x, y = (spec.get_float_attribute(f"{axis}Resolution") * per_inch for axis in "XY")
    kind = DEEP_KINDS.get(path.suffix.lower())
    bits = spec.get_int_attribute("oiio:BitsPerSample") if kind == "DPX" else None
    half = kind == "EXR" and str(spec.format) == "half"
    return samples, None if icc is None else bytes(icc), (x, y), bits, half, _header(spec, kind) if kind else None


def header(path: Path) -> Header:
    """What an EXR or a DPX says, without its samples. Raises InputError where it is damaged."""
    source = _library().ImageInput.open(str(path))
    if source is None:
        raise InputError(f"{path} is damaged or not a picture")
    with contextlib.closing(source):
        return _header(source.spec(), DEEP_KINDS[path.suffix.lower()])


def _header(spec: Any, kind: str) -> Header:
    about = ((a.name, a.type, a.value) for a in spec.extra_attribs)
    return Header(kind, tuple(entry for entry in about if not entry[0].startswith(_OF_THE_SAMPLES)))


def write(
    path: Path,
    kind: str,
    samples: np.ndarray,
    *,
    icc: bytes | None,
    dpi: tuple[float, float] | None,
    bits: int | None,
    half: bool,
    header: Header | None,
) -> None:
    """Writes samples [h w c], uint16 or float32, as a file of `kind`, such as "PNG"; the rest as the fields of
    `zoo.pictures.Picture`, of which it takes what the kind can hold. Raises OSError where the disk is full, ZooError
    where it cannot be written for another reason."""
    oiio = _library()
    height, width, channels = samples.shape
    deep = "half" if half and kind == "EXR" else "float"
    spec = oiio.ImageSpec(width, height, channels, deep if samples.dtype == np.float32 else "uint16")
    if header is not None and header.kind == kind:
        for name, type_, value in header.entries:
            spec.attribute(name, type_, value)
    spec["oiio:UnassociatedAlpha"] = 1
    spec["png:compressionLevel"] = 3  # a third of the default's time for a few per cent of size
    if channels == 2:
        spec.channelnames, spec.alpha_channel = ("Y", "A"), 1
    if icc:
        spec.attribute("ICCProfile", f"uint8[{len(icc)}]", np.frombuffer(icc, np.uint8))
    if dpi:
        spec["XResolution"], spec["YResolution"], spec["ResolutionUnit"] = *dpi, "in"
        spec["PixelAspectRatio"] = dpi[1] / dpi[0]  # else it makes both resolutions one
    if kind == "DPX" and bits and bits < 16:
        spec["oiio:BitsPerSample"] = bits
        samples = _nearest_codes(samples, bits)
    out = oiio.ImageOutput.create(str(path))
    if out is None:
        raise ZooError(f"this OpenImageIO cannot write {kind}: {_first_line(oiio.geterror())}")
    written = out.open(str(path), spec) and out.write_image(np.ascontiguousarray(samples))
    problem = out.geterror()
    if not (out.close() and written):
        if path.parent.is_dir() and shutil.disk_usage(path.parent).free < samples.nbytes:
            raise OSError(errno.ENOSPC, "no space left", str(path.parent))
        raise ZooError(f"could not write {path.name[10:]} in {path.parent}: {_first_line(problem or out.geterror())}")


def _nearest_codes(samples: np.ndarray, bits: int) -> np.ndarray:
    """16-bit samples moved to the nearest code of `bits` bits, since OpenImageIO truncates and would darken."""
    codes = np.rint(samples * ((2**bits - 1) / 65535)).astype(np.uint32)
    return (codes << (16 - bits) | codes >> (2 * bits - 16)).astype(np.uint16)


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0] or "unknown reason"


def _library() -> Any:
    try:
        import OpenImageIO
    except ImportError as e:
        raise InputError("16-bit colour needs OpenImageIO: pip install 'filmzoo[film]'") from e
    return OpenImageIO
