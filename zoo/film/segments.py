"""Restored pictures into segments, each with its record; what steps lay aside into segments beside them."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo import sums
from zoo.film import outcome
from zoo.film.finish import Count
from zoo.film.plan import Plan
from zoo.film.shots import Noted
from zoo.film.write import encode
from zoo.film.write.parts import Parts, Record, beside

_SURE = 0.5  # the least confidence that is not to be looked at


def written(
    plan: Plan, parts: Parts, restored: Iterator[Noted], counted: Count, length: int, tile: int
) -> Iterator[int]:
    """Encodes the restored frames into segments; yields how far it came after each frame."""
    item = next(restored, None)
    begin = [(out.name, encode.segments(out.film, out.encoding)) for out in plan.outputs]
    while item is not None:
        number, record = item.number // length, Record(tile=tile, given={out.name: [] for out in plan.given})
        with parts.writing() as part:
            with _begun(begin, part, item.number) as segments:
                while item is not None and item.number // length == number:
                    for segment, planes in zip(segments, (item.planes, *item.given), strict=True):
                        segment.write(planes)
                    note(record, item, plan)
                    yield item.number - counted.first + 1
                    item = next(restored, None)
                for segment in segments:
                    segment.close()
            parts.finish(number, part, record)


@contextlib.contextmanager
def _begun(begin: Sequence[tuple[str, Any]], part: Path, first: int) -> Iterator[list[Any]]:
    """A segment of each output. Where something goes wrong all are let go."""
    segments = []
    try:
        for name, segment in begin:
            segments.append(segment(beside(part, name), first))
        yield segments
    except BaseException:
        for segment in segments:
            segment.abandon()
        raise


def note(record: Record, item: Noted, plan: Plan):
    pts, duration = outcome.times(item.source, item.part, plan.film, plan.restored)
    record.pts.append(pts)
    record.durations.append(duration)
    if not item.part:
        record.input.append(sums.of_planes(item.source.planes))
    record.output.append(sums.of_planes(item.planes))
    for out, planes in zip(plan.given, item.given, strict=True):
        record.given[out.name].append(sums.of_planes(planes))
        if out.name == "confidence":
            record.unsure.append(float((planes[0] < _SURE * out.encoding.layout.top).mean()))
    record.new.append(0.0 if item.part else item.source.new)
    record.flicker.append((item.flicker[0], item.flicker[1]) if item.flicker else None)
