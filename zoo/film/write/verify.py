"""What was written is read again and compared with what went in: a film after it was joined, a film or a sequence of
pictures years later."""

import array
import collections
import contextlib
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from av.error import FFmpegError

from zoo import pictures, sums
from zoo.errors import InputError, OutputError
from zoo.film import formats, pyav
from zoo.film.read import ffv1, sequence
from zoo.film.read.decoding import opened, picture_stream
from zoo.film.read.source import Film
from zoo.film.threads import ahead
from zoo.film.write import encode, log, streams
from zoo.film.write.encode import Encoding
from zoo.film.write.mux import Stretch
from zoo.film.write.packets import Sums

_AHEAD = 8  # frames
_AT_ONCE = 16  # pictures
_A_SUM = 16  # bytes of an MD5
_KEPT = "the parts are kept; --no-verify leaves this check out"
_DAMAGED = ""  # no MD5
_LOSSLESS = (".png", ".tif", ".tiff", ".exr", ".dpx", ".webp")


class Written:
    """A film file that is read to its end: what lies in it."""

    def __init__(self, path: Path, encoding: Encoding):
        self._path, self._encoding = path, encoding
        self.sums = Sums()
        self.pts = array.array("q")  # of the pictures' packets, in their order
        self.tick: Any = None  # seconds
        self.comparable = encode.is_lossless(encoding)  # whether its frames are those that were encoded

    def frames(self) -> Iterator[str]:
        """MD5 of the planes of each frame, in the order of display, decoded in a thread of its own; none where they are
        not comparable. Ends where the file can be read no more."""
        with contextlib.closing(ahead(self._planes(), _AHEAD)) as frames:
            yield from (sums.of_planes(planes) if planes else _DAMAGED for planes in frames)

    def _planes(self) -> Iterator[tuple[np.ndarray, ...] | None]:
        """Of each frame; None of one whose packet is not what its encoder wrote, whatever the decoder makes of it."""
        with opened(self._path) as container, contextlib.suppress(FFmpegError):
            stream = picture_stream(container, self._path)
            stream.thread_type, self.tick = "AUTO", pyav.exact(stream.time_base)
            damaged = set()  # times of frames
            for packet in container.demux():
                if packet.stream.index == stream.index:
                    if packet.size and ffv1.is_damaged(packet, stream.codec_context):
                        damaged.add(packet.pts)
                    if packet.size and packet.pts is not None:
                        self.pts.append(packet.pts)
                        self.sums.add_picture(packet)
                    for frame in self._decoded(packet):
                        whole = frame.pts not in damaged
                        yield formats.planes_of(frame, self._encoding.planar, self._encoding.layout) if whole else None
                elif packet.size:
                    self.sums.add(packet)

    def _decoded(self, packet: Any) -> list[Any]:
        frames = []
        if self.comparable:
            with contextlib.suppress(FFmpegError):  # a frame less
                frames = packet.decode()
        if any(formats.planar(frame.format.name) != self._encoding.planar for frame in frames):
            self.comparable = False  # as v210, which makes 10 bits of 8
        return frames if self.comparable else []


def joined(film: Film, encoding: Encoding, path: Path, times: Stretch, output: Iterable[str], put: Sums) -> None:
    """Looks whether a joined film holds every frame at its time, as it was encoded, and all packets that were put in.
    `output`: MD5 of the planes of each frame. Raises OutputError, naming the first frame or the stream that differs."""
    written = Written(path, encoding)
    wrong = _different(written, output, bytes(put.pictures), exactly=streams.format_of(path) != "mpegts")
    _check_times(film, times, written)
    if wrong is not None:
        raise OutputError(f"{film.name}: frame {wrong} is not in the file as it was encoded; {_KEPT}")
    if missing := put.missing(written.sums):
        raise OutputError(f"{film.name}: {missing} is not in the file as it was in the film; {_KEPT}")


def _different(written: Written, output: Iterable[str], packets: bytes, *, exactly: bool = True) -> int | None:
    """The first frame that is not what it was; read to the end of the file. `exactly`: whether the kind of file keeps
    packets as they were."""
    wrong, found = None, written.frames()
    for k, (one, other) in enumerate(itertools.zip_longest(found, output)):
        if not written.comparable:
            break
        wrong = k if wrong is None and one != other else wrong
    collections.deque(found, maxlen=0)
    if written.comparable or not exactly:
        return wrong
    there = bytes(written.sums.pictures)
    unequal = (k for k in range(0, max(len(there), len(packets)), _A_SUM) if there[k:][:_A_SUM] != packets[k:][:_A_SUM])
    at = next(unequal, None)
    return None if at is None else _shown(written, at // _A_SUM)


def _shown(written: Written, packet: int) -> int:
    """The number in the order of display of a frame in the order of its packets."""
    return packet if packet >= len(written.pts) else sum(pts < written.pts[packet] for pts in written.pts)


def _check_times(film: Film, times: Stretch, written: Written):
    count = len(times.pts)
    if len(written.pts) != count:
        raise OutputError(f"{film.name} has {count} frames, but {len(written.pts)} were written; the parts are kept")
    found = np.sort(np.frombuffer(written.pts, np.int64))
    begin = int(found[0]) * written.tick - (times.pts[0] - times.shift) * film.time_base
    for k, (is_, was) in enumerate(zip(found, times.pts, strict=True)):
        if abs(int(is_) * written.tick - (was - times.shift) * film.time_base - begin) > written.tick:
            raise OutputError(f"{film.name}: the timestamp of frame {k} was not kept; the parts are kept")


def pictures_of(files: Iterable[tuple[Path, str]], output: Iterable[str] | None) -> tuple[str, bytes]:
    """(sha256 of what `sha256sum` prints of pictures, MD5 of each of their files). `files`: of each where it lies and
    its name. `output`: MD5 of the planes that were written; None: they are not compared.

    Raises OutputError, naming the first that does not hold them."""
    whole, encoded = hashlib.sha256(), bytearray()
    pairs = zip(files, itertools.repeat(None) if output is None else output, strict=False)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while some := list(itertools.islice(pairs, _AT_ONCE)):
            found = pool.map(lambda pair: _of_picture(pair[0][0], pair[1]), some)
            for ((_, name), _), (sha256, md5, fault) in zip(some, found, strict=True):
                if fault:
                    raise OutputError(f"{name} does not hold the picture that was written: {fault}; {_KEPT}")
                whole.update(f"{sha256}  {name}\n".encode(errors="surrogateescape"))
                encoded += md5
    return whole.hexdigest(), bytes(encoded)


def _of_picture(path: Path, wanted: str | None) -> tuple[str, bytes, str | None]:
    """(sha256 of its file, MD5 of it, what is wrong with what it holds)."""
    data = path.read_bytes()
    return hashlib.sha256(data).hexdigest(), hashlib.md5(data, usedforsecurity=False).digest(), _fault(path, wanted)


def _fault(path: Path, wanted: str | None) -> str | None:
    if wanted is None:
        return None
    try:
        picture = pictures.read(path)
    except InputError as e:
        return str(e)
    rounded = picture.bits or picture.half or path.suffix.lower() not in _LOSSLESS
    other = not rounded and sums.of_planes(sequence.planes_of(picture.samples)) != wanted
    return "other samples" if other else None


# ---- years later


def again(output: Path) -> int:
    """Looks whether a result is what its log says was made; returns how many frames there are. Raises InputError where
    it or its log cannot be read, and OutputError, naming the first frame that differs."""
    known = log.read(output)
    if sequence.is_pattern(output):
        _pictures_again(output, known)
    else:
        _film_again(output, known)
    return known.frames


def _film_again(output: Path, known: log.Log):
    with opened(output):
        same = sums.sum_of(output) == known.sha256.output
    if same and known.verified:
        return
    packets = b"".join(map(bytes.fromhex, known.framemd5.encoded))
    if (wrong := _different(Written(output, known.encoding), known.framemd5.output, packets)) is not None:
        raise OutputError(f"{output}: frame {wrong} is not the one that was written")
    if not same:
        raise OutputError(
            f"{output}: its {known.frames} frames are those that were written, but its sound, its other streams or "
            "its words are not"
        )


def _pictures_again(output: Path, known: log.Log):
    for number, md5 in zip(known.numbers, known.framemd5.encoded, strict=True):
        path = sequence.numbered(output, number)
        if not path.is_file():
            raise OutputError(f"{path} is missing")
        if hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != md5:
            raise OutputError(f"{path} is not the picture that was written")
