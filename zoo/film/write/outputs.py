"""Where a restored film goes, and what must not be overwritten there."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo import files
from zoo.errors import FlagError
from zoo.film.read import sequence
from zoo.film.read.source import PIPE
from zoo.film.write import encode
from zoo.film.write.made import folder_of, is_given, is_made


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
        files.check_name(output, ".json")
        going_on = folder_of(output).is_dir()
        _check_pattern(output, _originals([source]), overwrite=overwrite or going_on)
    elif str(output) != PIPE:
        files.check_name(output, ".json")  # no shorter than ".part"
        made = is_made(output) and not restart  # the same command goes on, which has only to tidy up
        files.check_free(output, {source.resolve()}, overwrite=overwrite or made)


def check_given(
    give: Sequence[tuple[str, Path]], output: Path, sources: Sequence[Path], *, overwrite: bool, restart: bool
) -> None:
    """The same of what steps give beside `output`. `sources`: the film and its masks."""
    originals, taken = _originals(sources), [output]
    for name, path in give:
        flag = f"--give {name}=FILE"
        if any(_overlap(path, other) for other in taken) or folder_of(output).resolve() in path.resolve().parents:
            raise FlagError(f"{path} is already written by this command; choose another output with {flag}")
        if sequence.is_pattern(path):
            _check_pattern(path, originals, overwrite=overwrite or folder_of(output).is_dir(), flag=flag)
            _check_disk(path, output, flag)
        else:
            files.check_name(path, ".json", flag)
            made = is_given(output, path) and not restart
            files.check_free(path, originals, overwrite=overwrite or made, flag=flag)
        taken.append(path)


def _originals(sources: Iterable[Path]) -> set[Path]:
    """What is read, and its names."""
    return {path.resolve() for source in sources for path in (source, *sequence.files(str(source)))}


def _overlap(one: Path, other: Path) -> bool:
    """Whether two outputs, or some of their numbered pictures, are one file."""
    widest = 10**30
    return sequence.numbered(one, widest).resolve() == sequence.numbered(other, widest).resolve()


def _check_disk(path: Path, output: Path, flag: str) -> None:
    """Raises FlagError where pictures could not be moved to their place at once."""
    disks = {next(p for p in each.resolve().parents if p.exists()).stat().st_dev for each in (path, output)}
    if len(disks) > 1:
        raise FlagError(f"{path} lies on another disk than {output}; choose another output with {flag}, or a film")


def _check_pattern(output: Path, originals: set[Path], *, overwrite: bool, flag: str = "-o") -> None:
    """The same of a sequence: none of its pictures is an original, or exists unless it may be overwritten or a run goes
    on."""
    files.check_name(output, ".json", flag)
    there = sequence.files(str(output))
    if originals & {path.resolve() for path in (output, *there)}:
        raise FlagError(f"{output} is an original, which is never overwritten; choose another output with {flag}")
    if there and there[0].exists() and not overwrite:
        raise FlagError(f"{there[0]} exists; overwrite it with -y, or choose another output with {flag}")
    files.check_folder(output.parent, flag)


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
