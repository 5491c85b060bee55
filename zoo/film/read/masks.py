"""Masks of a film: one picture for all its frames, or one for each, in pictures or in a second film."""

import glob
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from zoo import color, masks, pictures
from zoo.errors import InputError
from zoo.film.read import sequence, source
from zoo.film.read.decoding import Losses, opened
from zoo.film.read.source import Film

_ENOUGH = 0.95  # of the masks: how many frames there are is known only about

Mask = Float[np.ndarray, "h w"]  # float32, 1 where everything may change and 0 where nothing


def reader(path: Path, height: int, width: int, frames: int | None, held: int = 1) -> Callable[[int], Mask]:
    """number of a frame in the film -> its mask [h w].

    `path`: one mask for all frames, or a folder or numbered pictures with one for each, in the order of their numbers,
    or a film, decoded in step. `frames`: about how many the film has. `held`: how many of a film's masks are asked for
    around one another; what lies further back is decoded from the beginning again.

    Raises InputError for a mask of another size than the film's, and for a frame that has none; before any work where a
    good many have none.
    """
    mask_of = _film(path, height, width, frames, held) if _is_film(path) else _pictures(path, height, width, frames)
    mask_of(0)
    return mask_of


def check_count(path: Path, frames: int) -> None:
    """Raises InputError where there are more masks than a film has frames, which was read to its end."""
    if path.is_file() and not _is_film(path):
        return
    count = _count(source.describe(path)) if _is_film(path) else len(_found(path))
    if count > frames:
        raise InputError(f"{path} holds {count} masks, the film {frames} frames; give one for each frame")


def _is_film(path: Path) -> bool:
    return path.is_file() and not pictures.is_picture(path)


def _found(path: Path) -> list[Path]:
    several = path.is_dir() or sequence.is_pattern(path) or glob.has_magic(str(path))
    return [held for _, held in sequence.find(str(path))] if several else pictures.find_frames(path)


def _check_about(path: Path, count: int, frames: int | None) -> None:
    if frames and count < _ENOUGH * frames:
        raise InputError(f"{path} holds {count} masks, the film about {frames} frames; give one for each frame")


def _none_for(path: Path, count: int, number: int) -> InputError:
    return InputError(f"{path} holds {count} masks, none for frame {number}; give one for each frame")


def _pictures(path: Path, height: int, width: int, frames: int | None) -> Callable[[int], Mask]:
    found, single = _found(path), path.is_file()
    if not single:
        _check_about(path, len(found), frames)
    read = lru_cache(maxsize=2)(lambda which: masks.read(which, height, width))

    def mask_of(number: int) -> Mask:
        if not single and number >= len(found):
            raise _none_for(path, len(found), number)
        return read(found[0 if single else number])

    return mask_of


def _film(path: Path, height: int, width: int, frames: int | None, held: int) -> Callable[[int], Mask]:
    film = source.describe(path)
    masks.check_size(path, (film.height, film.width), height, width)
    _check_about(path, _count(film), frames)
    return InStep(film, held)


def _count(film: Film) -> int:
    """How many frames a film has, by its packets."""
    with opened(film.name) as container:
        return sum(1 for packet in container.demux(container.streams[film.stream]) if packet.size)


class InStep:
    """The planes of a film's frames, decoded one after another as they are asked for. `held`: how many of them lie
    around one another; what lies further back is decoded from the beginning again."""

    def __init__(self, film: Film, held: int):
        self._film, self._most = film, held
        self._begin()

    def _begin(self):
        self._frames, self._next, self._held = source.read(self._film, Losses()), 0, {}

    def planes(self, number: int) -> tuple[np.ndarray, ...] | None:
        """None where the film has no such frame."""
        if number < self._next and number not in self._held:
            self._begin()
        while number >= self._next:
            frame = next(self._frames, None)
            if frame is None:
                return None
            self._held = {k: planes for k, planes in self._held.items() if k > self._next - self._most}
            self._held[self._next], self._next = frame.planes, self._next + 1
        return self._held[number]

    def __call__(self, number: int) -> Mask:
        """Of a frame, as a mask. Raises InputError where there is none."""
        found = self.planes(number)
        if found is None:
            raise _none_for(Path(self._film.name), self._next, number)
        planes = tuple(jnp.asarray(plane[None]) for plane in found)
        return np.clip(np.asarray(color.luma(planes, layout=self._film.layout)[0]), 0, 1)
