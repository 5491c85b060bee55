"""A run's folder belongs to one run, and at any time to one process: another's settings are refused, and so is another
process."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from zoo import checked, files, registry
from zoo.errors import FlagError, InputError, ZooError


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keeps other processes out of the folder, which is made, until the end of the block, or of this process, however
    it ends. Raises FlagError where another holds it."""
    files.check_folder(folder, "--workdir")
    if jax.process_index():
        yield
        return
    try:
        files.make_folder(folder)
    except ZooError:
        raise FlagError(f"--workdir={folder} cannot be made; give another") from None
    files.check_links(folder, "--workdir")
    if (lock := files.lock_free(folder / "lock")) is None:
        raise FlagError(f"{folder} is in use by another run; wait for its end, or give another --workdir")
    with lock:
        yield


def holds_a_run(folder: Path) -> bool:
    """Whether there is anything that a run made: a checkpoint, or weights."""
    return (folder / registry.CARD).exists() or any(p.name.isdigit() for p in (folder / "checkpoints").glob("*"))


def refuse_another(folder: Path, about: dict[str, Any]) -> None:
    """Raises FlagError for a folder that holds a run with other settings."""
    path = folder / "settings.json"
    about = json.loads(json.dumps(about))
    if path.exists() and holds_a_run(folder):
        try:
            before = checked.read(path, dict[str, Any])
        except InputError as e:
            raise FlagError(f"{e}; give another --workdir") from None
        if other := [k for k in sorted(about.keys() | before.keys()) if about.get(k) != before.get(k)]:
            said = "; ".join(f"{k}: {before.get(k)!r} there, {about.get(k)!r} here" for k in other if k != "networks")
            said = said or "the networks differ"
            raise FlagError(
                f"{folder} holds a run with other settings ({said}); give another --workdir, or the same settings"
            )


def claim(folder: Path, about: dict[str, Any]) -> None:
    """Writes the settings of a run that begins into its folder."""
    if not jax.process_index() and not holds_a_run(folder):
        files.write(folder / "settings.json", json.dumps(about, indent=1) + "\n")
