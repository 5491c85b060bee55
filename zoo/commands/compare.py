"""`filmzoo compare`: two films against each other, as numbers, a plot and a clip."""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from zoo import files, flags, numbers
from zoo.commands.shared import Numbered, Reads, Stretch, Watched, seconds
from zoo.errors import FlagError, say


@flags.in_order
@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare(Stretch, Numbered, Watched, Reads):
    """Measure two films against each other, frame by frame: PSNR, SSIM, MAE and the flicker of both, as JSON."""

    a: Annotated[str, tyro.conf.Positional]
    """A film, or numbered pictures such as frame.%%06d.dpx."""
    b: Annotated[str, tyro.conf.Positional]
    """What it is compared with."""
    output: Annotated[str | None, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = None
    """The JSON to write; left out: it is printed."""
    plot: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """A plot to draw of it: .png, .svg or .pdf."""
    clip: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """A film to write with the first at the left and the second at the right; .mkv is lossless."""
    difference: float = 0.0
    """Shows in the clip, right of both, their difference so many times amplified, grey where there is none."""
    yes: Annotated[bool, tyro.conf.arg(aliases=["-y"])] = False
    """Overwrite results that exist. An input is never overwritten."""
    b_start: Annotated[str | None, tyro.conf.arg(metavar="TIME")] = None
    """Where the same stretch begins in B, if elsewhere; one that `restore --start` has cut out begins at 0."""


def run(args: Compare) -> int:
    """Prints or writes what two films differ in; returns the exit code."""
    from zoo.film import job, plan
    from zoo.film.compare import beside, comparison, graph
    from zoo.film.progress import Progress

    if args.difference < 0:
        raise FlagError(f"--difference must be 0 or more, not {args.difference:g}")
    options = args.cut(plan.Options(rate=args.a_second(), gaps=args.gaps, on_change="first"))
    output, plot, clip = (None if path is None else Path(path) for path in (args.output, args.plot, args.clip))
    _check_results([path for path in (output, plot, clip) if path], (args.a, args.b), overwrite=args.yes)
    if plot:
        graph.check(plot)
    b_start = None if args.b_start is None else seconds("b-start", args.b_start)
    if not any(map(plan.is_sequence, (args.a, args.b))):
        flags.refuse(args, ("rate", "gaps"), "films that have times of their own")
    if not clip:
        flags.refuse(args, ("difference",), "no --clip")
    found = comparison.begin(args.a, args.b, options, b_start)
    for note in comparison.notes(found):
        say(f"note: {note}")
    with contextlib.ExitStack() as held:
        write = None
        if clip:
            planned = beside.plan(*found.films, clip, args.difference)
            layouts = [film.layout for film in found.films]
            write = held.enter_context(
                beside.writing(clip, planned, *layouts, difference=args.difference, cut=options.cut)
            )
        shown = held.enter_context(Progress(args.progress, "compare"))
        pairs = held.enter_context(contextlib.closing(comparison.pairs(found, options)))
        for k, (one, other) in enumerate(pairs):
            if write:
                write(one.frame, other.frame)
            shown(k + 1, job.expected(found.films[0], options))
    for film, counted in zip(found.films, found.counts, strict=True):
        for note in plan.changes(film.name, counted.changes, counted.losses):
            say(f"note: {note}")
    text = numbers.text(comparison.result(found))
    if plot:
        graph.draw(found, plot)
    if output:
        files.write(output, text + "\n")
    else:
        print(text)
    if fault := comparison.fault(found):
        raise fault
    return 0


def _check_results(paths: Sequence[Path], films: tuple[str, str], *, overwrite: bool) -> None:
    """Raises where one of the results is an input, another result, or exists and must not be overwritten."""
    from zoo.film.read import sequence

    originals = {path.resolve() for name in films for path in sequence.files(name)}
    for k, path in enumerate(paths):
        files.check_free(path, originals, overwrite=overwrite)
        if path.resolve() in {other.resolve() for other in paths[:k]}:
            raise FlagError(f"{path} is named twice; choose another output for one of the two")
