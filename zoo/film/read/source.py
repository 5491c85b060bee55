"""What a film file is, and its frames: each with its exact time, as planes of integers."""

import contextlib
import dataclasses
import itertools
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from zoo import bounds
from zoo.color import Layout
from zoo.errors import InputError
from zoo.film import display, formats, presentation, pyav
from zoo.film.formats import Tags
from zoo.film.presentation import Presentation
from zoo.film.read.changes import Watch, order_of
from zoo.film.read.clock import KINDS, Clock, Joint, moved, scan
from zoo.film.read.decoding import PIXEL_BYTES, Losses, decoded, opened, picture_stream, pipe


class Frame(NamedTuple):
    """`planes`: [h w] each. `pts`, `duration`: in units of the film's time base; duration 0 where the file has none.
    `new`: how new the picture is after the frame before (see `zoo.cuts`). `context`: whether it is restored only
    for the sake of its neighbours."""

    planes: tuple[np.ndarray, ...]
    pts: int
    duration: int
    new: float = 0.0
    context: bool = False


@dataclasses.dataclass(frozen=True)
class Film:
    """What a film is, as far as restoring it needs to know."""

    name: str  # a path, or "-" for standard input
    container: str
    codec: str
    pixel_format: str  # as the file has it
    planar: str  # the pixel format that `Frame.planes` are in
    layout: Layout
    tags: Tags
    guesses: tuple[str, ...]  # what the file does not say about its colour
    height: int
    width: int
    rate: Fraction  # mean frames a second
    time_base: Fraction  # seconds a tick
    aspect: Fraction | None  # of a sample
    display: display.Matrix | None  # how it is turned and mirrored when it is shown
    ends: Fraction | None  # seconds, as the file says; None where it does not
    field_order: str
    begins: Fraction  # seconds: the time of the first frame
    stream: int  # the index of the picture stream
    gaps: str = "fail"  # of a sequence: what a missing number means
    presentation: Presentation = dataclasses.field(default_factory=Presentation)
    on_change: str = "first"  # of its tags within it: "first" keeps those of its beginning, "fail" refuses; "split": of
    # the pieces that `zoo.film.split` makes, none changes
    first: int = 0  # the frame of its file from which on all have its size and pixel format
    until: Fraction | None = None  # seconds: where the next piece of the same file begins
    joints: tuple[Joint, ...] = ()  # where all its streams are moved, to be on one clock
    resized: bool = False  # whether its pictures have another size than in its file
    multiple: int = 1  # pictures that come of each frame of its file; `rate` and `time_base` are those of the pictures

    @property
    def form(self) -> tuple[int, int, str]:
        """Width, height and pixel format, which all its frames have."""
        return self.width, self.height, self.pixel_format

    @property
    def alone(self) -> bool:
        """Whether there is nothing else to copy: pictures and pipes have no other streams."""
        return self.container == "pictures" or self.name == PIPE

    def clock(self) -> Clock:
        """What puts the packets of all its streams on one clock."""
        return Clock(self.joints, wraps=self.container in KINDS)

    @property
    def lead(self) -> Fraction:
        """The seconds by which all streams are moved from the beginning."""
        return self.joints[0].seconds if self.joints and not self.joints[0].packets else Fraction(0)

    @property
    def expected(self) -> int | None:
        """About how many frames there are, by time and mean rate."""
        return None if self.ends is None else max(1, round((self.ends - self.begins) * self.rate))

    def lost(self, last: Frame, count: int, losses: Losses) -> int:
        """About how many frames are missing: after the `last` one that came, by the length that the file says; where
        some are, or something could not be decoded, of all that `count` came of."""
        if self.ends is None or self.expected is None:
            return losses.cut
        end = last.pts * self.time_base + max(last.duration * self.time_base, 1 / self.rate)
        missing = max(0, int((self.ends - end) * self.rate))
        return max(missing, self.expected - count, losses.cut) if missing or losses else 0


PIPE = "-"  # standard input
_MEND = "restore each part as a film of its own, --on-change split"
_UNWOVEN = {1: "progressive"}


def describe(
    path: str | Path, *, matrix: str | None = None, range_: str | None = None, on_change: str = "first"
) -> Film:
    """What the film at `path` is; its first frame is decoded, which knows more than the header.

    `matrix`, `range_`: the user's word about colour where the file is wrong. Raises InputError for no pictures.
    """
    if path == PIPE:
        piped = pipe()
        return _film(path, piped.container, piped.stream, piped.first, matrix, range_)
    with opened(path) as container:
        stream = picture_stream(container, path)
        first = next(decoded(container, stream, Losses()), None)
        if first is None:
            raise InputError(f"no frame of {path} can be decoded; the file is damaged")
        film = dataclasses.replace(_film(path, container, stream, first, matrix, range_), on_change=on_change)
        if film.container not in KINDS:
            before = _before_0(container, film.begins)
            ends = None if film.ends is None else film.ends + before
            return dataclasses.replace(film, joints=moved((), before), begins=film.begins + before, ends=ends)
    with opened(path) as container:
        joints, ends = scan(container, container.streams[film.stream], film.rate)
    film = dataclasses.replace(film, joints=joints, ends=ends)
    return dataclasses.replace(film, begins=film.begins + film.lead)


def _before_0(container: Any, begins: Fraction) -> Fraction:
    """By how many seconds the first of the streams begins before time 0. What a decoder of sound needs ahead of its
    beginning does not count."""
    sound = [s for s in container.streams.audio if s.start_time is not None]
    return max(Fraction(0), -begins, *(-s.start_time * pyav.exact(s.time_base) for s in sound))


def _film(path, container, stream, frame, matrix, range_) -> Film:
    context = stream.codec_context
    unsaid = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
    tags = formats.retagged(_tags(frame, Tags(*map(int, unsaid))), matrix, range_)
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio
    return Film(
        name=str(path),
        container=container.format.name,
        codec=context.codec.name,
        rate=pyav.exact(stream.average_rate or stream.guessed_rate or 25),
        time_base=pyav.exact(stream.time_base),
        aspect=pyav.exact(aspect) if aspect else None,
        ends=_ends(container, stream),
        field_order=order_of(context, frame) or _UNWOVEN.get(context.field_order, "unknown"),
        begins=(frame.pts or 0) * pyav.exact(stream.time_base),
        stream=stream.index,
        **_shown(stream, frame, tags),
    )


def _tags(frame: Any, unsaid: Tags) -> Tags:
    """A frame's tags; where it says nothing, those of `unsaid`."""
    return Tags(
        int(frame.colorspace) if int(frame.colorspace) != formats.UNTAGGED else unsaid.matrix,
        int(frame.color_range) or unsaid.range,
        int(frame.color_primaries) if int(frame.color_primaries) != formats.UNTAGGED else unsaid.primaries,
        int(frame.color_trc) if int(frame.color_trc) != formats.UNTAGGED else unsaid.transfer,
    )


def _shown(stream: Any, frame: Any, tags: Tags) -> dict[str, Any]:
    """What a frame tells of its film."""
    told = presentation.of(stream, frame)
    layout, guesses = formats.layout(frame.format.name, tags, frame.height, frame.width, told.siting)
    return {
        "pixel_format": frame.format.name,
        "planar": formats.planar(frame.format.name),
        "layout": layout,
        "tags": tags,
        "guesses": tuple(guesses),
        "height": frame.height,
        "width": frame.width,
        "display": display.of(frame),
        "presentation": told,
    }


def form_of(frame: Any) -> tuple[int, int, str]:
    """`Film.form` of a film with this frame."""
    return frame.width, frame.height, frame.format.name


def changed(film: Film, stream: Any, frame: Any, watch: Watch, matrix: str | None, range_: str | None) -> Film:
    """What `film` is from a later frame on, which `watch` saw. What the frame leaves unsaid goes on as before."""
    bounds.check_size(film.name, frame.width, frame.height, PIXEL_BYTES)
    tags = formats.retagged(_tags(frame, film.tags), matrix, range_)
    aspect, order = watch.shape or film.aspect, watch.order or film.field_order
    return dataclasses.replace(film, aspect=aspect, field_order=order, **_shown(stream, frame, tags))


def _ends(container: Any, stream: Any) -> Fraction | None:
    """When the last frame ends, in seconds, as the file says."""
    tick = pyav.exact(stream.time_base)
    start = (stream.start_time or 0) * tick
    if stream.duration:
        return start + stream.duration * tick
    if clock := stream.metadata.get("DURATION"):  # Matroska's "00:00:09.080000000", counted from 0
        with contextlib.suppress(ValueError):
            hours, minutes, rest = clock.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + Fraction(rest)
    if len(container.streams) == 1 and container.duration:
        return start + Fraction(container.duration, av.time_base)
    return None


class Changed(InputError):
    """A film that is another from a frame on. `at`: the frame's seconds from the first one."""

    def __init__(self, sentence: str, at: Fraction):
        super().__init__(sentence)
        self.at = at


def read(film: Film, losses: Losses, changes: list[str] | None = None) -> Iterator[Frame]:
    """Every frame of the film, in the order of display; without planes those before `film.first`. Damaged packets are
    passed by and counted in `losses`. `changes`: takes what changes within the film, with the frame.

    Raises Changed where the size or pixel format changes on the way, and, if the film says so, what it says of itself.
    """
    watch = Watch()
    with contextlib.closing(timed(film, losses)) as frames:
        for k, (frame, pts, stream) in enumerate(frames):
            if k < film.first:
                yield Frame((), pts, frame.duration or 0)
                continue
            at = pts * film.time_base - film.begins
            if form_of(frame) != film.form:
                raise Changed(
                    f"{film.name}: frame {k} is {frame.width}x{frame.height} {frame.format.name} after "
                    f"{film.width}x{film.height} {film.pixel_format}; {_MEND}",
                    at,
                )
            if stream:
                found = [] if film.on_change == "split" else watch.changed(frame, stream.codec_context)
                if found and film.on_change == "fail":
                    raise Changed(
                        f"{film.name} changes at frame {k}: {', '.join(found)}; go on with what it began with, "
                        f"--on-change first, or {_MEND}",
                        at,
                    )
                if changes is not None and (found := found + watch.begun(frame)):
                    changes.append(f"frame {k}: {', '.join(found)}")
            yield Frame(formats.planes_of(frame, film.planar, film.layout), pts, frame.duration or 0)


def timed(film: Film, losses: Losses) -> Generator[tuple[Any, int, Any], None, None]:
    """(frame as PyAV gives it, its time in the film's time base, its stream) of every frame, whatever it is. The stream
    is None for a pipe."""
    with contextlib.ExitStack() as held:
        stream, last = None, None
        if film.name == PIPE:
            frames = itertools.chain([pipe().first], pipe().others)
        else:
            container = held.enter_context(opened(film.name))
            stream = container.streams[film.stream]
            frames = decoded(container, stream, losses, clock=film.clock())
        for k, frame in enumerate(frames):
            pts = frame.pts
            if pts is None or (last is not None and pts <= last):  # some files have none: frames follow one another
                length = frame.duration or max(1, round(1 / (film.rate * film.time_base)))
                if pts is not None:
                    losses.turn(k)
                    length = max(1, length // 2)  # until those that the file says are reached again
                pts = 0 if last is None else last + length
            last = pts
            yield frame, pts, stream
        if film.name == PIPE:
            losses.__dict__.update(dataclasses.asdict(pipe().losses))
