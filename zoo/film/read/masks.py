"""Masks: pictures that say where a film may be changed."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from zoo import pictures
from zoo.errors import InputError

_ENOUGH = 0.95  # of the masks: how many frames there are is known only about


def reader(path: Path, height: int, width: int, frames: int | None) -> Callable[[int], np.ndarray]:
    """number of a frame in the film -> its mask [h w], float32, 1 where everything may change and 0 where nothing.

    `path`: one mask for all frames, or a folder with one for each, in the order of their numbers.
    `frames`: about how many the film has. Raises InputError for a mask of another size than the film's, and for a frame
    that has none; before any work where a good many have none.
    """
    found = pictures.find_frames(path)
    single = path.is_file()
    if not single and frames and len(found) < _ENOUGH * frames:
        raise InputError(f"{path} holds {len(found)} masks, the film about {frames} frames; give one for each frame")

    @lru_cache(maxsize=2)
    def read(which: Path) -> np.ndarray:
        samples = pictures.read(which).samples
        if samples.shape[:2] != (height, width):
            size = f"{samples.shape[1]}x{samples.shape[0]}"
            raise InputError(f"the mask {which} is {size} px, but the film is {width}x{height}; make them equal")
        top = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1
        colour = samples[..., : 1 if samples.shape[2] < 3 else 3]
        return np.clip(colour.astype(np.float32).mean(axis=2) / top, 0, 1)

    def mask_of(number: int) -> np.ndarray:
        if not single and number >= len(found):
            raise InputError(f"{path} holds {len(found)} masks, none for frame {number}; give one for each frame")
        return read(found[0 if single else number])

    mask_of(0)
    return mask_of
