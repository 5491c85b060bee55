"""`python -m zoo restore noisy.png -o clean.png -m NAME`, `probe`, `preview`, `compare` and so on (installed as
`filmzoo`): every sub-command, and what runs it."""

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any

import tyro

from zoo import bounds
from zoo.commands import compare, doctor, export, look, models, presets, preview, probe, steps, track, undo, verify
from zoo.commands.restore import run as restore
from zoo.commands.restore.flags import Restore
from zoo.errors import command
from zoo.flags import check_names

COMMANDS: dict[type, Callable[[Any], int]] = {
    Restore: restore.run,
    probe.Probe: probe.run,
    preview.Preview: preview.run,
    compare.Compare: compare.run,
    verify.Verify: verify.run,
    doctor.Doctor: doctor.run,
    steps.Steps: steps.run,
    presets.Presets: presets.run,
    models.Models: models.run,
    export.Export: export.run,
    look.Look: look.run,
    track.Track: track.run,
    undo.Undo: undo.run,
}


@command
def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns its exit code (see zoo.errors)."""
    check_names(argv, *COMMANDS)
    kinds: Any = reduce(or_, COMMANDS)
    chosen = tyro.cli(kinds, args=argv, prog="filmzoo", config=(tyro.conf.FlagCreatePairsOff,))
    bounds.allow(getattr(chosen, "max_pixels", None))
    return COMMANDS[type(chosen)](chosen)
