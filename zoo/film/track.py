"""A line that was painted on some frames of a film becomes a mask of every frame."""

import dataclasses
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, UInt8

from zoo import color, pictures
from zoo.errors import InputError
from zoo.film import stills
from zoo.film.read.source import Film
from zoo.motion import tracking

_LOST = 60  # codes by which a line may be unlike what was painted


@dataclasses.dataclass(frozen=True)
class Key:
    """A line painted on a frame, whose numbers begin at 0. `points`: (x, y) in pixels from the top left, from end to
    end."""

    frame: int
    points: list[tuple[float, float]]

    def __post_init__(self):
        if self.frame < 0:
            raise InputError(f"frame {self.frame} is before the first, which is 0")
        if len(self.points) < 2 or len(set(self.points)) < 2:
            raise InputError("a line has two points or more")


@dataclasses.dataclass(frozen=True)
class Painted:
    """A line and where it lies on some frames. `width`: in pixels."""

    width: float
    keys: list[Key]

    def __post_init__(self):
        if not 0 < self.width <= 500:
            raise InputError(f"a line is up to 500 pixels wide, not {self.width:g}")
        numbers = [key.frame for key in self.keys]
        if not numbers or len(set(numbers)) < len(numbers):
            raise InputError("keys hold one line or more, each on a frame of its own")


class Frames:
    """The frames of a film as RGB of 8 bits, in a file that goes when it is closed. `shots`: where each begins, then
    how many frames there are."""

    def __init__(self, film: Film, progress: stills.Progress):
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the frames
        self.shots, count = [], 0
        for new, planes in stills.watched(film, progress):
            if new:
                self.shots.append(count)
            rgb = jnp.round(255 * color.picture(planes, layout=film.layout)).astype(jnp.uint8)
            self._file.write(np.asarray(rgb).tobytes())
            count += 1
        self._file.flush()
        self.shots.append(count)
        shape = (count, film.height, film.width, 3)
        self.all: UInt8[np.ndarray, "t h w 3"] = np.memmap(self._file, np.uint8, "r", shape=shape)

    def close(self):
        del self.all
        self._file.close()


def check(painted: Painted, name: str, film: Film, frames: int | None) -> None:
    """Raises InputError for a line that no picture shows. `frames`: of the film, where that is known."""
    for key in painted.keys:
        if frames is not None and key.frame >= frames:
            raise InputError(f"{name}: frame {key.frame} is beyond {film.name}, whose {frames} frames begin at 0")
        if not tracking.drawn(np.array(key.points), max(1.0, painted.width), film.height, film.width).any():
            raise InputError(
                f"{name}: the line on frame {key.frame} lies outside the picture, which is {film.width}x{film.height}"
            )


def followed(frames: Frames, painted: Painted) -> Iterator[tracking.Followed | None]:
    """The line in each frame; None in shots on which it is not painted."""
    for first, last in itertools.pairwise(frames.shots):
        keys = {key.frame - first: np.array(key.points) for key in painted.keys if first <= key.frame < last}
        shot = frames.all[first:last]
        yield from tracking.through(shot, keys, painted.width) if keys else [None] * (last - first)


def write(frames: Frames, lines: list[Painted], margin_px: float, folder: Path) -> tuple[list[int], list[int]]:
    """Writes a mask for each frame into a new folder. Returns the numbers of the frames in which a line may be lost,
    and of those without any."""
    doubtful, empty = [], []
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        for number, found in enumerate(zip(*(followed(frames, painted) for painted in lines), strict=True)):
            known = [(at, painted) for at, painted in zip(found, lines, strict=True) if at]
            mask = np.zeros(frames.all.shape[1:3], bool)
            for at, painted in known:
                mask |= _mask(at, painted, margin_px, mask.shape)
            pictures.write(part / f"{number:06}.png", pictures.Picture(np.uint8(255) * mask[..., None]))
            doubtful += [number] if any(at.unlike > _LOST for at, _ in known) else []
            empty += [] if mask.any() else [number]
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return doubtful, empty


def _mask(at: tracking.Followed, painted: Painted, margin_px: float, shape: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    return tracking.drawn(at.line, painted.width + 2 * margin_px, *shape)
