"""Checksums of FFV1: a packet that is not what its encoder wrote is known, which FFmpeg says to its log alone.

From version 3 on a packet is a row of slices (RFC 9043). Each ends in its size, of 3 bytes, and where the film has
checksums, as it does by default, in one byte more and a CRC-32, which makes the CRC of the whole slice what it began
with: 0, in version 4 another number.
"""

import zlib
from typing import Any

CODEC = "ffv1"
_SIZE, _CHECKED = 3, 8  # bytes at the end of a slice without a checksum and with one
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ONES = 0xFFFFFFFF
_STARTS = (0, 0x5E31029E)  # mirrored: 0x79408C7A


def is_damaged(packet: Any, context: Any) -> bool:
    """Whether a packet is no row of slices, or one of them has a wrong checksum. `context`: its stream's decoder."""
    if context is None or context.codec.name != CODEC or not context.extradata:  # versions 0 and 1 have no slices
        return False
    data = bytes(packet)
    if _slices(data, _SIZE):  # they fill the packet as they are, so they have no checksums
        return False
    slices = _slices(data, _CHECKED)
    return not slices or not all(_is_whole(data[begin:end]) for begin, end in slices)


def _slices(data: bytes, tail: int) -> list[tuple[int, int]]:
    """Where each begins and ends, from the last to the first; none where they do not fill the packet."""
    found, end = [], len(data)
    while end >= tail:
        begin = end - tail - int.from_bytes(data[end - tail : end - tail + 3])
        found.append((begin, end))
        end = begin
    return found if end == 0 else []


def _is_whole(data: bytes) -> bool:
    """Whether its CRC-32, with the highest bit first, is what it began with. That of zlib is its mirror, with all bits
    turned over before and after."""
    mirrored = data.translate(_MIRRORED)
    return any(zlib.crc32(mirrored, start ^ _ONES) ^ _ONES == start for start in _STARTS)
