"""How files are opened with PyAV, and where its versions differ."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
from av.container import InputContainer

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
