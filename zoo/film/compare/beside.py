"""The clip of a comparison: one film at the left, the other at the right, and if asked their difference, amplified."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from zoo import color, files, sums
from zoo.color import Layout
from zoo.errors import FlagError
from zoo.film import formats
from zoo.film.presentation import Presentation
from zoo.film.read import sequence
from zoo.film.read.source import PIPE, Film, Frame
from zoo.film.write import containers, encode, mux, verify
from zoo.film.write.encode import Encoding
from zoo.film.write.mux import Stretch

_GREY = 0.5  # what the difference of equal pictures becomes


def plan(a: Film, b: Film, output: Path, difference: float) -> tuple[Film, Encoding]:
    """(what the clip is, as a film; how it is written). It takes the pixel format of the film with more bits, and the
    times and the shape of samples of `a`. Raises FlagError for a kind of file that holds no film."""
    if str(output) == PIPE or sequence.is_pattern(output):
        raise FlagError(f"--clip {output} is no film; choose one of: {', '.join(encode.SUFFIXES)}")
    base = max(a, b, key=lambda film: (film.layout.family != "grey", film.layout.depth))
    layout = dataclasses.replace(base.layout, alpha=False)
    planar = base.planar.replace("yuva", "yuv").replace("gbrap", "gbrp")
    tags = base.tags  # a guess by size would be another one for the clip
    if layout.family == "yuv":
        tags = dataclasses.replace(tags, matrix=formats.MATRIX_NUMBERS[layout.matrix], range=1 + layout.full)
    # Nothing but pictures goes into it: `container` says so.
    like = {"container": sequence.CONTAINER, "stream": 0, "name": str(output), "display": None, "tags": tags}
    like |= {"presentation": Presentation(siting=a.presentation.siting)}
    film = dataclasses.replace(
        base, layout=layout, planar=planar, aspect=a.aspect, rate=a.rate, time_base=a.time_base, **like
    )
    encoding, _ = encode.choose(film, output, None, None, {})
    width = (3 if difference else 2) * _panel_width(a.width, encoding.layout)
    film = dataclasses.replace(film, width=width)
    containers.check(film, encoding, output, frozenset())
    return film, encoding


@contextlib.contextmanager
def writing(
    output: Path, planned: tuple[Film, Encoding], a: Layout, b: Layout, *, difference: float, cut: bool
) -> Iterator[Callable[[Frame, Frame], None]]:
    """Takes pairs of frames of the layouts `a` and `b`; at the end of the block the whole clip is at `output`.

    `cut`: whether the first frame becomes time 0.
    """
    film, encoding = planned
    files.make_folder(output.parent)
    pts, durations, planes = [], [], []
    with tempfile.TemporaryDirectory(prefix=".", dir=output.parent) as folder:
        path = Path(folder) / "segment.mkv"
        segment = encode.Segment(path, film, encoding)

        def write(one: Frame, other: Frame):
            panels = _side_by_side((one, other), (a, b), encoding.layout, difference)
            segment.write(panels)
            planes.append(sums.of_planes(panels))
            pts.append(one.pts)
            durations.append(one.duration)

        try:
            yield write
            segment.close()
        except BaseException:
            segment.abandon()
            raise
        with files.whole(output) as part:
            times = Stretch(pts, durations, cut)
            put = mux.join(film, encoding, [path], times, part, frozenset())
            verify.joined(film, encoding, part, times, planes, put)


def _side_by_side(
    frames: tuple[Frame, Frame], layouts: tuple[Layout, Layout], target: Layout, difference: float
) -> tuple[np.ndarray, ...]:
    """One picture of all panels. A film that has the layout `target` keeps its codes."""
    panels, rgb = [], []
    for frame, layout in zip(frames, layouts, strict=True):
        planes = tuple(jnp.asarray(p[None]) for p in frame.planes)
        rgb.append(color.to_rgb(planes, layout=layout))
        own = dataclasses.replace(layout, alpha=False) == target
        panels.append(planes if own else color.from_rgb(rgb[-1], layout=target))
    if difference:
        panels.append(color.from_rgb(_GREY + difference * (rgb[1] - rgb[0]), layout=target))
    height, width = frames[0].planes[0].shape
    sides = [side for _, side in target.shapes(height, _panel_width(width, target))]
    return tuple(
        np.concatenate([np.pad(p[k][0], ((0, 0), (0, side - p[k].shape[2])), mode="edge") for p in panels], axis=1)
        for k, side in enumerate(sides)
    )


def _panel_width(width: int, layout: Layout) -> int:
    """Whole samples of chroma, so that the panels' planes stand beside one another."""
    return -(-width // layout.cell[1]) * layout.cell[1]
