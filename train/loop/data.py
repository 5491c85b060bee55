"""The one pipeline from sources to batches: crops of pictures, of stretches of film, or of pictures made to move.

The order and the crops are a function of (seed, step) alone: not of threads, of processes, or of where a run began.
"""

import sys
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache, partial
from pathlib import Path

import grain
import jax
import jax.numpy as jnp
import numpy as np

from train.loop.clips import ClipsSource
from train.loop.sources import THREADS, FolderSource, LeavesSource, Progress, Source, TfdsSource, digest
from zoo.errors import FlagError
from zoo.made import moving

STILLS = 4  # that a clip is made of
ASIDE = ("motion", "seen", "behind")  # what is known of clips that are made


def open_source(
    data: str,
    *,
    seed: int = 0,
    size: int = 256,
    count: int = 256,
    frames: int = 1,
    cache_bytes: int = 4 << 30,
    data_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> Source:
    """The pictures that `data` names: `leaves` (`count` procedural ones, `size` pixels square, by `seed`), a folder,
    file or glob, `tfds:NAME[:SPLIT]` as prepared under `data_dir` (TFDS's own folder where None), or `clips:FOLDER`
    of films (`count` stretches of `frames` or more, `size` pixels square, by `seed`).

    Up to `cache_bytes` of decoded pictures stay in memory; the rest is decoded when asked for. Raises InputError where
    there is nothing to read.
    """
    if data == "leaves":
        return LeavesSource(seed, count, size=size, progress=progress)
    if data.startswith("tfds:"):
        name, _, split = data.removeprefix("tfds:").partition(":")
        return TfdsSource(name, split or "train", data_dir=data_dir, cache_bytes=cache_bytes)
    if data.startswith("clips:"):
        options = {"seed": seed, "size": size, "count": count, "cache_bytes": cache_bytes, "progress": progress}
        return ClipsSource(data.removeprefix("clips:"), frames=frames, **options)
    return FolderSource(data, cache_bytes=cache_bytes, progress=progress)


class View:
    """Some pictures or stretches of a source, by their indices."""

    def __init__(self, source: Source, indices: Sequence[int]):
        self.name, self.skipped = source.name, source.skipped
        self._source, self._indices = source, list(indices)
        self.places = None if source.places is None else [source.places[i] for i in self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._source[self._indices[index]]

    def fingerprint(self) -> str:
        return digest([self._source.fingerprint(), *map(str, self._indices)])


def halves(source: Source) -> tuple[View, View]:
    """Two views without a picture in common (even and odd indices, or places in films), for unpaired training."""
    groups = _groups(source.places or range(len(source)))
    if len(groups) < 2:
        raise FlagError(f"unpaired training needs 2 pictures or more, {source.name} has {len(groups)}; add some")
    even, odd = (sorted(i for group in groups[k::2] for i in group) for k in range(2))
    return View(source, even), View(source, odd)


def hold_out(source: Source, count: int) -> tuple[View, View]:
    """(the rest, `count` pictures spread evenly over the source): what to train on and what to validate on.

    Of stretches whole films are held out, the shortest ones, or of a single film its end: neither part has seen a
    frame of the other's, nor one beside it. Of these at most `count` are validated on.
    """
    if not 1 <= count < len(source):
        raise FlagError(
            f"cannot hold out {count} of the {len(source)} pictures of {source.name}; add some, or ask less"
        )
    if source.places is None:
        held = [(2 * i + 1) * len(source) // (2 * count) for i in range(count)]
        return View(source, sorted({*range(len(source))} - {*held})), View(source, held)
    films = sorted(_groups([film for film, _ in source.places]), key=len)
    groups = films if len(films) > 1 else _groups(source.places)[::-1]
    if len(groups) < 2:
        raise FlagError(f"{source.name} has one place to train on and none to validate on; add a film")
    held = groups.pop(0)
    while len(groups) > 1 and len(held) + len(groups[0]) <= count:
        held = held + groups.pop(0)
    spread = [held[k * len(held) // min(count, len(held))] for k in range(min(count, len(held)))]
    return View(source, sorted(i for group in groups for i in group)), View(source, sorted(spread))


def _groups(names: Iterable[Hashable]) -> list[list[int]]:
    """The indices of what has the same name, in the order in which the names come."""
    found: dict[Hashable, list[int]] = {}
    for index, name in enumerate(names):
        found.setdefault(name, []).append(index)
    return list(found.values())


def middles(source: Source, *, side: int, frames: int = 1, seed: int = 0) -> np.ndarray:
    """What is validated on: the middle of each picture, uint8 [n side side 3], mirrored outwards where it is too small.
    Of more than one of `frames` [n frames side side 3]: stretches of film, or pictures made to move as in `batches`."""
    made = frames > 1 and source.places is None
    held = [_middle(source[k], 2 * side if made else side) for k in range(len(source))]
    if source.places is not None:
        return np.stack([stretch[0] if frames == 1 else stretch[:frames] for stretch in held])
    if not made:
        return np.stack(held)
    stills = np.stack([[held[(k + i) % len(held)] for i in range(STILLS)] for k in range(len(held))])
    # Numbers that no batch comes to.
    return np.asarray(_moved(_key(seed), stills, np.uint32(2**31), side=side, frames=frames, aside=())["clean"])


def _middle(picture: np.ndarray, side: int) -> np.ndarray:
    sides = picture.shape[-3:-1]
    pad = [(0, 0)] * (picture.ndim - 3) + [(0, max(side - n, 0)) for n in sides] + [(0, 0)]
    picture = np.pad(picture, pad, mode="symmetric")
    y, x = ((n - side) // 2 for n in picture.shape[-3:-1])
    return picture[..., y : y + side, x : x + side, :]


def batches(
    source: Source,
    *,
    seed: int,
    batch: int,
    crop: int,
    frames: int = 1,
    aside: Sequence[str] = (),
    start: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator:
    """Endless batches of random crops, turned and mirrored: uint8 [batch / process_count, crop, crop, 3]; of more than
    one of `frames` [n, frames, crop, crop, 3].

    Of stretches of film a clip is the same part of successive frames, mirrored at most. Pictures are made to move
    (`zoo.made.moving`), each clip of STILLS of them. What is then known of it, of ASIDE, may be asked for: each batch
    is a dict of "clean" and of these, as float32 or uint8.

    Every picture is drawn once before any is drawn again, in a new order each time. The iterator begins with batch
    number `start` of the row that (source, seed, batch, crop, frames) fix. Of a global batch each process gets its own
    successive rows, the same that a single process would see there. Threads read ahead: close() the iterator, as by
    contextlib.closing, when done.
    """
    if batch < 1 or batch % process_count:
        raise FlagError(f"a batch of {batch} cannot be shared by {process_count} processes; choose a multiple of it")
    made = frames > 1 and source.places is None
    if aside and not made:
        raise FlagError(f"{', '.join(aside)} is known of clips that are made alone; use --data=leaves")
    seed, rows, threads = seed % 2**32, batch // process_count, 2 if made else THREADS
    drawn = grain.MapDataset.source(_Endless(source, seed)).seed(seed)
    if made:
        stills = drawn.random_map(_Crop(2 * crop)).batch(STILLS * rows, drop_remainder=True)
        crops = stills.map_with_index(_Moved(seed, rows, crop, frames, tuple(aside)))
    else:
        crops = drawn.random_map(_Crop(crop, frames)).batch(rows, drop_remainder=True)
    # Batches of a process's size, every process_count-th: its rows of each global batch.
    own = crops[process_index::process_count][start:]
    return iter(own.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)))


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
    """A random square of a picture, turned and mirrored; of a stretch, of `frames` in a row, mirrored. What is too
    small is first mirrored outwards."""

    def __init__(self, side: int, frames: int = 1):
        self.side, self.frames = side, frames

    def random_map(self, element: np.ndarray, rng: np.random.Generator) -> np.ndarray:  # type: ignore[override]
        lack = [max(0, self.side - n) for n in element.shape[-3:-1]]
        if any(lack):
            still = [(0, 0)] * (element.ndim - 3)
            element = np.pad(element, [*still, *[(n // 2, n - n // 2) for n in lack], (0, 0)], mode="symmetric")
        free = [n - self.side + 1 for n in element.shape[-3:-1]]
        y, x, pose = (int(share * n) for share, n in zip(rng.random(3), (*free, 8), strict=True))
        if element.ndim == 4:
            first = int(rng.random() * (len(element) - self.frames + 1))
            element = element[first] if self.frames == 1 else element[first : first + self.frames]
            pose &= 6  # what goes sideways stays so: films move sideways more than up and down
        square = element[..., y : y + self.side, x : x + self.side, :]
        square = square.swapaxes(-3, -2) if pose & 1 else square
        square = square[..., :: -1 if pose & 2 else 1, :: -1 if pose & 4 else 1, :]
        posed = np.empty_like(square, order="C")
        for channel in range(3):  # many times faster than copying pixels of 3 bytes
            posed[..., channel] = square[..., channel]
        return posed


class _Moved(grain.transforms.MapWithIndex):
    """Clips of a batch of stills, [rows * STILLS h w 3]; batch number i holds the clips from number i * rows on."""

    def __init__(self, seed: int, rows: int, side: int, frames: int, aside: tuple[str, ...]):
        self.key, self.rows = _key(seed), rows
        self.side, self.frames, self.aside = side, frames, aside

    def map_with_index(self, index: int, element: np.ndarray):  # type: ignore[override]
        stills = element.reshape(self.rows, STILLS, *element.shape[1:])
        first = np.uint32(index * self.rows % 2**32)
        made = _moved(self.key, stills, first, side=self.side, frames=self.frames, aside=self.aside)
        made = {name: np.asarray(value) for name, value in made.items()}
        return made if self.aside else made["clean"]


def _key(seed: int) -> jax.Array:
    """That of the clips; it meets no number of the procedural pictures, which are small, nor of weights and steps."""
    return jax.random.fold_in(jax.random.key(seed), 2**32 - 2)


@partial(jax.jit, static_argnames=("side", "frames", "aside"))
def _moved(key, stills, first, *, side, frames, aside):
    times = jnp.arange(frames, dtype=jnp.float32)
    made = moving.clips(key, stills / 255, count=len(stills), times=times, size=side, first=first)
    integers = lambda x: jnp.rint(255 * x).astype(jnp.uint8)
    whole = {"clean": integers(made.pictures), "behind": integers(made.behind)}
    return {"clean": whole["clean"]} | {name: whole.get(name, getattr(made, name)) for name in aside}
