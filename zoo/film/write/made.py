"""What tells, in the folder `OUTPUT.part/`, that a film was made by a run that could not tidy up."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

from zoo import checked
from zoo.errors import InputError

FILE = "made.json"


@dataclasses.dataclass
class Made:
    """The film that was made: its settings, and what tells its file from others; None of pictures. `given`: the same
    of what steps laid aside, by path."""

    settings: dict[str, Any]
    file: list[int] | None
    report: dict[str, Any]
    given: dict[str, list[int]] = dataclasses.field(default_factory=dict)


def is_made(output: Path) -> bool:
    """Whether a film is there because a run made it that was broken off before it could tidy up."""
    with contextlib.suppress(InputError, OSError):
        return is_there(checked.read(folder_of(output) / FILE, Made), output)
    return output.exists() and is_tidied(output)


def is_given(output: Path, path: Path) -> bool:
    """Whether a film of what steps laid aside was made by the run that makes `output`, and broken off then."""
    with contextlib.suppress(InputError, OSError):
        return checked.read(folder_of(output) / FILE, Made).given.get(str(path.resolve())) == identity(path)
    return False


def is_tidied(output: Path) -> bool:
    """Whether such a run left nothing but the folder."""
    folder = folder_of(output)
    return folder.is_dir() and not any(folder.iterdir())


def folder_of(output: Path) -> Path:
    return output.with_name(f"{output.name}.part")


def is_there(made: Made, output: Path) -> bool:
    files = made.given | ({} if made.file is None else {str(output): made.file})
    return all(Path(path).is_file() and identity(Path(path)) == file for path, file in files.items())


def identity(path: Path) -> list[int]:
    """What tells a file from others, and stays when it is renamed."""
    about = path.stat()
    return [about.st_ino, about.st_size, about.st_mtime_ns]
