"""YUV4MPEG2, the pipe between video tools: frames on standard output, for ffmpeg, x265 and VapourSynth."""

import dataclasses
import sys

import numpy as np

from zoo.color import Layout
from zoo.errors import FlagError
from zoo.film.read.changes import BOTTOM, TOP
from zoo.film.read.source import Film

_CELLS = {(2, 2): "420", (1, 2): "422", (1, 1): "444", (1, 4): "411"}


def layout(film: Film) -> Layout:
    """What goes into the stream: the film's own planes; RGB as 4:4:4 with the matrix bt709."""
    own = film.layout
    if own.family == "rgb":
        return Layout("yuv", min(16, max(own.depth, 10)))
    if own.family == "yuv" and own.cell not in _CELLS:
        raise FlagError(f"y4m cannot hold the chroma of {film.planar}; write a file instead")
    return dataclasses.replace(own, alpha=False)


class Writer:
    """Writes frames of `layout(film)` as they come."""

    def __init__(self, film: Film, layout: Layout):
        self._to = sys.stdout.buffer
        deep = f"p{layout.depth}" if layout.depth > 8 else ""
        cell = "mono" if layout.family == "grey" else _CELLS[layout.cell]
        sited = "mpeg2" if cell == "420" and not deep and layout.siting == "left" else ""
        colour = f"C{cell}{str(layout.depth) if cell == 'mono' and deep else deep}{sited}"
        rate, aspect = film.rate, film.aspect or 0
        words = [
            "YUV4MPEG2",
            f"W{film.width}",
            f"H{film.height}",
            f"F{rate.numerator}:{rate.denominator}",
            {TOP: "It", BOTTOM: "Ib"}.get(film.field_order, "Ip"),
            f"A{aspect.numerator}:{aspect.denominator}" if aspect else "A0:0",
            colour,
            f"XCOLORRANGE={'FULL' if layout.full else 'LIMITED'}",
        ]
        self._to.write(" ".join(words).encode() + b"\n")

    def write(self, planes: tuple[np.ndarray, ...]):
        self._to.write(b"FRAME\n")
        for plane in planes:
            self._to.write(np.ascontiguousarray(plane).data)

    def close(self):
        self._to.flush()
