"""Pictures that say where something may be changed, or must be: 1 where it is white, 0 where it is black."""

import functools
import glob
import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from zoo import pictures, sums
from zoo.errors import InputError

_NUMBER = re.compile(r"%0?\d*d")  # in a pattern such as mask%04d.png


def read(path: Path, height: int, width: int, what: str = "film") -> Float[np.ndarray, "h w"]:
    """A picture as a mask. Raises InputError for one of another size than `what` it belongs to."""
    samples = pictures.read(path).samples
    check_size(path, samples.shape[:2], height, width, what)
    top = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1
    colour = samples[..., : 1 if samples.shape[2] < 3 else 3]
    return np.clip(colour.astype(np.float32).mean(axis=2) / top, 0, 1)


def check_size(path: Path, found: tuple[int, ...], height: int, width: int, what: str = "film") -> None:
    if found != (height, width):
        size = f"{found[1]}x{found[0]}"
        raise InputError(f"the mask {path} is {size} px, but the {what} is {width}x{height}; make them equal")


def sum_of(path: Path) -> str:
    """What tells masks from others: sha256 of a file; of a folder or numbered pictures see `zoo.sums`. A file is read
    once. Raises InputError where there is none."""
    if not path.is_file():
        numbered = _NUMBER.search(path.name) and not path.is_dir()
        pattern = path.with_name(_NUMBER.sub("[0-9]*", glob.escape(path.name))) if numbered else path
        return sums.of_pictures(pictures.find_frames(pattern))
    about = path.stat()
    return _sum_of(path, about.st_mtime_ns, about.st_size)


@functools.lru_cache(maxsize=64)
def _sum_of(path: Path, changed: int, size: int) -> str:
    return sums.sum_of(path)
