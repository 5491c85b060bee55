"""Two films frame by frame: which frames belong together, and how far they differ.

Both become RGB by their own tags, in float, clipped to [0, 1]; so films of other subsampling, depth, range or matrix
that show the same picture compare as equal, up to what those hold. Frames are taken as they come and let go again.
"""

import contextlib
import dataclasses
import itertools
import math
from array import array
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from av.error import InvalidDataError

from zoo import color
from zoo.color import Layout
from zoo.errors import FlagError, InputError, OutputError, ZooError
from zoo.film import display, formats, job, plan
from zoo.film.plan import Options
from zoo.film.read import sequence
from zoo.film.read.decoding import opened
from zoo.film.read.source import PIPE, Film, Frame
from zoo.film.threads import ahead
from zoo.flicker import flicker
from zoo.metrics import MEASURES, METRICS, summarise

PROTOCOL = f"{MEASURES}; RGB by each film's own tags, clipped; flicker: median of 16 px blocks, codes of 255"
COLUMNS = ("psnr_rgb", "ssim", "mae", "flicker_a", "flicker_b")
_AHEAD = 4  # frames that wait between two stages
_CLOSE = Fraction(2, 5)  # of a frame's length, at most, lies between what is taken for one time
_WORST = 5  # frames that are named


class Placed(NamedTuple):
    """A frame, its number in its film, its seconds from the film's first, and the place by which it is paired."""

    number: int
    seconds: Fraction
    place: Fraction
    frame: Frame


@dataclasses.dataclass
class Comparison:
    """What is known of two films; it grows while `pairs` is read. Pairs of fields: of the one film and the other."""

    films: tuple[Film, Film]
    by: str  # what pairs the frames: "time", "number" or "order"
    b_start: Fraction | None = None  # seconds: the second film's first frame from there is the first one's first
    counts: tuple[job.Count, job.Count] = dataclasses.field(default_factory=lambda: (job.Count(), job.Count()))
    numbers: tuple[array, array] = dataclasses.field(default_factory=lambda: (array("q"), array("q")))  # of pairs
    seconds: array = dataclasses.field(default_factory=lambda: array("d"))  # of pairs, by the first film's clock
    values: dict[str, array] = dataclasses.field(default_factory=lambda: {name: array("d") for name in COLUMNS})
    alone: tuple[list, list] = dataclasses.field(default_factory=lambda: ([], []))  # (number, seconds) of frames
    lost: list[int] = dataclasses.field(default_factory=lambda: [0, 0])  # about how many frames at a broken end

    def add(self, one: Placed, other: Placed, values: dict[str, float]):
        self.numbers[0].append(one.number)
        self.numbers[1].append(other.number)
        self.seconds.append(float(one.seconds))
        for name, column in self.values.items():
            column.append(values[name])


def begin(a: str, b: str, options: Options, b_start: Fraction | None = None) -> Comparison:
    """Looks at both films. `b_start`: where in `b`, in seconds, the stretch of `a` begins, if not at `options.start`.

    Raises InputError for two that cannot be compared, before any work."""
    if a == b == PIPE:
        raise FlagError("standard input is one film; name a file for the other")
    one, other = films = plan.describe(a, options), plan.describe(b, options)
    if (one.width, one.height) != (other.width, other.height):
        raise InputError(
            f"{a} is {one.width}x{one.height} px and {b} {other.width}x{other.height}; scale one to the other's size"
        )
    transfers = {film.tags.transfer for film in films} - {formats.UNTAGGED}
    if len(transfers) > 1 and transfers & formats.HDR.keys():
        raise InputError(f"of {a} and {b} one is HDR, the other is not or of another kind; convert one to the other's")
    numbered = [film.container == sequence.CONTAINER and sequence.is_pattern(film.name) for film in films]
    timed = sequence.CONTAINER not in (one.container, other.container)
    by = "time" if timed else "number" if all(numbered) and b_start is None else "order"
    return Comparison((one, other), by, b_start)


def pairs(found: Comparison, options: Options) -> Generator[tuple[Placed, Placed], None, None]:
    """Every pair of frames, once it is measured."""
    a, b = found.films
    before, last = None, [Frame((), 0, 0), Frame((), 0, 0)]
    with contextlib.closing(_aligned(found, options)) as aligned:
        for left, right in aligned:
            last = [placed.frame if placed else old for placed, old in zip((left, right), last, strict=True)]
            if left and right:
                values, before = _measured(*map(_planes, (left, right)), before, a=a.layout, b=b.layout)
                found.add(left, right, {name: float(value) for name, value in jax.device_get(values).items()})
                yield left, right
            elif alone := left or right:
                found.alone[0 if left else 1].append((alone.number, alone.seconds))
                before = None  # the next pair does not follow this one
    if not found.seconds:
        raise InputError(f"no frame of {a.name} has the {found.by} of one of {b.name}; there is nothing to compare")
    for side, film in enumerate(found.films):
        if not (options.cut or film.alone):
            count = len(found.seconds) + len(found.alone[side])
            found.lost[side] = film.lost(last[side], count, found.counts[side].losses)


def _aligned(found: Comparison, options: Options) -> Generator[tuple[Placed | None, Placed | None], None, None]:
    """The frames of both films side by side. The first film says which stretch of the other is looked at."""
    a, b = found.films
    timed, together = found.by == "time", found.b_start is not None
    near = min((a.time_base + b.time_base) / 2, _CLOSE / max(a.rate, b.rate)) if timed else Fraction(0)
    shift = _shift(a, b, near) if timed and not together else Fraction(0)
    start = found.b_start if together else options.start and options.start - shift - near
    end = options.end if found.by == "number" else None
    wide = dataclasses.replace(options, start=start, end=end, frames=None)
    films = _placed(found, 0, options, Fraction(0)), _placed(found, 1, wide, shift)
    with contextlib.closing(ahead(films[0], _AHEAD)) as one, contextlib.closing(ahead(films[1], _AHEAD)) as other:
        seen = 0
        for left, right in paired(*(_begun_together(one, other) if together else (one, other)), near):
            seen += left is not None
            if not left and right and _after(right, found, options, seen):
                return
            if left or not timed or options.start is None or (right and right.place >= options.start):
                yield left, right


def _after(alone: Placed, found: Comparison, options: Options, seen: int) -> bool:
    """Whether a frame of the second film comes after the stretch of the first, of which so many frames were `seen`."""
    if seen == options.frames:
        return True
    return options.end is not None and (found.by == "order" or (found.by == "time" and alone.place >= options.end))


def _begun_together(one: Iterator[Placed], other: Iterator[Placed]) -> tuple[Iterator[Placed], Iterator[Placed]]:
    """Both, the places of the second moved so that their first frames have one."""
    first, match = next(one, None), next(other, None)
    gap = first.place - match.place if first and match else Fraction(0)
    moved = (p._replace(place=p.place + gap) for p in itertools.chain([match] if match else [], other))
    return itertools.chain([first] if first else [], one), moved


def _placed(found: Comparison, side: int, options: Options, shift: Fraction) -> Iterator[Placed]:
    film, counted = found.films[side], found.counts[side]
    numbers = sequence.numbers(film) if sequence.is_pattern(film.name) else None
    for k, frame in enumerate(job.stretch(film, options, counted)):
        number = numbers[counted.first + k] if numbers else counted.first + k
        seconds = frame.pts * film.time_base - film.begins
        place = {"time": seconds + shift, "number": Fraction(number), "order": Fraction(k)}[found.by]
        yield Placed(number, seconds, place, frame)


def paired(a: Iterable[Placed], b: Iterable[Placed], near: Fraction) -> Iterator[tuple[Placed | None, Placed | None]]:
    """Frames whose places are no farther apart than `near`, each other one alone; all in the order of their places."""
    one, other = next(a := iter(a), None), next(b := iter(b), None)
    while one or other:
        left = one and (other is None or one.place <= other.place + near)
        right = other and (one is None or other.place <= one.place + near)
        yield one if left else None, other if right else None
        one, other = next(a, None) if left else one, next(b, None) if right else other


def _shift(a: Film, b: Film, near: Fraction) -> Fraction:
    """What is added to the times of `b`, counted from its first frame, to have those of `a`.

    Where both begin at one time, nothing. Else either the first frames are the same and the clocks differ, as from one
    kind of file to another, or the clocks are the same and first frames are missing: what leaves fewer frames alone.
    """
    gap = b.begins - a.begins
    if abs(gap) <= near or PIPE in (a.name, b.name):
        return Fraction(0)
    one, other = _times(a), _times(b)

    def alone(shift: Fraction) -> int:
        left, right = ([Placed(0, t, t + s, Frame((), 0, 0)) for t in ts] for ts, s in ((one, 0), (other, shift)))
        return sum(None in pair for pair in paired(left, right, near))

    return min(gap, Fraction(0), key=alone)


def _times(film: Film) -> list[Fraction]:
    """Seconds of every frame from the first, without decoding."""
    times, clock = [], film.clock()
    with opened(film.name) as container, contextlib.suppress(InvalidDataError):  # where the file breaks off
        for packet in container.demux(container.streams[film.stream]):
            clock.set(packet)
            if packet.size and packet.pts is not None:
                times.append(packet.pts * film.time_base - film.begins)
    return sorted(t for t in times if t >= 0)


def _planes(placed: Placed) -> tuple[jax.Array, ...]:
    return tuple(jnp.asarray(plane[None]) for plane in placed.frame.planes)


@partial(jax.jit, static_argnames=("a", "b"))
def _measured(one: color.Planes, other: color.Planes, before, *, a: Layout, b: Layout):
    """(the value of each of COLUMNS, the lumas of both frames)."""
    rgb = [jnp.clip(color.to_rgb(p, layout=q), 0, 1) for p, q in ((one, a), (other, b))]
    lumas = [color.luma(p, layout=q) for p, q in ((one, a), (other, b))]
    steps = [math.nan, math.nan] if before is None else [flicker(x, y)[0] for x, y in zip(before, lumas, strict=True)]
    values = [*(METRICS[name](*rgb)[0] for name in ("psnr", "ssim", "mae")), *steps]
    return dict(zip(COLUMNS, values, strict=True)), lumas


# ---- what is said of it


def notes(found: Comparison) -> list[str]:
    """What a reader of the numbers should know of the films before, in sentences without their full stops."""
    said = dict.fromkeys(note for film in found.films if (note := plan.guessed(film)))
    one, other = (display.words(film.display) if film.display else "no turn" for film in found.films)
    if one != other:
        a, b = (film.name for film in found.films)
        said[f"the pictures are compared as they are stored; {a} is shown with {one}, {b} with {other}"] = None
    return list(said)


def result(found: Comparison) -> dict[str, Any]:
    """All of it as JSON has it, once `pairs` is read: zoo.numbers.text writes it."""
    psnr = found.values["psnr_rgb"]
    names = ("a", "b")
    about = {name: _about(found, side) for side, name in enumerate(names)}
    alone = {f"only_in_{name}": [_named(*frame) for frame in found.alone[side]] for side, name in enumerate(names)}
    return {
        "protocol": PROTOCOL,
        **about,
        "paired_by": found.by,
        "pairs": len(psnr),
        **alone,
        "identical": sum(map(math.isinf, psnr)),
        "mean": {name: _short(summarise(column)) for name, column in found.values.items()}
        | {"psnr_rgb_of_the_others": _short(summarise(v for v in psnr if math.isfinite(v)))},
        "worst": [_named(found.numbers[0][k], found.seconds[k]) | _values(found, k) for k in worst(found)],
        "frames": {f"number_{name}": list(found.numbers[side]) for side, name in enumerate(names)}
        | {"seconds": [round(t, 6) for t in found.seconds]}
        | {name: [_short(v) for v in column] for name, column in found.values.items()},
    }


def fault(found: Comparison) -> ZooError | None:
    """What the films lack, in a sentence; None where every frame has its pair and nothing is damaged."""
    names = [film.name for film in found.films]
    for side, (name, other) in enumerate([names, names[::-1]]):
        if alone := found.alone[side]:
            count = f"{len(alone)} frame{'s' * (len(alone) > 1)}"
            at = _named(*alone[0])
            return OutputError(
                f"{other} lacks {count} of {name}, the first is frame {at['frame']} at {at['time_code']}; "
                f"the {len(found.seconds)} pairs are measured"
            )
    for name, counted, lost in zip(names, found.counts, found.lost, strict=True):
        if counted.losses or lost:
            return ZooError(
                f"{name} is damaged: {counted.losses}, about {lost} frames are lost; "
                f"the {len(found.seconds)} pairs are measured"
            )
    return None


def worst(found: Comparison) -> list[int]:
    """Which pairs have the lowest PSNR, of those that differ."""
    psnr = found.values["psnr_rgb"]
    return sorted((k for k, v in enumerate(psnr) if v < math.inf), key=psnr.__getitem__)[:_WORST]


def time_code(seconds: Fraction | float) -> str:
    """`00:01:20.041`, rounded down, so that `preview --at` finds the frame."""
    thousandths = math.floor(Fraction(seconds) * 1000 + Fraction(1, 1000))
    minutes, thousandths = divmod(thousandths, 60000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{thousandths // 1000:02}.{thousandths % 1000:03}"


def _about(found: Comparison, side: int) -> dict[str, Any]:
    film = found.films[side]
    return {
        "film": film.name,
        "pixel_format": film.pixel_format,
        "colour": dataclasses.asdict(film.layout),
        "guessed": list(film.guesses),
        "display": film.display,
        "begins_s": float(film.begins),
        "frames": len(found.seconds) + len(found.alone[side]),
        "damaged_packets": found.counts[side].losses.packets,
        "damaged_frames": found.counts[side].losses.frames,
        "lost_frames": found.lost[side],
    }


def _named(number: int, seconds: Fraction | float) -> dict[str, Any]:
    return {"frame": number, "time_code": time_code(seconds)}


def _values(found: Comparison, k: int) -> dict[str, float]:
    return {name: _short(column[k]) for name, column in found.values.items()}


def _short(value: float) -> float:
    return float(f"{value:.6g}")
