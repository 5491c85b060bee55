"""EXIF and the tags of TIFF, which are one thing: a directory of numbered values.

A picture's EXIF is held as the small TIFF that stands in JPEG, PNG and WebP. Of a TIFF it is made of the tags that do
not say how its samples lie.
"""

import io
import struct
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

import numpy as np

BITS_PER_SAMPLE, PHOTOMETRIC, ORIENTATION, EXTRA_SAMPLES, XMP = 258, 262, 274, 338, 700
SUBFILE, OLD_SUBFILE = 254, 255  # what a page of a TIFF is
_SUBDIRECTORIES = (34665, 34853, 40965)  # EXIF, GPS, interoperability
# How samples lie in the file, what a field of `Picture` holds, and pointers to other pages.
_OF_THE_SAMPLES = {*range(254, 267), 273, 274, *range(277, 285), *range(288, 294), 296, 297, 317, 320, *range(322, 349)}
_OF_THE_SAMPLES |= {*range(512, 533), 559, XMP, *range(32995, 32999), 34675}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_UNSIGNED = (1, 3, 4, 13, 16, 18)
_RATIONALS = (5, 10)
_BYTE, _LONG = 1, 4
_MOST_PAGES, _MOST_TAGS, _DEEPEST = 10_000, 10_000, 3


class Tag(NamedTuple):
    """type: TIFF's number of it. data: little-endian bytes, or the directory that the tag points at."""

    type: int
    data: "bytes | dict[int, Tag]"

    @property
    def numbers(self) -> list[int]:
        """The values of a tag of unsigned integers; none of another."""
        if self.type not in _UNSIGNED or not isinstance(self.data, bytes):
            return []
        return np.frombuffer(self.data, f"<u{_SIZES[self.type]}").tolist()


Tags = dict[int, Tag]


class _Form(NamedTuple):
    """How a TIFF counts: one of more than 4 GB with 8 bytes. pointer: where it says where its first page is."""

    order: str
    length: str
    offset: str
    pointer: int

    def read(self, file: BufferedIOBase, code: str) -> int:
        code = self.order + code
        return struct.unpack(code, file.read(struct.calcsize(code)))[0]


def _form(file: BufferedIOBase) -> _Form:
    order = {b"II": "<", b"MM": ">"}.get(file.read(2))
    version = order and struct.unpack(f"{order}H", file.read(2))[0]
    if version not in (42, 43):
        raise ValueError("it is no TIFF")
    return _Form(str(order), *(("H", "I", 4) if version == 42 else ("Q", "Q", 8)))


def pages(file: BufferedIOBase) -> list[Tags]:
    """The tags of every page of a TIFF. Raises ValueError or struct.error where it is damaged."""
    form = _form(file)
    file.seek(form.pointer)
    found, seen, at = [], set(), form.read(file, form.offset)
    while at and at not in seen and len(found) < _MOST_PAGES:
        seen.add(at)
        tags, at = _directory(file, form, at)
        found.append(tags)
    return found


def number(tags: Tags, which: int, otherwise: int) -> int:
    """The first value of a tag."""
    return ([*tags[which].numbers, otherwise] if which in tags else [otherwise])[0]


def of_tags(tags: Tags) -> bytes | None:
    """The EXIF of a page of a TIFF."""
    about = {which: tag for which, tag in tags.items() if which not in _OF_THE_SAMPLES}
    return b"II*\0\x08\0\0\0" + _packed(about, _Form("<", "H", "I", 4), 8) if about else None


def upright(exif: bytes) -> bytes:
    """The same EXIF with an orientation that says upright; nothing else changes, not even the place of a byte."""
    try:
        form = _form(file := io.BytesIO(exif))
        file.seek(form.pointer)
        file.seek(form.read(file, form.offset))
        for _ in range(form.read(file, form.length)):
            at, which = file.tell(), form.read(file, "H")
            if which == ORIENTATION:
                file.seek(at + 8)
                file.write(struct.pack(f"{form.order}H", 1))
                break
            file.seek(at + 12)
    except (ValueError, struct.error):  # damaged: then nobody has turned the picture by it either
        return exif
    return file.getvalue()


def extend(path: Path, exif: bytes | None, xmp: bytes | None) -> None:
    """Gives the TIFF at `path` an EXIF and an XMP, in place of what its writer says of itself."""
    with path.open("r+b") as file:
        form = _form(file)
        file.seek(form.pointer)
        tags, _ = _directory(file, form, form.read(file, form.offset))
        tags = {which: tag for which, tag in tags.items() if which in _OF_THE_SAMPLES and which != XMP}
        about = pages(io.BytesIO(exif))[:1] if exif else []
        tags |= {which: tag for page in about for which, tag in page.items() if which not in _OF_THE_SAMPLES}
        if xmp:
            tags[XMP] = Tag(_BYTE, xmp)
        at = file.seek(0, io.SEEK_END)
        at += file.write(bytes(at % 2))
        file.write(_packed(tags, form, at))
        file.seek(form.pointer)
        file.write(struct.pack(form.order + form.offset, at))


def _directory(file: BufferedIOBase, form: _Form, at: int, depth: int = 0) -> tuple[Tags, int]:
    """The directory at a place in the file, and the place of the next one (0: there is none)."""
    size = file.seek(0, io.SEEK_END)
    file.seek(at)
    if (count := form.read(file, form.length)) > _MOST_TAGS:
        raise ValueError(f"it says that it has {count} tags")
    entry = struct.Struct(f"{form.order}HH{form.offset}{struct.calcsize(form.offset)}s")
    entries = [entry.unpack(file.read(entry.size)) for _ in range(count)]
    after = file.read(struct.calcsize(form.offset))
    tags: Tags = {}
    for which, type_, length, value in entries:
        needed = length * _SIZES.get(type_, 0)
        if needed > len(value):
            start = struct.unpack(form.order + form.offset, value)[0]
            if start + needed > size:
                raise ValueError(f"its tag {which} lies beyond its end")
            file.seek(start)
            value = file.read(needed)
        if needed:
            tags[which] = Tag(type_, _ordered(value[:needed], type_, form))
        if needed and which in _SUBDIRECTORIES:
            start = number(tags, which, 0)
            del tags[which]
            if start and depth < _DEEPEST:
                tags[which] = Tag(_LONG, _directory(file, form, start, depth + 1)[0])
    return tags, struct.unpack(form.order + form.offset, after)[0] if len(after) == struct.calcsize(form.offset) else 0


def _packed(tags: Tags, form: _Form, at: int) -> bytes:
    """A directory and its values, for a place in a file; the pointer to the next directory is 0."""
    width = struct.calcsize(form.offset)
    head = struct.pack(form.order + form.length, len(tags))
    rest, entries = at + len(head) + len(tags) * (4 + 2 * width) + width, []
    values = io.BytesIO()
    for which, (type_, data) in sorted(tags.items()):
        if isinstance(data, dict):
            values.write(bytes(values.tell() % 2))
            place = rest + values.tell()
            values.write(_packed(data, form, place))
            length, value = 1, struct.pack(form.order + form.offset, place)
        else:
            length, value = len(data) // _SIZES[type_], _ordered(data, type_, form)
            if len(value) > width:
                values.write(bytes(values.tell() % 2))
                place, _ = rest + values.tell(), values.write(value)
                value = struct.pack(form.order + form.offset, place)
        entries.append(struct.pack(f"{form.order}HH{form.offset}", which, type_, length) + value.ljust(width, b"\0"))
    return head + b"".join(entries) + bytes(width) + values.getvalue()


def _ordered(data: bytes, type_: int, form: _Form) -> bytes:
    """Little-endian bytes of values of a type as a file has them, or the other way about."""
    size = _SIZES[type_] // 2 if type_ in _RATIONALS else _SIZES[type_]
    if form.order == "<" or size == 1:
        return data
    return np.frombuffer(data, f"<u{size}").byteswap().tobytes()
