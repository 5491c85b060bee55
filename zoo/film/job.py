"""One film from its file to the restored file: decoded, restored and encoded at the same time, in finished segments."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zoo import files
from zoo.errors import InputError, Interrupted
from zoo.film import encode, formats, mux, source
from zoo.film.encode import Encoding, Segment
from zoo.film.engine import Engine, Restored
from zoo.film.mux import Stretch
from zoo.film.parts import Parts, fingerprint
from zoo.film.source import Film, Frame, Losses
from zoo.film.threads import ahead
from zoo.restorer import Restorer

SEGMENT = 100  # frames; a run that is killed loses at most so many
_AHEAD = 4  # frames that wait between two stages


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
    force_hdr: bool = False
    strength: float = 1.0
    keep_grain: float = 0.0
    batch: int = 0  # frames at once; 0: as many as fill the device
    restart: bool = False


@dataclasses.dataclass(frozen=True)
class Plan:
    """What will be done, known before any work."""

    film: Film
    output: Path
    encoding: Encoding
    notes: tuple[str, ...]  # sentences for the user


@dataclasses.dataclass(frozen=True)
class Report:
    """What was done. `frames`: restored; `lost`: about how many frames are missing at the file's end."""

    frames: int
    lost: int
    damaged_packets: int


def plan(name: str, output: Path, options: Options) -> Plan:
    """Looks at the film and chooses how it is written. Raises what stands against it, before any work."""
    film = source.describe(name, matrix=options.matrix, range_=options.range)
    if film.guesses and options.strict_color:
        raise InputError(f"{name} does not say its colour: {_guessed(film)} would be a guess; say it with --colorspace "
                         "and --color-range")  # fmt: skip
    if film.tags.transfer in formats.HDR and not options.force_hdr:
        raise InputError(
            f"{name} is HDR, {formats.HDR[film.tags.transfer]}, and the networks learned from SDR pictures; "
            "restore an SDR version, or try it with --force-hdr"
        )
    chosen = dict(options.encoder_options)
    encoding, losses = encode.choose(film, output, options.encoder, options.pixel_format, chosen)
    mux.check(film, encoding, output, options.drop)
    notes = []
    if film.guesses:
        notes.append(
            f"{name} does not say its colour; guessed: {_guessed(film)}. --colorspace, --color-range say better"
        )
    if losses:
        notes.append(f"{output.name} in {encoding.pixel_format} loses: {', '.join(losses)}; --pix-fmt chooses another")
    if "first" in film.field_order:
        notes.append(f"{name} is interlaced ({film.field_order}); its fields stay woven into frames")
    return Plan(film, output, encoding, tuple(notes))


def _guessed(film: Film) -> str:
    return ", ".join(film.guesses)


def settings(plan: Plan, options: Options, restorer: Restorer, weights: str) -> dict[str, Any]:
    """Everything that the restored frames depend on."""
    film, encoding = plan.film, plan.encoding
    return {
        "input": fingerprint(Path(film.name)),
        "weights": weights,
        "encoder": encoding.encoder,
        "pixel format": encoding.pixel_format,
        "encoder options": dict(encoding.options),
        "colour": dataclasses.asdict(film.layout),
        "tile": restorer.tile,
        "batch": options.batch,
        "strength": options.strength,
        "keep grain": options.keep_grain,
        "segment": SEGMENT,
    }


def run(
    plan: Plan, options: Options, restorer: Restorer, weights: str, progress: Callable[[int, int | None], None]
) -> Report:
    """Restores the whole film. `weights`: their sha256. `progress(frame, of)` is called after each frame.

    Raises Interrupted on Ctrl-C; what is finished by then is kept, and the same call goes on from there.
    """
    film = plan.film
    parts = Parts(plan.output, settings(plan, options, restorer, weights), restart=options.restart)
    engine = Engine(
        restorer, film.layout, plan.encoding.layout, strength=options.strength, keep_grain=options.keep_grain
    )
    losses, counted = Losses(), Count()
    try:
        frames = ahead(_wanted(film, parts, losses, counted), _AHEAD)
        restored = ahead(engine.run(frames, options.batch, SEGMENT), _AHEAD)
        with contextlib.closing(restored):
            for index in _segments(plan, parts, restored):
                progress(index + 1, film.expected)
        return _finished(plan, options, parts, counted, losses)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; the same command goes on with {plan.output}") from None


@dataclasses.dataclass
class Count:
    """The frames that were decoded."""

    frames: int = 0


def _wanted(film: Film, parts: Parts, losses: Losses, counted: Count) -> Iterator[tuple[int, Frame]]:
    """(number, frame) of the frames whose segments are not finished."""
    wanted = True
    for index, frame in enumerate(source.read(film, losses)):
        counted.frames = index + 1
        if index % SEGMENT == 0:
            wanted = parts.record(index // SEGMENT) is None
        if wanted:
            yield index, frame


def _segments(plan: Plan, parts: Parts, restored: Iterator[Restored]) -> Iterator[int]:
    """Encodes the restored frames into segments; yields the number of each frame."""
    item = next(restored, None)
    while item is not None:
        number, record = item.number // SEGMENT, {"pts": [], "durations": [], "input": [], "output": []}
        with parts.writing() as part:
            segment = Segment(part, plan.film, plan.encoding)
            try:
                while item is not None and item.number // SEGMENT == number:
                    segment.write(item.planes)
                    _note(record, item)
                    yield item.number
                    item = next(restored, None)
                segment.close()
            except BaseException:
                segment.abandon()
                raise
            parts.finish(number, part, record)


def _note(record: dict[str, list], item: Restored):
    record["pts"].append(item.source.pts)
    record["durations"].append(item.source.duration)
    record["input"].append(_md5(item.source.planes))
    record["output"].append(_md5(item.planes))


def _md5(planes: tuple[np.ndarray, ...]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for plane in planes:
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()


def _finished(plan: Plan, options: Options, parts: Parts, counted: Count, losses: Losses) -> Report:
    """Joins the segments, looks whether everything is there, and gives the film its name."""
    film, count = plan.film, counted.frames
    numbers = range(-(-count // SEGMENT))
    records = [parts.record(k) or {} for k in numbers]
    times = Stretch([t for r in records for t in r["pts"]], [d for r in records for d in r["durations"]])
    with files.whole(plan.output) as part:
        mux.join(film, plan.encoding, [parts.path(k) for k in numbers], times, part, options.drop)
        mux.verify(film, times, part)
    parts.remove()
    lost = film.lost(Frame((), times.pts[-1], times.durations[-1]))
    return Report(count, lost, losses.packets)
