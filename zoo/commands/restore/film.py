"""`restore` for a film: flags become a plan, the plan a file."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from zoo import flags
from zoo.budget import Budget
from zoo.commands.restore.flags import Restore
from zoo.commands.restore.options import options_of
from zoo.errors import ZooError, say
from zoo.film import aside, job, plan, split
from zoo.film.finish import Report
from zoo.film.plan import Options, Plan
from zoo.film.progress import Progress
from zoo.film.read import sequence
from zoo.film.read.source import PIPE
from zoo.film.split import Piece
from zoo.film.write import encode, log, outputs, streams
from zoo.film.write.made import folder_of, is_tidied
from zoo.memory import keep_freed


def restore(args: Restore, name: str) -> list[Report]:
    """Restores the film `name`. Returns what was done, for each film that was written now."""
    options, output = options_of(args), outputs.chosen(args.output, Path(name))
    splits = options.on_change == "split"
    # Whether what is there is this command's own can be said once it is planned; anything else is refused at once.
    made = splits or (not args.yes and output.exists() and log.path_of(output).exists())
    if not made and _is_finished(args, name, output):
        say(f"{output} is finished")
        return []
    _refuse(args, name, output)
    if str(output) == PIPE:
        options = dataclasses.replace(options, drop=frozenset(streams.KINDS))
    budget = Budget(tile=args.tile, precision=args.precision)
    pieces = _pieces(name, output, options)
    works = [_work(args, piece, budget) for piece in pieces]
    for work in works:  # what stands against one of them is said before the others
        _is_there(args, name, work, budget) if made else _check_given(args, *work)
    if args.dry_run:
        told = [_described(planned, args, own) for planned, own in works]
        print(json.dumps(told if len(told) > 1 else told[0], indent=1, default=str))
        return []
    notes = [split.note(name, pieces)] if len(pieces) > 1 else []
    for note in dict.fromkeys(notes + [note for planned, _ in works for note in planned.notes]):
        say(f"note: {note}")
    reports, faults = [], []
    for k, work in enumerate(works):
        if made and _is_there(args, name, work, budget):  # by now also where another shard has made it
            say(f"{work[0].output} is finished")
            continue
        planned, own = work
        if k:  # each begins with large tiles
            budget = Budget(tile=args.tile, precision=args.precision)
            own = plan.settled(own, planned.film, budget)
        reports.append(_restored(args, name, planned, own, budget))
        faults += _damage(name, planned.output, reports[-1])
    if faults:
        raise ZooError("; ".join(faults))
    return reports


def _is_finished(args: Restore, name: str, output: Path) -> bool:
    """Whether all but its folder is there, by a run that was killed then. Raises FlagError where something else is."""
    outputs.check(output, Path(name), overwrite=args.yes, restart=args.restart)
    finished = not args.yes and output.exists() and is_tidied(output)
    if finished:
        folder_of(output).rmdir()
    return finished


def _is_there(args: Restore, name: str, work: tuple[Plan, Options], budget: Budget) -> bool:
    """Whether a film or a piece is finished, as its log says. Raises FlagError where something else is there."""
    output = work[0].output
    if output.exists() and is_tidied(output):
        folder_of(output).rmdir()
    made = not args.restart and not folder_of(output).exists() and split.is_made(*work, budget)
    if not made:
        outputs.check(output, Path(name), overwrite=args.yes, restart=args.restart)
        _check_given(args, *work)
    return made


def _check_given(args: Restore, planned: Plan, options: Options):
    """Raises FlagError where what steps give must not be written."""
    sources = [Path(planned.film.name), *aside.masks_of(options)]
    outputs.check_given(options.give, planned.output, sources, overwrite=args.yes, restart=args.restart)


def _refuse(args: Restore, name: str, output: Path):
    """Raises FlagError for flags that the film or the output would ignore."""
    if plan.is_sequence(name):
        words = ("color_range", "strict_color", "on_change", "drop")
        flags.refuse(args, words, "pictures, which are RGB or grey and nothing else")
    else:
        flags.refuse(args, ("rate", "gaps"), "a film that has times of its own")
    if str(output) == PIPE or sequence.is_pattern(output):
        flags.refuse(args, ("codec", "pix_fmt", "e"), "pictures or y4m, which have no encoder")


def _pieces(name: str, output: Path, options: Options) -> list[Piece]:
    """The films to write: one, unless it is to be split where it changes."""
    if options.on_change != "split":
        return [Piece(plan.describe(name, options), options, output)]
    split.check(name, output)
    film = plan.describe(name, options)
    say(f"{name} is looked through for changes")
    return split.pieces(film, output, options)


def _work(args: Restore, piece: Piece, budget: Budget) -> tuple[Plan, Options]:
    """What is to be done, with the options as they will be. Raises what stands against it."""
    planned, options = plan.of(piece.film, piece.output, piece.options), piece.options
    encoding = planned.encoding
    if plan.is_sequence(planned.film.name) and (encoding.layout.family != "yuv" or encoding.encoder == encode.Y4M):
        flags.refuse(args, ("colorspace",), f"pictures that become {encoding.pixel_format}, where it chooses nothing")
    aside.check(planned.film, options, job.reached(planned.film, options))
    keep_freed(planned.film.height * planned.film.width)
    return planned, plan.settled(options, planned.film, budget)


def _restored(args: Restore, name: str, planned: Plan, options: Options, budget: Budget) -> Report:
    """Does the work and says what was done."""
    output = planned.output
    with Progress(args.progress, output.name) as shown:
        report = job.run(planned, options, budget, _described(planned, args, options), shown)
    if report.waiting:
        say(f"{report.waiting} segments are left to other shards; the last one joins {output}")
        return report
    say(f"{report.frames} frames -> {output}")
    for given in planned.given:
        say(f"{given.name} -> {given.path}")
    if report.tiles > 1:
        say("note: memory ran out on the way; the log says from which frame on tiles are smaller and round otherwise")
    for note in plan.changes(name, report.changes, report.losses):
        say(f"note: {note}")
    if older := list(report.older):
        more = f" and {len(older) - 1} more" if len(older) > 1 else ""
        say(f"note: {older[0]}{more} were there before and are not of this run")
    if report.varies and (str(output) == PIPE or sequence.is_pattern(output)):
        say(f"note: the rate of {name} varies, which pictures and y4m cannot hold")
    return report


def _damage(name: str, output: Path, report: Report) -> list[str]:
    """What is damaged, as sentences without their full stops."""
    if report.waiting or not (report.lost or report.losses):
        return []
    damage = f"{name} is damaged: {report.losses}, about {report.lost} frames are lost; {output} holds the"
    return [f"{damage} {report.frames} that came at their times"]


def _described(plan: Plan, args: Restore, options: Options) -> dict[str, Any]:
    return {
        "steps": str(options.chain),
        "sha256": {"weights": options.chain.weights},
        "precision": args.precision,
        "film": dataclasses.asdict(plan.film),
        "output": str(plan.output),
        "encoding": dataclasses.asdict(plan.encoding),
        "given": {out.name: {"output": str(out.path), **dataclasses.asdict(out.encoding)} for out in plan.given},
        "options": dataclasses.asdict(options) | {"drop": sorted(options.drop)},
        "notes": plan.notes,
    }
