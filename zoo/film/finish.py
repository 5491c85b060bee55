"""The end of a film: its finished segments joined, looked through, given their name, and what is to be said of it."""

import array
import contextlib
import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo import checked, sums
from zoo.errors import InputError
from zoo.film import outcome, shots
from zoo.film.plan import Options, Plan
from zoo.film.read import sequence
from zoo.film.read.decoding import Losses
from zoo.film.write import log, mux, verify
from zoo.film.write.mux import Stretch
from zoo.film.write.parts import Parts, Record

_STEADY_TICKS = 2  # times of a steady rate are rounded to ticks


@dataclasses.dataclass(frozen=True)
class Report:
    """What was done. `frames`: written; `lost`: about how many frames of the file are missing."""

    frames: int
    lost: int
    losses: Losses
    varies: bool = False  # whether some frames last longer than others
    waiting: int = 0  # segments that other processes have not finished; where there are any, no film is written yet
    tiles: int = 1  # runs of frames that went through tiles of one size: several where the memory ran out
    changes: tuple[str, ...] = ()  # within the film, each with its frame
    older: tuple[str, ...] = ()  # pictures of an earlier run among those of this one


@dataclasses.dataclass
class Count:
    """The frames that were decoded and are wanted; the first of them; what could not be decoded."""

    frames: int = 0
    first: int = 0
    changes: list[str] = dataclasses.field(default_factory=list)  # within the film, each with its frame
    losses: Losses = dataclasses.field(default_factory=Losses)


class Told:
    """What the records of a film say, taken in frame by frame and kept small."""

    def __init__(self):
        self.pts, self.durations = array.array("q"), array.array("q")
        self.shots = shots.Told()
        self.tiles: list[tuple[int, int]] = []  # (first of the frames, the tile that they went through)

    def add(self, record: Record):
        if not self.tiles or self.tiles[-1][1] != record.tile:
            self.tiles.append((len(self.pts), record.tile))
        self.pts.extend(record.pts)
        self.durations.extend(record.durations)
        for new, flicker in zip(record.new, record.flicker, strict=True):
            self.shots.add(new, flicker)

    @property
    def varies(self) -> bool:
        steps = np.diff(np.frombuffer(self.pts, np.int64))
        return bool(len(steps) and np.ptp(steps) > _STEADY_TICKS)


def made_before(plan: Plan, parts: Parts) -> Report | None:
    """What an earlier run, which could not tidy up, said of the film that it made; tidied up now."""
    with contextlib.suppress(InputError):
        if (said := parts.report()) is not None:
            report = checked.as_kind(said, Report, str(parts.folder))
            if plan.encoding.encoder == sequence.CONTAINER and len(sequence.files(str(plan.output))) < report.frames:
                return None
            parts.remove()
            return report
    return None


def finished(
    plan: Plan, options: Options, parts: Parts, segments: Sequence[int], counted: Count, about: dict[str, Any]
) -> Report:
    """Makes the film of its segments, all of which are there. `about`: what the log says beside what is found.

    Raises OutputError where what was written is not what went in, and InputError where the film is no more what it was;
    the parts are then kept."""
    film, losses, told = plan.film, counted.losses, Told()
    for segment in segments:
        told.add(parts.known(segment))
    count, lost = len(told.pts), losses.cut
    if options.to_its_end and not film.alone:
        last = outcome.last(told.pts, told.durations, film, plan.restored)
        lost = film.lost(last, counted.first + counted.frames, losses)
    changes = tuple(counted.changes)
    report = Report(count, lost, losses, told.varies, tiles=len(told.tiles), changes=changes)
    plan.original.check()
    make = _pictures if plan.encoding.encoder == sequence.CONTAINER else _film
    found = about | {
        "frames": count,
        "lost_frames": lost,
        "damaged_packets": losses.packets,
        "damaged_frames": losses.frames,
        "times_turned_back": losses.turned,
        "changes": counted.changes,
        "verified": options.verify,
        "tiles": told.tiles,
        "flicker": told.shots.flicker,  # in 8-bit codes, see zoo.flicker; null where there is one frame
        "shots": told.shots.listed,
    }
    report = make(plan, options, parts, segments, counted.first, told, found, report)
    parts.remove()
    return report


def _film(plan, options, parts, segments, first, told, about, report) -> Report:
    begins_within = options.start is not None or (options.cut and plan.film.until is None)
    ends = math.inf if options.to_its_end else plan.film.until
    times = Stretch(told.pts, told.durations, begins_within, ends)
    with parts.joined() as part:
        put = mux.join(plan.restored, plan.encoding, [*map(parts.path, segments)], times, part, options.drop)
        if options.verify:
            verify.joined(plan.restored, plan.encoding, part, times, _each(parts, segments, "output"), put)
        whole = sums.sum_of(part)
        _log(parts, segments, about, (plan.original.sum(), whole), (), bytes(put.pictures))
        plan.original.check()
        parts.name(part, dataclasses.asdict(report))
    return report


def _pictures(plan, options, parts, segments, first, told, about, report) -> Report:
    film, first = plan.restored, first * plan.restored.multiple

    def places() -> Iterator[tuple[Path, Path]]:
        counts = (len(parts.known(segment)) for segment in segments)
        return sequence.places(film, [*map(parts.path, segments)], counts, plan.output, first)

    files = ((path if path.exists() else place, place.name) for path, place in places())
    output = _each(parts, segments, "output") if options.verify else None
    whole, encoded = verify.pictures_of(files, output)
    plan.original.check()
    parts.moving()
    older = sequence.join(film, places(), plan.output)
    report = dataclasses.replace(report, older=tuple(map(str, older)))
    names = sequence.numbers(film)
    numbers = names[first : first + report.frames] if names else range(report.frames)
    _log(parts, segments, about, (plan.original.sum(), whole), numbers, encoded)
    parts.name(None, dataclasses.asdict(report))
    return report


def _each(parts: Parts, segments: Iterable[int], key: str) -> Iterator[str]:
    """What the records say of each frame, from the disk."""
    for segment in segments:
        yield from getattr(parts.known(segment), key)


def _log(parts, segments, about, found, numbers, encoded: bytes):
    """`found`: sha256 of the input and of the output."""
    about |= {"sha256": about["sha256"] | dict(zip(("input", "output"), found, strict=True))}
    with parts.log() as path:
        log.write(path, about, numbers, _each(parts, segments, "input"), _each(parts, segments, "output"), encoded)
