"""Sheets that compare: photographs with one place of each enlarged beneath; the same places, method by method."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

from zoo.palette import ACCENT, GREY, INK, PAPER

_MARGIN, _GAP, _SEAM = 40, 24, 8  # around the sheet, between cells, between a picture and its enlargement
_VIEW = (270, 424)  # h, w of a picture's cutout, shown pixel for pixel
_ZOOM = 4
_PLACE = (48, 106)  # h, w of the part enlarged: _ZOOM times as large it is as wide as the view
_TITLE_PX, _LABEL_PX, _NOTE_PX = 34, 22, 20
CROP = (56, 56)  # h, w of what a sheet of crops enlarges
_ACROSS, _CROP_GAP = 6, 12  # crops in a line, px between them


@dataclass(frozen=True)
class Cell:
    """One version of a photograph: picture [h w 3] in [0, 1], what stands under it, and that in colour."""

    picture: Float[np.ndarray, "h w 3"]
    caption: str
    gain: str = ""


def sheet(rows: Sequence[Sequence[Cell]], *, columns: Sequence[str], title: str, note: str) -> Image.Image:
    """The sheet of `rows`, whose cells stand under the names `columns`: 1400 px wide with three columns.

    In a row all pictures are of one size, the first is the true one and the last is on trial: the place where that
    errs most is framed in each and enlarged, so that nobody chose it.
    """
    top = _MARGIN + _TITLE_PX + 14 + _NOTE_PX + 26 + _LABEL_PX + 16
    cell_height = _VIEW[0] + _SEAM + _PLACE[0] * _ZOOM + 12 + _NOTE_PX + _GAP + 8
    width = 2 * _MARGIN + len(columns) * _VIEW[1] + (len(columns) - 1) * _GAP
    paper = Image.new("RGB", (width, top + len(rows) * cell_height + _MARGIN - _GAP - 8), PAPER)
    draw = ImageDraw.Draw(paper)
    _text(draw, (_MARGIN, _MARGIN), title, _TITLE_PX, INK)
    _text(draw, (_MARGIN, _MARGIN + _TITLE_PX + 14), note, _NOTE_PX, GREY)
    lefts = [_MARGIN + i * (_VIEW[1] + _GAP) for i in range(len(columns))]
    for left, name in zip(lefts, columns, strict=True):
        _text(draw, (left, top - _LABEL_PX - 16), name, _LABEL_PX, INK)
    for i, cells in enumerate(rows):
        place = worst_place(cells[0].picture, cells[-1].picture)
        for left, cell in zip(lefts, cells, strict=True):
            _draw_cell(paper, (left, top + i * cell_height), cell, place)
    return paper


def crops(places: Sequence[tuple[str, Sequence[Cell]]], *, title: str, note: str) -> Image.Image:
    """A sheet of places, each under its heading: the cells' pictures, cut to CROP already, enlarged, in lines."""
    h, w = (side * _ZOOM for side in CROP)
    cell_height = h + 12 + 2 * (_NOTE_PX + 6) + _CROP_GAP
    top = _MARGIN + _TITLE_PX + 14 + _NOTE_PX + 30
    heights = [_LABEL_PX + 14 + cell_height * math.ceil(len(cells) / _ACROSS) + _GAP for _, cells in places]
    paper = Image.new("RGB", (2 * _MARGIN + _ACROSS * (w + _CROP_GAP) - _CROP_GAP, top + sum(heights) + _MARGIN), PAPER)
    draw = ImageDraw.Draw(paper)
    _text(draw, (_MARGIN, _MARGIN), title, _TITLE_PX, INK)
    _text(draw, (_MARGIN, _MARGIN + _TITLE_PX + 14), note, _NOTE_PX, GREY)
    for (heading, cells), height in zip(places, heights, strict=True):
        _text(draw, (_MARGIN, top), heading, _LABEL_PX, INK)
        for k, cell in enumerate(cells):
            left = _MARGIN + k % _ACROSS * (w + _CROP_GAP)
            y = top + _LABEL_PX + 14 + k // _ACROSS * cell_height
            crop = _image(cell.picture)
            paper.paste(crop.resize((crop.width * _ZOOM, crop.height * _ZOOM), Image.Resampling.NEAREST), (left, y))
            _text(draw, (left, y + h + 6), cell.caption, _NOTE_PX, INK, anchor="la")
            _text(draw, (left, y + h + 6 + _NOTE_PX + 6), cell.gain, _NOTE_PX, GREY, anchor="la")
        top += height
    return paper


def worst_place(
    clean: Float[np.ndarray, "h w 3"], picture: Float[np.ndarray, "h w 3"], size: tuple[int, int] = _PLACE
) -> tuple[int, int]:
    """(y, x) of the top left corner of the window of `size` (h, w) with the largest squared error."""
    error = np.square(clean.astype(np.float64) - picture).sum(axis=-1)
    window = np.minimum(size, error.shape)
    total = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    h, w = window
    sums = total[h:, w:] - total[:-h, w:] - total[h:, :-w] + total[:-h, :-w]
    y, x = np.unravel_index(sums.argmax(), sums.shape)
    return int(y), int(x)


def _draw_cell(paper: Image.Image, corner: tuple[int, int], cell: Cell, place: tuple[int, int]) -> None:
    """The view that has the place near its middle, framed in it; the place enlarged; the caption."""
    draw, (left, top), (y, x) = ImageDraw.Draw(paper), corner, place
    view_y, view_x = (
        max(0, min(at + part // 2 - seen // 2, size - seen))
        for at, part, seen, size in zip(place, _PLACE, _VIEW, cell.picture.shape[:2], strict=True)
    )
    view = _image(cell.picture[view_y : view_y + _VIEW[0], view_x : view_x + _VIEW[1]])
    _frame(view, (x - view_x, y - view_y))
    paper.paste(view, corner)
    crop = _image(cell.picture[y : y + _PLACE[0], x : x + _PLACE[1]])
    crop = crop.resize((crop.width * _ZOOM, crop.height * _ZOOM), Image.Resampling.NEAREST)
    paper.paste(crop, (left, top + _VIEW[0] + _SEAM))
    top += _VIEW[0] + _SEAM + _PLACE[0] * _ZOOM + 12
    _text(draw, (left, top), cell.caption, _NOTE_PX, GREY)
    if cell.gain:
        indent = ImageFont.load_default(_NOTE_PX).getlength(cell.caption + "   ")
        _text(draw, (left + indent, top), cell.gain, _NOTE_PX, ACCENT)


def _frame(view: Image.Image, corner: tuple[int, int]) -> None:
    """A white line between two dark ones, seen on any picture, around the place at `corner` (x, y)."""
    draw, (x, y) = ImageDraw.Draw(view), corner
    for inset, colour in enumerate((INK, "white", "white", INK)):
        draw.rectangle(
            (x + inset, y + inset, x + _PLACE[1] - 1 - inset, y + _PLACE[0] - 1 - inset), outline=colour, width=1
        )


def _image(picture: Float[np.ndarray, "h w 3"]) -> Image.Image:
    return Image.fromarray(np.rint(np.asarray(picture).clip(0, 1) * 255).astype(np.uint8))


def _text(
    draw: ImageDraw.ImageDraw, corner: tuple[float, float], text: str, size_px: int, colour: str, *, anchor: str = "lt"
) -> None:
    """`anchor`: "lt" puts the letters' own top at the corner, "la" the font's, which is the same for all words."""
    draw.text(corner, text, fill=colour, font=ImageFont.load_default(size_px), anchor=anchor)
