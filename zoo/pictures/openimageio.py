"""Pictures of 16 bits and of floats, and what EXR and DPX say about theirs, through OpenImageIO (the extra `film`).

`reading` and `writing` decide what comes here. OpenImageIO itself is imported only when it is used.
"""

import contextlib
import errno
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo import bounds
from zoo.errors import InputError, ZooError
from zoo.pictures.picture import DEEP_KINDS, F32, Header, Picture, Window, profile_of

# What OpenImageIO sets itself, by the samples; an orientation is applied, a profile and a resolution are fields.
_OF_THE_SAMPLES = ("oiio:", "openexr:", "Orientation", "ICCProfile", "XResolution", "YResolution")
_OF_THE_SAMPLES += ("ResolutionUnit", "dpx:ImageDescriptor", "dpx:EndOf", "dpx:Signal", "nuke", "tiff:")
_COLOUR = (("R", "G", "B", "A"), ("R", "G", "B"), ("Y", "A"), ("Y",))  # of an EXR, the first whose channels it has
_WHITE_IS_ZERO, _CMYK = 0, 5  # values of TIFF's PhotometricInterpretation
_SAMPLES = {"uint8": "uint8", "uint16": "uint16", "half": "float", "float": "float"}  # read as what
_DPX_NAME = 36, 100  # where it begins, bytes


def read(path: Path, *, page: int | None = None, samples: bool = True) -> Picture:
    """The picture in a file, or on that `page` of it; without `samples` all but these, which are then one pixel of 0.
    Its dpi is as the file has it: 0 where it says none. Raises InputError, naming the file, for all but one whole
    picture."""
    with path.open("rb") as file:
        big_endian = file.read(4) == b"SDPX"
    with _opened(path) as source:
        kind = DEEP_KINDS.get(path.suffix.lower())
        if page is None and source.seek_subimage(1, 0):
            raise InputError(f"{path} holds several pages; split it into one file a page")
        page = page or 0
        if not source.seek_subimage(page, 0):
            raise InputError(f"{path} is damaged: {_first_line(source.geterror())}")
        spec = source.spec()
        formats = list(spec.channelformats) or [spec.format] * spec.nchannels
        colour = _colour(path, spec) if kind == "EXR" else [*range(spec.nchannels)]
        _check(path, spec, formats, colour)
        array = _channels(path, source, page, colour, formats[colour[0]]) if samples else None
        rest = [k for k in range(spec.nchannels) if k not in colour]
        others = tuple(
            (spec.channelnames[k], _channels(path, source, page, [k], formats[k], exact=True)[..., 0]) for k in rest
        )
        header, left = _header(spec, kind) if kind else (None, ())
    if array is None:
        array = np.zeros((1, 1, len(colour)), {"float": F32}.get(type_ := _SAMPLES[str(formats[colour[0]])], type_))
    else:
        array = _upright(array, spec)
    photometric = spec.get_int_attribute("tiff:PhotometricInterpretation", -1)
    if photometric == _WHITE_IS_ZERO and array.dtype == np.uint16:  # OpenImageIO leaves it so; CMYK it makes RGB
        array[..., 0] = 65535 - array[..., 0]
    icc = spec.getattribute("ICCProfile") if photometric != _CMYK else None
    per_inch = 2.54 if spec.get_string_attribute("ResolutionUnit") == "cm" else 1
    x, y = (spec.get_float_attribute(f"{axis}Resolution") * per_inch for axis in "XY")
    return Picture(
        array,
        icc=None if icc is None else bytes(icc),
        dpi=(x, y),
        bits=spec.get_int_attribute("oiio:BitsPerSample") if kind == "DPX" else None,
        big_endian=kind == "DPX" and big_endian,
        half=kind == "EXR" and str(formats[colour[0]]) == "half",
        window=_window(spec) if kind == "EXR" else None,
        others=others,
        header=header,
        left=left,
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    oiio = _library()
    if bounds.raised():
        oiio.attribute("limits:imagesize_MB", 0)
        oiio.attribute("limits:resolution", 0)
    wish = oiio.ImageSpec()
    wish["oiio:UnassociatedAlpha"] = 1  # as it is stored, that is
    source = oiio.ImageInput.open(str(path), wish)
    if source is None:
        raise InputError(f"{path} is damaged or not a picture: {_first_line(oiio.geterror())}")
    with contextlib.closing(source):
        yield source


def _colour(path: Path, spec: Any) -> list[int]:
    """Which channels of an EXR are restored, in the order of a picture's. Raises InputError where none is colour."""
    names = [*spec.channelnames]
    held = ", ".join(names)
    if {"RY", "BY"} & {*names}:
        raise InputError(f"{path} holds luma and chroma ({held}); convert it to R, G and B")
    for colour in _COLOUR:
        if {*colour} <= {*names}:
            return [names.index(name) for name in colour]
    raise InputError(f"{path} has no colour, only the channels {held}; R, G and B, or Y, are restored")


def _check(path: Path, spec: Any, formats: Sequence[Any], colour: Sequence[int]):
    types = {str(formats[k]) for k in colour}
    if len(types) > 1 or not types <= {*_SAMPLES} or len(colour) > 4 or spec.deep:
        what = f"{path} has {len(colour)} {'deep ' if spec.deep else ''}channels of type {', '.join(sorted(types))}"
        raise InputError(f"{what}; a picture has 1 to 4 of uint8, uint16, half or float")
    for name, type_ in zip(spec.channelnames, formats, strict=True):
        if DEEP_KINDS.get(path.suffix.lower()) == "EXR" and str(type_) not in ("half", "float"):
            raise InputError(f"{path} has the channel {name} of type {type_}, which cannot be kept; take it out first")
    size = sum(type_.size() for type_ in formats)
    bounds.check_size(path, spec.width, spec.height, size)


def _channels(path: Path, source: Any, page: int, which: Sequence[int], type_: Any, *, exact: bool = False):
    """Channels [h w c] of a file."""
    first, end = min(which), max(which) + 1
    held = source.read_image(page, 0, first, end, str(type_) if exact else _SAMPLES[str(type_)])
    if held is None:
        raise InputError(f"{path} is damaged: {_first_line(source.geterror())}")
    spec = source.spec()
    held = np.asarray(held).reshape(spec.height, spec.width, end - first)
    return held if [*which] == [*range(first, end)] else np.ascontiguousarray(held[..., [k - first for k in which]])


def _upright(samples: np.ndarray, spec: Any) -> np.ndarray:
    if (orientation := spec.get_int_attribute("Orientation", 1)) == 1:
        return samples
    oiio = _library()
    buffer = oiio.ImageBuf(samples)
    buffer.orientation = orientation
    return np.asarray(oiio.ImageBufAlgo.reorient(buffer).get_pixels(str(buffer.spec().format)))


def _window(spec: Any) -> Window | None:
    """None where the samples are the whole picture and begin at its corner."""
    window = Window(spec.x, spec.y, (spec.full_x, spec.full_y, spec.full_width, spec.full_height))
    return None if window == Window(0, 0, (0, 0, spec.width, spec.height)) else window


def _header(spec: Any, kind: str) -> tuple[Header, tuple[str, ...]]:
    """What the file says; how many attributes are left out, as their names or values are no text."""
    kept, damaged = [], 0
    for attribute in spec.extra_attribs:
        try:
            entry = attribute.name, attribute.type, attribute.value
            f"{entry[0]}{entry[2]}".encode()  # some versions hold what is no text as halves of characters
        except UnicodeError:
            damaged += 1
            continue
        if not entry[0].startswith(_OF_THE_SAMPLES):
            kept.append(entry)
    left = (f"{damaged} attribute{'s' if damaged > 1 else ''} not in UTF-8",) if damaged else ()
    return Header(kind, tuple(kept)), left


def write(path: Path, kind: str, picture: Picture) -> None:
    """Writes a picture as a file of `kind`, such as "PNG", and of what else it says what the kind can hold and
    OpenImageIO writes. Raises OSError where the disk is full, ZooError where it cannot be written for another
    reason."""
    oiio = _library()
    samples = picture.samples
    if kind == "DPX" and picture.bits and 8 < picture.bits < 16 and samples.dtype == np.uint16:
        samples = _nearest_codes(samples, picture.bits)
    if kind == "EXR" and picture.others:
        samples = np.dstack([samples, *(channel.astype(np.float32) for _, channel in picture.others)])
    out = oiio.ImageOutput.create(str(path))
    if out is None:
        raise ZooError(f"this OpenImageIO cannot write {kind}: {_first_line(oiio.geterror())}")
    written = out.open(str(path), _spec(picture, kind)) and out.write_image(np.ascontiguousarray(samples))
    problem = out.geterror()
    if not (out.close() and written):
        if path.parent.is_dir() and shutil.disk_usage(path.parent).free < samples.nbytes:
            raise OSError(errno.ENOSPC, "no space left", str(path.parent))
        raise ZooError(f"could not write {path.name[10:]} in {path.parent}: {_first_line(problem or out.geterror())}")
    if kind == "DPX":
        _take_out_name(path)


def _take_out_name(path: Path):
    """Of the file, in a DPX's own header: a temporary one, and the folders of whoever wrote it."""
    with path.open("r+b") as file:
        file.seek(_DPX_NAME[0])
        file.write(bytes(_DPX_NAME[1]))


def _spec(picture: Picture, kind: str) -> Any:
    oiio = _library()
    height, width, channels = picture.samples.shape
    type_ = str(picture.samples.dtype)
    if type_ == "float32":
        type_ = "half" if picture.half and kind == "EXR" else "float"
    spec = oiio.ImageSpec(width, height, channels, type_)
    spec["DateTime"] = ""  # the picture's own below, or none: else that of now, and no two files would be the same
    if picture.header is not None and picture.header.kind == kind and kind in DEEP_KINDS.values():
        for name, type_of, value in picture.header.entries:
            spec.attribute(name, type_of, value)
    if not (picture.associated and kind == "TIFF"):
        spec["oiio:UnassociatedAlpha"] = 1
    spec["png:compressionLevel"] = 3  # a third of the default's time for a few per cent of size
    if channels == 2:
        spec.channelnames, spec.alpha_channel = ("Y", "A"), 1
    if icc := profile_of(picture, kind):
        spec.attribute("ICCProfile", f"uint8[{len(icc)}]", np.frombuffer(icc, np.uint8))
    if picture.dpi:
        spec["XResolution"], spec["YResolution"], spec["ResolutionUnit"] = *picture.dpi, "in"
        spec["PixelAspectRatio"] = picture.dpi[1] / picture.dpi[0]  # else it makes both resolutions one
    if kind == "DPX":
        spec["oiio:Endian"] = "big" if picture.big_endian else "little"
        if picture.bits and 8 < picture.bits < 16 and type_ == "uint16":
            spec["oiio:BitsPerSample"] = picture.bits
    if kind == "EXR":
        _place(spec, picture)
    return spec


def _place(spec: Any, picture: Picture):
    """An EXR's other channels, and its windows."""
    if picture.others:
        colour = spec.channelnames
        spec.channelnames = (*colour, *(name for name, _ in picture.others))
        spec.nchannels = len(spec.channelnames)
        kept = (str(channel.dtype) for _, channel in picture.others)
        formats = [str(spec.format)] * len(colour) + ["half" if type_ == "float16" else "float" for type_ in kept]
        spec.channelformats = tuple(_library().TypeDesc(name) for name in formats)
    if window := picture.window:
        spec.x, spec.y = window.x, window.y
        spec.full_x, spec.full_y, spec.full_width, spec.full_height = window.full


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
