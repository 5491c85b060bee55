"""Draws real films before and after: python -m eval.pages.film cockatoo_yuv420.mp4@250:0.05 bottle-detection.mp4@60

Each film is a row: its frame after `@`, and what each network makes of it. Where a level stands after `:`, the frame is
halved by area, so that it is clean, and grain of that level is laid on it.
"""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Float

from eval.comparison.datasets import frames_of, halved
from eval.pages.report import number
from eval.pages.sheet import Cell, sheet
from zoo import pictures
from zoo.errors import FlagError, InputError, command
from zoo.flags import check_names
from zoo.metrics import psnr
from zoo.noise import degrade
from zoo.restorer import Restorer

_FILM = re.compile(r"(?P<path>.+?)@(?P<frame>[0-9]+)(:(?P<level>[0-9.]+))?")
Picture = Float[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class Flags:
    """Draws frames of films as they are and as networks restore them, each film a row."""

    films: tyro.conf.Positional[tuple[str, ...]]
    """FILM@FRAME, or FILM@FRAME:LEVEL to lay grain on it."""
    models: tuple[str, ...] = ("resnet-gaussian", "fast-grain")
    """The networks, each a column."""
    output: Path = Path("docs/films.jpg")


def row(film: str, restorers: Sequence[Callable[[Picture], Picture]]) -> list[Cell]:
    """The frame as the networks see it, and what each makes of it."""
    found = _FILM.fullmatch(film)
    if not found:
        raise FlagError(f"{film!r} names no frame of a film; write it as reel.mkv@40, or reel.mkv@40:0.05 for grain")
    path, frame, level = Path(found["path"]), int(found["frame"]), float(found["level"] or 0)
    clean = next((read() for read in islice(frames_of(path), frame, None)), None)
    if clean is None:
        raise InputError(f"{path} has no frame {frame}; frames are counted from 0")
    name = f"{path.stem}@{frame}"
    if not level:
        return [Cell(clean, name), *(Cell(np.asarray(restore(clean)), "") for restore in restorers)]
    clean = halved(clean)
    seen = np.asarray(degrade(jax.random.key(frame), jnp.asarray(clean[None]), noise="grain", level=level))[0]
    decibels = lambda picture: float(psnr(clean, picture))
    cells = [Cell(seen, f"{name}, grain {level:g}: {number(decibels(seen), 1)} dB")]
    for restore in restorers:
        restored = np.asarray(restore(seen))
        gain = decibels(restored) - decibels(seen)
        cells.append(Cell(restored, f"{number(decibels(restored), 1)} dB", f"{number(gain, 1, sign='+')} dB"))
    return cells


@command
def main(argv: Sequence[str] | None = None) -> None:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, prog="python -m eval.pages.film", description=__doc__, args=argv)
    pictures.check_writable(flags.output)
    restorers = [Restorer(name) for name in flags.models]
    rows = [row(film, restorers) for film in flags.films]
    note = "Frames 1:1. Framed, and enlarged 4 times beneath: the place that the last network changes most."
    drawn = sheet(rows, columns=("film", *flags.models), title="Films before and after", note=note)
    pictures.write(flags.output, pictures.Picture(np.asarray(drawn)))
    print(f"before and after: {flags.output}")


if __name__ == "__main__":
    sys.exit(main())
