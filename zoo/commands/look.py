"""`filmzoo look`: a colourist's look, learned from pictures."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from zoo import files
from zoo.commands.shared import Reads
from zoo.errors import FlagError, InputError, say
from zoo.flags import in_order

if TYPE_CHECKING:
    from zoo.looks.space import Colours

_FEWEST = 200  # different colours, of 32 steps a channel, from which a look can be told
_ALIKE = 0.5  # rank correlation of two pictures' luma, below which they are not the same


@in_order
@dataclasses.dataclass(frozen=True, kw_only=True)
class Look(Reads):
    """Learn a colourist's look from pictures before and after, as a .cube or a colour decision list."""

    before: Annotated[str, tyro.conf.Positional]
    """Pictures as shot: a file, a folder or a quoted glob."""
    after: Annotated[str, tyro.conf.Positional]
    """The same pictures, graded, under the same names."""
    output: Annotated[str, tyro.conf.arg(aliases=["-o"], metavar="FILE")]
    """The look to write: .cube, or .cc, .ccc, .cdl for a colour decision list."""
    unpaired: bool = False
    """The graded pictures are others than those as shot, of much the same content."""
    yes: Annotated[bool, tyro.conf.arg(aliases=["-y"])] = False
    """Overwrite a look that exists."""


def run(args: Look) -> int:
    """Writes the look and says how near it comes; returns the exit code."""
    import jax.numpy as jnp
    import numpy as np

    from zoo import pictures
    from zoo.looks import files as looks
    from zoo.looks import learn

    output = Path(args.output)
    looks.check_writable(output)
    before, after = pictures.find(args.before), pictures.find(args.after)
    files.check_free(output, {path.resolve() for path in (*before, *after)}, overwrite=args.yes)
    if args.unpaired:
        (here,), (there,) = _colours(before), _colours(after)
        found = learn.of_others(here, there)
    else:
        before, after = _paired(before, after)
        here, there = _colours(before, after)
        found = learn.of_pairs(here, there)
    if output.suffix.lower() != ".cube":
        found = learn.decision_list(here, np.asarray(found(jnp.asarray(here))))
    found = dataclasses.replace(found, title=output.stem)
    looks.write(output, found)
    said = "" if args.unpaired else ", CIEDE2000 {:.1f} before it, {:.1f} after".format(*_apart(here, there, found))
    say(f"{len(after)} {'pictures' if args.unpaired else 'pairs'} -> {output}{said}")
    return 0


def _paired(before: list[Path], after: list[Path]) -> tuple[list[Path], list[Path]]:
    """The pictures as shot of those that are graded, by their names; one and one are a pair under any names."""
    if len(before) == len(after) == 1:
        return before, after
    by_name = {path.stem: path for path in before}
    if missing := [path for path in after if path.stem not in by_name]:
        raise FlagError(
            f"{missing[0]} has no picture of its name as shot; name both alike, or learn from other pictures with "
            "--unpaired"
        )
    return [by_name[path.stem] for path in after], after


def _colours(*sets: list[Path]) -> "list[Colours]":
    """Colours [n 3] in [0, 1] of pictures, as many of each; of several sets, those of the same places."""
    import numpy as np

    from zoo.looks.learn import SAMPLES

    rng, found = np.random.default_rng(0), []
    each = -(-SAMPLES // len(sets[0]))
    for paths in zip(*sets, strict=True):
        read = [_read(path) for path in paths]
        if len(read) == 2:
            _check_pair(paths, read)
        places = rng.choice(len(flat := read[0].reshape(-1, 3)), min(each, len(flat)), replace=False)
        found.append([picture.reshape(-1, 3)[places] for picture in read])
    colours = [np.concatenate(column) for column in zip(*found, strict=True)]
    for paths, column in zip(sets, colours, strict=True):
        if len(np.unique((column * 32).astype(int), axis=0)) < min(_FEWEST, len(column) / 4):
            raise InputError(f"{paths[0].parent if len(paths) > 1 else paths[0]} has too few colours to tell a look by")
    return colours


def _read(path: Path):
    """Colours [h w 3] in [0, 1]. Raises InputError for what has none, and for HDR."""
    import numpy as np

    from zoo import pictures

    picture = pictures.read(path)
    samples = picture.samples
    if samples.shape[-1] < 3:
        raise InputError(f"{path} is grey, and a look is of colours; give colour pictures")
    top = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1.0
    colours = samples[..., :3].astype(np.float32) / top
    if not (np.isfinite(colours).all() and colours.max() <= 1):
        raise InputError(f"{path} is HDR or not finite, up to {colours.max():g}; looks are of pictures from 0 to 1")
    return np.clip(colours, 0, 1)


def _check_pair(paths: tuple[Path, ...], read: list) -> None:
    """Raises InputError for two pictures that are not the same one."""
    import numpy as np

    before, after = paths
    if read[0].shape != read[1].shape:
        sizes = " and ".join(f"{p.shape[1]}x{p.shape[0]}" for p in read)
        raise InputError(f"{before} and {after} have other sizes, {sizes}; export both alike")
    ranks = [np.argsort(np.argsort(picture.mean(-1).ravel()[::17])) for picture in read]
    if len(ranks[0]) > 50 and np.ptp(read[0]) > 0.02 and float(np.corrcoef(np.stack(ranks)).flat[1]) < _ALIKE:
        raise InputError(f"{before} and {after} are not the same picture; learn from other pictures with --unpaired")


def _apart(before: "Colours", after: "Colours", look) -> tuple[float, float]:
    """How far colours lie from the graded ones, without and with the look: the mean CIEDE2000."""
    import jax.numpy as jnp

    from zoo.lab import ciede2000

    here, there = jnp.asarray(before), jnp.asarray(after)
    return float(ciede2000(here, there).mean()), float(ciede2000(look(here), there).mean())
