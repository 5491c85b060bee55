"""What each kind of film file can hold, tried before the work."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from zoo.errors import FlagError
from zoo.film import pyav
from zoo.film.read.source import Film
from zoo.film.write import encode, recast, streams
from zoo.film.write.encode import Encoding

_IN_TRANSPORT_STREAMS = {
    "mp1", "mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "truehd", "opus", "s302m", "pcm_bluray",
    "dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle",
}  # fmt: skip


def check(film: Film, encoding: Encoding, output: Path, drop: frozenset[str]) -> list[str]:
    """Writes a header to nowhere. Returns what becomes of the streams that do not stay as they are, in words. Raises
    FlagError, naming the stream, where the output's kind cannot hold a stream or the encoder's pictures."""
    becomes = []
    with streams.everything(film) as source:
        kept = streams.kept(source, film, drop)
        if output.suffix.lower() == ".avi":
            _check_beginnings(film, kept)
        with _nowhere(Path("segment.mkv")) as segment:
            encode.add_stream(segment, film, encoding)
        with _nowhere(output) as out:
            pictures = encode.add_stream(out, film, encoding)
            if output.suffix.lower() == ".avi":
                _check_order(pictures.codec_context, encoding)
            rate = f"{float(film.rate):.6g} frames a second"
            what = f"pictures of {encoding.encoder} at {rate}"
            _begin(out, f"{output.suffix} cannot hold {what}; choose another with -c:v, or write .mkv")
        for stream in kept:
            other = "" if output.suffix.lower() == ".mkv" else "write .mkv, or "
            fault = f"{output.suffix} cannot hold {_named(stream)}; {other}leave it out: --drop {stream.type}"
            with _nowhere(output) as out:
                encode.add_stream(out, film, encoding)
                try:
                    streams.copied(out, stream)
                except (FFmpegError, ValueError):
                    raise FlagError(fault) from None
                if not _read_back(out, stream):
                    raise FlagError(fault)
                _begin(out, fault)
                if codec := recast.text(out, stream):
                    becomes.append(f"{_named(stream)} becomes {recast.kept(codec)}")
    return becomes


def _check_beginnings(film: Film, kept: list[Any]):
    """Raises FlagError where a stream begins a frame or more after time 0, which AVI cannot say."""
    begin = {"its picture": film.begins}
    sound = [s for s in kept if s.type == "audio" and s.start_time is not None]
    begin |= {_named(s): s.start_time * pyav.exact(s.time_base) + film.lead for s in sound}
    for name, at in begin.items():
        if at * film.rate > 1:
            raise FlagError(
                f".avi has no place for when streams begin, and {name} begins at {float(at):.3g} s; write .mkv"
            )


def _check_order(context: Any, encoding: Encoding):
    """Raises FlagError for pictures that AVI does not take, which it says only when they come."""
    if context.codec.canonical_name == "h264":  # it wants start codes, which are no more in the segments
        raise FlagError(f".avi cannot hold pictures of {encoding.encoder}; choose another with -c:v")
    if context.has_b_frames:
        raise FlagError(f".avi holds pictures in the order they are shown in; add -e bf=0 for {encoding.encoder}")


def _named(stream: Any) -> str:
    codec = getattr(getattr(stream, "codec_context", None), "name", None)
    return f"stream {stream.index} of the film ({stream.type}{f', {codec}' if codec else ''})"


@contextlib.contextmanager
def _nowhere(output: Path) -> Iterator[Any]:
    """An output that keeps nothing, closed whether or not its kind can end a file without packets: MXF cannot."""
    out = pyav.container(_Null(), "w", format=streams.format_of(output))
    try:
        yield out
    finally:
        with contextlib.suppress(FFmpegError):
            out.close()


class _Null:
    """Swallows what is written."""

    def __init__(self):
        self.at = 0

    def write(self, data: bytes) -> int:
        self.at += len(data)
        return len(data)

    def seek(self, to: int, whence: int = 0) -> int:
        self.at = to if whence == 0 else self.at
        return self.at

    def tell(self) -> int:
        return self.at

    def close(self):
        pass


def _begin(out: Any, fault: str):
    try:
        out.start_encoding()
    except (FFmpegError, ValueError):
        raise FlagError(fault) from None


def _read_back(out: Any, stream: Any) -> bool:
    """Whether a stream is read back as what it was. A transport stream takes anything, as nameless data."""
    context = getattr(stream, "codec_context", None)
    if out.format.name != "mpegts" or stream.type not in ("audio", "subtitle") or context is None:
        return True
    return context.codec.canonical_name in _IN_TRANSPORT_STREAMS
