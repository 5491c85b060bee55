"""What goes into another kind of file in another form: covers that become attachments, and text subtitles.

Subtitles go through FFmpeg's own decoder and encoder, so that what both kinds can say of the text stays.
"""

from typing import Any

from av.error import FFmpegError

from zoo.errors import OutputError
from zoo.film.read.decoding import opened

# By kind of file: the codecs of text that it does not take, and the one that it does.
_TEXT = {"matroska": (("mov_text",), "subrip"), "mp4": (("subrip", "text"), "mov_text")}
_TEXT["mov"] = _TEXT["mp4"]
_KEPT = {  # of what a text may say of itself
    "subrip": "SRT, with its times, bold, italics and colours, but not its place",
    "mov_text": "mov_text, with its times, bold and italics, but not its colours and place",
}
# By kind of file: the covers that it takes, each with the suffix and the kind that an attachment says. FFmpeg writes
# none into .mov.
_COVERS = {"mp4": {"mjpeg": (), "png": ()}, "matroska": {"mjpeg": ("jpg", "image/jpeg")}}
_COVERS["matroska"] |= {kind: (kind, f"image/{kind}") for kind in ("png", "gif", "tiff")}


def codec(stream: Any) -> str | None:
    """FFmpeg's name of what a stream holds, where it has one."""
    context = getattr(stream, "codec_context", None)
    return context.codec.canonical_name if context else None


def is_cover(stream: Any) -> bool:
    return stream.type == "video" and bool(stream.disposition & stream.disposition.attached_pic)


def takes_cover(out: Any, stream: Any) -> bool:
    """Whether the file `out` has a place for a cover of this kind."""
    return codec(stream) in _COVERS.get(out.format.name, ())


def attached(out: Any, stream: Any) -> Any:
    """The attachment that a cover becomes."""
    suffix, kind = _COVERS[out.format.name][codec(stream)]
    return out.add_attachment(stream.metadata.get("filename", f"cover.{suffix}"), kind, cover(stream))


def cover(stream: Any) -> bytes:
    """The picture, read without a move of the file that `stream` is of."""
    with opened(stream.container.name.removeprefix("file:")) as again:
        packets = again.demux(again.streams[stream.index])
        return next((bytes(packet) for packet in packets if packet.size), b"")


def text(out: Any, stream: Any) -> str | None:
    """The codec that a text becomes in the file `out`; None where it is copied as it is."""
    others, own = _TEXT.get(out.format.name, ((), ""))
    return own if stream.type == "subtitle" and codec(stream) in others else None


def kept(codec: str) -> str:
    """What stays of a text that becomes one of this codec."""
    return _KEPT[codec]


def encoder(out: Any, stream: Any, codec: str) -> Any:
    """A stream of `out` whose encoder makes of a text what `codec` is."""
    stream.codec_context.open(strict=False)
    target = out.add_stream(codec)
    target.codec_context.subtitle_header = stream.codec_context.subtitle_header
    target.codec_context.time_base = stream.time_base
    return target


def again(packet: Any, target: Any) -> Any:
    """A packet of text as the encoder of `target` makes it; None where there is no text in it."""
    try:
        held = packet.stream.codec_context.decode2(packet)
        encoded = target.codec_context.encode_subtitle(held) if held else None
    except FFmpegError as e:
        raise _lost(packet, e.strerror) from None
    if encoded is None and bytes(packet).strip(b"\0 \r\n"):
        raise _lost(packet, "it cannot be decoded")
    if encoded is None or not encoded.size:
        return None
    encoded.pts, encoded.dts, encoded.duration = packet.pts, packet.dts, packet.duration
    encoded.time_base = packet.time_base
    return encoded


def _lost(packet: Any, reason: Any) -> OutputError:
    at = float(packet.pts * packet.time_base)
    return OutputError(
        f"the subtitle at {at:.3f} s of stream {packet.stream_index} does not become another: {reason}; write the "
        "kind of file that it comes from, or leave it out: --drop subtitle; the parts are kept"
    )
