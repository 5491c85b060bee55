"""Draws clips that are made: python -m eval.pages.clips. The first of an endless row, so that nobody chose them."""

import colorsys
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFont

from zoo.errors import command
from zoo.flags import check_names
from zoo.made import leaves, moving

_SIZE, _FRAMES, _SHOWN = (108, 120), 7, (0, 2, 4, 6)
_FASTEST_PX = 8  # a frame; what is as fast or faster has the fullest colour
_GAP, _HEAD_PX = 4, 22
_COLUMNS = ("frame 0", "frame 2", "frame 4", "frame 6", "motion", "seen again", "behind")


@dataclass(frozen=True)
class Flags:
    """Draws clips of pictures that move, each a row."""

    output: Path = Path("docs/clips.png")
    count: int = 10
    """clips"""
    seed: int = 0


def sheet(made: moving.Clip) -> Image.Image:
    """A row for each clip: frames, the motion of the first one, what is seen again in the next, what lies behind."""
    rows = []
    for pictures, motion, seen, behind in zip(*map(np.asarray, made), strict=True):
        cells = [pictures[t] for t in _SHOWN]
        rows.append([*cells, coloured(motion[0]), np.repeat(seen[0], 3, -1), behind[0]])
    h, w = _SIZE[0] + _GAP, _SIZE[1] + _GAP
    paper = Image.new("RGB", (len(_COLUMNS) * w - _GAP, _HEAD_PX + len(rows) * h - _GAP), "white")
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(14)
    for x, name in enumerate(_COLUMNS):
        draw.text((x * w, 2), name, fill="black", font=font)
        for y, row in enumerate(rows):
            paper.paste(Image.fromarray(np.uint8(np.rint(255 * row[x].clip(0, 1)))), (x * w, _HEAD_PX + y * h))
    return paper


def coloured(motion: np.ndarray) -> np.ndarray:
    """Motion [h w 2] as colour: the hue is its direction, white stands still."""
    speed = np.minimum(np.hypot(motion[..., 0], motion[..., 1]) / _FASTEST_PX, 1) ** 0.5
    hues = np.array([colorsys.hsv_to_rgb(k / 360, 1, 1) for k in range(360)])
    hue = np.degrees(np.arctan2(motion[..., 0], motion[..., 1])).astype(int) % 360
    return 1 - speed[..., None] * (1 - hues[hue])


@command
def main(argv: Sequence[str] | None = None) -> None:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, args=argv)
    key = jax.random.key(flags.seed)
    stills = leaves.pictures(key, count=16)
    made = moving.clips(key, stills, count=flags.count, times=jnp.arange(float(_FRAMES)), size=_SIZE)
    sheet(made).quantize(256, dither=Image.Dither.NONE).save(flags.output, optimize=True)
    print(f"{flags.count} clips: {flags.output}")


if __name__ == "__main__":
    sys.exit(main())
