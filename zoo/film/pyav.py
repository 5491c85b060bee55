"""How PyAV is used for files and frames, and where its versions differ."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import av.filter
from av.container import InputContainer
from av.error import FFmpegError
from av.sidedata.sidedata import Type

# Words of a file that are no UTF-8 pass through as they are, which PyAV 19 does by itself and 18 where it is told.
_OPTIONS: dict[str, Any] = {"metadata_errors": "surrogateescape"} if hasattr(InputContainer, "metadata_errors") else {}
# FFmpeg's names of the kinds of films. Lists, playlists, patterns and stream descriptions name other files or hosts;
# FFmpeg knows them by what is in them, whatever they are called. So what is allowed is listed, not what is forbidden:
# a kind that FFmpeg learns tomorrow opens nothing. `mov` follows no references unless it is told to.
_KINDS = """
    matroska mov avi mxf mpegts mpeg mpegvideo m4v h261 h263 h264 hevc vvc av1 obu ivf evc apv avs2 avs3 cavsvideo
    dirac vc1 vc1test mjpeg mjpeg_2000 dnxhd ipu dv gxf lxf nut asf flv live_flv rm ogg wtv ty pva nsv nuv vivo cine
    ser mlv r3d pdv yuv4mpegpipe gif apng swf amv film_cpk flic smk bink roq 4xm ipmovie idcin c93 dxa jv vmd wc3movie
    thp siff hnm moflex smjpeg filmstrip mtv anm cdxl wav mp3 flac aac
"""
# Kinds of side data that FFmpeg has and PyAV 18 does not know.
_NEWER = {28: "LCEVC", 29: "VIEW_ID", 30: "THREE_D_REFERENCE_DISPLAYS", 31: "EXIF"}
_ONE_FILE = {"protocol_whitelist": "file", "format_whitelist": ",".join(_KINDS.split())}


def container(file: Any, mode: Literal["r", "w"] = "r", *, options: dict[str, str] | None = None, **more: Any) -> Any:
    """What `av.open` gives, for reading or writing one file and no other. `file`: a path, of which nothing is taken for
    a protocol, or an object with `read` or `write`."""
    if isinstance(file, str | Path):
        file = f"file:{file}"
    allowed = _ONE_FILE if mode == "r" else {}
    return av.open(file, mode, options=allowed | (options or {}), **_OPTIONS, **more)


def exact(number: Any) -> Fraction:
    """A rate, a time base or a shape of samples, which FFmpeg's own rational (PyAV 19) would round in sums. One that
    the file does not say is false as PyAV gives it, and to be asked for that first."""
    return Fraction(number.numerator, number.denominator)


def filtered(frame: Any, name: str, **options: str) -> Any:
    """What FFmpeg's filter makes of one frame; None where it lets none through."""
    graph, like = av.filter.Graph(), {"width": frame.width, "height": frame.height, "format": frame.format.name}
    try:
        buffer = graph.add_buffer(**like, time_base=Fraction(1, 1000))
        graph.link_nodes(buffer, graph.add(name, **options), graph.add("buffersink")).configure()
        graph.push(frame)
        return graph.pull()
    except (FFmpegError, ValueError):  # none is ready, or it does not take the pixel format
        return None


def side_data(frame: Any) -> dict[str, bytes]:
    """What FFmpeg found in a frame beside its samples, by the names of the kinds."""
    found = {}
    try:
        held = frame.side_data
    except ValueError:  # PyAV 18 shows nothing of a frame with a kind that it does not know
        for number, name in _NEWER.items():
            if filtered(frame, "sidedata", mode="select", type=str(number)):
                found[name] = b""
                frame = filtered(frame, "sidedata", mode="delete", type=str(number))
        held = frame.side_data
    return found | {kind.name: bytes(data) for kind in Type if (data := held.get(kind)) is not None}
