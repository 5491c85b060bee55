"""Where a restored film goes, and what must not be overwritten there."""

import os
from pathlib import Path

from zoo import files
from zoo.errors import FlagError
from zoo.film.read import sequence
from zoo.film.read.source import PIPE
from zoo.film.write import encode
from zoo.film.write.parts import is_made


def chosen(wanted: str | None, source: Path) -> Path:
    """The film or the pictures to write: as said, or beside the film; as Matroska where its kind is not written."""
    if wanted == PIPE:
        return Path(PIPE)
    if wanted is None and str(source) == PIPE:
        raise FlagError("name the file to write with -o; - is standard output")
    if wanted is None:
        return beside(source)
    if Path(wanted).is_dir() or wanted.endswith(("/", os.sep)):
        return Path(wanted) / _usual(source).name
    return Path(wanted)


def check(output: Path, source: Path, *, overwrite: bool, restart: bool) -> None:
    """Raises FlagError where a result must not be written."""
    if sequence.is_pattern(output):
        _check_pattern(output, source, overwrite)
    elif str(output) != PIPE:
        files.check_name(output, ".json")  # no shorter than ".part"
        made = is_made(output) and not restart  # the same command goes on, which has only to tidy up
        files.check_free(output, {source.resolve()}, overwrite=overwrite or made)


def _check_pattern(output: Path, source: Path, overwrite: bool) -> None:
    """The same of a sequence: none of its pictures is an original, or exists unless it may be overwritten or a run goes
    on."""
    files.check_name(output, ".json")
    there = sequence.files(str(output))
    originals = {path.resolve() for path in sequence.files(str(source))}
    if source.resolve() == output.resolve() or originals & {path.resolve() for path in there}:
        raise FlagError(f"{output} is an original, which is never overwritten; choose another output with -o")
    going_on = output.with_name(f"{output.name}.part").is_dir()
    if there and there[0].exists() and not (overwrite or going_on):
        raise FlagError(f"{there[0]} exists; overwrite it with -y, or choose another output with -o")
    files.check_folder(output.parent)


def named(source: Path) -> Path:
    """A path with a name to call others after, which "." and "/" do not have."""
    source = source if source.name.strip(".") else source.resolve()
    return source if source.name else source / "film"


def _usual(source: Path) -> Path:
    """The film's own name, with the suffix of a kind that is written."""
    source = named(source)
    written = sequence.is_pattern(source) or source.suffix.lower() in encode.SUFFIXES
    return source if written else source.with_suffix(".mkv")


def beside(source: Path) -> Path:
    """Where a film goes if nothing is said: beside it; a sequence into a folder beside its own, under its own names."""
    if sequence.is_pattern(source):
        folder = source.resolve().parent
        return folder.with_name(f"{folder.name}_restored") / source.name
    usual = _usual(source)
    return usual.with_stem(f"{usual.stem}_restored")
