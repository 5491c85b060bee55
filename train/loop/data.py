"""Training pictures: sources that give uint8 [h w 3] by index, and the one pipeline that cuts them into crops.

The order and the crops are a function of (seed, step) alone: not of threads, of processes, or of where a run began.
Nothing here downloads.
"""

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import grain
import jax
import numpy as np
from PIL import Image

from zoo import bounds, leaves, pictures
from zoo.errors import FlagError, InputError
from zoo.pictures.picture import FORMATS

Progress = Callable[[int, int], None]  # (done, total)
JPEG_SHARE, JPEG_QUALITY = 0.75, (85, 98)  # of procedural pictures; lowest and highest
THREADS = max(2, min(8, os.cpu_count() or 2))


@runtime_checkable
class Source(Protocol):
    """Pictures by index. `name`: as the user gave it. `skipped`: (file, reason) of what could not be read."""

    name: str
    skipped: list[tuple[str, str]]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray: ...  # uint8 [h w 3]

    def fingerprint(self) -> str: ...  # the same for the same pictures


def open_source(
    data: str,
    *,
    seed: int = 0,
    size: int = 256,
    count: int = 256,
    cache_bytes: int = 4 << 30,
    data_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> Source:
    """The pictures that `data` names: `leaves` (`count` procedural ones, `size` pixels square, by `seed`), a folder,
    file or glob, or `tfds:NAME[:SPLIT]` as prepared under `data_dir` (TFDS's own folder where None).

    Up to `cache_bytes` of decoded pictures stay in memory; the rest is decoded when asked for. Raises InputError where
    there is nothing to read.
    """
    if data == "leaves":
        return LeavesSource(seed, count, size=size, progress=progress)
    if data.startswith("tfds:"):
        name, _, split = data.removeprefix("tfds:").partition(":")
        return TfdsSource(name, split or "train", data_dir=data_dir, cache_bytes=cache_bytes)
    return FolderSource(data, cache_bytes=cache_bytes, progress=progress)


class LeavesSource:
    """The first dead-leaves pictures of an endless row that `seed` and `size` fix, made at opening.

    Three in four have been through JPEG, as almost every photograph has and, in its way, every video: chroma at half
    size, which is what tells a picture's colour from noise, and the traces of quantisation, which are not noise.
    """

    BLOCK = 8  # pictures made at a time; part of what picture i is, so never changed

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
        return _digest([self._what])


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
        self._fingerprint = _digest(facts)

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

    def __init__(
        self, name: str, split: str = "train", *, data_dir: str | Path | None = None, cache_bytes: int = 4 << 30
    ):
        from train.tfds_folder import open_prepared  # TFDS takes a second to import

        self.name, self.skipped = f"tfds:{name}:{split}", []
        records, feature, facts = open_prepared(name, split, data_dir)
        self._count = len(records)
        self._decoded = _Cached(lambda i: self._decode(records, i, feature), cache_bytes)
        self._fingerprint = _digest([facts, split, str(self._count)])

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


class View:
    """Some pictures of a source, by their indices."""

    def __init__(self, source: Source, indices: Sequence[int]):
        self.name, self.skipped = source.name, source.skipped
        self._source, self._indices = source, list(indices)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._source[self._indices[index]]

    def fingerprint(self) -> str:
        return _digest([self._source.fingerprint(), *map(str, self._indices)])


def halves(source: Source) -> tuple[View, View]:
    """Two views without a picture in common (even and odd indices), for unpaired training."""
    if len(source) < 2:
        raise FlagError(f"unpaired training needs 2 pictures or more, {source.name} has {len(source)}; add some")
    return View(source, range(0, len(source), 2)), View(source, range(1, len(source), 2))


def hold_out(source: Source, count: int) -> tuple[View, View]:
    """(the rest, `count` pictures spread evenly over the source): what to train on and what to validate on."""
    if not 1 <= count < len(source):
        raise FlagError(
            f"cannot hold out {count} of the {len(source)} pictures of {source.name}; add some, or ask less"
        )
    held = {(2 * i + 1) * len(source) // (2 * count) for i in range(count)}
    return View(source, [i for i in range(len(source)) if i not in held]), View(source, sorted(held))


def batches(
    source: Source,
    *,
    seed: int,
    batch: int,
    crop: int,
    start: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator:
    """Endless batches of random crops, turned and mirrored: uint8 [batch / process_count, crop, crop, 3].

    Every picture is drawn once before any is drawn again, in a new order each time. The iterator begins with batch
    number `start` of the row that (source, seed, batch, crop) fix. Of a global batch each process gets its own
    successive rows, the same that a single process would see there. Threads read ahead: close() the iterator, as by
    contextlib.closing, when done.
    """
    if batch < 1 or batch % process_count:
        raise FlagError(f"a batch of {batch} cannot be shared by {process_count} processes; choose a multiple of it")
    seed %= 2**32
    crops = grain.MapDataset.source(_Endless(source, seed)).seed(seed).random_map(_Crop(crop))
    # Batches of a process's size, every process_count-th: its rows of each global batch.
    rows = crops.batch(batch // process_count, drop_remainder=True)[process_index::process_count]
    options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=2 * THREADS)
    return iter(rows[start:].to_iter_dataset(options))


class _Endless:
    """A source's pictures over and over, each time in a new order.

    Stands for Grain's shuffle, which takes the longer the fewer there are: of 2 pictures 17 ms for each one drawn.
    """

    def __init__(self, source: Source, seed: int):
        self._source = source
        self._order = lru_cache(4)(lambda epoch: np.random.default_rng((seed, epoch)).permutation(len(source)))

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index: int) -> np.ndarray:
        epoch, place = divmod(int(index), len(self._source))
        return self._source[int(self._order(epoch)[place])]


class _Crop(grain.transforms.RandomMap):
    """A random square of a picture, turned and mirrored; a picture that is too small is first mirrored outwards."""

    def __init__(self, side: int):
        self.side = side

    def random_map(self, element: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        lack = [max(0, self.side - n) for n in element.shape[:2]]
        if any(lack):
            element = np.pad(element, [(n // 2, n - n // 2) for n in lack] + [(0, 0)], mode="symmetric")
        free = [n - self.side + 1 for n in element.shape[:2]]
        y, x, pose = (int(share * n) for share, n in zip(rng.random(3), (*free, 8), strict=True))
        square = element[y : y + self.side, x : x + self.side]
        square = square.transpose(1, 0, 2) if pose & 1 else square
        square = square[:: -1 if pose & 2 else 1, :: -1 if pose & 4 else 1]
        posed = np.empty_like(square, order="C")
        for channel in range(3):  # many times faster than copying pixels of 3 bytes
            posed[..., channel] = square[..., channel]
        return posed


def _digest(facts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
