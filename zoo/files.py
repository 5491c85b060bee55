"""Files that appear whole or not at all, whatever happens while they are written."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, moved there at the end of the block; gone if the block raises."""
    # Hidden, so that searches pass it by; not by `mkstemp`, whose files only their owner may read.
    part = path.with_name(f".{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write(path: Path, data: bytes | str) -> None:
    """Writes a whole file; text as UTF-8."""
    with whole(path) as part:
        part.write_bytes(data if isinstance(data, bytes) else data.encode())
