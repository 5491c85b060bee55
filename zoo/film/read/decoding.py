"""A film file opened and decoded: every frame that can be, as PyAV gives it, and what was lost."""

import contextlib
import dataclasses
import errno
import functools
import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from av.error import FFmpegError, InvalidDataError

from zoo import bounds
from zoo.errors import InputError
from zoo.film import pyav
from zoo.film.read import ffv1, mpeg2
from zoo.film.read.clock import Clock

PIXEL_BYTES = 6  # of RGB of 16 bits, which every frame becomes at most
Y4M = "yuv4mpegpipe"  # FFmpeg's name


@dataclasses.dataclass
class Losses:
    """What could not be read, counted while frames are."""

    packets: int = 0
    frames: int = 0  # that came, but of which the decoder had to make up a part
    cut: int = 0  # frames in the middle of which the file ends
    first: int | None = None  # of `frames`
    turned: int = 0  # frames whose time is not after that of the frame before, which are no loss
    first_turned: int | None = None

    def __bool__(self) -> bool:
        return bool(self.packets or self.frames or self.cut)

    def __str__(self) -> str:
        said = [f"{self.packets} packets could not be decoded"] * bool(self.packets)
        if self.frames:
            said.append(f"{self.frames} frames were decoded in part, the first is frame {self.first}")
        return ", ".join(said + ["it breaks off within a frame"] * self.cut) or "it breaks off"

    def add(self, frame: int):
        """Takes in the number of a frame that was decoded in part."""
        self.frames += 1
        self.first = frame if self.first is None else self.first

    def turn(self, frame: int):
        """Takes in the number of a frame whose time goes back."""
        self.turned += 1
        self.first_turned = frame if self.first_turned is None else self.first_turned


@contextlib.contextmanager
def opened(path: str | Path, **options: Any) -> Iterator[Any]:
    """The file at `path`, open for reading. Raises InputError where it is no film."""
    bounds.check_regular(Path(path), "film")
    if Path(path).stat().st_size == 0:
        raise InputError(f"{path} is empty")
    try:
        container = pyav.container(path, **options)
    except PermissionError:
        raise InputError(f"{path}: no permission to read it") from None
    except (FFmpegError, ValueError) as e:
        if getattr(e, "errno", None) == errno.EINVAL:  # what is no kind of `zoo.film.pyav`
            kinds = "a list of other files, a still or another kind that is not read as a film"
            raise InputError(f"{path} is {kinds}, or damaged") from None
        reason = getattr(e, "strerror", None) or e
        raise InputError(f"{path} is damaged or no film that FFmpeg reads: {reason}") from None
    with container:
        yield container


class Pipe:
    """The y4m stream on standard input, which can be read only once: `first`, its first frame, then `others`."""

    def __init__(self):
        self.count, self._sha256, self.losses = 0, hashlib.sha256(), Losses()
        try:
            self.container = pyav.container(self, format=Y4M)
            self.stream = self.container.streams.video[0]
            self.others = decoded(self.container, self.stream, self.losses, lambda: self.count)
            self.first = next(self.others)
        except (FFmpegError, StopIteration):
            raise InputError("standard input is no y4m stream; pipe one in, as from: ffmpeg -f yuv4mpegpipe") from None

    def read(self, size: int) -> bytes:
        """As FFmpeg asks for it; what comes is counted."""
        data = sys.stdin.buffer.read(size)
        self.count += len(data)
        self._sha256.update(data)
        return data

    @property
    def sha256(self) -> str:
        """Of what was read."""
        return self._sha256.hexdigest()


pipe = functools.cache(Pipe)


def picture_stream(container: Any, path: str | Path) -> Any:
    """The film's own stream: the first of pictures that is no cover."""
    streams = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
    if not streams:
        held = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise InputError(f"{path} holds no moving pictures, only {held}")
    if streams[0].codec_context is None:
        raise InputError(f"{path}: no decoder for its pictures")
    bounds.check_size(path, streams[0].codec_context.width, streams[0].codec_context.height, PIXEL_BYTES)
    return streams[0]


def decoded(
    container: Any,
    stream: Any,
    losses: Losses,
    size: Callable[[], int] | None = None,
    clock: Clock | None = None,
) -> Iterator[Any]:
    """Every frame that decodes, if in part, as PyAV gives it. `size`: bytes of the whole, where it is no file.
    `clock`: what puts the packets on one, if they are not to be as they are."""
    stream.thread_type = "AUTO"
    packets, end, sizes = container.demux(stream), 0, mpeg2.Sizes(stream)
    number, damaged = itertools.count(), set()  # of frames; times of those whose packets are not what they were
    while True:
        try:
            packet = next(packets, None)
        except InvalidDataError:  # the file breaks off or is damaged here
            losses.packets += 1
            packet = None
        if packet is None and container.format.name == Y4M:  # FFmpeg takes half a frame for the end
            losses.cut += (size() if size else container.size) > end
        elif packet is not None and packet.size and packet.pos is not None:
            end = packet.pos + packet.size
        joint = clock is not None and packet is not None and clock.set(packet)
        if packet is not None and packet.size and ffv1.is_damaged(packet, stream.codec_context):
            damaged.add(packet.pts)
        broken = packet is not None and packet.is_corrupt and not joint
        frames = []
        try:
            if sizes.changes(packet):
                frames += stream.codec_context.decode(None)
                stream.codec_context.flush_buffers()
            frames += stream.codec_context.decode(packet)
        except EOFError:
            return
        except FFmpegError:
            broken = True
        losses.packets += broken
        for frame in frames:
            k = next(number)
            if frame.is_corrupt or frame.pts in damaged:
                losses.add(k)
                damaged.discard(frame.pts)
            yield frame
        if packet is None:
            return
