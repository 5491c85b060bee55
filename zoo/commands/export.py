"""`filmzoo export`: a network as a file for other programs."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from zoo import files
from zoo.errors import FlagError, say


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Write a network as an ONNX file, for programs such as VapourSynth: any height and width, RGB in [0, 1]."""

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME|RUN|FILE")]
    """A model of `models`, a training run's folder, or a file of weights."""
    output: Annotated[str, tyro.conf.arg(aliases=["-o"], metavar="FILE")]
    """The file to write, which ends in .onnx."""
    yes: Annotated[bool, tyro.conf.arg(aliases=["-y"])] = False
    """Overwrite a file that exists."""


def run(args: Export) -> int:
    """Writes the file; returns the exit code."""
    output = Path(args.output)
    if output.suffix.lower() != ".onnx":
        raise FlagError(f"an ONNX file ends in .onnx; name it so with -o, not {output.name}")
    files.check_free(output, {Path(args.model).resolve()}, overwrite=args.yes)
    from zoo import registry
    from zoo.export import onnx_file

    data = onnx_file.made(args.model)
    files.write(output, data)
    about = onnx_file.facts(args.model, registry.config_of(args.model))
    told = ", ".join(f"{name} {about[name]}" for name in ("scale", "multiple", "overlap", "licence"))
    say(f"{args.model} -> {output} ({told})")
    return 0
