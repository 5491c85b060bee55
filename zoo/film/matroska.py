"""What a Matroska file's header says of its pictures, read and written where PyAV does neither.

The shape of samples cannot be set on a stream: it is written into the header of a finished film. FFmpeg leaves an empty
element between the list of contents and the description of the tracks. Its bytes make room for the display size; what
stands between moves, and the positions and checksums that speak of it are set right.
"""

import contextlib
import io
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from zoo.film import pyav

_SEEK_HEAD, _SEEK, _SEEK_POSITION = 0x114D9B74, 0x4DBB, 0x53AC
_SEGMENT, _VOID, _TRACKS, _TRACK, _VIDEO, _CRC = 0x18538067, 0xEC, 0x1654AE6B, 0xAE, 0xE0, 0xBF
_INFO = 0x1549A966
_ENDLESS = b"\x01" + 7 * b"\xff"  # the size of what lasts until the file ends
_HEADER = 2**20  # bytes in which all of this lies


def _element(data: bytes | bytearray, at: int) -> tuple[int, int, int]:
    """(id, where its content begins, where it ends) of the element at a position."""
    length = 9 - data[at].bit_length()
    ident = int.from_bytes(data[at : at + length], "big")
    at += length
    length = 9 - data[at].bit_length()
    size = int.from_bytes(data[at : at + length], "big") & ((1 << (7 * length)) - 1)
    return ident, at + length, at + length + size


def _children(data: bytes | bytearray, begin: int, end: int) -> dict[int, list[int]]:
    """Positions of the elements between two places, by their id."""
    found: dict[int, list[int]] = {}
    while begin < min(end, len(data)):
        ident, _, after = _element(data, begin)
        found.setdefault(ident, []).append(begin)
        begin = after
    return found


def contents(data: bytes | bytearray) -> dict[int, bytes]:
    """What elements that follow one another hold, by their id."""
    places = _children(data, 0, len(data)).items()
    return {ident: bytes(data[slice(*_element(data, at[0])[1:])]) for ident, at in places}


def element(ident: int, content: bytes) -> bytes:
    size = (len(content) | 1 << 28).to_bytes(4, "big")
    return ident.to_bytes((ident.bit_length() + 7) // 8, "big") + size + content


def _joined(held: dict[int, bytes]) -> bytes:
    return b"".join(element(ident, content) for ident, content in held.items())


def described(stream: Any) -> dict[int, bytes]:
    """What FFmpeg writes of a stream of pictures, by the id of the element; nothing where Matroska cannot hold it."""
    file = io.BytesIO()
    out = pyav.container(file, "w", format="matroska")
    try:
        out.add_stream_from_template(stream, opaque=True)
        out.start_encoding()
    except (FFmpegError, ValueError):
        return {}
    finally:
        with contextlib.suppress(FFmpegError):
            out.close()
    segment = contents(file.getvalue()).get(_SEGMENT, b"")
    return contents(contents(contents(contents(segment)[_TRACKS])[_TRACK])[_VIDEO])


def with_more(path: Path, more: bytes, within: dict[int, bytes]) -> io.BytesIO:
    """The beginning of a film of one track that FFmpeg has written, with more elements in its description of the
    pictures, and more within elements there."""
    with path.open("rb") as file:
        data = file.read(_HEADER)
    _, _, first = _element(data, 0)
    _, start, _ = _element(data, first)
    top = _children(data, start, len(data))
    after = _element(data, top[_TRACKS][0])[2]
    held = contents(data[start:after])
    track = contents(contents(held[_TRACKS])[_TRACK])
    video = contents(track[_VIDEO])
    video |= {ident: video.get(ident, b"") + content for ident, content in within.items()}
    track[_VIDEO] = _joined(video) + more
    tracks = element(_TRACKS, element(_TRACK, _joined(track)))
    segment = _SEGMENT.to_bytes(4, "big") + _ENDLESS
    return io.BytesIO(data[:first] + segment + element(_INFO, held[_INFO]) + tracks + data[after:])


def _resize(data: bytearray, at: int, more: int):
    """Writes another size into the head of the element at a position, in as many bytes."""
    ident, content, end = _element(data, at)
    first = at + (ident.bit_length() + 7) // 8
    length, size = content - first, end - content + more
    if size >= (1 << (7 * length)) - 1:
        raise ValueError("no room for a larger size")
    data[first:content] = (size | 1 << (7 * length)).to_bytes(length, "big")


def _checksum(data: bytearray, at: int):
    """Sets the CRC-32 of the element at a position, where it has one."""
    _, content, end = _element(data, at)
    if data[content] == _CRC:
        data[content + 2 : content + 6] = zlib.crc32(data[content + 6 : end]).to_bytes(4, "little")


def set_aspect(path: Path, width: int, height: int, aspect: Fraction) -> None:
    """Writes into the film at `path` how its first track of pictures is to be shown. Raises ValueError where the header
    has no room; the file is then as it was."""
    shown = aspect * Fraction(width, height)
    sizes = ((0x54B0, shown.numerator), (0x54BA, shown.denominator), (0x54B2, 3))  # unit 3: a ratio
    added = b"".join(i.to_bytes(2, "big") + b"\x84" + value.to_bytes(4, "big") for i, value in sizes)
    with path.open("r+b") as file:
        data = bytearray(file.read(_HEADER))
        _, _, after = _element(data, 0)
        ident, start, end = _element(data, after)
        top = _children(data, start, min(end, len(data))) if ident == _SEGMENT else {}
        if not all(i in top for i in (_VOID, _TRACKS, _SEEK_HEAD)) or top[_VOID][0] > top[_TRACKS][0]:
            raise ValueError("no room in the header")
        void, tracks = top[_VOID][0], top[_TRACKS][0]
        _, inside, after_void = _element(data, void)
        if after_void - inside < len(added):
            raise ValueError("no room in the header")
        _insert(data, tracks, added)
        _resize(data, void, -len(added))
        del data[after_void - len(added) : after_void]
        _move_positions(data, top[_SEEK_HEAD][0], start, after_void, tracks, len(added))
        _checksum(data, tracks - len(added))
        file.seek(0)
        file.write(data)


def _insert(data: bytearray, tracks: int, added: bytes):
    """Puts `added` at the end of the first track's description of its pictures."""
    _, begin, end = _element(data, tracks)
    for track in _children(data, begin, end)[_TRACK]:
        _, content, stop = _element(data, track)
        for video in _children(data, content, stop).get(_VIDEO, []):
            data[(at := _element(data, video)[2]) : at] = added
            for element in (video, track, tracks):
                _resize(data, element, len(added))
            return
    raise ValueError("no track of pictures")


def _move_positions(data: bytearray, head: int, start: int, first: int, last: int, by: int):
    """Sets the list of contents right about what stood between two places and now stands `by` bytes earlier."""
    _, begin, end = _element(data, head)
    for seek in _children(data, begin, end).get(_SEEK, []):
        _, content, stop = _element(data, seek)
        for position in _children(data, content, stop).get(_SEEK_POSITION, []):
            _, at, until = _element(data, position)
            where = int.from_bytes(data[at:until], "big")
            if first <= start + where <= last:
                data[at:until] = (where - by).to_bytes(until - at, "big")
    _checksum(data, head)
