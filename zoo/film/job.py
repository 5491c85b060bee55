"""One film from its file to the restored file: decoded, restored and encoded at the same time, in finished segments."""

import collections
import contextlib
import math
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from zoo.budget import Budget
from zoo.errors import FlagError, Interrupted, ZooError
from zoo.film import aside, finish, outcome, segments, shots, survey
from zoo.film.engine import Engine, Smaller
from zoo.film.finish import Count, Report, Told
from zoo.film.plan import Options, Plan, settings
from zoo.film.read import sequence, source
from zoo.film.read.source import PIPE, Film, Frame
from zoo.film.shots import Noted
from zoo.film.threads import ahead, behind
from zoo.film.write import encode, y4m
from zoo.film.write.parts import Parts, Record
from zoo.sums import of_pictures
from zoo.survey import Survey

_TRIES = 3  # to have all segments there at once
_AHEAD = 2  # frames that wait between two stages


def run(plan: Plan, options: Options, budget: Budget, about: dict[str, Any], progress: Callable[..., None]) -> Report:
    """Restores the whole film. `options`: as `settled` gives them. `budget`: its networks. `about`: what its log says
    beside what is found, with the sums of the weights. `progress(done, of)` is called after each frame, and
    `progress(done, of, "survey")` where the film is surveyed first.

    Raises Interrupted on Ctrl-C; what is finished by then is kept, and the same call goes on from there.
    """
    if plan.encoding.encoder == encode.Y4M:
        found = surveyed(plan.film, options, budget, progress) if survey.wanted(options.chain) else None
        return _piped(plan, options, _engine(plan, options, budget, found), progress)
    piped, begun = plan.film.name == PIPE, time.monotonic()
    depends = settings(plan, options, budget, about["sha256"]["weights"])
    about |= {"settings": depends, "dropped": sorted(options.drop)}
    whence = _whence(plan, options)
    try:
        with contextlib.closing(
            Parts(plan.output, depends, source=whence, shard=options.shard, restart=options.restart or piped)
        ) as parts:
            if report := finish.made_before(plan, parts):
                return report
            found = _survey(plan, options, budget, parts, progress, depends)
            about |= {"survey": found.sha256} if found else {}
            with plan.original.summed(whole=not options.cut):
                for _ in range(1 if piped else _TRIES):
                    counted = _work(plan, options, budget, parts, progress, found)
                    with parts.joining():
                        about |= {"seconds": round(time.monotonic() - begun, 3)}
                        if report := _joined(plan, options, parts, counted, about):
                            return report
            raise ZooError(f"segments in {parts.folder} disappear or change while the film is made; run again")
    except KeyboardInterrupt:
        then = "a pipe begins anew" if piped else f"the same command goes on with {plan.output}"
        raise Interrupted(f"interrupted; {then}") from None


def _survey(
    plan: Plan, options: Options, budget: Budget, parts: Parts, progress: Callable[..., None], depends: dict[str, Any]
) -> Survey | None:
    """The film's survey, kept beside the segments, which then depend on it."""
    if not survey.wanted(options.chain):
        return None
    own = [depends[key] for key in ("input", "rate", "colour", "cut")] + [_surveyed_around(options)]
    if plan.film.container == sequence.CONTAINER:  # the settings know of the first picture alone
        own.append(of_pictures(plan.original.paths))
    found = survey.kept(parts, own, lambda: surveyed(plan.film, options, budget, progress))
    parts.depend_on(found.sha256)
    return found


def surveyed(film: Film, options: Options, budget: Budget, progress: Callable[..., None]) -> Survey:
    """What is known of all frames that are wanted, and of those `_surveyed_around` them."""
    wanted = _wanted(film, options, None, Count(), _surveyed_around(options))
    with contextlib.closing(ahead(wanted, _AHEAD)) as frames:
        shown = lambda done: progress(done, expected(film, options), "survey")
        return survey.of(frames, film.layout, budget.retried, shown)


def _engine(plan: Plan, options: Options, budget: Budget, found: Survey | None, *, anew: bool = False) -> Engine:
    return Engine(
        options.chain,
        budget,
        plan.kind,
        plan.encoding.layout,
        strength=options.strength,
        keep_grain=options.keep_grain,
        masks=aside.control(plan.film, options, reached(plan.film, options)),
        beside=aside.of(plan.film, options.chain, reached(plan.film, options), found),
        give={out.name: out.encoding.layout for out in plan.given},
        anew=anew,
    )


def _work(
    plan: Plan, options: Options, budget: Budget, parts: Parts, progress: Callable, found: Survey | None
) -> Count:
    """Restores what is not finished, segment by segment."""

    def written(restored: Iterator[Noted]):
        for done in segments.written(plan, parts, restored, counted, options.segment, engine.tile):
            progress(done, found.frames if found else expected(plan.film, options))

    budget.shrink_to(parts.smallest_tile(budget.tile))
    while True:
        counted, engine = Count(), _engine(plan, options, budget, found, anew=plan.film.name != PIPE)
        with contextlib.suppress(Smaller):
            behind(restored(plan.film, options, engine, parts, counted), _AHEAD, written)
            if options.to_its_end:
                aside.check_counts(options, counted.first + counted.frames)
            return counted


def _joined(plan: Plan, options: Options, parts: Parts, counted: Count, about: dict[str, Any]) -> Report | None:
    """What was done, once nothing is missing; or how much is left to other shards. None where segments of this process
    are missing or no more what they were."""
    end, pictures = counted.first + counted.frames, counted.frames * plan.restored.multiple
    numbers = range(counted.first // options.segment, -(-end // options.segment))
    if options.shard[1] > 1 and parts.gone:  # the process that was last has joined them meanwhile
        return Report(pictures, counted.losses.cut, counted.losses)
    missing = [k for k in numbers if not parts.has(k)] or [k for k in numbers if parts.record(k) is None]
    if any(_own(k, plan.film, options, counted) for k in missing):
        return None
    if missing:
        return Report(pictures, counted.losses.cut, counted.losses, waiting=len(missing))
    return finish.finished(plan, options, parts, numbers, counted, about)


def _whence(plan: Plan, options: Options) -> Callable[[int], str | None]:
    """number of a segment -> what tells the pictures that it depends on from others: one that was damaged may be
    replaced, and costs only its segments. None where the film is a file, of which the settings know all. Raises
    InputError where the film changes while it is restored."""
    original = plan.original

    before, after = _around(options)

    def whence(segment: int) -> str | None:
        if plan.film.container != sequence.CONTAINER:
            return original.check()
        first, last = segment * options.segment - before, (segment + 1) * options.segment + after
        original.check(max(0, first), last)
        return of_pictures(original.paths[max(0, first) : last])

    return whence


def _piped(plan: Plan, options: Options, engine: Engine, progress: Callable) -> Report:
    """Restores the film to standard output, frame by frame as they come."""
    counted, told = Count(), Told()
    writer = y4m.Writer(plan.restored, plan.encoding.layout)

    def written(restored: Iterator[Noted]):
        for item in restored:
            writer.write(item.planes)
            segments.note(record := Record(), item, plan)
            told.add(record)
            progress(item.number - counted.first + 1, expected(plan.film, options))

    behind(restored(plan.film, options, engine, None, counted), _AHEAD, written)
    writer.close()
    if options.to_its_end:
        aside.check_counts(options, counted.first + counted.frames)
    pictures = counted.frames * plan.restored.multiple
    return Report(pictures, counted.losses.cut, counted.losses, told.varies, changes=tuple(counted.changes))


def restored(
    film: Film, options: Options, engine: Engine, parts: Parts | None, counted: Count
) -> Generator[Noted, None, None]:
    """The frames that `options` ask for, but those of finished segments, restored and measured."""
    frames = ahead(shots.compared(_wanted(film, options, parts, counted), engine), _AHEAD)
    with contextlib.closing(frames):
        for one in shots.noted(engine.run(frames), engine):
            alone = one.number == counted.first and not one.part  # it is not shown after another
            yield one._replace(flicker=None) if alone else one


def _around(options: Options) -> tuple[int, int]:
    """How many frames before and after one it depends on: the chain's reach, and once more the one before, with which
    it is compared."""
    before, after = options.chain.reach
    return 1 + before, after


def _surveyed_around(options: Options) -> tuple[int, int]:
    """The same, with what the survey must know of: so that a stretch is what it is in the whole film."""
    before, after = _around(options)
    return before + options.chain.surveyed, after + options.chain.surveyed


def _wanted(
    film: Film, options: Options, parts: Parts | None, counted: Count, around: tuple[int, int] | None = None
) -> Generator[tuple[int, Frame], None, None]:
    """(number, frame) of the frames whose segments are not finished, and of those `around` them."""
    before, after = around or _around(options)
    recent, owed = collections.deque(maxlen=before), 0  # those before, not given yet; those after, still to come
    which, missing = None, True
    with contextlib.closing(_numbered(film, options, counted, before, after)) as frames:
        for number, frame in frames:
            if parts and not frame.context and number // options.segment != which:
                which = number // options.segment
                missing = _own(which, film, options, counted) and parts.record(which) is None
            if missing and not frame.context:
                yield from recent
                recent.clear()
                owed = after
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
        frames = source.read(film, counted.losses, counted.changes)
        several = options.steps and options.chain.rate > 1
        frames = _until_changed(outcome.lasting(film, frames) if several else frames, options, counted)
    for number, frame in enumerate(frames, first):
        at = frame.pts * film.time_base - film.begins
        if (end is not None and at >= end) or counted.frames == options.frames:
            if after:
                yield number, frame._replace(context=True)
            after -= 1
            if after < 1:
                return
        elif at < start:
            if frame.planes:
                yield number, frame._replace(context=True)
        else:
            counted.first = counted.first if counted.frames else number
            counted.frames += 1
            yield number, frame


def _until_changed(frames: Iterator[Frame], options: Options, counted: Count) -> Iterator[Frame]:
    """The frames; a film may be cut where it becomes another."""
    try:
        yield from frames
    except source.Changed as change:
        ended = options.end is not None and change.at >= options.end
        if not (ended or (counted.frames and counted.frames == options.frames)):
            raise


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


def reached(film: Film, options: Options) -> int | None:
    """About how many frames there are up to the last that will come out."""
    count = expected(film, options)
    return None if count is None else count + round((options.start or 0) * film.rate)
