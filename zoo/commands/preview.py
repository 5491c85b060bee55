"""`filmzoo preview`: a sheet of frames to choose by."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from zoo import files
from zoo.commands.shared import Reads, seconds
from zoo.errors import FlagError, say
from zoo.flags import in_order


@in_order
@dataclasses.dataclass(frozen=True, kw_only=True)
class Preview(Reads):
    """Make one picture of frames as they are and as models or chains restore them, with the place that changes most."""

    film: Annotated[str, tyro.conf.Positional]
    """A film, or numbered pictures such as frame.%%06d.dpx."""
    models: Annotated[str, tyro.conf.arg(aliases=["-m"], metavar="NAME|RUN,...")] = ""
    """Models to see, with commas between; each restores as `restore -m` does."""
    steps: Annotated[str | None, tyro.conf.arg(metavar="STEP,...")] = None
    """A chain to see, beside the models."""
    output: Annotated[str | None, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = None
    """The PNG to write; left out: NAME_preview.png here."""
    at: Annotated[str, tyro.conf.arg(metavar="TIME")] = "0"
    """The first frame's time: seconds, or a time such as 00:01:20.5."""
    frames: int = 1
    """How many frames, from there."""
    yes: Annotated[bool, tyro.conf.arg(aliases=["-y"])] = False
    """Overwrite a sheet that exists."""


def run(args: Preview) -> int:
    """Writes the sheet; returns the exit code."""
    from zoo import registry
    from zoo.chain import Chain
    from zoo.film import aside, job, plan
    from zoo.film.preview import sheet
    from zoo.presets import model_chain

    models = [name for name in args.models.split(",") if name]
    if not (models or args.steps):
        raise FlagError("name the models to see with -m, with commas between, or --steps; `models` lists them")
    if args.frames < 1:
        raise FlagError(f"--frames must be 1 or more, not {args.frames}")
    output = _output(args)
    for model in models:
        registry.card(model)  # an unknown one, before any work
    Chain(args.steps or "fuse")  # likewise
    options = plan.Options(start=seconds("at", args.at), frames=args.frames, on_change="first")
    film = plan.describe(args.film, options)
    for note in (plan.guessed(film), plan.hdr(film)):
        if note:
            say(f"note: {note}")
    chains = {model: model_chain(model, fuse=True) for model in models}
    chains |= {args.steps: args.steps} if args.steps else {}
    for steps in chains.values():
        own = dataclasses.replace(options, steps=steps)
        aside.check(film, own, job.reached(film, own))
    drawn = sheet(film, chains, options)
    with files.whole(output) as part:
        drawn.save(part, format="PNG")
    say(f"{args.frames} x {', '.join(chains)} -> {output}")
    return 0


def _output(args: Preview) -> Path:
    """The sheet to write. Raises FlagError where it must not be."""
    from zoo.film.read import sequence
    from zoo.film.write import outputs

    stem = outputs.named(Path(args.film)).stem
    stem = stem.partition("%")[0] if sequence.is_pattern(args.film) else stem
    output = Path(args.output or f"{stem}_preview.png")
    if output.suffix.lower() != ".png":
        raise FlagError(f"the sheet is a PNG; name it so with -o, not {output.name}")
    files.check_free(output, {path.resolve() for path in sequence.files(args.film)}, overwrite=args.yes)
    return output
