"""`restore` for a film: flags become a plan, the plan a file."""

import contextlib
import dataclasses
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from zoo import files, flags, numbers, presets, registry
from zoo.chain import Chain
from zoo.errors import FlagError, ZooError, say, visible
from zoo.film import job, plan, split
from zoo.film.plan import Options, Plan
from zoo.film.progress import Progress
from zoo.film.read import probe as look
from zoo.film.read import sequence
from zoo.film.read.source import PIPE, Film
from zoo.film.split import Piece
from zoo.film.write import encode, outputs, streams
from zoo.film.write.parts import folder_of, is_tidied
from zoo.memory import keep_freed
from zoo.restorer import Budget


def restore(args: Any, name: str) -> int:
    """`args`: the flags of `restore` in zoo.cli. Returns the exit code."""
    options, output = _options(args), outputs.chosen(args, Path(name))
    if options.on_change != "split" and _is_finished(args, name, output):
        say(f"{output} is finished")
        return 0
    _refuse(args, name, output)
    if str(output) == PIPE:
        options = dataclasses.replace(options, drop=frozenset(streams.KINDS))
    budget = Budget(tile=args.tile, precision=args.precision)
    pieces = _pieces(name, output, options)
    works = [_work(args, piece, budget) for piece in pieces]
    splits = options.on_change == "split"
    if splits:
        for work in works:  # what stands against one of them is said before the others
            _is_there(args, name, work, budget)
    if args.dry_run:
        told = [_described(planned, args, own) for planned, own in works]
        print(json.dumps(told if len(told) > 1 else told[0], indent=1, default=str))
        return 0
    notes = [split.note(name, pieces)] if len(pieces) > 1 else []
    for note in dict.fromkeys(notes + [note for planned, _ in works for note in planned.notes]):
        say(f"note: {note}")
    faults = []
    for k, work in enumerate(works):
        if splits and _is_there(args, name, work, budget):  # by now also where another shard has made it
            say(f"{work[0].output} is finished")
            continue
        planned, own = work
        if k:  # each begins with large tiles
            budget = Budget(tile=args.tile, precision=args.precision)
            own = plan.settled(own, planned.film, budget)
        faults += _restored(args, name, planned, own, budget)
    if faults:
        raise ZooError("; ".join(faults))
    return 0


def _is_finished(args: Any, name: str, output: Path) -> bool:
    """Whether all but its folder is there, by a run that was killed then. Raises FlagError where something else is."""
    outputs.check(args, output, Path(name))
    finished = not args.yes and output.exists() and is_tidied(output)
    if finished:
        folder_of(output).rmdir()
    return finished


def _is_there(args: Any, name: str, work: tuple[Plan, Options], budget: Budget) -> bool:
    """Whether a piece of a film is finished, as its log says. Raises FlagError where something else is there."""
    output = work[0].output
    if output.exists() and is_tidied(output):
        folder_of(output).rmdir()
    made = not args.restart and not folder_of(output).exists() and split.is_made(*work, budget)
    if not made:
        outputs.check(args, output, Path(name))
    return made


def _refuse(args: Any, name: str, output: Path):
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


def _work(args: Any, piece: Piece, budget: Budget) -> tuple[Plan, Options]:
    """What is to be done, with the options as they will be. Raises what stands against it."""
    planned, options = plan.of(piece.film, piece.output, piece.options), piece.options
    encoding = planned.encoding
    if plan.is_sequence(planned.film.name) and (encoding.layout.family != "yuv" or encoding.encoder == encode.Y4M):
        flags.refuse(args, ("colorspace",), f"pictures that become {encoding.pixel_format}, where it chooses nothing")
    job.mask_of(planned.film, options)  # what is wrong with it is said before the work
    options.chain.kinds(plan.kind(planned.film))
    keep_freed(planned.film.height * planned.film.width)
    return planned, plan.settled(options, planned.film, budget)


def _restored(args: Any, name: str, planned: Plan, options: Options, budget: Budget) -> list[str]:
    """Does the work and says what was done. Returns what is damaged, as sentences without their full stops."""
    output = planned.output
    with Progress(args.progress, output.name) as shown:
        report = job.run(planned, options, budget, _described(planned, args, options), shown)
    if report.waiting:
        say(f"{report.waiting} segments are left to other shards; the last one joins {output}")
        return []
    say(f"{report.frames} frames -> {output}")
    if report.tiles > 1:
        say("note: memory ran out on the way; the log says from which frame on tiles are smaller and round otherwise")
    for note in plan.changes(name, report.changes, report.losses):
        say(f"note: {note}")
    if older := list(report.older):
        more = f" and {len(older) - 1} more" if len(older) > 1 else ""
        say(f"note: {older[0]}{more} were there before and are not of this run")
    if report.varies and (str(output) == PIPE or sequence.is_pattern(output)):
        say(f"note: the rate of {name} varies, which pictures and y4m cannot hold")
    if not (report.lost or report.losses):
        return []
    damage = f"{name} is damaged: {report.losses}, about {report.lost} frames are lost; {output} holds the"
    return [f"{damage} {report.frames} that came at their times"]


def probe(name: str) -> int:
    """Prints what a film is; returns the exit code."""
    film = plan.describe(name, Options())
    about = look.facts(film) | {"restore": _intended(film)}
    print(visible(json.dumps(about, indent=1, default=str, ensure_ascii=False), lines=True))
    return 0


def _intended(film: Film) -> dict[str, Any]:
    """What `restore` would do with a film if nothing else were asked for, or why it would refuse."""
    output = Path(PIPE) if film.name == PIPE else outputs.beside(Path(film.name))
    try:
        planned = plan.of(film, output, Options())
    except ZooError as e:
        return {"refused": str(e)}
    encoding = planned.encoding
    how = {"encoder": encoding.encoder, "pixel_format": encoding.pixel_format, "options": dict(encoding.options)}
    return {"output": str(output)} | how | {"notes": planned.notes}


def verify(name: str) -> int:
    """Says whether a result is what its log says was made; returns the exit code."""
    from zoo.film.write import verify as check

    print(f"{name}: {check.again(Path(name))} frames, as they were written")
    return 0


def preview(args: Any) -> int:
    """Writes the sheet; returns the exit code. `args`: the flags of `preview` in zoo.cli."""
    from zoo.film.preview import sheet

    models = [name for name in args.models.split(",") if name]
    if not (models or args.steps):
        raise FlagError("name the models to see with -m, with commas between, or --steps; `models` lists them")
    if args.frames < 1:
        raise FlagError(f"--frames must be 1 or more, not {args.frames}")
    stem = outputs.named(Path(args.film)).stem
    stem = stem.partition("%")[0] if sequence.is_pattern(args.film) else stem
    output = Path(args.output or f"{stem}_preview.png")
    if output.suffix.lower() != ".png":
        raise FlagError(f"the sheet is a PNG; name it so with -o, not {output.name}")
    files.check_free(output, {path.resolve() for path in sequence.files(args.film)}, overwrite=args.yes)
    for model in models:
        registry.card(model)  # an unknown one, before any work
    Chain(args.steps or "fuse")  # likewise
    options = Options(start=_seconds("at", args.at), frames=args.frames, on_change="first")
    film = plan.describe(args.film, options)
    for note in (plan.guessed(film), plan.hdr(film)):
        if note:
            say(f"note: {note}")
    chains = {model: presets.model_chain(model, fuse=True) for model in models}
    chains |= {args.steps: args.steps} if args.steps else {}
    drawn = sheet(film, chains, options)
    with files.whole(output) as part:
        drawn.save(part, format="PNG")
    say(f"{args.frames} x {', '.join(chains)} -> {output}")
    return 0


def compare(args: Any) -> int:
    """Prints or writes what two films differ in; returns the exit code. `args`: the flags of `compare` in zoo.cli."""
    from zoo.film.compare import beside, comparison, graph

    if args.difference < 0:
        raise FlagError(f"--difference must be 0 or more, not {args.difference:g}")
    options = _cut(args, Options(rate=_rate(args.rate), gaps=args.gaps, on_change="first"))
    output, plot, clip = (None if path is None else Path(path) for path in (args.output, args.plot, args.clip))
    _check_results([path for path in (output, plot, clip) if path], (args.a, args.b), args.yes)
    if plot:
        graph.check(plot)
    b_start = None if args.b_start is None else _seconds("b-start", args.b_start)
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


def _check_results(paths: list[Path], films: tuple[str, str], overwrite: bool):
    """Raises where one of the results is an input, another result, or exists and must not be overwritten."""
    originals = {path.resolve() for name in films for path in sequence.files(name)}
    for k, path in enumerate(paths):
        files.check_free(path, originals, overwrite=overwrite)
        if path.resolve() in {other.resolve() for other in paths[:k]}:
            raise FlagError(f"{path} is named twice; choose another output for one of the two")


def _options(args: Any) -> Options:
    for flag in ("strength", "keep_grain"):
        if not 0 <= getattr(args, flag) <= 1:
            raise FlagError(f"--{flag.replace('_', '-')} must be from 0 to 1, not {getattr(args, flag):g}")
    drop = frozenset(filter(None, args.drop.split(",")))
    if unknown := drop - set(streams.KINDS):
        raise FlagError(f"cannot drop {', '.join(sorted(unknown))}; the kinds are: {', '.join(streams.KINDS)}")
    pairs = [word.partition("=") for word in args.e]
    if wrong := [key for key, equals, _ in pairs if not (key and equals)]:
        raise FlagError(f"-e takes KEY=VALUE, such as crf=16, not {wrong[0]!r}")
    if args.batch != "auto" and not (args.batch.isdecimal() and int(args.batch) > 0):
        raise FlagError(f"--batch must be auto or a number of frames, not {args.batch!r}")
    if args.segment < 1:
        raise FlagError(f"--segment must be 1 or more, not {args.segment}")
    options = Options(
        encoder=args.codec,
        pixel_format=args.pix_fmt,
        encoder_options=tuple((key, value) for key, _, value in pairs),
        drop=drop,
        matrix=args.colorspace,
        range=args.color_range,
        strict_color=args.strict_color,
        on_change=args.on_change,
        force_hdr=args.force_hdr,
        rate=_rate(args.rate),
        gaps=args.gaps,
        strength=args.strength,
        keep_grain=args.keep_grain,
        steps=presets.chain_of(args),
        batch=0 if args.batch == "auto" else int(args.batch),
        segment=args.segment,
        shard=_shard(args.shard, output=args.output),
        mask=None if args.mask is None else Path(args.mask),
        restart=args.restart,
        verify=not args.no_verify,
    )
    return _cut(args, options)


def _cut(args: Any, options: Options) -> Options:
    """`options` with the stretch that is wanted."""
    if args.frames is not None and args.frames < 1:
        raise FlagError(f"--frames must be 1 or more, not {args.frames}")
    start, end = (None if t is None else _seconds(n, t) for n, t in (("start", args.start), ("end", args.end)))
    return dataclasses.replace(options, start=start, end=end, frames=args.frames)


def _shard(text: str, output: str | None) -> tuple[int, int]:
    """`3/8`: the third of eight processes."""
    which, slash, of = text.partition("/")
    if not (slash and which.isdecimal() and of.isdecimal() and 1 <= int(which) <= int(of)):
        raise FlagError(f"--shard must be such as 3/8, the third of eight processes, not {text!r}")
    if int(of) > 1 and output == PIPE:
        raise FlagError("standard output cannot be shared by several shards; write a file with -o")
    return int(which), int(of)


def _rate(text: str) -> Fraction:
    """Frames a second: `24`, `23.976`, `24000/1001`."""
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise FlagError(f"--rate must be frames a second, such as 24 or 24000/1001, not {text!r}")
    return rate


def _seconds(flag: str, text: str) -> Fraction:
    """Seconds of `90`, `1:30` or `00:01:30.5`."""
    try:
        parts = [Fraction(part) for part in text.split(":")]
        if len(parts) > 3 or min(parts) < 0:
            raise ValueError
    except (ValueError, ZeroDivisionError):
        raise FlagError(f"--{flag} must be a time such as 90, 1:30 or 00:01:30.5, not {text!r}") from None
    return sum((part * 60**k for k, part in enumerate(reversed(parts))), Fraction(0))


def _described(plan: Plan, args: Any, options: Options) -> dict[str, Any]:
    return {
        "steps": str(options.chain),
        "sha256": {"weights": options.chain.weights},
        "precision": args.precision,
        "film": dataclasses.asdict(plan.film),
        "output": str(plan.output),
        "encoding": dataclasses.asdict(plan.encoding),
        "options": dataclasses.asdict(options) | {"drop": sorted(options.drop)},
        "notes": plan.notes,
    }
