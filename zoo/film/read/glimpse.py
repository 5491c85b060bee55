"""A few moments of a film, without reading it whole."""

import itertools
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from av.error import FFmpegError
from jaxtyping import Float

from zoo import color
from zoo.errors import InputError
from zoo.film import formats
from zoo.film.read import sequence, source
from zoo.film.read.source import PIPE, Film

MOMENTS = 5
_AFTER_KEY = 48  # frames that are decoded to reach a moment, at most


def pairs(film: Film) -> Iterator[Float[np.ndarray, "2 h w 3"]]:
    """Two frames in a row, RGB in [0, 1], at MOMENTS places spread over a film. Fewer where its length is not known,
    where it is damaged, or of a pipe, which can be read only once: none."""
    for planes in runs(film, 2):
        stacked = tuple(jnp.asarray(np.stack(plane)) for plane in zip(*planes, strict=True))
        yield np.asarray(jnp.clip(color.to_rgb(stacked, layout=film.layout), 0, 1))


def runs(film: Film, frames: int) -> Iterator[list[tuple[np.ndarray, ...]]]:
    """The planes of so many frames in a row, likewise."""
    if film.name == PIPE:
        return
    if film.container == sequence.CONTAINER:
        count = len(sequence.find(film.name, film.gaps))
        firsts = sorted({max(0, (2 * k + 1) * count // (2 * MOMENTS) - 1) for k in range(MOMENTS)})
        for first in firsts:
            try:
                yield [frame.planes for frame in itertools.islice(sequence.read(film, first), frames)]
            except InputError:  # the work itself says so, if it comes there
                continue
        return
    seconds = 0 if film.ends is None else film.ends - film.begins
    with source.opened(film.name) as container:
        stream, earliest = container.streams[film.stream], None  # ticks; no moment is seen twice
        for k in range(MOMENTS if seconds else 1):
            try:
                if k:
                    wanted = int(seconds * k / MOMENTS / film.time_base) + (stream.start_time or 0)
                    earliest = max(wanted, earliest or wanted)
                    container.seek(wanted, stream=stream)
                found = list(itertools.islice(_from(container.decode(stream), earliest), frames))
            except FFmpegError:
                continue
            if found and all(source.form_of(frame) == film.form for frame in found):
                earliest = None if found[-1].pts is None else found[-1].pts + 1
                yield [formats.planes_of(frame, film.planar, film.layout) for frame in found]


def _from(frames: Iterator[Any], earliest: int | None) -> Iterator[Any]:
    """Those of the frames after a key frame that are not before a time, unless it takes too many to reach it."""
    before = 0
    for frame in frames:
        if earliest is None or (frame.pts is not None and frame.pts >= earliest):
            yield frame
        elif (before := before + 1) == _AFTER_KEY:
            return
