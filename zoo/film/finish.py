"""The end of a film: its finished segments joined, looked through, given their name, and what is to be said of it."""

import array
import contextlib
import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo import checked, files, sums
from zoo.errors import InputError
from zoo.film import outcome, shots
from zoo.film.give import Output
from zoo.film.plan import Options, Plan
from zoo.film.read import sequence
from zoo.film.read.decoding import Losses
from zoo.film.write import log, mux, verify
from zoo.film.write.mux import Stretch
from zoo.film.write.parts import Parts, Record, beside

_MOST_TO_LOOK_AT = 20
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
        self._unsure = array.array("d")

    def add(self, record: Record):
        if not self.tiles or self.tiles[-1][1] != record.tile:
            self.tiles.append((len(self.pts), record.tile))
        self.pts.extend(record.pts)
        self.durations.extend(record.durations)
        self._unsure.extend(record.unsure)
        for new, flicker in zip(record.new, record.flicker, strict=True):
            self.shots.add(new, flicker)

    @property
    def look_at(self) -> tuple[int, ...]:
        """The pictures that are least sure, from the first that was written, the worst first."""
        worst = np.argsort(-np.frombuffer(self._unsure), kind="stable")[:_MOST_TO_LOOK_AT]
        return tuple(int(k) for k in worst if self._unsure[k] > 0)

    @property
    def varies(self) -> bool:
        steps = np.diff(np.frombuffer(self.pts, np.int64))
        return bool(len(steps) and np.ptp(steps) > _STEADY_TICKS)


def made_before(plan: Plan, parts: Parts) -> Report | None:
    """What an earlier run, which could not tidy up, said of the film that it made; tidied up now."""
    with contextlib.suppress(InputError):
        if (said := parts.report()) is not None:
            report = checked.as_kind(said, Report, str(parts.folder))
            if any(len(sequence.files(str(out.path))) < report.frames for out in plan.outputs if out.is_pictures):
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
        "look_at": [counted.first * plan.restored.multiple + k for k in told.look_at],  # where confidence is given
    }
    report = _made(plan, options, parts, segments, counted.first, told, found, report)
    parts.remove()
    return report


class _Done(NamedTuple):
    """An output that was looked through: `whole`, its sha256; `encoded`, MD5s of its packets or of its pictures' files;
    `part`, where the film lies before it has its name."""

    output: Output
    whole: str
    encoded: bytes
    part: Path | None = None


def _made(plan, options, parts, segments, first, told, about, report) -> Report:
    """All outputs, the restored film last: whoever finds it finds the others too."""
    with contextlib.ExitStack() as given:
        done = [_done(plan, options, parts, segments, first, told, out, given) for out in reversed(plan.outputs)]
        plan.original.check()
        report = _moved(plan, parts, segments, first, report, done)
        _logged(plan, parts, segments, first, about, report, done)
        own = done[-1].part
        if own:  # pictures have their names by now
            plan.original.check()
        parts.made(own, {out.path: part for out, _, _, part in done if out.name and part}, dataclasses.asdict(report))
        given.close()
        parts.name(own)
    return report


def _done(plan, options, parts, segments, first, told, out, held) -> _Done:
    """An output joined and looked through; `held` gives a film of what is given its name, or takes it away."""
    output = _each(parts, segments, out.name) if options.verify else None
    if out.is_pictures:
        places = _places(plan, parts, segments, first, out)
        lying = ((path if path.exists() else place, place.name) for path, place in places)
        return _Done(out, *verify.pictures_of(lying, output))
    begins_within = options.start is not None or (options.cut and plan.film.until is None)
    ends = math.inf if options.to_its_end else plan.film.until
    times = Stretch(told.pts, told.durations, begins_within, ends)
    part = held.enter_context(files.whole(out.path) if out.name else parts.joined())
    paths = [beside(parts.path(segment), out.name) for segment in segments]
    put = mux.join(out.film, out.encoding, paths, times, part, options.drop)
    if output is not None:
        verify.joined(out.film, out.encoding, part, times, output, put)
    return _Done(out, sums.sum_of(part), bytes(put.pictures), part)


def _places(plan, parts, segments, first, out) -> Iterator[tuple[Path, Path]]:
    """Where each picture lies, and where it belongs."""
    counts = (len(parts.known(segment)) for segment in segments)
    paths = [beside(parts.path(segment), out.name) for segment in segments]
    return sequence.places(plan.restored, paths, counts, out.path, first * plan.restored.multiple)


def _moved(plan, parts, segments, first, report, done) -> Report:
    """Pictures get their names."""
    older = []
    for out in (out for out, *_ in done if out.is_pictures):
        parts.moving()
        older += sequence.join(out.film, _places(plan, parts, segments, first, out), out.path)
    return dataclasses.replace(report, older=tuple(map(str, older)))


def _logged(plan, parts, segments, first, about, report, done):
    """A log for each output. That of the film knows what else was given."""
    first, names = first * plan.restored.multiple, sequence.numbers(plan.restored)
    numbers = names[first : first + report.frames] if names else range(report.frames)
    given = {out.name: {"output": str(out.path), "sha256": whole} for out, whole, *_ in done if out.name}
    for out, whole, encoded, _ in done:
        own = {"output": str(out.path), "encoding": dataclasses.asdict(out.encoding)}
        own["given"] = out.name or given
        found = plan.original.sum(), whole
        _log(parts, segments, about | own, found, numbers if out.is_pictures else (), encoded, out=out)


def _each(parts: Parts, segments: Iterable[int], given: str = "") -> Iterator[str]:
    """MD5 of the planes of each picture, of what is given under a name or of what is restored, from the disk."""
    for segment in segments:
        known = parts.known(segment)
        yield from known.given[given] if given else known.output


def _log(parts, segments, about, found, numbers, encoded: bytes, out: Output | None = None):
    """`found`: sha256 of the input and of the output."""
    about |= {"sha256": about["sha256"] | dict(zip(("input", "output"), found, strict=True))}
    before = (md5 for segment in segments for md5 in parts.known(segment).input)
    name = out.name if out else ""
    with files.whole(log.path_of(out.path)) if out and name else parts.log() as path:
        log.write(path, about, numbers, before, _each(parts, segments, name), encoded)
