"""What an evaluation measures on: pictures, the photographs inside scikit-image, clips, frames of clips."""

import functools
import importlib.util
import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Array, Float

from eval.comparison.task import Condition, Item
from zoo import color, pictures
from zoo.errors import FlagError, InputError
from zoo.film.read import source

# The natural colour photographs that come inside scikit-image's wheel (its others are downloaded, grey, or of
# cells and stars; motorcycle_right is motorcycle_left again).
SKIMAGE = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")

CLIPS = "clips:"
FRAMES, SIZE_PX = 20, (240, 384)  # of a clip
INNER = (3, 17)  # frames of a clip that are measured one by one: those with neighbours on both sides


class Data:
    """(name, array float32 in [0, 1]) by index, each read when asked for: pictures [h w 3] or clips [t h w 3].

    An unreadable file raises InputError at its index and leaves the indices of the others alone. `given`: as
    `eval.comparison.task.Items` says.
    """

    def __init__(
        self,
        names: Sequence[str],
        reading: Sequence[Callable[[], Float[np.ndarray, "*t h w 3"]]],
        given: Callable[[int, Condition], Item | None] = lambda index, condition: None,
    ):
        self.names, self.reading, self.given = list(names), list(reading), given

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[str, Float[np.ndarray, "*t h w 3"]]:
        return self.names[index], self.reading[index]()

    def first(self, limit: int | None) -> "Data":
        """As many of them as a flag --limit says; all where it was not given."""
        if limit is not None and limit < 1:
            raise FlagError(f"--limit={limit} leaves no picture; give 1 or more")
        return Data(self.names[:limit], self.reading[:limit], self.given)


def open_pictures(data: str) -> Data:
    """`data`: a picture file, a folder, a glob, `skimage`, or `clips:...`, whose frames are measured one by one. Raises
    FlagError or InputError where none is found."""
    if data.startswith(CLIPS):
        clips = open_clips(data)
        clip = functools.lru_cache(maxsize=1)(lambda index: clips[index][1])  # frames of a clip are asked for in turn
        frames = [(k, f) for k in range(len(clips)) for f in range(*INNER)]
        names = [f"{clips.names[k]}, frame {f}" for k, f in frames]
        return Data(names, [functools.partial(lambda k, f: clip(k)[f], k, f) for k, f in frames])
    if data == "skimage":
        files = [_skimage_folder() / name for name in SKIMAGE]
        return Data(SKIMAGE, [functools.partial(read, file) for file in files])
    files = pictures.find(data)
    root = data if Path(data).is_dir() else os.path.commonpath([file.parent for file in files])
    names = [file.relative_to(root).as_posix() for file in files]
    return Data(names, [functools.partial(read, file) for file in files])


def open_clips(data: str) -> Data:
    """`data`: `clips:` and films or folders of numbered pictures, with commas between; `reel.mkv@40` begins at frame
    40. A folder of films or of such folders stands for all that it holds.

    Of each FRAMES in a row: halved by area while they stay as large as SIZE_PX, then their middle of at most that size.
    """
    found = [clip for part in data.removeprefix(CLIPS).split(",") for clip in _clips_of(part)]
    names = [f"{path.stem}@{start}" if start else path.stem for path, start in found]
    return Data(names, [functools.partial(_clip, path, start) for path, start in found])


def _clips_of(part: str) -> list[tuple[Path, int]]:
    """(film or folder of pictures, first frame) of one part of what --data names."""
    name, _, start = part.rpartition("@") if re.search(r"@[0-9]+$", part) else (part, "", "0")
    path = Path(name)
    if not name or not path.exists():
        raise InputError(f"{name or CLIPS} is no film and no folder; name some as in {CLIPS}reel.mkv,frames@40")
    held = [p for p in sorted(path.iterdir()) if not p.name.startswith(".")] if path.is_dir() else []
    whole = path.is_file() or any(p.is_file() and pictures.is_picture(p) for p in held)
    return [(p, int(start)) for p in ([path] if whole else held)]


def _clip(path: Path, start: int) -> Float[np.ndarray, "t h w 3"]:
    """A clip as `open_clips` says. InputError where there are too few frames."""
    frames = list(itertools.islice(frames_of(path), start, start + FRAMES))
    if len(frames) < FRAMES:
        raise InputError(f"{path} has fewer than {start + FRAMES} frames; a clip takes {FRAMES} from frame {start} on")
    clip = np.stack([frame() for frame in frames])
    while clip.shape[1] >= 2 * SIZE_PX[0] and clip.shape[2] >= 2 * SIZE_PX[1]:
        clip = halved(clip)
    y, x = (max(0, (side - most) // 2) for side, most in zip(clip.shape[1:3], SIZE_PX, strict=True))
    return clip[:, y : y + SIZE_PX[0], x : x + SIZE_PX[1]]


def open_parts(data: str, *, parts: Sequence[str], colours: int, least: int = 1) -> Data:
    """Clips of which several films tell one thing each. `data`: `clips:FOLDER/CLIP,FOLDER/CLIP`, or a folder for all
    that it holds, of films CLIP-PART.mkv. A clip is [t h w c]: RGB of the first `colours` parts, one channel of each
    other. Raises InputError for a film that is missing, and for fewer than `least` frames."""
    found, name = [], lambda stem, part: stem.with_name(f"{stem.name}-{part}.mkv")
    for given in map(Path, filter(None, data.removeprefix(CLIPS).split(","))):
        ending = f"-{parts[0]}.mkv"
        held = sorted(given.glob(f"*{ending}")) if given.is_dir() else []
        found += [file.with_name(file.name.removesuffix(ending)) for file in held] or [given]
    for stem, part in itertools.product(found, parts):
        if not name(stem, part).is_file():
            raise InputError(f"{name(stem, part)} is missing; a clip is {len(parts)} films: {', '.join(parts)}")

    def clip(stem: Path) -> Float[np.ndarray, "t h w c"]:
        films = [np.stack([frame() for frame in frames_of(name(stem, part))]) for part in parts]
        if len({len(film) for film in films}) > 1 or len(films[0]) < least:
            raise InputError(f"the films of {stem} are not equally long, or have less than {least} frames")
        return np.concatenate([x if k < colours else x[..., :1] for k, x in enumerate(films)], -1)

    return Data([stem.name for stem in found], [functools.partial(clip, stem) for stem in found])


def halved(x: Float[np.ndarray, "*t h w 3"]) -> Float[np.ndarray, "*t hh ww 3"]:
    """Pictures of half the size, by area."""
    h, w = (side // 2 for side in x.shape[-3:-1])
    return x[..., : 2 * h, : 2 * w, :].reshape(*x.shape[:-3], h, 2, w, 2, 3).mean((-4, -2))


def frames_of(path: Path) -> Iterator[Callable[[], Float[np.ndarray, "h w 3"]]]:
    """What reads each frame of a film or of a folder of numbered pictures."""
    if path.is_dir():
        yield from (functools.partial(read, file) for file in pictures.find_frames(path))
        return
    film = source.describe(path)
    for frame in source.read(film, source.Losses()):
        planes = tuple(plane[None] for plane in frame.planes)
        yield lambda planes=planes: np.asarray(color.to_rgb(planes, layout=film.layout))[0].clip(0, 1)


def fingerprint(digest, name: str, picture: Float[Array | np.ndarray, "*t h w 3"]) -> None:
    """Adds one picture to a hash: its name, its shape and its samples as decoded, whatever the file format."""
    digest.update(f"{name} {picture.shape}\n".encode())
    digest.update(np.ascontiguousarray(picture, "<f4").tobytes())


def read(file: Path) -> Float[np.ndarray, "h w 3"]:
    """A picture's colours at full scale."""
    return _rgb(pictures.read(file).samples, file)


def _rgb(samples: np.ndarray, file: Path) -> Float[np.ndarray, "h w 3"]:
    """Samples of any depth and number of channels as float32 RGB at full scale: grey replicated, alpha dropped."""
    colours = samples[..., :3] if samples.shape[-1] >= 3 else np.repeat(samples[..., :1], 3, axis=-1)
    if np.issubdtype(colours.dtype, np.integer):
        return colours.astype(np.float32) / np.float32(np.iinfo(colours.dtype).max)
    if not (colours >= 0).all() or not (colours <= 1).all():  # also true of nan
        raise InputError(f"{file} has samples outside [0, 1] (scene light?); grade it to display range first")
    return colours


def _skimage_folder() -> Path:
    """scikit-image's data folder, found without importing it: its own functions may start a download."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise FlagError("the data 'skimage' are the photographs inside scikit-image: pip install scikit-image")
    return Path(spec.origin).parent / "data"
