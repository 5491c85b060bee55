"""Frames of a film to learn from: with the shots that they begin, and some of their colours."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from zoo import color
from zoo.cuts import cut_score, is_cut
from zoo.film import job
from zoo.film.finish import Count
from zoo.film.plan import Options
from zoo.film.read.source import Film
from zoo.looks.space import Colours
from zoo.steps.step import Planes

Progress = Callable[[int, int | None], Any]
MOST = 16  # frames of a shot or a film that are looked at


def watched(film: Film, progress: Progress) -> Iterator[tuple[bool, Planes]]:
    """Whether each frame of a film begins a shot, and its planes on the device. `progress(done, of)` is called for
    each."""
    options, before = Options(), None
    of = job.expected(film, options)
    with contextlib.closing(job.stretch(film, options, Count())) as read:
        for k, frame in enumerate(read, 1):
            planes = tuple(map(jnp.asarray, frame.planes))
            luma = color.luma(tuple(plane[None] for plane in planes), layout=film.layout)[0]
            yield before is None or is_cut(float(cut_score(before, luma))), planes
            before = luma
            progress(k, of)
            del frame, planes


def of_shots(film: Film, places: int, progress: Progress) -> list[tuple[int, list[Colours]]]:
    """Of each shot the number of its first frame, and colours of some of its frames, evenly spread over it: each at the
    same up to `places` places, in [0, 1]."""
    found: list[tuple[int, _Some]] = []
    for number, (new, planes) in enumerate(watched(film, progress)):
        if new:
            found.append((number, _Some()))
        found[-1][1].add(lambda planes=planes: _colours(film, planes, places))
    return [(first, some.kept) for first, some in found]


def of_film(film: Film, places: int, progress: Progress) -> list[Colours]:
    """The same of the whole film: of two films of one length, the same frames."""
    some = _Some()
    for _, planes in watched(film, progress):
        some.add(lambda planes=planes: _colours(film, planes, places))
    return some.kept


class _Some:
    """Every first, second, fourth, ... of a row whose length nobody knows, MOST in all."""

    def __init__(self):
        self.kept: list[Colours] = []
        self._every, self._seen = 1, 0

    def add(self, make: Callable[[], Colours]):
        if self._seen % self._every == 0:
            if len(self.kept) == MOST:
                self.kept, self._every = self.kept[::2], 2 * self._every
            self.kept.append(make())
        self._seen += 1


def _colours(film: Film, planes: Planes, places: int) -> Colours:
    flat = np.asarray(color.picture(planes, layout=film.layout)).reshape(-1, 3)
    return flat[places_of(len(flat), places)]


def places_of(count: int, places: int) -> np.ndarray:
    """So many of `count` pixels, by chance and in order: the same of pictures of one size."""
    return np.sort(np.random.default_rng(0).choice(count, min(places, count), replace=False))
