"""What becomes of a film in its chain: another size, rate or order of fields, by which all is written.

Its file, its other streams and its clock stay those of the film."""

import dataclasses
from collections.abc import Iterator, Sequence
from fractions import Fraction

from zoo.chain import Chain
from zoo.errors import FlagError
from zoo.film import formats
from zoo.film.read.source import Changed, Film, Frame
from zoo.steps.step import Kind

_FINEST = 2**31 - 1  # the most ticks a second that FFmpeg counts


def film(own: Film, kinds: Sequence[Kind]) -> Film:
    """What `own` becomes in a chain with these kinds: the first goes into it, the last comes out."""
    given, made = kinds[0], kinds[-1]
    time_base = own.time_base / made.rate
    changed = {
        "multiple": made.rate,
        "rate": own.rate * made.rate,
        "time_base": time_base if time_base.denominator <= _FINEST else own.time_base,
    }
    if made.fields != given.fields:
        changed["field_order"] = "progressive" if made.fields == "none" else made.fields
    if made.aspect != given.aspect:
        changed["aspect"] = made.aspect
    if is_resized(kinds):
        changed |= {"resized": True, "height": made.height, "width": made.width, "tags": _tags(own, made)}
        changed["presentation"] = dataclasses.replace(own.presentation, crop=_crop(own, made))
    return dataclasses.replace(own, **changed)


def is_resized(kinds: Sequence[Kind]) -> bool:
    given, made = kinds[0], kinds[-1]
    return (made.height, made.width) != (given.height, given.width)


def is_deinterlaced(kinds: Sequence[Kind]) -> bool:
    return kinds[0].fields != "none" and kinds[-1].fields == "none"


def _tags(own: Film, made: Kind) -> formats.Tags:
    """The film's. Where television becomes so large that Rec. 709 is meant for it, its codes do too; what its primaries
    were, and are still, is then said."""
    tags, matrix = own.tags, own.layout.matrix
    if own.layout.family != "yuv":
        return tags
    wanted = formats.guess_matrix(made.height, made.width)
    if matrix in formats.SD_PRIMARIES and wanted not in formats.SD_PRIMARIES:
        silent = tags.primaries == formats.UNTAGGED
        primaries = formats.SD_PRIMARIES[matrix] if silent else tags.primaries
        return dataclasses.replace(tags, matrix=formats.MATRIX_NUMBERS[wanted], primaries=primaries)
    if tags.matrix in (formats.UNTAGGED, formats.RGB) and matrix != wanted:  # which would be guessed of the new size
        return dataclasses.replace(tags, matrix=formats.MATRIX_NUMBERS[matrix])
    return tags


def _crop(own: Film, made: Kind) -> tuple[int, ...] | None:
    """The hidden edges, in pixels of the new size."""
    if own.presentation.crop is None:
        return None
    down, across = Fraction(made.height, own.height), Fraction(made.width, own.width)
    scales = (down, down, across, across)
    return tuple(round(n * scale) for n, scale in zip(own.presentation.crop, scales, strict=True))


def check(chain: Chain, kinds: Sequence[Kind], controls: Sequence[str]) -> None:
    """Raises FlagError where flags that hold the whole chain back have nothing to hold it to."""
    if controls and kinds[-1].own == "none":
        raise FlagError(
            f"{controls[0]} needs pictures of the film's own size, and {chain} makes others; leave it out, or restore "
            "first and change the size in a second run"
        )
    if controls and not any(step.on == "rgb" for step in chain.steps):
        raise FlagError(f"{controls[0]} holds back what steps on RGB change, and {chain} has none; leave it out")


def notes(own: Film, made: Film) -> list[str]:
    """What is not as it was in the film, in sentences without their full stops."""
    said = []
    if made.multiple > 1:
        said.append(
            f"of each frame of {own.name} come {made.multiple} pictures, {float(made.rate):.6g} a second; --start, "
            "--end, --frames and --segment count its frames"
        )
    if (made.height, made.width) != (own.height, own.width):
        shape = f" with samples of {made.aspect}" if made.aspect else ""
        said.append(f"{own.name} becomes {made.width}x{made.height}{shape}, made anew of RGB")
        if made.tags.matrix != own.tags.matrix and own.layout.matrix in formats.SD_PRIMARIES:
            said.append(
                f"{own.name} is in the matrix of {own.layout.matrix} and becomes bt709, as is meant for its size"
            )
    return said


def times(frame: Frame, part: int, own: Film, made: Film) -> tuple[int, int]:
    """(time, duration) of one of the pictures of a frame, which share its own duration, in the time base of `made`."""
    if made.multiple == 1:
        return frame.pts, frame.duration
    at = [frame.pts + Fraction(k * frame.duration, made.multiple) for k in (part, part + 1)]
    begins, ends = (round(t * own.time_base / made.time_base) for t in at)
    return begins, ends - begins


def last(pts: Sequence[int], durations: Sequence[int], own: Film, made: Film) -> Frame:
    """The last frame of the film, without its planes, by the times of the pictures that came of it."""
    begins = round(pts[-made.multiple] * made.time_base / own.time_base)
    return Frame((), begins, round(sum(durations[-made.multiple :]) * made.time_base / own.time_base))


def lasting(own: Film, frames: Iterator[Frame]) -> Iterator[Frame]:
    """The frames, each of which lasts as long as it says, but not beyond the next; where it says nothing, up to it."""
    waiting, usual, change = None, max(1, round(1 / (own.rate * own.time_base))), None
    try:
        for frame in frames:
            if waiting:
                gap = frame.pts - waiting.pts
                yield waiting._replace(duration=min(waiting.duration or gap, gap))
            waiting = frame
    except Changed as e:  # after the last frame before it
        change = e
    if waiting:
        yield waiting._replace(duration=waiting.duration or usual)
    if change:
        raise change
