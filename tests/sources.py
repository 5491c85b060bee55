"""Pictures to train on, for the tests of data."""

import contextlib
from pathlib import Path

import numpy as np
from PIL import Image

from train.loop.data import batches

BAD = ["deep/half.jpg", "empty.jpg", "text.png"]  # of a mixed folder


def take(source, count, **options) -> list[np.ndarray]:
    options = {"seed": 3, "batch": 4, "crop": 16, **options}
    with contextlib.closing(batches(source, **options)) as crops:
        return [next(crops) for _ in range(count)]


def photo(seed: int, height: int, width: int, channels=3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def mix(folder: Path) -> Path:
    """A new folder of seven pictures of all kinds and sizes, three unreadable files, and a text that is no picture."""
    (folder / "deep").mkdir(parents=True)
    Image.fromarray(photo(0, 30, 50)).save(folder / "a.jpg")
    Image.fromarray(photo(1, 20, 70)).save(folder / "deep/b.png")
    Image.fromarray(photo(2, 64, 33, 4)).save(folder / "c.png")
    Image.fromarray(photo(3, 40, 40, 1)[..., 0]).save(folder / "d.webp")
    Image.fromarray(photo(4, 40, 40)).quantize(8).save(folder / "e.png")
    Image.fromarray(photo(5, 3, 1)).save(folder / "f.TIFF")
    Image.new("CMYK", (21, 34), (0, 255, 255, 0)).save(folder / "g.jpg")
    (folder / "deep/half.jpg").write_bytes((folder / "a.jpg").read_bytes()[:900])
    (folder / "text.png").write_text("no picture")
    (folder / "empty.jpg").touch()
    (folder / "notes.txt").write_text("passed by")
    return folder
