"""Films that lie in numbered pictures, `frame.%06d.dpx`, in a folder or a glob: read, and written."""

import contextlib
import dataclasses
import glob
import itertools
import math
import re
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from zoo import pictures
from zoo.color import Layout
from zoo.errors import FlagError, InputError, OutputError
from zoo.files import make_folder
from zoo.film.formats import RGB, Tags, retagged
from zoo.film.read.source import Film, Frame
from zoo.pictures import Picture

CONTAINER = "pictures"
MOST_MISSING = 100_000  # pictures, more than an hour
_NUMBER = re.compile(r"%0?(\d*)d")
_LAST_NUMBER = re.compile(r"(.*?)([0-9]+)")  # of a stem
_DEPTHS = {"uint8": 8, "uint16": 16, "float32": 32}
# The most bits that a kind of file holds; of a DPX's 16 fewer may count.
_MOST = {".png": 16, ".tif": 32, ".tiff": 32, ".exr": 32, ".dpx": 16, ".jpg": 8, ".jpeg": 8, ".webp": 8}
_LEAST = {".exr": 32, ".dpx": 16}  # of a film in a file; pictures of 8 bits may become a DPX of 8


def is_pattern(name: str | Path) -> bool:
    """Whether a name is that of numbered pictures, `f%03d.png`; in a film's, as in `100%done.mkv`, it means nothing."""
    return Path(name).suffix.lower() in pictures.SUFFIXES and bool(_NUMBER.search(Path(name).name))


def find(name: str, gaps: str = "fail") -> list[tuple[int, Path]]:
    """(number, file) of every frame. `gaps`: "copy" puts the frame before in a missing one's place, "fail" refuses.

    A folder or a glob whose pictures are all numbered has gaps too, but may count in steps, and a glob may leave out
    pictures that there are. Raises InputError, naming what is missing.
    """
    if is_pattern(name):
        pattern, numbers, step = name, _numbers(name), 1
        if not numbers:
            raise InputError(f"no picture is called {name}, such as {numbered(name, 1)}")
    else:
        held = pictures.find_frames(name)
        if (pattern := _pattern(held)) is None:
            return list(enumerate(held))
        numbers = [int(_LAST_NUMBER.fullmatch(path.stem)[2]) for path in held]  # type: ignore[index]
        step = math.gcd(*(b - a for a, b in itertools.pairwise(numbers))) or 1
    absent = (n for before, after in itertools.pairwise(numbers) for n in range(before + step, after, step))
    missing = list(itertools.islice((n for n in absent if not numbered(pattern, n).is_file()), MOST_MISSING + 1))
    if len(missing) > MOST_MISSING:
        ends = max(itertools.pairwise(numbers), key=lambda pair: pair[1] - pair[0])
        raise InputError(
            f"more than {MOST_MISSING} pictures of {pattern} are missing, most between {ends[0]} and {ends[1]}; "
            "move what does not belong to the sequence out of its folder"
        )
    if missing and gaps == "fail":
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"{numbered(pattern, missing[0])}{more} missing; --gaps copy repeats the frame before")
    there, last, found = {*numbers}, numbers[0], []
    for n in sorted(there | {*missing}):
        last = n if n in there else last
        found.append((n, numbered(pattern, last)))
    return found


def _numbers(pattern: str) -> list[int]:
    """The numbers of the pictures that there are, in order."""
    path = Path(pattern)
    before, after = _NUMBER.split(path.name, maxsplit=1)[::2]
    written = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    held = path.parent.iterdir() if path.parent.is_dir() else ()
    numbers = {int(match[1]) for match in (written.fullmatch(p.name) for p in held) if match}
    return sorted(n for n in numbers if numbered(pattern, n).is_file())


def _pattern(held: list[Path]) -> str | None:
    """The pattern of pictures that differ in one number at the end of their stems; None where they do not."""
    stems = [_LAST_NUMBER.fullmatch(path.stem) for path in held]
    if not all(stems) or any("%" in path.name for path in held):
        return None
    kinds = {(path.parent, stem[1], path.suffix) for path, stem in zip(held, stems, strict=True) if stem}
    width = min(len(stem[2]) for stem in stems if stem)
    padded = {len(stem[2]) for stem in stems if stem and stem[2].startswith("0") and stem[2] != "0"}
    if len(kinds) > 1 or padded - {width}:  # a number too large for the width is written in full: 9999, 10000
        return None
    folder, before, suffix = kinds.pop()
    return str(folder / f"{before}%{f'0{width}' if padded else ''}d{suffix}")


def files(name: str) -> list[Path]:
    """What a film's name stands for: one file, or the pictures of a sequence, as far as they exist."""
    with contextlib.suppress(InputError):
        if is_pattern(name) or Path(name).is_dir() or glob.has_magic(name):
            return [path for _, path in find(name, "copy")]
    return [Path(name)]


def numbered(pattern: str | Path, number: int) -> Path:
    """The file of one frame."""
    path = Path(pattern)
    return path.with_name(_NUMBER.sub(lambda m: f"{number:0{int(m[1] or 0)}d}", path.name, count=1))


def describe(name: str, rate: Fraction, gaps: str = "fail", matrix: str | None = None) -> Film:
    """What a sequence is, by its first picture. `rate`: frames a second, which pictures do not say. `matrix`: of the
    film that they become, if not by its size."""
    files = find(name, gaps)
    first = pictures.read(files[0][1])
    height, width, channels = first.samples.shape
    depth = _DEPTHS[first.samples.dtype.name]
    layout = Layout("grey" if channels < 3 else "rgb", depth, alpha=channels in (2, 4), full=True)
    kind = "gray" if channels < 3 else "gbrap" if layout.alpha else "gbrp"
    bits = {8: "", 16: "16le", 32: "f32le"}[depth]
    return Film(
        name=str(name),
        container=CONTAINER,
        codec=files[0][1].suffix[1:].lower(),
        pixel_format=kind + bits,
        planar=kind + bits.replace("f32", "16"),
        layout=layout,
        tags=retagged(Tags(RGB if channels >= 3 else 2, 2, 2, 2), matrix, None),
        guesses=(),
        height=height,
        width=width,
        rate=rate,
        time_base=1 / rate,
        aspect=None,
        display=None,
        begins=Fraction(0),
        ends=len(files) / rate,
        field_order="unknown",
        stream=0,
        gaps=gaps,
    )


def read(film: Film, first: int = 0) -> Generator[Frame, None, None]:
    """Every frame from number `first` on. Raises InputError for a picture of another size or kind than the film's, and
    for samples that are no numbers."""
    for k, (_, path) in enumerate(find(film.name, film.gaps)[first:], first):
        samples = pictures.read(path).samples
        height, width, channels = samples.shape
        depth, wanted = _DEPTHS[samples.dtype.name], len(film.layout.shapes(1, 1))
        if (height, width, depth, channels) != (film.height, film.width, film.layout.depth, wanted):
            raise InputError(
                f"{path} is {width}x{height} px with {channels} channels of {depth} bits after "
                f"{film.width}x{film.height} with {wanted} of {film.layout.depth}; make them alike"
            )
        if samples.dtype.kind == "f" and not np.isfinite(samples).all():
            raise InputError(f"{path} holds NaN or infinite samples; replace them first, as with np.nan_to_num")
        yield Frame(planes_of(samples), k, 1)


def planes_of(samples: np.ndarray) -> tuple[np.ndarray, ...]:
    """The channels of a picture [h w c] as planes [h w], in FFmpeg's order: green, blue, red, alpha."""
    planes = [np.ascontiguousarray(samples[..., c]) for c in range(samples.shape[2])]
    if len(planes) >= 3:
        planes[:3] = planes[1], planes[2], planes[0]
    return tuple(planes)


# ---- writing


def target_layout(film: Film, suffix: str) -> Layout:
    """What the planes of written pictures mean: RGB or grey, of the film's bits or the next more that a file holds."""
    if suffix not in _MOST:
        raise FlagError(f"unknown picture suffix {suffix!r}; choose one of: {', '.join(_MOST)}")
    least = 8 if suffix == ".dpx" and film.container == CONTAINER else _LEAST.get(suffix, 8)
    depth = next(d for d in (8, 16, 32) if d >= max(least, min(film.layout.depth, _MOST[suffix])))
    family = "grey" if film.layout.family == "grey" else "rgb"
    alpha = film.layout.alpha and suffix not in (".jpg", ".jpeg")
    return Layout(family, depth, alpha=alpha, full=True)


def segments(film: Film, suffix: str) -> Callable[[Path, int], "PictureSegment"]:
    """(folder, number of its first frame in the film) -> a segment. Each picture says beside its samples what the one
    that it came from says."""
    each = film.multiple
    like = Picture(np.zeros((1, 1, 1), np.uint8), bits=film.layout.depth if film.layout.depth in (10, 12) else None)
    held = [path for _, path in find(film.name, film.gaps)] if film.container == CONTAINER else []
    return lambda folder, first: PictureSegment(folder, suffix, like, held[first:], each, resized=film.resized)


def left_out(film: Film, output: Path) -> list[str]:
    """What a sequence's first picture says beside its samples and those that are written will not say, in words."""
    if film.container != CONTAINER:
        return []
    first = pictures.read(find(film.name, film.gaps)[0][1], samples=False)
    return pictures.left_out(output, pictures.of_no_size(first) if film.resized else first)


class PictureSegment:
    """A stretch of the film as a folder of pictures, `000000.png` and on. `sources`: the pictures that they came from,
    of which all but the samples are kept, for so many pictures `each`; none where the film is a file: then they are
    `like` another. `resized`: whether they have another size than these."""

    def __init__(
        self, folder: Path, suffix: str, like: Picture, sources: list[Path], each: int = 1, *, resized: bool = False
    ):
        folder.mkdir()
        self._folder, self._suffix, self._count = folder, suffix, 0
        self._like, self._sources, self._each, self._resized = like, sources, each, resized

    def write(self, planes: tuple[np.ndarray, ...]):
        if len(planes) >= 3:
            planes = (planes[2], planes[0], planes[1], *planes[3:])
        like = self._like
        if self._sources:
            like = pictures.read(self._sources[self._count // self._each], samples=False)
            like = pictures.of_no_size(like) if self._resized else like
        picture = dataclasses.replace(like, samples=np.stack(planes, axis=-1))
        pictures.write(self._folder / f"{self._count:06}{self._suffix}", picture)
        self._count += 1

    def close(self):
        pass

    def abandon(self):
        shutil.rmtree(self._folder, ignore_errors=True)


def numbers(film: Film) -> list[int] | None:
    """The numbers of the frames of a sequence that is read, which one that is written keeps. Where several pictures
    come of each frame, theirs follow one another."""
    if film.container != CONTAINER:
        return None
    own = [n for n, _ in find(film.name, film.gaps)]
    count, first = len(own) * film.multiple, own[0] * film.multiple
    return own if film.multiple == 1 else [*range(first, first + count)]


def places(
    film: Film, segments: list[Path], counts: Iterable[int], output: Path, first: int
) -> Iterator[tuple[Path, Path]]:
    """(where a picture lies in its segment, where it belongs) of all, in their order: picture k of what was restored
    gets number `first` + k of `numbers`; a film's pictures count from 0."""
    names, k = numbers(film), 0
    for segment, count in zip(segments, counts, strict=True):
        for n in range(count):
            yield segment / f"{n:06}{output.suffix.lower()}", numbered(output, names[first + k] if names else k)
            k += 1


def join(film: Film, moves: Iterable[tuple[Path, Path]], output: Path) -> list[Path]:
    """Moves pictures to their `places`. What a run that was broken off here has moved is in its place. Raises
    OutputError where one is missing; returns what has such a name and was there before."""
    make_folder(output.parent)
    taken = set()
    for path, place in moves:
        if path.exists():
            path.replace(place)
        elif not place.exists():
            raise OutputError(f"{film.name}: {place} was not written; run again with --restart")
        taken.add(place)
    return [path for n in _numbers(str(output)) if (path := numbered(output, n)) not in taken]
