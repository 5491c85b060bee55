"""A sheet to choose by: frames of a film as they are and as chains restore them, side by side, and below each the place
that changes most, enlarged.
"""

import contextlib
import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

from zoo import color
from zoo.budget import Budget
from zoo.color import Layout
from zoo.errors import FlagError
from zoo.film import aside, display, job, plan, survey
from zoo.film.engine import Engine
from zoo.film.plan import Options
from zoo.film.read.source import Film

_CELL_PX = 640  # width of a frame on the sheet, at most
_PLACE = 6  # a frame's width over that of the place that is enlarged
_GAP_PX, _TITLE_PX = 4, 24
AS_IT_IS = "input"

Frames = Float[np.ndarray, "n h w 3"]


def sheet(film: Film, chains: dict[str, str], options: Options) -> Image.Image:
    """The sheet: a column for the input and each of the chains, given as {title: steps}; two rows for each frame that
    `options` ask for."""
    frames = [frame.planes for frame in job.stretch(film, options, job.Count())]
    if not frames:
        raise FlagError(f"no frame of {film.name} lies at --at; `probe` says how long it is")
    planes = tuple(jnp.asarray(np.stack(p)) for p in zip(*frames, strict=True))
    before = np.asarray(jnp.clip(color.to_rgb(planes, layout=film.layout), 0, 1))
    columns = {AS_IT_IS: before}
    columns |= {title: _restored(film, dataclasses.replace(options, steps=steps)) for title, steps in chains.items()}
    columns = {name: display.shown(pictures, film.display) for name, pictures in columns.items()}
    places = [_place([columns[title][k] for title in chains], columns[AS_IT_IS][k]) for k in range(len(before))]
    aspect = float(film.aspect or 1)
    return _drawn(columns, places, 1 / aspect if display.is_sideways(film.display) else aspect)


def _restored(film: Film, options: Options) -> Frames:
    """As `restore` makes them, of the frames around them too; of each frame the first picture."""
    budget = Budget()
    options = plan.settled(options, film, budget)
    found = None
    if survey.wanted(options.chain):  # all of the film, as `restore` does
        whole = dataclasses.replace(options, start=None, frames=None)
        found = job.surveyed(film, whole, budget, lambda *_: None)
    beside = aside.of(film, options.chain, job.reached(film, options), found)
    engine = Engine(options.chain, budget, plan.kind(film), Layout("rgb", 16, full=True), beside=beside)
    with contextlib.closing(job.restored(film, options, engine, None, job.Count())) as made:
        codes = [np.stack([one.planes[k] for k in (2, 0, 1)], -1) for one in made if not one.part]
    return np.stack(codes).astype(np.float32) / 65535


def _place(restored: Sequence[Float[np.ndarray, "h w 3"]], before: Float[np.ndarray, "h w 3"]) -> tuple[slice, slice]:
    """Where the models together change the picture most: rows and columns of a small window, inside the frame."""
    height, width = before.shape[:2]
    side = max(1, min(height, width // _PLACE))
    change = sum(np.abs(jax.image.resize(picture, before.shape, "linear") - before).sum(-1) for picture in restored)
    sums = np.pad(np.float64(change), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    window = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    y, x = np.unravel_index(window.argmax(), window.shape)
    return slice(int(y), int(y) + side), slice(int(x), int(x) + side)


def _scaled(place: tuple[slice, slice], down: float, across: float) -> tuple[slice, ...]:
    """A place of the input in a picture that is so many times as high and wide."""
    return tuple(
        slice(int(side.start * scale), max(1, int(side.stop * scale)))
        for side, scale in zip(place, (down, across), strict=True)
    )


def _drawn(columns: dict[str, Frames], places: list[tuple[slice, slice]], aspect: float) -> Image.Image:
    count, height, width = next(iter(columns.values())).shape[:3]
    cell_width = min(_CELL_PX, round(width * aspect))
    cell_height = max(1, round(cell_width * height / (width * aspect)))
    heights = [cell_height, max(1, round(cell_width / aspect))]  # the frame, the enlarged square
    size = (len(columns) * (cell_width + _GAP_PX), _TITLE_PX + count * (sum(heights) + 2 * _GAP_PX))
    paper = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(16)
    for column, (title, frames) in enumerate(columns.items()):
        x, y = column * (cell_width + _GAP_PX), _TITLE_PX
        pen.text((x + 4, 2), title, fill="black", font=font)
        for picture, place in zip(frames, places, strict=True):
            enlarged = picture[_scaled(place, picture.shape[0] / height, picture.shape[1] / width)]
            parts = (picture, Image.Resampling.LANCZOS), (enlarged, Image.Resampling.NEAREST)
            for (part, way), cell in zip(parts, heights, strict=True):
                codes = Image.fromarray(np.uint8(np.rint(255 * part)))
                paper.paste(codes.resize((cell_width, cell), way), (x, y))
                y += cell + _GAP_PX
    return paper
