"""The chunks of a PNG that say something about the picture beside its samples."""

import struct
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Of colour and time; of the others those whose names say that they are "safe to copy" into a changed picture.
COLOUR = {b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI"}
_ELSEWHERE = {b"iCCP", b"eXIf", b"tRNS", b"sBIT"}  # in fields of the picture, or in its samples
_XMP = b"XML:com.adobe.xmp\0"
_EXIF_AS_TEXT = (b"Raw profile type exif\0", b"Raw profile type APP1\0")
_LONGEST = 2**26  # bytes of a chunk beside the samples


def chunks(file: BufferedIOBase, *, samples: bool = False) -> Iterator[tuple[bytes, bytes]]:
    """(name, data) of the chunks; of those with samples only where these are wanted. Raises ValueError, struct.error
    where the file is damaged."""
    if file.read(8) != _SIGNATURE:
        raise ValueError("it is no PNG")
    while head := file.read(8):
        length, name = struct.unpack(">I4s", head)
        if name == b"IDAT" and not samples:
            file.seek(length + 4, 1)
            continue
        if length > _LONGEST and not samples:
            raise ValueError(f"its chunk {name.decode('latin-1')} has {length} bytes")
        data = file.read(length)
        file.seek(4, 1)
        yield name, data
        if name == b"IEND":
            return


def about(file: BufferedIOBase) -> tuple[list[tuple[bytes, bytes]], list[str]]:
    """The chunks that a restored picture keeps as they came, and the names of those that do not hold for it."""
    kept, left = [], []
    for name, data in chunks(file):
        if name[:1].isupper() or name in _ELSEWHERE or data.startswith((_XMP, *_EXIF_AS_TEXT)):
            continue
        if name in COLOUR or name == b"tIME" or name[3:].islower():
            kept.append((name, data))
        else:
            left.append(name.decode("latin-1"))
    return kept, left


def extend(path: Path, extra: list[tuple[bytes, bytes]]) -> None:
    """Gives the PNG at `path` these chunks, in place of all that its writer says beside samples, profile and
    resolution."""
    with path.open("rb") as file:
        fields = {b"iCCP", b"pHYs"} - {name for name, _ in extra}
        everything = chunks(file, samples=True)
        written = [(name, data) for name, data in everything if name[:1].isupper() or name in fields]
    written[1:1] = extra
    with path.open("wb") as file:
        file.write(_SIGNATURE)
        for name, data in written:
            file.write(struct.pack(">I4s", len(data), name) + data)
            file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))


def text_of(xmp: bytes) -> tuple[bytes, bytes]:
    """The chunk that holds an XMP packet."""
    return b"iTXt", _XMP + bytes(4) + xmp
