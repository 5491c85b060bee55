"""Joins the restored segments with everything else that the film holds: audio, subtitles, attachments, chapters."""

import array
import contextlib
import dataclasses
import errno
import heapq
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.error import FFmpegError

from zoo.errors import OutputError, ZooError
from zoo.film import formats, matroska, presentation, pyav
from zoo.film.formats import Tags
from zoo.film.read.decoding import opened
from zoo.film.read.source import Film
from zoo.film.write import recast, streams, timecode
from zoo.film.write.encode import Encoding
from zoo.film.write.packets import Sums

_COUNTED_TAGS = ("bps", "number_of_", "_statistics_")  # mkvmerge's, of the stream as it was
# Bit-exact: no random marks, no dates, no versions, so that one film is always one file.
_MUXER_OPTIONS = {"avoid_negative_ts": "disabled", "fflags": "+bitexact"}


@dataclasses.dataclass(frozen=True)
class Stretch:
    """The times of the frames that are kept. `pts`, `durations`: of each, in the film's time base. `cut`: whether the
    film was cut before the first of them, which becomes time 0 and with which other streams begin. `ends`: when those
    end, in seconds; None: with the last frame."""

    pts: Sequence[int]
    durations: Sequence[int]
    cut: bool = False
    ends: Fraction | float | None = math.inf

    @property
    def shift(self) -> int:
        return self.pts[0] if self.cut else 0

    def bounds(self, film: Film) -> tuple[Fraction | float, Fraction | float]:
        """When other streams begin and end, in seconds."""
        step = Fraction(self.durations[-1]) or 1 / (film.rate * film.time_base)
        ends = (self.pts[-1] + step) * film.time_base if self.ends is None else self.ends
        return self.pts[0] * film.time_base if self.cut else -math.inf, ends


def join(
    film: Film, encoding: Encoding, segments: list[Path], times: Stretch, part: Path, drop: frozenset[str]
) -> Sums:
    """Writes the whole film to `part`: the segments' packets with the film's own timestamps, and the other streams.
    Returns the sums of all that was put in.

    Raises ZooError where the segments do not fit together.
    """
    if streams.format_of(part) == "avi":
        film, times = _counted(film, times)
    with streams.everything(film) as source, _beginning(segments[0], film) as first:
        kept = {s.index for s in streams.kept(source, film, drop)}
        out = pyav.container(part, "w", format=streams.format_of(part), options=_MUXER_OPTIONS)
        try:
            target, copies, put = None, {}, Sums()
            if source is None:
                target = _pictures(out, first.streams.video[0], None, film)
            for stream in source.streams if source else ():
                if stream.index == film.stream:
                    target = _pictures(out, first.streams.video[0], stream, film)
                    track = next(filter(None, map(streams.timecode, stream.container.streams)), None)
                    _set_timecode(target.metadata, film, times, track)
                elif stream.index in kept:
                    copies[stream.index] = copy = streams.copied(out, stream)
                    if copy.type == "attachment" and recast.is_cover(stream):
                        put.add_data(copy.index, "cover", recast.cover(stream))
            if source:
                _tag(out, source, film, times, drop)
            out.start_encoding()
            pictures = _picture_packets(film, segments, times, target)
            others = iter(()) if source is None else _other_packets(source, copies, film, times)
            for _, packet in heapq.merge(pictures, others, key=lambda timed: timed[0]):
                put.add_picture(packet) if packet.stream is target else put.add(packet)
                out.mux_one(packet)
            out.close()
        except FFmpegError as e:
            if getattr(e, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise OSError(errno.ENOSPC, "no space left", str(part.parent)) from None
            raise ZooError(f"{film.name} could not be joined: {getattr(e, 'strerror', None) or e}") from None
        finally:
            with contextlib.suppress(FFmpegError):  # said already, or the work is lost for another reason
                out.close()
    if streams.format_of(part) in ("matroska", "webm") and film.aspect not in (None, 1):
        try:
            height, width = film.presentation.shown(film.height, film.width)
            matroska.set_aspect(part, width, height, film.aspect)
        except ValueError as e:
            raise OutputError(f"the shape of the samples could not be written: {e}; write .mp4 or .mov") from None
    _check_range(encoding, part)
    return put


def _counted(film: Film, times: Stretch) -> tuple[Film, Stretch]:
    """The film and its times in frames, which AVI counts, if they follow its rate; else as they are."""
    first = round(times.pts[0] * film.time_base * film.rate)
    apart = [t * film.time_base - (first + k) / film.rate for k, t in enumerate(times.pts)]
    if max(apart) - min(apart) > film.time_base:
        return film, times
    numbers = list(range(first, first + len(times.pts)))
    return (
        dataclasses.replace(film, time_base=1 / film.rate),
        dataclasses.replace(times, pts=numbers, durations=[1] * len(numbers)),
    )


def _check_range(encoding: Encoding, part: Path):
    """Raises OutputError where what was written is read back in another range of codes than it was meant in."""
    with opened(part) as written:
        context = written.streams.video[0].codec_context
        tags = Tags(range=int(context.color_range))
        found, _ = formats.layout(context.pix_fmt, tags, context.height, context.width)
    if found.full != encoding.layout.full:
        meant, read = (("limited", "full")[full] for full in (encoding.layout.full, found.full))
        raise OutputError(
            f"{encoding.encoder} in {part.suffix} does not say that its codes are of {meant} range, and would be shown "
            f"as {read}; choose another with -c:v, or write .mkv; the parts are kept"
        )


def _beginning(segment: Path, film: Film) -> Any:
    """A segment whose stream says all that the written one is to say of its pictures."""
    return pyav.container(presentation.template(segment, film.presentation) if film.presentation.in_header else segment)


def _pictures(out: Any, template: Any, stream: Any, film: Film) -> Any:
    target = out.add_stream_from_template(template, opaque=True)
    target.time_base, target.codec_context.framerate = film.time_base, film.rate
    if film.display:
        target.set_display_matrix(film.display)
    if streams.format_of(Path(out.name)) in ("mp4", "mov") and target.codec_context.codec.canonical_name == "hevc":
        target.codec_context.codec_tag = "hvc1"  # the only one that Apple's players take
    if film.aspect:
        target.codec_context.sample_aspect_ratio = film.aspect
    if stream:
        tags = streams.tags(stream, out)
        target.metadata.update({k: v for k, v in tags.items() if not k.lower().startswith(_COUNTED_TAGS)})
        target.disposition = stream.disposition
    return target


def _set_timecode(words: Any, film: Film, times: Stretch, other: str | None = None):
    """Makes the timecode among a film's words, or an `other`, that of the first frame that is kept, counted at the rate
    of the pictures."""
    key = next((key for key in words if key.lower() == "timecode"), "timecode")
    if code := words.get(key) or other:
        rate = film.rate / film.multiple
        skipped = round((times.shift * film.time_base - film.begins) * rate) if times.cut else 0
        words[key] = timecode.later(code, skipped, rate, film.multiple) or code


def _tag(out: Any, source: Any, film: Film, times: Stretch, drop: frozenset[str]):
    out.metadata.update(streams.own(source.metadata))
    _set_timecode(out.metadata, film, times)
    chapters = [] if "chapters" in drop else [_later(chapter, film.lead) for chapter in source.chapters()]
    shift = times.shift * film.time_base
    chapters = [c for c in (_cut(chapter, *times.bounds(film), shift) for chapter in chapters) if c]
    if chapters:
        out.set_chapters(chapters)


def _later(chapter: dict[str, Any], seconds: Fraction) -> dict[str, Any]:
    ticks = round(seconds / pyav.exact(chapter["time_base"]))
    return chapter | {key: chapter[key] + ticks for key in ("start", "end")}


def _cut(
    chapter: dict[str, Any], first: Fraction | float, last: Fraction | float, shift: Fraction
) -> dict[str, Any] | None:
    """The chapter between two times in seconds, so much earlier; None where it lies outside."""
    base = pyav.exact(chapter["time_base"])
    start, end = (Fraction(min(max(chapter[k] * base, first), last)) - shift for k in ("start", "end"))
    outside = chapter["end"] * base <= first or chapter["start"] * base >= last
    return None if outside else chapter | {"start": round(start / base), "end": round(end / base)}


def _picture_packets(film: Film, segments: list[Path], times: Stretch, target: Any) -> Iterator[tuple[float, Any]]:
    """(decoding time in seconds, packet): timestamps from `times`, decoding times the earliest that fit them all."""
    order = array.array("q", (index for index, _ in _indexed(segments)))
    if not np.array_equal(np.sort(order), np.arange(len(times.pts))):
        raise OutputError(
            f"{film.name}: {len(order)} frames were encoded of {len(times.pts)}; run again with --restart"
        )
    delay = max(k - index for k, index in enumerate(order))  # frames that the encoder looked ahead
    step = max(1, times.pts[1] - times.pts[0] if len(times.pts) > 1 else 1)
    for k, (index, packet) in enumerate(_indexed(segments)):
        packet.pts = times.pts[index] - times.shift
        packet.dts = (times.pts[k - delay] if k >= delay else times.pts[0] - (delay - k) * step) - times.shift
        packet.duration, packet.time_base = times.durations[index], film.time_base
        packet.stream = target
        yield float(packet.dts * film.time_base), packet


def _indexed(segments: list[Path]) -> Iterator[tuple[int, Any]]:
    """(the frame's number in the film, its packet), in the order of decoding."""
    first, header = 0, None
    for path in segments:
        count = 0
        with pyav.container(path) as segment:
            extra = segment.streams.video[0].codec_context.extradata
            if header is not None and extra != header:
                raise ZooError(f"{path} was encoded in another way than the segments before it; run with --restart")
            header = extra
            for packet in segment.demux(segment.streams.video[0]):
                if packet.size and packet.pts is not None:
                    count += 1
                    yield first + round(packet.pts * pyav.exact(packet.time_base) * 1000), packet
        first += count


def _other_packets(source: Any, copies: dict[int, Any], film: Film, times: Stretch) -> Iterator[tuple[float, Any]]:
    """(decoding time in seconds, packet) of the streams that are copied; of a cut film those within its stretch, and
    subtitles that last into it. Where the file breaks off, so do they."""
    held = [s for s in source.streams if s.index in copies and copies[s.index].type != "attachment"]
    begin, end = times.bounds(film)
    shift = times.shift * film.time_base
    latest, clock = 0.0, film.clock()
    packets = source.demux(held) if held else iter(())
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            return
        if packet is None:
            return
        clock.set(packet)
        if packet.size == 0:
            continue
        copy = copies[packet.stream_index]
        if recast.is_cover(packet.stream):
            packet.pts = packet.dts = 0  # it has no time
            packet.stream = copy
            yield 0.0, packet
            continue
        if packet.dts is None and packet.pts is None:
            continue
        if times.cut and packet.stream.type == "subtitle" and packet.pts is not None:
            _begin_within(packet, shift)
        tick = pyav.exact(packet.time_base)
        at = (packet.dts if packet.pts is None else packet.pts) * tick
        if not begin <= at < end:
            continue
        packet.pts, packet.dts = (None if t is None else t - round(shift / tick) for t in (packet.pts, packet.dts))
        at -= shift
        latest = max(latest, float(at))
        if recast.text(copy.container, packet.stream):
            packet = recast.again(packet, copy)
        if packet is not None:
            packet.stream = copy
            yield latest, packet


def _begin_within(subtitle: Any, begin: Fraction):
    """Lets a subtitle that is already shown at a time in seconds begin there."""
    first = math.ceil(begin / pyav.exact(subtitle.time_base))
    if subtitle.pts < first < subtitle.pts + (subtitle.duration or 0):
        subtitle.duration -= first - subtitle.pts
        subtitle.pts = subtitle.dts = first
