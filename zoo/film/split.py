"""A film that changes on the way becomes several: each piece is described by its own first frame.

Pieces are numbered: `out.mkv` becomes `out.1.mkv`, `out.2.mkv` and so on. What has no change keeps its name.
"""

import contextlib
import dataclasses
import json
from fractions import Fraction
from pathlib import Path

from zoo import sums
from zoo.budget import Budget
from zoo.errors import FlagError, InputError
from zoo.film.plan import Options, Plan, settings
from zoo.film.read import sequence, source
from zoo.film.read.changes import Watch
from zoo.film.read.decoding import Losses
from zoo.film.read.source import PIPE, Film
from zoo.film.write import log

_MOST = 1000  # pieces, each of which is decoded from the film's beginning
_NAMED = 10  # of them, in a note


@dataclasses.dataclass(frozen=True)
class Piece:
    """A film to write, and the options that cut it out of its file. `words`: where it begins and what changes there;
    none for the first."""

    film: Film
    options: Options
    output: Path
    words: str = ""


@dataclasses.dataclass
class _Run:
    """Wanted frames of one kind. `frame`: the number of the first of them; `at`: its seconds from the film's first."""

    film: Film
    frame: int
    pts: int
    at: Fraction
    changes: list[str]
    count: int = 0


def check(name: str, output: Path) -> None:
    """Raises FlagError for what cannot be split, or cannot hold the pieces."""
    if name == PIPE:
        raise FlagError(
            "--on-change split reads a film twice, and standard input can be read once; name a file, or choose "
            "--on-change first"
        )
    if str(output) == PIPE or sequence.is_pattern(output):
        raise FlagError(f"--on-change split writes several films, for which {output} is no name; name a film with -o")


def pieces(film: Film, output: Path, options: Options) -> list[Piece]:
    """The films to write, in their order. Decodes the whole film, or as far as it is wanted."""
    runs = _runs(film, options)
    if len(runs) < 2:
        return [Piece(runs[0].film if runs else film, options, output)]
    made = []
    for k, run in enumerate(runs):
        start, words = options.start, ""
        if k:
            start, words = run.at, f"at frame {run.frame} ({', '.join(run.changes)})"
        if k + 1 < len(runs):
            until = runs[k + 1].pts * film.time_base
            own = dataclasses.replace(run.film, until=until)
            cut = dataclasses.replace(options, start=start, end=None, frames=run.count)
        else:
            frames = None if options.frames is None else run.count
            own, cut = run.film, dataclasses.replace(options, start=start, frames=frames)
        made.append(Piece(own, cut, output.with_stem(f"{output.stem}.{k + 1}"), words))
    return made


def note(name: str, found: list[Piece]) -> str:
    """Where a film is cut, in a sentence without its full stop."""
    places = [piece.words for piece in found[1:]]
    more = f", and at {len(places) - _NAMED} more frames" if len(places) > _NAMED else ""
    names = f"{found[0].output.name} to {found[-1].output.name}"
    return f"{name} is cut where it changes, {', '.join(places[:_NAMED])}{more}: {len(found)} films, {names}"


def _runs(film: Film, options: Options) -> list[_Run]:
    """The wanted frames, divided where they change."""
    runs, watch, now, wanted = [], Watch(), film, 0
    with contextlib.closing(source.timed(film, Losses())) as frames:
        for k, (frame, pts, stream) in enumerate(frames):
            at = pts * film.time_base - film.begins
            if (options.end is not None and at >= options.end) or wanted == options.frames:
                break
            changes = watch.changed(frame, stream.codec_context)
            if (form := source.form_of(frame)) != now.form:
                changes.insert(0, f"size from {_said(now.form)} to {_said(form)}")
                now = dataclasses.replace(now, first=k)
            if changes:
                now = source.changed(now, stream, frame, watch, options.matrix, options.range)
            if at < (options.start or 0):
                continue
            if not runs or runs[-1].film is not now:
                runs.append(_Run(now, k, pts, at, changes))
            runs[-1].count += 1
            wanted += 1
            if len(runs) > _MOST:
                raise InputError(f"{film.name} changes at more than {_MOST} frames, the last is frame {k}; go on with "
                                 "what it began with, --on-change first")  # fmt: skip
    return runs


def _said(form: tuple[int, int, str]) -> str:
    width, height, pixel_format = form
    return f"{width}x{height} {pixel_format}"


def is_made(plan: Plan, options: Options, budget: Budget) -> bool:
    """Whether what was finished before is there: of the same settings, and what its log says."""
    with contextlib.suppress(InputError, OSError):
        known = log.read(plan.output)
        depends = json.loads(json.dumps(settings(plan, options, budget, options.chain.weights)))
        same = known.more.get("settings") == depends and known.more.get("dropped") == sorted(options.drop)
        there = {plan.output: known} | {out.path: log.read(out.path) for out in plan.given}
        return same and all(own.sha256.output == sums.sum_of(path) for path, own in there.items())
    return False
