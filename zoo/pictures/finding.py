"""Which pictures a file, a folder or a glob names."""

import contextlib
import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from zoo import bounds
from zoo.errors import InputError
from zoo.pictures.picture import FORMATS, SUFFIXES


def find(pattern: str | Path) -> list[Path]:
    """The pictures that a file, a folder (searched to its depths) or a glob names, sorted. Hidden files are left out.

    Raises InputError where there is none.
    """
    path = Path(pattern)
    if not str(pattern):
        raise InputError("an empty name is no picture's and no folder's")
    if path.is_file():
        return [path]
    # Unlike Path.glob, glob passes hidden names by.
    names = _below(path) if path.is_dir() else glob.iglob(str(pattern), recursive=True)  # noqa: PTH207
    found = sorted({Path(n) for n in names if n.lower().endswith(SUFFIXES) and Path(n).is_file()})
    if not found:
        if path.exists() and not path.is_dir():
            bounds.check_regular(path, "picture")
        exists = path.is_dir() or glob.has_magic(str(pattern))
        raise InputError(f"no pictures ({', '.join(SUFFIXES)}) in {path}" if exists else f"{path} does not exist")
    return found


def _below(folder: Path) -> Iterator[str]:
    """The files below a folder, without hidden ones. Links to folders are followed, after all else; a folder that was
    read already, as where a link leads back, is not read again."""
    waiting, seen = [str(folder)], set()
    while waiting:
        for at, folders, names in os.walk(waiting.pop(0)):
            about = Path(at).stat()
            if (about.st_dev, about.st_ino) in seen:
                folders.clear()
                continue
            seen.add((about.st_dev, about.st_ino))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            waiting += (os.path.join(at, name) for name in folders if os.path.islink(os.path.join(at, name)))  # noqa: PTH114, PTH118
            yield from (os.path.join(at, name) for name in names if not name.startswith("."))  # noqa: PTH118


def find_frames(pattern: str | Path) -> list[Path]:
    """`find`, in the order of the numbers in the names: f2.png before f10.png."""
    words = lambda path: [[int(w) if w.isdecimal() else w for w in re.split(r"(\d+)", part)] for part in path.parts]
    return sorted(find(pattern), key=words)


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by its suffix, or, where it has none or that of a GIF, by what it holds."""
    if path.suffix and path.suffix.lower() != ".gif":
        return path.suffix.lower() in SUFFIXES
    with contextlib.suppress(OSError), Image.open(path, formats=FORMATS) as image:
        return image.format != "GIF" or getattr(image, "n_frames", 1) == 1
    return False
