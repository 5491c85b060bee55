"""The workspace of a film that is being restored: `OUTPUT.part/` with a manifest and the finished segments.

A segment is an encoded file, or a folder of pictures, and, written after it, a JSON record, which knows its size: what
has a record and that size is finished. The same command run again goes on after it.
"""

import contextlib
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zoo import files
from zoo.errors import FlagError, ZooError

MANIFEST = "manifest.json"
SUMS = ("input", "weights", "mask")  # settings of which the manifest has the sha256
_BEGINNING, _WRITING, _JOINING = "beginning", "writing-", "joining"  # locks; each process that writes has its own
_MOVING = "moving"  # a file that stands for a fact
_SIZE, _SOURCE = "bytes", "source"  # of the segment, in its record


def fingerprint(path: Path, *, blocks: int = 64, block: int = 2**20) -> str:
    """Tells one file from another: sha256 of its size and of up to 64 MiB in blocks spread evenly over it."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as f:
        for k in range(min(blocks, -(-size // block))):
            f.seek(k * block if size <= blocks * block else k * (size - block) // (blocks - 1))
            digest.update(f.read(block))
    return digest.hexdigest()


def of_pictures(paths: list[Path]) -> str:
    """Tells one sequence from another by the name, the size and both ends of each picture: a reel has 144,000. A change
    of the middle alone that leaves the size is not seen, such as a retouch in a DPX."""
    about = (f"{path.name} {fingerprint(path, blocks=2, block=2**16)}\n" for path in paths)
    return hashlib.sha256("".join(about).encode()).hexdigest()


class Parts:
    """`settings`: everything that the result depends on; another set of them is refused once a segment is finished.
    `source(segment)` tells what a segment comes from; one that came from something else is not finished. `shard`: which
    process this is, of how many that write the film together. `restart` throws away what an earlier run left. To be
    closed, which lets other runs in; so does the end of the process.

    Raises FlagError, naming the difference, where the folder holds the parts of other settings, or of unknown ones, and
    ZooError where another run is writing them.
    """

    def __init__(
        self,
        output: Path,
        settings: dict[str, Any],
        *,
        source: Callable[[int], str | None] = lambda _: None,
        shard: tuple[int, int] = (1, 1),
        restart: bool = False,
    ):
        self._source = source
        self.folder = output.with_name(f"{output.name}.part")
        files.make_folder(self.folder)
        with contextlib.ExitStack() as held, self._locked(_BEGINNING):
            others = [path.name for path in self.folder.glob(f"{_WRITING}*") if _taken(path)]
            mine = f"{_WRITING}{shard[0]}-of-{shard[1]}"
            if others and (restart or mine in others or any(not name.endswith(f"-of-{shard[1]}") for name in others)):
                raise ZooError(f"another run is writing {output}; wait until it ends, or choose another output with -o")
            if restart:
                _empty(self.folder)
            self._begin(json.loads(json.dumps(settings)), alone=not others)
            held.enter_context(self._locked(mine))
            self.close = held.pop_all().close

    def _begin(self, settings: dict[str, Any], *, alone: bool):
        """Looks whether what is there has the same settings; where nothing is finished, these become its own."""
        manifest = self.folder / MANIFEST
        if alone and not any(self.folder.glob("[0-9]*.json")):
            files.write(manifest, json.dumps(settings, indent=1) + "\n")
            return
        try:
            begun = _object(manifest)
        except (FileNotFoundError, ValueError):
            raise FlagError(
                f"{self.folder} holds segments, but no {MANIFEST} that can be read to say of which settings; "
                "--restart throws them away"
            ) from None
        changed = [k for k in sorted(settings.keys() | begun.keys()) if settings.get(k) != begun.get(k)]
        if changed:
            was = "; ".join(_changed(k, begun.get(k), settings.get(k)) for k in changed)
            raise FlagError(f"{self.folder} holds a run with other settings ({was}); --restart throws it away")

    def path(self, segment: int) -> Path:
        return self.folder / f"{segment:06}.mkv"

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        """A temporary path for a segment, gone at the end of the block unless `finish` took it."""
        part = self.folder / f".{uuid.uuid4().hex[:8]}.mkv"
        try:
            yield part
        finally:
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            part.unlink(missing_ok=True)

    def finish(self, segment: int, part: Path, record: dict[str, Any]):
        """Keeps a segment that is whole."""
        path = self.path(segment)
        if path.is_dir():  # pictures of an earlier try, some of them lost; a file is replaced
            shutil.rmtree(path)
        if part.is_file():  # pictures are synced as they are written
            files.synced(part)
        part.replace(path)
        files.write(
            path.with_suffix(".json"), json.dumps(record | {_SIZE: _bytes(path), _SOURCE: self._source(segment)})
        )

    def record(self, segment: int) -> dict[str, Any] | None:
        """What `finish` was given, or None for a segment that is not finished, or no longer whole: a power cut can
        take the end of a file whose name is already there. One whose pictures are being moved out was whole."""
        path = self.path(segment)
        try:
            found = _object(path.with_suffix(".json"))
            size, source = found.pop(_SIZE, None), found.pop(_SOURCE, None)
            whole = (self.folder / _MOVING).exists() or (size == _bytes(path) and source == self._source(segment))
            return found if whole else None
        except (FileNotFoundError, ValueError):
            return None

    @contextlib.contextmanager
    def joining(self) -> Iterator[None]:
        """Holds other processes off while one looks whether all is there and joins it. Gone with its process."""
        with contextlib.ExitStack() as held:
            with contextlib.suppress(FileNotFoundError):  # another process has joined it and tidied up
                held.enter_context(self._locked(_JOINING))
            yield

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Holds a lock in the folder, for which it waits."""
        with files.lock(self.folder / name):
            yield

    def moving(self):
        """Says, also to a run after this one, that all segments are whole and their pictures on the way out."""
        files.write(self.folder / _MOVING, "")

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def _taken(path: Path) -> bool:
    """Whether another process holds a lock."""
    if lock := files.lock_free(path):
        lock.close()
    return lock is None


def _empty(folder: Path):
    """Throws away what a folder holds, but for the locks of those that look into it."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _BEGINNING:
            path.unlink()


def _object(path: Path) -> dict[str, Any]:
    """What a file of JSON holds; ValueError where that is no object."""
    found = json.loads(path.read_text())
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object")
    return found


def _bytes(path: Path) -> int:
    """The size of a segment: of a file, or of all the files of a folder."""
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size


def _changed(name: str, before: Any, now: Any) -> str:
    """What became of a setting; sums of files tell a reader nothing."""
    if name in SUMS:
        return f"{name} was {'another' if before else 'none'}{'' if now else ' and is now none'}"
    return f"{name} was {before!r} and is now {now!r}"
