"""Whether films or pictures are restored."""

import glob
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import flags
from zoo.commands.restore.flags import Restore, asked_for, chain_of
from zoo.errors import FlagError, say

if TYPE_CHECKING:
    from zoo.chain import Chain


def run(args: Restore) -> int:
    """Restores what `args` name; returns the exit code."""
    from zoo.chain import Chain

    if named := asked_for(args) or args.temporal != "auto" or not args.inputs:
        steps = chain_of(args)  # what is wrong with it is said before all else
        chain = Chain(steps)
        if not chain.has_networks:
            flags.refuse(args, ("tile", "precision"), f"{steps}, where no network is")
        for note in _terms(chain):
            say(f"note: {note}")
    films = [name for name in args.inputs if is_film(name, args.output)]
    if films and len(args.inputs) > 1:
        raise FlagError(f"{films[0]} is a film; restore films one at a time")
    if not named:
        from zoo.commands.restore import by_grain

        args = by_grain.with_preset(args, films[0] if films else None)
    if films:
        from zoo.commands.restore import film

        film.restore(args, films[0])
        return 0
    from zoo.commands.restore import stills

    return stills.restore(args)


def _terms(chain: "Chain") -> Iterator[str]:
    """On whose terms other people's weights are used, in sentences."""
    from zoo.community import find

    for name in dict.fromkeys(getattr(step, "model", None) for step in chain.steps):
        if name and find.is_weights(name):
            yield find.terms(Path(name))


def is_film(name: str, output: str | None) -> bool:
    """Whether an input is a film: a pipe, a numbered sequence, a file of another kind than the pictures', or pictures
    that are to become a film."""
    from zoo import pictures

    numbered = lambda path: "%" in Path(path).name and Path(path).suffix.lower() in pictures.SUFFIXES
    path = Path(name)
    if path.is_file():  # whatever signs there are in its name
        return not pictures.is_picture(path)
    if name == "-" or numbered(name):
        return True
    if path.is_dir() or glob.has_magic(name):
        if output is None:
            return False
        from zoo.film.write import encode

        return numbered(output) or Path(output).suffix.lower() in encode.SUFFIXES
    return path.suffix.lower() not in ("", *pictures.SUFFIXES)
