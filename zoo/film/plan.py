"""What is to be done with a film: known, and everything that stands against it said, before any work."""

import dataclasses
import functools
import glob
import hashlib
import uuid
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from zoo import masks
from zoo.budget import Budget
from zoo.chain import Chain
from zoo.errors import InputError
from zoo.film import formats, give, outcome, woven
from zoo.film.give import Output
from zoo.film.read import clock, probe, sequence, source
from zoo.film.read.decoding import Losses
from zoo.film.read.original import Original
from zoo.film.read.source import Film
from zoo.film.write import containers, encode, streams
from zoo.film.write.encode import Encoding
from zoo.pictures import SUFFIXES
from zoo.steps.step import Aside, Kind
from zoo.sums import fingerprint

_MOST_AT_ONCE = 16  # frames: more of them only wait for one another


@dataclasses.dataclass(frozen=True)
class Options:
    """How a film is restored and written; None: by the film, the output's suffix and the device."""

    encoder: str | None = None
    pixel_format: str | None = None
    encoder_options: tuple[tuple[str, str], ...] = ()
    drop: frozenset[str] = frozenset()
    matrix: str | None = None  # the film's, where its tags are wrong or missing
    range: str | None = None
    strict_color: bool = False
    on_change: str = "fail"  # of a film's tags within it: "first" goes on with those it began with, "fail" refuses,
    # "split" writes several films: see `zoo.film.split`
    force_hdr: bool = False
    rate: Fraction = Fraction(24)  # of a sequence
    gaps: str = "fail"  # of a sequence: "copy" or "fail"
    strength: float = 1.0
    keep_grain: float = 0.0
    steps: str = ""  # the chain that restores: see `zoo.steps.grammar`
    batch: int = 0  # frames that go through a device at once; 0: see `settled`
    segment: int = 100  # frames; a run that is killed loses at most so many
    start: Fraction | None = None  # seconds from the first frame
    end: Fraction | None = None
    frames: int | None = None
    mask: Path | None = None  # a picture, or a folder with one for each frame
    give: tuple[tuple[str, Path], ...] = ()  # what of all that steps lay aside is written, and where
    shard: tuple[int, int] = (1, 1)  # this process does a run of the segments: (which, of how many)
    restart: bool = False
    verify: bool = True  # whether what was written is read again and compared

    @functools.cached_property
    def chain(self) -> Chain:
        return Chain(self.steps, batch=max(1, self.batch))

    @property
    def cut(self) -> bool:
        return (self.start, self.end, self.frames) != (None, None, None)

    @property
    def controls(self) -> list[str]:
        """The flags that hold the whole chain back."""
        flags = {
            "--strength": self.strength != 1,
            "--keep-grain": self.keep_grain != 0,
            "--mask": self.mask is not None,
        }
        return [flag for flag, given in flags.items() if given]

    @property
    def to_its_end(self) -> bool:
        return (self.end, self.frames) == (None, None)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What will be done, known before any work."""

    film: Film
    kind: Kind  # of its frames
    restored: Film  # what is written of it
    output: Path
    encoding: Encoding
    notes: tuple[str, ...]  # sentences for the user
    original: Original  # the film's file, or its pictures, as they were then
    given: tuple[Output, ...] = ()  # what steps lay aside and is written too

    @property
    def outputs(self) -> tuple[Output, ...]:
        """All that is written, the restored film first."""
        return Output("", self.restored, self.output, self.encoding), *self.given


def plan(name: str, output: Path, options: Options) -> Plan:
    """Looks at the film and chooses how it is written. Raises what stands against it, before any work."""
    return of(describe(name, options), output, options)


def of(film: Film, output: Path, options: Options) -> Plan:
    """`plan` of a film that was looked at."""
    name = film.name
    if film.guesses and options.strict_color:
        guesses = ", ".join(film.guesses)
        raise InputError(f"{name} does not say its colour: {guesses} would be a guess; say it with --colorspace "
                         "and --color-range")  # fmt: skip
    if (reason := hdr(film)) and not options.force_hdr:
        raise InputError(reason)
    carried, seen = () if film.alone else probe.carries(name), woven.look(film)
    given = kind(film, seen.fields.order)
    kinds = [given]
    if options.steps:
        kinds = options.chain.kinds(given)
        outcome.check(options.chain, kinds, options.controls)
        give.check(options.chain, options.give, output)
    restored = outcome.film(film, kinds)
    chosen = dict(options.encoder_options)
    encoding, losses = encode.choose(restored, output, options.encoder, options.pixel_format, chosen)
    notes = [f"{name} {moved}" for moved in clock.notes(film.joints)] + outcome.notes(film, restored)
    if encoding.encoder not in (encode.Y4M, sequence.CONTAINER):
        notes += containers.check(restored, encoding, output, options.drop)
    if guess := guessed(film):
        notes.append(f"{guess}. --colorspace, --color-range say better")
    if encoding.encoder in (encode.Y4M, sequence.CONTAINER) and (others := streams.others(film)):
        notes.append(f"only pictures are written; the film's other streams are not: {', '.join(others)}")
    if encoding.encoder == sequence.CONTAINER and (left := sequence.left_out(restored, output)):
        notes.append(f"{name}: not kept in {output.name}: {', '.join(left)}")
    if unsaid := encode.unsaid(restored, encoding, output):
        where = encoding.encoder if encoding.encoder == encode.Y4M else f"{encoding.encoder} in {output.suffix}"
        other = ".mov" if output.suffix.lower() in (".mkv", ".webm") else "ffv1 in .mkv"
        notes.append(f"{where} cannot say of the film: {', '.join(unsaid)}; {other} can")
    if losses:
        notes.append(f"{output.name} in {encoding.pixel_format} loses: {', '.join(losses)}; --pix-fmt chooses another")
    if carried:
        notes.append(f"what lies in the pictures of {name} is not written again: {', '.join(carried)}")
    fields = "none" if outcome.is_deinterlaced(kinds) else given.fields
    notes += woven.notes(film, seen, fields, options.chain if options.steps else None)
    beside = give.outputs(restored, options.give)
    notes += give.notes(beside)
    return Plan(film, given, restored, output, encoding, tuple(notes), Original(film), beside)


def settled(options: Options, film: Film, budget: Budget) -> Options:
    """The options with the batch and the segment as they will be, on which the last bit of a code may depend.

    A batch is at most what the tile lets through a device, and what the film has; where nothing was said also at most
    16 frames and a segment. A segment is rounded up to whole batches. Raises OutOfMemory for frames too large for a
    network that cannot be tiled.
    """
    networks = options.chain.at_once(kind(film), Aside(network=budget.network))
    most = [networks, film.expected or _MOST_AT_ONCE]
    batch = min(most + ([options.batch] if options.batch else [_MOST_AT_ONCE, options.segment]))
    return dataclasses.replace(options, batch=batch, segment=-(-options.segment // batch) * batch)


def kind(film: Film, order: str | None = None) -> Kind:
    """What goes into a chain. `order`: of the fields that its frames show; where they show none, the film's word."""
    fields: Any = order or (film.field_order if "first" in film.field_order else "none")
    colour = "grey" if film.layout.family == "grey" else "rgb"
    return Kind(film.height, film.width, film.aspect or Fraction(1), fields, colour, layout=film.layout)


def describe(name: str, options: Options) -> Film:
    """What a film is: a file, numbered pictures, or a pipe."""
    if is_sequence(name):
        return sequence.describe(name, options.rate, options.gaps, options.matrix)
    return source.describe(name, matrix=options.matrix, range_=options.range, on_change=options.on_change)


def is_sequence(name: str) -> bool:
    """Whether a film's name stands for pictures: a pattern, a folder or a glob, but not where it is a file's own."""
    path = Path(name)
    if name == source.PIPE or path.suffix.lower() in SUFFIXES or path.is_file():
        return path.suffix.lower() in SUFFIXES
    return path.is_dir() or glob.has_magic(name)


def guessed(film: Film) -> str | None:
    """What had to be guessed about the film's colour, in a sentence without its full stop."""
    return f"{film.name} does not say its colour; guessed: {', '.join(film.guesses)}" if film.guesses else None


def changes(name: str, found: Sequence[str], losses: Losses) -> list[str]:
    """What changed within a film that was read, in sentences without their full stops."""
    said = []
    if found:
        more = f", and at {len(found) - 1} more frames" if len(found) > 1 else ""
        said.append(f"{name} changes at {found[0]}{more}; it is taken for what it began with")
    if losses.turned:
        said.append(
            f"{losses.turned} frames of {name} have no later time than the one before, the first is frame "
            f"{losses.first_turned}; they follow it in short steps until the film's own times are reached"
        )
    return said


def hdr(film: Film) -> str | None:
    """Why a film of PQ or HLG is not restored unless one insists."""
    if film.tags.transfer not in formats.HDR:
        return None
    return (
        f"{film.name} is HDR, {formats.HDR[film.tags.transfer]}, and the networks learned from SDR pictures; "
        "restore an SDR version, or try it with --force-hdr"
    )


def settings(plan: Plan, options: Options, budget: Budget, weights: Any) -> dict[str, Any]:
    """Everything that the restored frames depend on, and nothing else: what is copied may be chosen anew."""
    film, encoding = plan.film, plan.encoding
    return {
        "input": _fingerprint(film),
        "rate": str(film.rate),
        "weights": weights,
        "encoder": encoding.encoder,
        "pixel format": encoding.pixel_format,
        "encoder options": dict(encoding.options),
        "colour": dataclasses.asdict(film.layout),
        "colour written": dataclasses.asdict(encoding.layout),
        "steps": options.chain.identity(),
        "tile": budget.tiles,
        "precision": budget.precision,
        "batch": options.batch,
        "strength": options.strength,
        "keep grain": options.keep_grain,
        "segment": options.segment,
        "cut": [None if t is None else str(t) for t in (options.start, options.end)] + [options.frames],
        "mask": options.mask and masks.sum_of(options.mask),
        "give": {out.name: [out.encoding.encoder, out.encoding.pixel_format] for out in plan.given} or None,
    }


def _fingerprint(film: Film) -> str:
    if film.container == sequence.CONTAINER:
        # Their names: what is in them, each segment's record knows.
        paths = [path for _, path in sequence.find(film.name, film.gaps)]
        names = "\n".join(path.name for path in paths)
        return hashlib.sha256(f"{fingerprint(paths[0])}\n{names}".encode()).hexdigest()
    return fingerprint(Path(film.name)) if film.name != source.PIPE else uuid.uuid4().hex  # a pipe is never the same
