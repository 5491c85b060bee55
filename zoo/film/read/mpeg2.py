"""What FFmpeg's decoders of MPEG-1 and MPEG-2 leave undone: where the size changes, the frame that they still hold is
lost."""

from typing import Any

_DECODERS = ("mpeg1video", "mpeg2video", "mpegvideo")
_SEQUENCE = b"\x00\x00\x01\xb3"  # begins a header, whose first 24 bits are width and height


class Sizes:
    """Looks at a film's packets in their order. `stream`: its pictures."""

    def __init__(self, stream: Any):
        self._known = stream.codec_context.name in _DECODERS
        self._size: bytes | None = None

    def changes(self, packet: Any) -> bool:
        """Whether another size begins with this packet."""
        if not (self._known and packet is not None and packet.size):
            return False
        data = bytes(packet)
        at = data.find(_SEQUENCE)
        if at < 0:
            return False
        at += len(_SEQUENCE)
        before, self._size = self._size, data[at : at + 3]
        return before not in (None, self._size)
