"""Looks of a film's shots: a folder of .cube files, each named by the number of the frame from which it holds."""

import re
from bisect import bisect_right
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from zoo.errors import FlagError, InputError
from zoo.looks import files
from zoo.looks.look import Cube

SUFFIX = ".cube"


def name(first: int) -> str:
    """The file's, of the look that holds from frame `first` on."""
    return f"{first:06d}{SUFFIX}"


class Shots:
    """Raises InputError for a folder that holds no looks, FlagError for looks whose names tell no frame of their own;
    so it does for any look that cannot be used."""

    def __init__(self, folder: Path):
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == SUFFIX and path.name[0] != ".")
        if not paths:
            raise InputError(f"{folder} holds no {SUFFIX}; name a look, or a folder of looks")
        found: dict[int, Path] = {}
        for path in paths:
            numbers = re.findall(r"\d+", path.stem)
            if not numbers:
                raise FlagError(f"{path} names no frame; looks of shots are called {name(0)}, {name(120)} and so on")
            if (other := found.setdefault(int(numbers[-1]), path)) != path:
                raise FlagError(f"{other} and {path} are looks of the same frame; take one away")
        self._firsts = sorted(found)
        self._paths = [found[first] for first in self._firsts]
        self._read = lru_cache(2)(self._table)
        for first in self._firsts:
            self._read(first)

    def _table(self, first: int) -> Float[np.ndarray, "n n n 3"]:
        path = self._paths[self._firsts.index(first)]
        look = files.read(path)
        if look.curves or look.cube is None or (look.cube.low, look.cube.high) != (Cube.low, Cube.high):
            raise FlagError(f"{path} is more than a cube from 0 to 1, as looks of shots are; convert it to one")
        return np.asarray(look.cube.table)

    def at(self, number: int) -> Float[np.ndarray, "n n n 3"]:
        """The cube of a frame: what comes before the first look has the first."""
        return self._read(self._firsts[max(0, bisect_right(self._firsts, number) - 1)])

    def sums(self) -> dict[str, str]:
        """sha256 of each."""
        return {path.name: files.sha256(path) for path in self._paths}
