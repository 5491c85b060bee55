"""Files that appear whole or not at all, whatever happens while they are written; locks that end with their process."""

import contextlib
import hashlib
import os
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TextIO

from zoo.errors import FlagError, ZooError

_MOST_BYTES = 255  # of a name, on nearly every file system


def check_free(path: Path, originals: Collection[Path] = (), *, overwrite: bool = False, flag: str = "-o") -> None:
    """Raises, before any work, where a result must or can not be written. `originals`: the inputs, resolved; `flag`
    names another output."""
    check_name(path, flag=flag)
    if path.resolve() in originals:
        raise FlagError(f"{path} is an original, which is never overwritten; choose another output with {flag}")
    if path.is_dir():
        raise FlagError(f"{path} is a folder; choose another output with {flag}")
    if path.exists() and not overwrite:
        raise FlagError(f"{path} exists; overwrite it with -y, or choose another output with {flag}")
    check_folder(path.parent, flag)


def check_name(path: Path, ending: str = "", flag: str = "-o") -> None:
    """Raises where a name is too long for the system; `ending`: of the longest that lies beside it."""
    if (size := len(os.fsencode(path.name + ending))) > _MOST_BYTES:
        beside = f" with the {ending} beside it" if ending else ""
        raise FlagError(
            f"the name {path.name} has {size} bytes{beside}, {_MOST_BYTES} at most; choose another with {flag}"
        )


def check_within(path: Path, folder: Path) -> None:
    """Raises where a link in an output folder would have `path`, below it, written elsewhere. The folder itself may be
    a link: the user named it."""
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise FlagError(f"{path.parent} is, or lies behind, a link that leaves {folder}; choose another output with -o")


def check_links(folder: Path, flag: str = "-o") -> None:
    """Raises where a folder that is to be written in holds a link that leaves it."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise FlagError(f"{path} is a link that leaves {folder}, where nothing is written; choose another {flag}")


def check_folder(folder: Path, flag: str = "-o") -> None:
    """Raises where nothing can be written in a folder, or it cannot be made; `flag` names another."""
    nearest = next(p for p in (folder, *folder.resolve().parents) if p.exists())
    if not nearest.is_dir():
        raise FlagError(f"{nearest} is a file, not a folder; choose another output with {flag}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ZooError(f"no permission to write in {nearest}; choose another folder with {flag}")


def make_folder(folder: Path) -> None:
    """Makes a folder, and those that it lies in; a ZooError where there can be none."""
    with _possible(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, whose folder is made, moved there at the end of the block; gone if the block
    raises. What a kill leaves of it is written over by the next that writes `path`."""
    make_folder(path.parent)
    # Hidden, so that searches pass it by; not by `mkstemp`, whose files only their owner may read.
    stem = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]
    with _possible(path.parent):
        part, held = _mine(path.with_name(f".{stem}{path.suffix}"))
    with held:
        try:
            yield part
            synced(part)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _mine(part: Path) -> tuple[Path, TextIO]:
    """An empty file that no other process writes, and what holds it: `part`, or one of another name where that is
    taken, or where nobody can tell because the file system has no locks."""
    while True:
        if part.is_symlink():  # it would be written through
            break
        file = part.open("a")
        try:
            locked = _flock(file, wait=False)
        except BlockingIOError:
            file.close()
            break
        with contextlib.suppress(FileNotFoundError):
            if locked and os.path.samestat(os.fstat(file.fileno()), part.stat()):  # it was not given its name meanwhile
                file.truncate(0)
                return part, file
        file.close()
        if not locked:
            part.unlink(missing_ok=True)
            break
    part = part.with_stem(f"{part.stem}{uuid.uuid4().hex[:8]}")
    return part, part.open("a")


def synced(path: Path) -> None:
    """Waits until a file is on the disk: after a power cut its new name may else stand for half of it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def lock(path: Path) -> TextIO:
    """A file whose lock nobody else holds until it is closed, or its process ends; waits for it."""
    file = path.open("a")
    _flock(file, wait=True)
    return file


def lock_free(path: Path) -> TextIO | None:
    """`lock`, without waiting: None where another has it."""
    file = path.open("a")
    try:
        _flock(file, wait=False)
    except BlockingIOError:
        file.close()
        return None
    return file


def _flock(file: TextIO, *, wait: bool) -> bool:
    """Whether there are locks here, of which this one is then held."""
    try:
        import fcntl
    except ImportError:  # Windows has none
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # some file systems have none: whoever writes last wins
        return False
    return True


@contextlib.contextmanager
def _possible(folder: Path) -> Iterator[None]:
    """A sentence for what only the system forbids, such as anything new in /proc."""
    try:
        yield
    except (FileNotFoundError, FileExistsError, NotADirectoryError) as e:
        raise ZooError(f"nothing can be written in {folder} ({e.strerror}); choose another folder") from None


def write(path: Path, data: bytes | str) -> None:
    """Writes a whole file; text as UTF-8."""
    with whole(path) as part:
        part.write_bytes(data if isinstance(data, bytes) else data.encode())
