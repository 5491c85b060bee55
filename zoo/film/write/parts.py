"""The workspace of a film that is being restored: `OUTPUT.part/` with a manifest and the finished segments.

A segment is an encoded file, or a folder of pictures, and, written after it, a JSON record, which knows its sum: what
has a record and that sum is finished. The same command run again goes on after it. The joined film and its log are made
in here too, so that a kill leaves nothing beside them; MADE says which film it was, until all of this is gone.
"""

import contextlib
import dataclasses
import errno
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zoo import checked, files
from zoo.errors import FlagError, InputError, OutputError, ZooError
from zoo.film.write import made
from zoo.film.write.made import Made, folder_of
from zoo.sums import sum_of

MANIFEST = "manifest.json"
SUMS = ("input", "weights", "mask")  # settings of which the manifest has the sha256
_BEGINNING, _SURVEYING, _WRITING, _JOINING = (
    "beginning",
    "surveying",
    "writing-",
    "joining",
)  # locks; each process that writes has its own
_MOVING = "moving"  # a file that stands for a fact
_LAST = (MANIFEST, made.FILE)  # what goes last
_MOST_BYTES = 1 << 32  # of a record


@dataclasses.dataclass
class Record:
    """What is known of each picture of a segment, and of the segment itself, once it is finished."""

    pts: list[int] = dataclasses.field(default_factory=list)
    durations: list[int] = dataclasses.field(default_factory=list)
    input: list[str] = dataclasses.field(default_factory=list)  # MD5 of the planes of each frame of the film
    output: list[str] = dataclasses.field(default_factory=list)  # of each picture, as it went to the encoder
    new: list[float] = dataclasses.field(default_factory=list)
    flicker: list[tuple[float | None, float | None] | None] = dataclasses.field(default_factory=list)
    tile: int = 0  # in pixels, through which its frames went; a smaller one where the memory ran out
    sha256: str = ""  # of the segment: `sums.sum_of`
    given: dict[str, list[str]] = dataclasses.field(default_factory=dict)  # of what steps lay aside, as `output`
    given_sha256: dict[str, str] = dataclasses.field(default_factory=dict)  # of its segments
    source: str | None = None  # what it comes from
    unsure: list[float] = dataclasses.field(default_factory=list)  # of each picture, where its confidence is given: the
    # share of it that is little sure

    def __post_init__(self):
        lists = (self.pts, self.durations, self.output, self.new, self.flicker, *self.given.values())
        if len({len(values) for values in lists}) > 1 or len(self.pts) % max(1, len(self.input)):
            raise InputError("its lists differ in length")

    def __len__(self) -> int:
        return len(self.pts)


def beside(segment: Path, name: str) -> Path:
    """Where what steps lay aside under a name lies, of a segment; the segment itself where there is no name."""
    return segment.with_suffix(f".{name}.mkv") if name else segment


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
        self._source, self._output = source, output
        self._settings = json.loads(json.dumps(settings))
        self.folder = folder_of(output)
        if self.folder.is_symlink():
            raise FlagError(f"{self.folder} is a link, through which nothing is written; choose another output with -o")
        files.make_folder(self.folder)
        files.check_links(self.folder)
        with contextlib.ExitStack() as held, self._locked(_BEGINNING):
            others = [path.name for path in self.folder.glob(f"{_WRITING}*") if _taken(path)]
            self._mine = f"{_WRITING}{shard[0]}-of-{shard[1]}"
            other_kind = any(not name.endswith(f"-of-{shard[1]}") for name in others)
            if others and (restart or self._mine in others or other_kind):
                raise ZooError(f"another run is writing {output}; wait until it ends, or choose another output with -o")
            if restart:
                _empty(self.folder, but=(_BEGINNING,))
            self._begin(alone=not others)
            held.enter_context(self._locked(self._mine))
            self.close = held.pop_all().close

    def _begin(self, *, alone: bool):
        """Looks whether what is there has the same settings; where nothing is finished, these become its own."""
        manifest = self.folder / MANIFEST
        if alone:
            for left in self.folder.glob(".*"):  # by a kill
                _remove(left)
        if alone and not any(self.folder.glob("[0-9]*.json")) and not (self.folder / made.FILE).exists():
            files.write(manifest, json.dumps(self._settings, indent=1) + "\n")
            return
        begun = self._settings_there()
        changed = [k for k in sorted(self._settings.keys() | begun.keys()) if self._settings.get(k) != begun.get(k)]
        if changed:
            was = "; ".join(_changed(k, begun.get(k), self._settings.get(k)) for k in changed)
            raise FlagError(f"{self.folder} holds a run with other settings ({was}); --restart throws it away")

    def _settings_there(self) -> dict[str, Any]:
        with contextlib.suppress(InputError, OSError):
            return checked.read(self.folder / made.FILE, Made).settings
        with contextlib.suppress(InputError, OSError):
            return checked.read(self.folder / MANIFEST, dict[str, Any])
        raise FlagError(
            f"{self.folder} holds segments, but no {MANIFEST} that can be read to say of which settings; "
            "--restart throws them away"
        )

    @contextlib.contextmanager
    def surveying(self) -> Iterator[Path]:
        """The folder, where what is measured of the whole film lies, while no other process measures it."""
        with self._there(), self._locked(_SURVEYING):
            yield self.folder

    def depend_on(self, also: str):
        """Lets segments depend on this too: one that came of something else is not finished."""
        source = self._source
        self._source = lambda segment: f"{source(segment)} {also}"

    def path(self, segment: int) -> Path:
        return self.folder / f"{segment:06}.mkv"

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        """A temporary path for a segment, gone at the end of the block unless `finish` took it."""
        part = self.folder / f".{self._mine}.mkv"
        files.make_folder(self.folder)
        with self._there():
            self._clear(part)  # of what a kill left
            try:
                yield part
            finally:
                self._clear(part)

    def _clear(self, part: Path):
        for path in self.folder.glob(f"{part.stem}.*"):
            _remove(path)

    @contextlib.contextmanager
    def _there(self) -> Iterator[None]:
        """A sentence where somebody removes the folder while it is written into."""
        try:
            yield
        except FileNotFoundError:
            if self.folder.is_dir():
                raise
            raise ZooError(f"{self.folder} was removed while it was written into; run again") from None

    def finish(self, segment: int, part: Path, record: Record):
        """Keeps a segment that is whole, and those of what is given beside it."""
        moves = [(beside(part, name), beside(self.path(segment), name)) for name in ("", *record.given)]
        for part, path in moves:
            if path.is_dir():  # pictures of an earlier try, some of them lost; a file is replaced
                _remove(path)
            if part.is_file():  # pictures are synced as they are written
                files.synced(part)
        own, *given = (sum_of(part) for part, _ in moves)
        given = dict(zip(record.given, given, strict=True))
        record = dataclasses.replace(record, sha256=own, given_sha256=given, source=self._source(segment))
        for part, path in moves:
            part.replace(path)
        files.write(self.path(segment).with_suffix(".json"), json.dumps(dataclasses.asdict(record)))

    def record(self, segment: int) -> Record | None:
        """What `finish` was given, or None for a segment that is not finished, or no longer what it was: a power cut
        can take the end of a file whose name is already there. One whose pictures are being moved out was whole."""
        try:
            found = self.known(segment)
            if (self.folder / _MOVING).exists():
                return found
            sums = {"": found.sha256} | found.given_sha256
            whole = all(sum_of(beside(self.path(segment), name)) == was for name, was in sums.items())
            return found if whole and found.source == self._source(segment) else None
        except (OutputError, OSError):
            return None

    @property
    def gone(self) -> bool:
        """Whether another process has made the film meanwhile, and tidied up."""
        return not (self.folder / MANIFEST).exists() and (self._output.exists() or "%" in self._output.name)

    def has(self, segment: int) -> bool:
        """Whether a segment is there, whatever it is."""
        path = self.path(segment)
        return path.with_suffix(".json").exists() and (path.exists() or (self.folder / _MOVING).exists())

    def known(self, segment: int) -> Record:
        """The record of a segment, whether or not the segment is what it was. Raises OutputError where it is none."""
        try:
            return checked.read(self.path(segment).with_suffix(".json"), Record, most=_MOST_BYTES)
        except InputError as e:
            raise OutputError(f"{e}; run again, which does that segment again") from None

    def smallest_tile(self, most: int) -> int:
        """Of the finished segments, and of `most`: a run in which memory ran out goes on as it was."""
        tiles = [most]
        for path in self.folder.glob("[0-9]*.json"):
            with contextlib.suppress(OutputError, OSError):  # such a segment is done again
                tiles.append(self.known(int(path.stem)).tile)
        return min(tile for tile in tiles if tile > 0)

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

    @contextlib.contextmanager
    def joined(self) -> Iterator[Path]:
        """Where the film is joined, gone if the block raises. `name` gives it its name."""
        part = self.folder / f"joined{self._output.suffix}"
        with self._there():
            try:
                yield part
            except BaseException:
                part.unlink(missing_ok=True)
                raise

    @contextlib.contextmanager
    def log(self) -> Iterator[Path]:
        """Where the film's log is written, which gets its place at the end of the block."""
        part = self.folder / "log.json"
        yield part
        files.synced(part)
        part.replace(self._output.with_name(f"{self._output.name}.json"))

    def made(self, film: Path | None, given: dict[Path, Path], report: dict[str, Any]):
        """Says that all is made and has only to be named. `given`: where films of what is given belong and lie."""
        for path in filter(None, (film, *given.values())):
            files.synced(path)
        beside = {str(path.resolve()): made.identity(part) for path, part in given.items()}
        facts = Made(self._settings, made.identity(film) if film else None, report, beside)
        files.write(self.folder / made.FILE, json.dumps(dataclasses.asdict(facts), default=str))

    def name(self, film: Path | None):
        """Gives a joined film its name; None: pictures have theirs. From here on there is only tidying up to do."""
        if film:
            film.replace(self._output)

    def report(self) -> dict[str, Any] | None:
        """What `made` was told by a run that could not tidy up, of a film that is still there."""
        with contextlib.suppress(InputError, OSError):
            found = checked.read(self.folder / made.FILE, Made)
            return found.report if made.is_there(found, self._output) else None
        return None

    def remove(self):
        """Throws all of it away, in an order in which a kill on the way is known for what it is."""
        with contextlib.suppress(FileNotFoundError):  # another process does it too
            _empty(self.folder, but=_LAST)
            for name in _LAST:
                (self.folder / name).unlink(missing_ok=True)
        try:
            self.folder.rmdir()
        except OSError as e:
            if e.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):  # another process tidies up, or begins
                raise


def _taken(path: Path) -> bool:
    """Whether another process holds a lock."""
    if lock := files.lock_free(path):
        lock.close()
    return lock is None


def _empty(folder: Path, *, but: tuple[str, ...]):
    """Throws away what a folder holds, but for some files."""
    for path in folder.iterdir():
        if path.name not in but:
            _remove(path)


def _remove(path: Path):
    """A file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _changed(name: str, before: Any, now: Any) -> str:
    """What became of a setting; sums of files tell a reader nothing."""
    if name in SUMS:
        return f"{name} was {'another' if before else 'none'}{'' if now else ' and is now none'}"
    return f"{name} was {before!r} and is now {now!r}"
