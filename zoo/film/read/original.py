"""The film that is restored stays the same file from first to last, and its sum is known at the end."""

import array
import contextlib
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import InputError
from zoo.film.read import sequence, source
from zoo.film.read.decoding import pipe
from zoo.film.read.source import Film

_BLOCK = 2**20


class Original:
    """The file of a film, or its pictures, as they are now. A pipe has none."""

    def __init__(self, film: Film):
        self.paths: list[Path] = []
        if film.container == sequence.CONTAINER:
            self.paths = [path for _, path in sequence.find(film.name, film.gaps)]
        elif film.name != source.PIPE:
            self.paths = [Path(film.name)]
        self._before = array.array("q", map(_identity, self.paths))  # a reel has 144,000
        self._sum: str | None = None
        self._thread: threading.Thread | None = None

    def check(self, first: int = 0, last: int | None = None) -> None:
        """Looks at the file, or at the pictures from `first` to before `last`. Raises InputError where one is no more
        what it was."""
        for path, before in zip(self.paths[first:last], self._before[first:last], strict=True):
            if _identity(path) != before:
                raise InputError(
                    f"{path} was changed or exchanged while it was restored; run again, with --restart where it is "
                    "now another film"
                )

    @contextlib.contextmanager
    def summed(self, *, whole: bool) -> Iterator[None]:
        """Reads all of it once, in a thread of its own, while the block runs, if the `whole` of it is wanted."""
        ended = threading.Event()
        if whole:
            self._thread = threading.Thread(target=self._read, args=(ended,), daemon=True)
            self._thread.start()
        try:
            yield
        finally:
            ended.set()
            if self._thread:
                self._thread.join()

    def sum(self) -> str | None:
        """sha256 of the file, for whose end it waits; of pictures, of what `sha256sum` prints of them. None where
        nobody reads them."""
        if self._thread:
            self._thread.join()
        return self._sum if self.paths else pipe().sha256

    def _read(self, ended: threading.Event):
        whole, one = hashlib.sha256(), hashlib.sha256()
        for path in self.paths:
            one = hashlib.sha256()
            try:
                with path.open("rb") as file:
                    while block := file.read(_BLOCK):
                        if ended.is_set():
                            return
                        one.update(block)
            except OSError:  # whoever decodes it meets it too, and says so
                return
            if len(self.paths) > 1:
                whole.update(f"{one.hexdigest()}  {path.name}\n".encode(errors="surrogateescape"))
        self._sum = (whole if len(self.paths) > 1 else one).hexdigest()


def _identity(path: Path) -> int:
    """A number that changes when a file is changed or exchanged; 0 where there is none."""
    with contextlib.suppress(OSError):
        about = path.stat()
        return hash((about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns))
    return 0
