"""Sums of the packets that lie in a film file, the same in whatever kind of file they lie."""

import hashlib
from typing import Any

_NO_TEXT = b"\0\0"  # what QuickTime has between two subtitles


class Sums:
    """MD5s of what the packets hold: `pictures` has that of each, in a row; of any other stream there is one of all,
    as some files cut sound anew."""

    def __init__(self):
        self.pictures = bytearray()
        self._streams: dict[int, tuple[str, Any]] = {}

    def add_picture(self, packet: Any):
        self.pictures += hashlib.md5(bytes(packet), usedforsecurity=False).digest()

    def add(self, packet: Any):
        self.add_data(packet.stream_index, packet.stream.type, bytes(packet))

    def add_data(self, index: int, kind: str, data: bytes):
        """What lies in a stream, whole or in part."""
        data = _payload(data, kind)
        if data:
            _, digest = self._streams.setdefault(index, (kind, hashlib.md5(usedforsecurity=False)))
            digest.update(data)

    def missing(self, other: "Sums") -> str | None:
        """The first stream, in words, that `other` has nowhere as it is here."""
        there = {digest.digest() for _, digest in other._streams.values()}
        for index, (kind, digest) in sorted(self._streams.items()):
            if digest.digest() not in there:
                return f"stream {index} ({kind})"
        return None


def _payload(data: bytes, kind: str) -> bytes:
    """What is left of a packet without what one kind of file puts around it and another does not."""
    if kind == "subtitle" and data == _NO_TEXT:
        return b""
    if kind == "audio" and _is_adts(data):
        return data[7 if data[1] & 1 else 9 :]
    return data


def _is_adts(data: bytes) -> bool:
    """Whether a packet is AAC as it lies in transport streams, which say in each how long it is."""
    begins = len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0
    return begins and (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5 == len(data)
