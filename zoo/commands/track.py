"""`filmzoo track`: a painted line becomes a mask of every frame of a shot, for the step `remove`."""

import contextlib
import dataclasses
from itertools import groupby
from pathlib import Path
from typing import Annotated

import tyro

from zoo import files
from zoo.commands.shared import Numbered, Reads, Watched
from zoo.errors import FlagError, InputError, say
from zoo.flags import in_order


@in_order
@dataclasses.dataclass(frozen=True, kw_only=True)
class Track(Numbered, Watched, Reads):
    """Follow a painted line, such as a wire, through a shot: masks for `restore --steps remove=...`."""

    film: Annotated[str, tyro.conf.Positional]
    """A film, or numbered pictures such as frame.%%06d.dpx."""
    line: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FILE"), tyro.conf.UseAppendAction] = ()
    """JSON with the line's width and where it lies on one frame or more; may be repeated, a line each:
    {"width": 3, "keys": [{"frame": 0, "points": [[20, 0], [200, 130]]}]}. Pixels from the top left, frames from 0."""
    output: Annotated[str, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")]
    """A new folder for the masks, a picture for each frame of the film."""
    margin: float = 2.5
    """Pixels by which a mask is wider than its line, on each side."""


def run(args: Track) -> int:
    """Writes the masks; returns the exit code."""
    from zoo import checked
    from zoo.film import plan, track
    from zoo.film.progress import Progress

    folder = Path(args.output)
    if not args.line:
        raise FlagError("say where the line is painted, with --line and a file of JSON")
    if not 0 <= args.margin <= 100:
        raise FlagError(f"--margin must be from 0 to 100 pixels, not {args.margin:g}")
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise FlagError(f"{folder} is there already; choose a new folder with -o")
    files.check_folder(folder.parent)
    film = plan.describe(args.film, plan.Options(rate=args.a_second(), gaps=args.gaps))
    lines = []
    for name in args.line:
        try:
            lines.append(checked.read(Path(name), track.Painted))
        except FileNotFoundError:
            raise InputError(
                f"there is no {name}; write where the line is painted into it, see `track --help`"
            ) from None
        track.check(lines[-1], name, film, None)
    with Progress(args.progress, film.name) as shown, contextlib.closing(track.Frames(film, shown)) as frames:
        count = len(frames.all)
        for name, painted in zip(args.line, lines, strict=True):
            track.check(painted, name, film, count)
        if folder.is_dir():
            folder.rmdir()
        doubtful, empty = track.write(frames, lines, args.margin, folder)
    say(f"{count} masks -> {folder}")
    if doubtful:
        say(
            f"note: look at frames {spans(doubtful)}: there the line looks little like what was painted; paint it there"
        )
    if empty:
        say(f"note: nothing is masked in frames {spans(empty)}")
    return 0


def spans(numbers: list[int]) -> str:
    """Such as 3-7, 9."""
    runs = [[n for _, n in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
