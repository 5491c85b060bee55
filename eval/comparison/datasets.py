"""The pictures that an evaluation measures on: a file, a folder, a glob, or the photographs inside scikit-image."""

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from zoo import pictures
from zoo.errors import FlagError, InputError

# The natural colour photographs that come inside scikit-image's wheel (its others are downloaded, grey, or of
# cells and stars; motorcycle_right is motorcycle_left again).
SKIMAGE = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")


class Pictures(Sequence):
    """(name, picture [h w 3] float32 in [0, 1]) by index, each read when asked for.

    An unreadable file raises InputError at its index and leaves the indices of the others alone.
    """

    def __init__(self, files: Sequence[Path], names: Sequence[str]):
        self.files, self.names = list(files), list(names)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[str, Float[np.ndarray, "h w 3"]]:
        file = self.files[index]
        return self.names[index], _rgb(pictures.read(file).samples, file)

    def first(self, limit: int | None) -> "Pictures":
        """As many of them as a flag --limit says; all where it was not given."""
        if limit is not None and limit < 1:
            raise FlagError(f"--limit={limit} leaves no picture; give 1 or more")
        return Pictures(self.files[:limit], self.names[:limit])


def open_pictures(data: str) -> Pictures:
    """`data`: a picture file, a folder, a glob, or `skimage`. Raises FlagError or InputError where none is found."""
    if data == "skimage":
        folder = _skimage_folder()
        return Pictures([folder / name for name in SKIMAGE], SKIMAGE)
    files = pictures.find(data)
    root = data if Path(data).is_dir() else os.path.commonpath([file.parent for file in files])
    return Pictures(files, [file.relative_to(root).as_posix() for file in files])


def fingerprint(digest, name: str, picture: Float[np.ndarray, "h w 3"]) -> None:
    """Adds one picture to a hash: its name, its shape and its samples as decoded, whatever the file format."""
    digest.update(f"{name} {picture.shape}\n".encode())
    digest.update(np.ascontiguousarray(picture, "<f4").tobytes())


def _rgb(samples: np.ndarray, file: Path) -> Float[np.ndarray, "h w 3"]:
    """Samples of any depth and number of channels as float32 RGB at full scale: grey replicated, alpha dropped."""
    colours = samples[..., :3] if samples.shape[-1] >= 3 else np.repeat(samples[..., :1], 3, axis=-1)
    if np.issubdtype(colours.dtype, np.integer):
        return np.float32(colours) / np.float32(np.iinfo(colours.dtype).max)
    if not (colours >= 0).all() or not (colours <= 1).all():  # also true of nan
        raise InputError(f"{file} has samples outside [0, 1] (scene light?); grade it to display range first")
    return colours


def _skimage_folder() -> Path:
    """scikit-image's data folder, found without importing it: its own functions may start a download."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise FlagError("the data 'skimage' are the photographs inside scikit-image: pip install scikit-image")
    return Path(spec.origin).parent / "data"
