"""`filmzoo undo`: the original's samples put back into a film that was made of it, without a new run."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import tyro

from zoo.commands.shared import Reads, Watched
from zoo.errors import FlagError
from zoo.flags import in_order


@in_order
@dataclasses.dataclass(frozen=True, kw_only=True)
class Undo(Watched, Reads):
    """Put back what the original shows, in a rectangle of some frames: short for restore --steps undo=..."""

    film: Annotated[str, tyro.conf.Positional]
    """The film that was made of the original."""
    original: Annotated[str, tyro.conf.arg(metavar="FILM")]
    """The film as it was, with the same frames."""
    frames: Annotated[str | None, tyro.conf.arg(metavar="FIRST-LAST")] = None
    """A frame's number or two such as 100-120, from 0 on, both put back; left out: all frames."""
    box: Annotated[str | None, tyro.conf.arg(metavar="X,Y,W,H")] = None
    """A rectangle in pixels, from the top left; left out: the whole frame."""
    output: Annotated[str | None, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = None
    """The film to write; left out: NAME_restored beside the film."""
    yes: Annotated[bool, tyro.conf.arg(aliases=["-y"])] = False
    """Overwrite a result that exists. An input is never overwritten."""


def run(args: Undo) -> int:
    """Writes the film; returns the exit code."""
    from zoo.chain import Chain
    from zoo.commands.restore import flags
    from zoo.commands.restore import run as restore
    from zoo.steps import undo

    if args.frames is None and args.box is None:
        raise FlagError("say what is put back, with --frames and --box; all of it would be the original")
    step: Any = undo.Undo(Path(args.original), args.frames, args.box)
    steps = str(Chain([step]))
    return restore.run(
        flags.Restore(
            inputs=(args.film,),
            steps=steps,
            output=args.output,
            yes=args.yes,
            progress=args.progress,
            max_pixels=args.max_pixels,
        )
    )
