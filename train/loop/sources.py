"""Pictures to train on, by their number: made, of a folder, or of a prepared TFDS data set. Nothing here downloads."""

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from PIL import Image

from zoo import bounds, pictures
from zoo.errors import FlagError, InputError
from zoo.made import leaves
from zoo.pictures.picture import FORMATS

Progress = Callable[[int, int], None]  # (done, total)
JPEG_SHARE, JPEG_QUALITY = 0.75, (85, 98)  # of procedural pictures; lowest and highest
THREADS = max(2, min(8, os.cpu_count() or 2))


@runtime_checkable
class Source(Protocol):
    """Pictures, or stretches of film, by index. `name`: as the user gave it. `skipped`: (file, reason) of what could
    not be read. `places`: of stretches, of which film each is and from which place in it; None of pictures."""

    name: str
    skipped: list[tuple[str, str]]

    @property
    def places(self) -> Sequence[tuple[str, int]] | None: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray: ...  # uint8 [h w 3], of a stretch [t h w 3]

    def fingerprint(self) -> str: ...  # the same for the same pictures


class LeavesSource:
    """The first dead-leaves pictures of an endless row that `seed` and `size` fix, made at opening.

    Three in four have been through JPEG, as almost every photograph has and, in its way, every video: chroma at half
    size, which is what tells a picture's colour from noise, and the traces of quantisation, which are not noise.
    """

    BLOCK = 8  # pictures made at a time; part of what picture i is, so never changed
    places = None

    def __init__(self, seed: int, count: int, *, size: int = 256, progress: Progress | None = None):
        if count < 1:
            raise FlagError(f"cannot make {count} leaves pictures; ask for 1 or more")
        self.name, self.skipped = "leaves", []
        self._what = f"leaves through JPEG seed={seed} size={size} first=0 count={count}"  # as runs and cards have it
        key = jax.random.key(seed)
        self._pictures = np.empty((count, size, size, 3), np.uint8)
        for block in range(-(-count // self.BLOCK)):
            made = leaves.pictures(jax.random.fold_in(key, block), count=self.BLOCK, size=size)
            made = np.rint(255 * np.asarray(made)).astype(np.uint8)
            chances = np.random.default_rng((seed, block))
            for k in range(self.BLOCK):
                if chances.random() < JPEG_SHARE:
                    made[k] = pictures.jpeg(made[k], quality=int(chances.integers(*JPEG_QUALITY, endpoint=True)))
            at = block * self.BLOCK
            self._pictures[at : at + self.BLOCK] = made[: count - at]
            if progress:
                progress(min(at + self.BLOCK, count), count)

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._pictures[index]

    def fingerprint(self) -> str:
        return digest([self._what])


class _Cached:
    """`decode(index)`, remembered for as many pictures as fit `cache_bytes`. Safe to call from many threads."""

    def __init__(self, decode: Callable[[int], np.ndarray], cache_bytes: int):
        self._decode, self._room, self._lock = decode, cache_bytes, threading.Lock()
        self._kept: dict[int, np.ndarray] = {}

    def __getitem__(self, index: int) -> np.ndarray:
        picture = self._kept.get(index)
        if picture is None:
            picture = self._decode(index)
            with self._lock:
                if index not in self._kept and picture.nbytes <= self._room:
                    self._room -= picture.nbytes
                    self._kept[index] = picture
        return picture


class FolderSource:
    """The readable pictures of a folder (to its depths), by name; each is decoded once at opening."""

    places = None

    def __init__(self, data: str | Path, *, cache_bytes: int = 4 << 30, progress: Progress | None = None):
        files = pictures.find(data)
        self.name = str(data)
        self._decoded = _Cached(lambda i: pictures.rgb8(pictures.read(files[i])), cache_bytes)
        self.skipped, self._readable, facts = [], [], []
        root = os.path.commonpath([file.parent for file in files])
        with ThreadPoolExecutor(THREADS) as pool:
            for i, (content, problem) in enumerate(pool.map(self._content, range(len(files)), files)):
                name = files[i].relative_to(root).as_posix()
                if problem:
                    self.skipped.append((name, problem))
                else:
                    self._readable.append(i)
                    facts.append(f"{name} {content}")
                if progress:
                    progress(i + 1, len(files))
        if not self._readable:
            raise InputError(
                f"none of the {len(files)} pictures in {data} can be read; the first: {self.skipped[0][1]}"
            )
        self._fingerprint = digest(facts)

    def _content(self, index: int, file: Path) -> tuple[str, str]:
        """(sha256 of a picture's file, why it cannot be read): one of the two."""
        try:
            self._decoded[index]
            return hashlib.sha256(file.read_bytes()).hexdigest(), ""
        except (InputError, OSError) as e:
            return "", str(e)

    def __len__(self) -> int:
        return len(self._readable)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._decoded[self._readable[index]]

    def fingerprint(self) -> str:
        return self._fingerprint


class TfdsSource:
    """The feature `image` (or `hr`) of a TFDS data set already prepared as array_record. Needs no TensorFlow."""

    places = None

    def __init__(
        self, name: str, split: str = "train", *, data_dir: str | Path | None = None, cache_bytes: int = 4 << 30
    ):
        from train.tfds_folder import open_prepared  # TFDS takes a second to import

        self.name, self.skipped = f"tfds:{name}:{split}", []
        records, feature, facts = open_prepared(name, split, data_dir)
        self._count = len(records)
        self._decoded = _Cached(lambda i: self._decode(records, i, feature), cache_bytes)
        self._fingerprint = digest([facts, split, str(self._count)])

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> np.ndarray:
        return self._decoded[index]

    def fingerprint(self) -> str:
        return self._fingerprint

    def _decode(self, records: Any, index: int, feature: str) -> np.ndarray:
        """An encoded 8-bit picture as uint8 [h w 3]. TFDS's own decoder would give a palette's indices, and alpha."""
        name = f"picture {index} of {self.name}"
        try:
            data = records[index][feature]
            with Image.open(BytesIO(data), formats=FORMATS) as image:  # not all: one of PostScript is a program
                bounds.check_size(name, *image.size, len("RGBA"), held=len(data))
                if image.mode == "P":
                    image = image.convert("RGBA")
                return np.asarray(image.convert("RGB"))
        except (MemoryError, InputError):
            raise
        except Exception as e:  # on damaged records and pictures libraries raise almost anything
            raise InputError(f"{name} is damaged: {e}") from None


def digest(facts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
