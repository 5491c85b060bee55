"""`filmzoo look`: a colourist's look, learned from pictures or films."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import tyro

from zoo import files
from zoo.commands.shared import Numbered, Reads, Watched
from zoo.errors import FlagError, InputError, say
from zoo.flags import in_order

if TYPE_CHECKING:
    from zoo.film.read.source import Film
    from zoo.looks.look import Look as Learned
    from zoo.looks.space import Colours

_FEWEST = 200  # different colours, of 32 steps a channel, from which a look can be told
_ALIKE = 0.5  # rank correlation of two pictures' luma, below which they are not the same
_PLACES = 6000  # of a picture that are read, at most


@in_order
@dataclasses.dataclass(frozen=True, kw_only=True)
class Look(Numbered, Watched, Reads):
    """Learn a colourist's look from pictures or films before and after, as a .cube or a colour decision list."""

    before: Annotated[str, tyro.conf.Positional]
    """Pictures as shot: a file, a folder or a quoted glob; or a film."""
    after: Annotated[str, tyro.conf.Positional]
    """The same pictures, graded, under the same names; or the same film, graded."""
    output: Annotated[str, tyro.conf.arg(aliases=["-o"], metavar="FILE")]
    """The look to write: .cube, or .cc, .ccc, .cdl for a colour decision list; with --shots a new folder."""
    unpaired: bool = False
    """The graded pictures are others than those as shot, of much the same content."""
    shots: Annotated[str | None, tyro.conf.arg(metavar="FILM")] = None
    """Learn how the colourist balances each picture, too: a look for each shot of this film, as .cube files."""
    yes: Annotated[bool, tyro.conf.arg(aliases=["-y"])] = False
    """Overwrite a look that exists."""


class Still(NamedTuple):
    """Some of a picture's colours [n 3] in [0, 1]: of all pictures of one size those at the same places."""

    name: str
    width: int
    height: int
    colours: "Colours"


def run(args: Look) -> int:
    """Writes the look, or those of shots, and says how near it comes; returns the exit code."""
    import numpy as np

    from zoo.looks import paired, unpaired

    output = Path(args.output)
    _check(args, output)
    before, after = _stills(args, args.before), _stills(args, args.after)
    if args.unpaired:
        _write(output, unpaired.learned(_colours(args.before, before), _colours(args.after, after)), before)
        say(f"{len(after)} pictures -> {output}")
        return 0
    before, after = _paired(before, after)
    here, there = _colours(args.before, before), _colours(args.after, after)
    if args.shots is not None:
        return _of_shots(args, args.shots, here, there, output)
    step = -(-sum(map(len, here)) // paired.SAMPLES)
    one, other = (np.concatenate(colours)[::step] for colours in (here, there))
    found = _write(output, paired.learned(one, other), before)
    apart = "CIEDE2000 {:.1f} before it, {:.1f} after".format(*_apart(one, other, found))
    say(f"{len(after)} pairs -> {output}, {apart}")
    return 0


def _of_shots(args: Look, name: str, before: "list[Colours]", after: "list[Colours]", output: Path) -> int:
    import numpy as np

    from zoo.film import stills
    from zoo.film.progress import Progress
    from zoo.looks import files as looks
    from zoo.looks import habits, shots

    if len(before) < habits.FEWEST:
        raise FlagError(f"--shots takes {habits.FEWEST} pairs or more, not {len(before)}; give more, or leave it out")
    film = _film(args, name)
    learned = habits.learned(before, after)
    with Progress(args.progress, film.name) as shown:
        found = stills.of_shots(film, _PLACES // stills.MOST, shown)
    output.mkdir(exist_ok=True)
    for first, colours in found:
        looks.write(output / shots.name(first), learned(np.concatenate(colours)))
    say(f"{len(after)} pairs -> looks of {len(found)} shots in {output}")
    return 0


def _check(args: Look, output: Path):
    """What is wrong with what is to be written is said before any work."""
    from zoo import pictures
    from zoo.looks import files as looks

    if args.shots is None:
        looks.check_writable(output)
        names = args.before, args.after
        own = [path for name in names for path in ([Path(name)] if _is_film(name) else pictures.find(name))]
        files.check_free(output, {path.resolve() for path in own}, overwrite=args.yes)
        return
    if args.unpaired:
        raise FlagError("--shots learns from pairs; leave out --unpaired, or --shots")
    if output.is_file() or (output.is_dir() and any(output.iterdir())):
        raise FlagError(f"{output} is there already; choose a new folder with -o")
    files.check_folder(output.parent)


def _is_film(name: str) -> bool:
    from zoo import pictures

    return Path(name).is_file() and not pictures.is_picture(Path(name))


def _film(args: Look, name: str) -> "Film":
    """What a film is. Raises InputError for HDR, and where there is no colour."""
    from zoo.film import plan

    film = plan.describe(name, plan.Options(rate=args.a_second(), gaps=args.gaps))
    if plan.hdr(film):
        raise InputError(f"{name} is HDR, and looks are of pictures from 0 to 1; convert it to SDR")
    if film.layout.family == "grey":
        raise InputError(f"{name} is grey, and a look is of colours; give films in colour")
    return film


def _stills(args: Look, name: str) -> list[Still]:
    """The pictures that a name stands for, or some frames of a film."""
    from zoo import pictures
    from zoo.film import stills
    from zoo.film.progress import Progress

    if not _is_film(name):
        return [_still(path) for path in pictures.find(name)]
    film = _film(args, name)
    with Progress(args.progress, film.name) as shown:
        frames = stills.of_film(film, _PLACES, shown)
    return [Still(f"{name}/frame {k} of those read", film.width, film.height, x) for k, x in enumerate(frames)]


def _still(path: Path) -> Still:
    """Raises InputError for a picture that has no colours, and for HDR."""
    import numpy as np

    from zoo import pictures
    from zoo.film.stills import places_of

    samples = pictures.read(path).samples
    if samples.shape[-1] < 3:
        raise InputError(f"{path} is grey, and a look is of colours; give colour pictures")
    top = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1.0
    height, width = samples.shape[:2]
    if not (np.isfinite(samples).all() and samples.max() <= top):
        raise InputError(f"{path} is HDR or not finite, up to {samples.max():g}; looks are of pictures from 0 to 1")
    flat = samples[..., :3].reshape(-1, 3)[places_of(height * width, _PLACES)]
    return Still(str(path), width, height, np.clip(flat.astype(np.float32) / top, 0, 1))


def _paired(before: list[Still], after: list[Still]) -> tuple[list[Still], list[Still]]:
    """The pictures as shot of those that are graded, by their names; one and one are a pair under any names."""
    if len(before) == len(after) == 1:
        pairs = before
    else:
        by_name = {Path(still.name).stem: still for still in before}
        if missing := [still for still in after if Path(still.name).stem not in by_name]:
            raise FlagError(
                f"{missing[0].name} has no picture of its name as shot; name both alike, or learn from other pictures "
                "with --unpaired"
            )
        pairs = [by_name[Path(still.name).stem] for still in after]
    for pair in zip(pairs, after, strict=True):
        _check_pair(*pair)
    return pairs, after


def _check_pair(before: Still, after: Still) -> None:
    """Raises InputError for two pictures that are not the same one."""
    import numpy as np

    if (before.width, before.height) != (after.width, after.height):
        sizes = f"{before.width}x{before.height} and {after.width}x{after.height}"
        raise InputError(f"{before.name} and {after.name} have other sizes, {sizes}; export both alike")
    ranks = [np.argsort(np.argsort(still.colours.mean(-1))) for still in (before, after)]
    if len(ranks[0]) > 50 and np.ptp(before.colours) > 0.02 and float(np.corrcoef(np.stack(ranks)).flat[1]) < _ALIKE:
        raise InputError(
            f"{before.name} and {after.name} are not the same picture; learn from other pictures with --unpaired"
        )


def _colours(name: str, stills: Sequence[Still]) -> "list[Colours]":
    """Those of each. Raises InputError where there are too few to tell a look by."""
    import numpy as np

    colours = [still.colours for still in stills]
    every = np.concatenate(colours)
    if len(np.unique((every * 32).astype(int), axis=0)) < min(_FEWEST, len(every) / 4):
        raise InputError(f"{name} has too few colours to tell a look by")
    return colours


def _write(output: Path, look: "Learned", before: Sequence[Still]) -> "Learned":
    """Writes a look, or the decision list nearest to it on these pictures; returns what was written."""
    import jax.numpy as jnp
    import numpy as np

    from zoo.looks import files as looks
    from zoo.looks import paired

    if output.suffix.lower() != ".cube":
        every = np.concatenate([still.colours for still in before])
        here = every[:: -(-len(every) // paired.SAMPLES)]
        look = paired.decision_list(here, np.asarray(look(jnp.asarray(here))))
    look = dataclasses.replace(look, title=output.stem)
    looks.write(output, look)
    return look


def _apart(before: "Colours", after: "Colours", look: "Learned") -> tuple[float, float]:
    """How far colours lie from the graded ones, without and with the look: the mean CIEDE2000."""
    import jax.numpy as jnp

    from zoo.lab import ciede2000

    here, there = jnp.asarray(before), jnp.asarray(after)
    return float(ciede2000(here, there).mean()), float(ciede2000(look(here), there).mean())
