"""One film from its file to the restored file: decoded, restored and encoded at the same time, in finished segments."""

import collections
import contextlib
import dataclasses
import hashlib
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import numpy as np

from zoo import files
from zoo.errors import FlagError, Interrupted
from zoo.film import encode, masks, mux, sequence, shots, source, y4m
from zoo.film.engine import Engine, Smaller
from zoo.film.mux import Stretch
from zoo.film.parts import Parts, of_pictures
from zoo.film.plan import Options, Plan, settings
from zoo.film.shots import Noted
from zoo.film.source import PIPE, Film, Frame, Losses
from zoo.film.threads import ahead, behind
from zoo.restorer import Restorer

_AHEAD = 2  # frames that wait between two stages
_BEFORE, _AFTER = 2, 1  # frames around a segment that it depends on, at most: see `_wanted`


@dataclasses.dataclass(frozen=True)
class Report:
    """What was done. `frames`: restored; `lost`: about how many frames of the file are missing."""

    frames: int
    lost: int
    losses: Losses
    varies: bool  # whether some frames last longer than others
    waiting: int  # segments that other processes have not finished; where there are any, no film is written yet
    input: list[str]  # MD5 of the planes of each frame
    output: list[str]  # likewise, as they went to the encoder
    shots: list[dict]  # where each begins, how long it is, how much it flickers
    flicker: dict[str, float] | None  # of the input and the output
    older: list[Path]  # pictures of an earlier run among those of this one


@dataclasses.dataclass
class Count:
    """The frames that were decoded and are wanted; the first of them; what could not be decoded."""

    frames: int = 0
    first: int = 0
    losses: Losses = dataclasses.field(default_factory=Losses)


def run(
    plan: Plan, options: Options, restorer: Restorer, weights: str, progress: Callable[[int, int | None], None]
) -> Report:
    """Restores the whole film. `options`: as `settled` gives them. `weights`: their sha256. `progress(done, of)` is
    called after each frame.

    Raises Interrupted on Ctrl-C; what is finished by then is kept, and the same call goes on from there.
    """
    film = plan.film
    if plan.encoding.encoder == encode.Y4M:
        return _piped(plan, options, _engine(plan, options, restorer), progress)
    piped = film.name == PIPE
    depends = settings(plan, options, restorer, weights)
    whence = _whence(film, options)
    try:
        with contextlib.closing(
            Parts(plan.output, depends, source=whence, shard=options.shard, restart=options.restart or piped)
        ) as parts:
            while True:
                engine = _engine(plan, options, restorer, anew=not piped)
                with contextlib.suppress(Smaller):
                    counted = _work(plan, options, engine, parts, progress)
                    break
            with parts.joining():
                return _finished(plan, options, parts, counted)
    except KeyboardInterrupt:
        then = "a pipe begins anew" if piped else f"the same command goes on with {plan.output}"
        raise Interrupted(f"interrupted; {then}") from None


def _engine(plan: Plan, options: Options, restorer: Restorer, *, anew: bool = False) -> Engine:
    return Engine(
        restorer,
        plan.film.layout,
        plan.encoding.layout,
        batch=options.batch,
        strength=options.strength,
        keep_grain=options.keep_grain,
        masks=mask_of(plan.film, options),
        fuse=options.temporal == "auto",
        anew=anew,
    )


def _work(plan: Plan, options: Options, engine: Engine, parts: Parts, progress: Callable) -> Count:
    """Restores what is not finished, segment by segment."""
    counted = Count()

    def written(restored: Iterator[Noted]):
        for done in _segments(plan, parts, restored, counted, options.segment):
            progress(done, expected(plan.film, options))

    behind(_restored(plan, options, engine, parts, counted), _AHEAD, written)
    return counted


def mask_of(film: Film, options: Options) -> Callable[[int], np.ndarray] | None:
    """number of a frame in the film -> its mask; None where none is wanted. Raises what `masks.reader` does."""
    if options.mask is None:
        return None
    return masks.reader(options.mask, film.height, film.width, _reached(film, options))


def _whence(film: Film, options: Options) -> Callable[[int], str | None]:
    """number of a segment -> what tells the pictures that it depends on from others: one that was damaged may be
    replaced, and costs only its segments. None where the film is a file, of which the settings know all."""
    if film.container != sequence.CONTAINER:
        return lambda segment: None
    paths = [path for _, path in sequence.find(film.name, film.gaps)]

    def whence(segment: int) -> str:
        first = segment * options.segment
        return of_pictures(paths[max(0, first - _BEFORE) : first + options.segment + _AFTER])

    return whence


def _piped(plan: Plan, options: Options, engine: Engine, progress: Callable) -> Report:
    """Restores the film to standard output, frame by frame as they come."""
    counted, record = Count(), _record()
    writer = y4m.Writer(plan.film, plan.encoding.layout)

    def written(restored: Iterator[Noted]):
        for item in restored:
            writer.write(item.planes)
            _note(record, item)
            progress(item.number - counted.first + 1, expected(plan.film, options))

    behind(_restored(plan, options, engine, None, counted), _AHEAD, written)
    writer.close()
    return _report([record], counted.frames, counted.losses.cut, counted)


def _restored(plan: Plan, options: Options, engine: Engine, parts: Parts | None, counted: Count) -> Iterator[Noted]:
    """The frames whose segments are not finished, restored and measured."""
    frames = ahead(shots.compared(_wanted(plan.film, options, parts, counted), engine), _AHEAD)
    with contextlib.closing(frames):
        for one in shots.noted(engine.run(frames), engine):
            yield one if one.number > counted.first else one._replace(flicker=None)  # it is not shown after another


def _wanted(
    film: Film, options: Options, parts: Parts | None, counted: Count
) -> Generator[tuple[int, Frame], None, None]:
    """(number, frame) of the frames whose segments are not finished, and of those around them that they depend on:
    the one before, with which each is compared, and, where frames are fused, the neighbours of both."""
    reach = int(options.temporal == "auto")
    recent, owed = collections.deque(maxlen=1 + reach), 0  # those before, not given yet; those after, still to come
    which, missing = None, True
    with contextlib.closing(_numbered(film, options, counted, 1 + reach, reach)) as frames:
        for number, frame in frames:
            if parts and not frame.context and number // options.segment != which:
                which = number // options.segment
                missing = _own(which, film, options, counted) and parts.record(which) is None
            if missing and not frame.context:
                yield from recent
                recent.clear()
                owed = reach
                yield number, frame
            elif owed:
                owed -= 1
                yield number, frame._replace(context=True)
            else:
                recent.append((number, frame._replace(context=True)))
    if not counted.frames:
        raise FlagError(f"no frame of {film.name} lies between --start and --end; `probe` says how long it is")


def _own(segment: int, film: Film, options: Options, counted: Count) -> bool:
    """Whether a segment falls to this process: the film is divided into as many runs of segments, by the length that
    it says it has; what is beyond goes round likewise, so that each falls to one process however long the film is."""
    which, of = options.shard
    frames, (first, skipped) = expected(film, options), divmod(counted.first, options.segment)
    count = of if frames is None else -(-(skipped + frames) // options.segment)
    return (segment - first) * of // count % of == which - 1


def _numbered(
    film: Film, options: Options, counted: Count, before: int = 0, after: int = 0
) -> Generator[tuple[int, Frame], None, None]:
    """(number in the film, frame) of the frames that the film is cut to, and, as context, of at least so many before
    and after them."""
    start, end = options.start or 0, options.end
    first = 0
    if film.container == sequence.CONTAINER:  # which need not be read up to there
        first = max(0, math.ceil(start * film.rate) - before)
        frames = sequence.read(film, first)
    else:
        frames = source.read(film, counted.losses)
    for number, frame in enumerate(frames, first):
        at = frame.pts * film.time_base - film.begins
        if (end is not None and at >= end) or counted.frames == options.frames:
            if after:
                yield number, frame._replace(context=True)
            after -= 1
            if after < 1:
                return
        elif at < start:
            yield number, frame._replace(context=True)
        else:
            counted.first = counted.first if counted.frames else number
            counted.frames += 1
            yield number, frame


def stretch(film: Film, options: Options, counted: Count) -> Generator[Frame, None, None]:
    """The film's frames, or those that it is cut to."""
    with contextlib.closing(_numbered(film, options, counted)) as frames:
        yield from (frame for _, frame in frames if not frame.context)


def expected(film: Film, options: Options) -> int | None:
    """About how many frames will come out."""
    if film.ends is None:
        return options.frames
    end = film.ends - film.begins if options.end is None else min(options.end, film.ends - film.begins)
    count = max(1, round((end - (options.start or 0)) * film.rate))
    return count if options.frames is None else min(count, options.frames)


def _reached(film: Film, options: Options) -> int | None:
    """About how many frames there are up to the last that will come out."""
    count = expected(film, options)
    return None if count is None else count + round((options.start or 0) * film.rate)


def _segments(plan: Plan, parts: Parts, restored: Iterator[Noted], counted: Count, length: int) -> Iterator[int]:
    """Encodes the restored frames into segments; yields how far it came after each frame."""
    item, begin = next(restored, None), encode.segments(plan.film, plan.encoding)
    while item is not None:
        number, record = item.number // length, _record()
        with parts.writing() as part:
            segment = begin(part, item.number)
            try:
                while item is not None and item.number // length == number:
                    segment.write(item.planes)
                    _note(record, item)
                    yield item.number - counted.first + 1
                    item = next(restored, None)
                segment.close()
            except BaseException:
                segment.abandon()
                raise
            parts.finish(number, part, record)


def _record() -> dict[str, list]:
    return {key: [] for key in ("pts", "durations", "input", "output", "new", "flicker")}


def _note(record: dict[str, list], item: Noted):
    record["pts"].append(item.source.pts)
    record["durations"].append(item.source.duration)
    record["input"].append(_md5(item.source.planes))
    record["output"].append(_md5(item.planes))
    record["new"].append(item.source.new)
    record["flicker"].append(item.flicker)


def _md5(planes: tuple[np.ndarray, ...]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for plane in planes:
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()


def _finished(plan: Plan, options: Options, parts: Parts, counted: Count) -> Report:
    """Joins the segments, looks whether everything is there, and gives the film its name."""
    film, count = plan.film, counted.frames
    numbers = range(counted.first // options.segment, -(-(counted.first + count) // options.segment))
    records = [record for k in numbers if (record := parts.record(k))]
    if waiting := len(numbers) - len(records):
        done_by_another = waiting == len(numbers)  # the process that was last has joined them meanwhile
        return _report([], count, 0, counted, waiting=0 if done_by_another else waiting)
    times = Stretch([t for r in records for t in r["pts"]], [d for r in records for d in r["durations"]], options.cut)
    lost = counted.losses.cut
    if not (options.cut or film.alone):
        lost = film.lost(Frame((), times.pts[-1], times.durations[-1]), count, counted.losses)
    paths = [parts.path(k) for k in numbers]
    if plan.encoding.encoder == sequence.CONTAINER:
        parts.moving()
        older = sequence.join(film, paths, [len(r["pts"]) for r in records], plan.output, counted.first)
        parts.remove()
        return _report(records, count, lost, counted, older=older)
    with files.whole(plan.output) as part:
        mux.join(film, plan.encoding, paths, times, part, options.drop)
        mux.verify(film, times, part)
    parts.remove()
    return _report(records, count, lost, counted)


def _report(
    records: list[dict[str, list]],
    count: int,
    lost: int,
    counted: Count,
    *,
    waiting: int = 0,
    older: Sequence[Path] = (),
) -> Report:
    whole = {key: [value for record in records for value in record[key]] for key in _record()}
    found = shots.listed(whole["new"], whole["flicker"])
    sums = whole["input"], whole["output"]
    steps = np.diff(whole["pts"])
    varies = len(steps) > 0 and np.ptp(steps) > 2  # times of a steady rate are rounded to ticks
    flicker = shots.mean(whole["flicker"])
    return Report(count, lost, counted.losses, bool(varies), waiting, *sums, found, flicker, [*older])
