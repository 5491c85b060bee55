"""Draws looks that are learned: python -m eval.pages.looks. Pictures are procedural, so that the sheet is nobody's."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFont

from eval.grade.looks import LOOKS
from zoo.errors import command
from zoo.flags import check_names
from zoo.looks import paired
from zoo.looks.look import Look
from zoo.made import leaves

_SIZE, _LEARNED, _SHOWN = 88, 3, 2  # px of a picture; pairs to learn from; pictures that were not among them
_COLOURS = 30  # of a picture
_GAP, _HEAD_PX, _NAME_PX, _STRIP_PX = 4, 22, 118, 22
# Fair to dark, light to shadow: encoded sRGB about the hue that all skin has.
_SKIN = np.array([[241, 206, 184], [224, 172, 138], [198, 140, 104], [153, 101, 72], [110, 69, 50], [68, 42, 33]]) / 255
_SHADES = np.array([1.0, 0.75, 0.5])


@dataclass(frozen=True)
class Flags:
    """Draws looks on pictures that they were not learned from, each look a row."""

    output: Path = Path("docs/looks.png")
    seed: int = 1


def charts() -> np.ndarray:
    """A ramp of greys over skins in three lights: [h w 3] in [0, 1]."""
    ramp = np.linspace(0, 1, _SIZE)[None, :, None] * np.ones((_STRIP_PX, 1, 3))
    skin = (_SKIN[None] * _SHADES[:, None, None]).repeat(_STRIP_PX, 0).repeat(-(-_SIZE // len(_SKIN)), 1)
    return np.concatenate([ramp, skin[:, :_SIZE]])


def cells(stills: np.ndarray) -> list[tuple[str, list[np.ndarray]]]:
    """Of each look its name, and: each unseen picture as shot, graded and by the learned look; the charts so."""
    rows, flat = [], stills[:_LEARNED].reshape(-1, 3)
    places = np.random.default_rng(0).choice(len(flat), paired.SAMPLES, replace=False)
    shown = [*stills[_LEARNED:], charts()]
    for name, look in LOOKS.items():
        learned: Look = paired.learned(flat[places], look(flat[places]))
        graded = lambda x, look=look: look(x.reshape(-1, 3)).reshape(x.shape)
        copied = lambda x, learned=learned: np.asarray(learned(jnp.asarray(x, jnp.float32)))
        rows.append((name, [cell for x in shown for cell in (x, graded(x), copied(x))]))
    return rows


def sheet(rows: list[tuple[str, list[np.ndarray]]]) -> Image.Image:
    high, wide = _SIZE + _GAP, _SIZE + _GAP
    paper = Image.new("RGB", (_NAME_PX + len(rows[0][1]) * wide, _HEAD_PX + len(rows) * high - _GAP), "white")
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(14)
    for y, (name, row) in enumerate(rows):
        draw.text((2, _HEAD_PX + y * high + _SIZE // 2 - 8), name, fill="black", font=font)
        for x, picture in enumerate(row):
            left = _NAME_PX + x * wide
            if not y:
                draw.text((left, 2), ("as shot", "graded", "learned")[x % 3], fill="black", font=font)
            cell = Image.fromarray(np.uint8(np.rint(255 * picture.clip(0, 1))))
            if x // 3 < _SHOWN:  # of few colours, for a small file; but a ramp would have steps
                cell = cell.quantize(_COLOURS, dither=Image.Dither.NONE).convert("RGB")
            paper.paste(cell, (left, _HEAD_PX + y * high))
    return paper


@command
def main(argv: Sequence[str] | None = None) -> None:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, args=argv)
    stills = np.asarray(leaves.pictures(jax.random.key(flags.seed), count=_LEARNED + _SHOWN, size=2 * _SIZE))
    halved = stills.reshape(len(stills), _SIZE, 2, _SIZE, 2, 3).mean((2, 4))
    sheet(cells(halved)).save(flags.output, optimize=True)
    print(f"{len(LOOKS)} looks: {flags.output}")


if __name__ == "__main__":
    sys.exit(main())
