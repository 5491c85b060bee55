"""Stretches of films to train on: a few frames in a row, of one shot, from places spread over all that there is.

They are read before the run begins and stay in memory: to look for each clip in its film would be too slow. What is
read is a function of the seed and the films.
"""

import glob
import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
from av.error import FFmpegError

from train.loop.sources import Progress, digest
from zoo import bounds, color, pictures
from zoo.color import Layout
from zoo.cuts import cut_score, is_cut
from zoo.errors import InputError
from zoo.film import formats, pyav
from zoo.film.read import sequence, source
from zoo.film.read.decoding import Losses, decoded, opened

WINDOWS = 4  # parts of the picture that are taken at one place
_LOOKED = 4  # lengths of a stretch, within which it is looked for at its place
_NUMBERED = re.compile(r"(.*?)([0-9]+)")  # a stem
_RGB8 = Layout("rgb", 8, full=True)


class _Picture(NamedTuple):
    planes: tuple[np.ndarray, ...]
    layout: Layout

    @property
    def form(self) -> tuple[Any, ...]:
        return self.layout, self.planes[0].shape


class _Roll(Protocol):
    """A film, whatever it lies in. `count`: about how many frames."""

    name: str
    count: int

    def pictures(self, first: int) -> Iterator[_Picture]: ...  # from about frame `first` on


class ClipsSource:
    """Stretches of uint8 [t h w 3] of the films and numbered pictures in a folder, to its depths.

    About `count` of them, `length` frames long and `size` pixels wide and high, or as much as a shot and a picture
    have, but at least `frames`; fewer where they would not fit `cache_bytes`. Each film gives by its length, and all
    give some where there are enough. Raises InputError where no film has a shot of so many frames.
    """

    def __init__(
        self,
        data: str | Path,
        *,
        frames: int,
        seed: int = 0,
        size: int = 256,
        count: int = 256,
        cache_bytes: int = 4 << 30,
        progress: Progress | None = None,
    ):
        self.name, self.skipped, self.places = f"clips:{data}", [], []
        self._stretches: list[np.ndarray] = []
        rolls = self._opened(data)
        length = 1 if frames == 1 else 2 * frames
        count = max(1, min(count, cache_bytes // (length * size * size * 3)))
        wanted = _shared(math.ceil(count / WINDOWS), [roll.count for roll in rolls])
        for k, (roll, times) in enumerate(zip(rolls, wanted, strict=True)):
            if not times:
                continue
            try:
                found = list(self._read(roll, times, frames, length, size, np.random.default_rng((seed, k))))
            except (InputError, FFmpegError, OSError) as e:
                self.skipped.append((roll.name, str(e)))
            else:
                if not found:
                    self.skipped.append((roll.name, f"no shot of {frames} frames was found in it"))
                self.places += [(roll.name, place) for place, _ in found]
                self._stretches += [stretch for _, stretch in found]
            if progress:
                progress(k + 1, len(rolls))
        if not self._stretches:
            raise InputError(f"nothing in {data} can be trained on; {self.skipped[0][0]}: {self.skipped[0][1]}")
        whole = hashlib.sha256()
        for stretch in self._stretches:
            whole.update(stretch.data)
        self._fingerprint = digest([f"{name} {place}" for name, place in self.places] + [whole.hexdigest()])

    def _opened(self, data: str | Path) -> list[_Roll]:
        rolls: list[_Roll] = []
        root, sequences, files = _found(data)
        for run in sequences:
            rolls.append(_Sequence(run[0].relative_to(root).as_posix(), run))
        for file in files:
            name = file.relative_to(root).as_posix()
            try:
                rolls.append(_File(name, file))
            except (InputError, FFmpegError, OSError) as e:
                self.skipped.append((name, str(e)))
        if not rolls:
            why = f"; {self.skipped[0][0]}: {self.skipped[0][1]}" if self.skipped else ""
            raise InputError(f"no film in {data} can be read{why}")
        return sorted(rolls, key=lambda roll: roll.name)

    def _read(
        self, roll: _Roll, times: int, frames: int, length: int, size: int, chances: np.random.Generator
    ) -> Iterator[tuple[int, np.ndarray]]:
        """(place, stretch) from `times` places of a film."""
        for place in range(times):
            first = int((place + chances.random()) / times * max(1, roll.count - length))
            shot = _shot(itertools.islice(roll.pictures(first), _LOOKED * length), frames, length)
            corners = chances.random((WINDOWS, 2))
            yield from ((place, _window(shot, corner, size)) for corner in corners if shot)

    def __len__(self) -> int:
        return len(self._stretches)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._stretches[index]

    def fingerprint(self) -> str:
        return self._fingerprint


class _File:
    """A film in a file."""

    def __init__(self, name: str, path: Path):
        self.name, self._path, self._film = name, path, source.describe(path)
        self.count = self._film.expected or 1

    def pictures(self, first: int) -> Iterator[_Picture]:
        film = self._film
        with opened(self._path) as container:
            stream = container.streams[film.stream]
            tick = pyav.exact(stream.time_base)
            start = (stream.start_time or 0) + int(first / film.rate / tick)
            if first:
                try:
                    container.seek(start, stream=stream)
                except FFmpegError:  # not of a kind that can be entered anywhere: all before is decoded
                    container.seek(0)
            for frame in decoded(container, stream, Losses()):
                if frame.interlaced_frame:
                    raise InputError("its pictures lie in fields; deinterlace it first")
                if frame.is_corrupt or source.form_of(frame) != film.form or (frame.pts or start) < start:
                    continue
                yield _Picture(formats.planes_of(frame, film.planar, film.layout), film.layout)


class _Sequence:
    """A film in numbered pictures."""

    def __init__(self, name: str, files: list[Path]):
        self.name, self._files, self.count = name, files, len(files)

    def pictures(self, first: int) -> Iterator[_Picture]:
        for file in self._files[first:]:
            yield _Picture(sequence.planes_of(pictures.rgb8(pictures.read(file))), _RGB8)


def _found(data: str | Path) -> tuple[Path, list[list[Path]], list[Path]]:
    """(the folder, runs of numbered pictures, all other files) of a file, a folder or a glob. Hidden files are left
    out."""
    path = Path(data)
    if path.is_dir():
        held, root = [p for p in sorted(path.rglob("*")) if p.is_file()], path
    else:
        held = [Path(p) for p in sorted(glob.iglob(str(data), recursive=True)) if Path(p).is_file()]  # noqa: PTH207
        if not held:
            bounds.check_regular(path, "film")
        root = held[0].parent if len(held) == 1 else Path(*_common([p.parent.parts for p in held]))
    held = [p for p in held if not any(part.startswith(".") for part in p.relative_to(root).parts)]
    numbered: dict[tuple[Path, str, str], list[tuple[int, Path]]] = {}
    files = []
    for file in held:
        match = _NUMBERED.fullmatch(file.stem)
        if not pictures.is_picture(file):
            files.append(file)
        elif match:
            numbered.setdefault((file.parent, match[1], file.suffix), []).append((int(match[2]), file))
    if not files and not numbered:
        raise InputError(f"no films and no numbered pictures in {data}")
    return root, [run for group in numbered.values() for run in _runs(sorted(group))], files


def _common(parts: Sequence[tuple[str, ...]]) -> list[str]:
    return [level[0] for level in itertools.takewhile(lambda level: len(set(level)) == 1, zip(*parts, strict=False))]


def _runs(group: list[tuple[int, Path]]) -> list[list[Path]]:
    """Numbered pictures in the steps in which they count, apart where some are missing."""
    step = min((b - a for (a, _), (b, _) in itertools.pairwise(group)), default=1)
    runs, last = [], None
    for number, file in group:
        if last is None or number - last != step:
            runs.append([])
        runs[-1].append(file)
        last = number
    return runs


def _shared(places: int, counts: Sequence[int]) -> list[int]:
    """How many of the places lie in each of the films, which have so many frames: one in each, the others by length.
    Where there are more films than places, places in as many, spread over all."""
    films = len(counts)
    if places < films:
        return [(k + 1) * places // films - k * places // films for k in range(films)]
    return [1 + (places - films) * count // sum(counts) for count in counts]


def _shot(film: Iterator[_Picture], frames: int, length: int) -> list[_Picture]:
    """The first frames in a row that no cut parts: `length`, or `frames`; none where there are fewer."""
    run: list[_Picture] = []
    before = None
    for picture in film:
        planes = tuple(jnp.asarray(plane[None]) for plane in picture.planes)
        luma = color.luma(planes, layout=picture.layout)[0]
        if run and (picture.form != run[0].form or is_cut(float(cut_score(before, luma)))):
            if len(run) >= frames:
                break
            run = []
        run.append(picture)
        before = luma
        if len(run) == length:
            return run
    return run[:frames] if len(run) >= frames else []


def _window(shot: list[_Picture], corner: np.ndarray, size: int) -> np.ndarray:
    """A part of a shot, uint8 [t size size 3], or as large as its pictures are. `corner`: (y, x), 0 to 1."""
    layout, sides = shot[0].form
    spans = []
    for share, side, cell in zip(corner, sides, layout.cell, strict=True):
        low = int(share * (max(0, side - size) // cell + 1)) * cell
        spans.append((low, min(side, low + size), cell))
    parts = []
    for k in range(len(shot[0].planes)):
        subsampled = layout.family == "yuv" and k in (1, 2)
        cut = tuple(
            slice(low // cell, -(-high // cell)) if subsampled else slice(low, high) for low, high, cell in spans
        )
        parts.append(jnp.asarray(np.stack([picture.planes[k][cut] for picture in shot])))
    rgb = np.asarray(color.to_rgb(tuple(parts), layout=layout))
    return np.rint(255 * rgb.clip(0, 1)).astype(np.uint8)
