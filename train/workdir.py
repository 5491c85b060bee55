"""A run's folder belongs to one run: its settings lie there, and another's are refused."""

import json
from pathlib import Path
from typing import Any

import jax

from zoo import files
from zoo.errors import FlagError


def refuse_another(folder: Path, about: dict[str, Any]) -> None:
    """Raises FlagError for a folder whose run had other settings, or that cannot be written."""
    path = folder / "settings.json"
    about = json.loads(json.dumps(about))
    if path.exists():
        try:
            before = json.loads(path.read_text())
        except ValueError:
            raise FlagError(f"{path} cannot be read; give another --workdir") from None
        if other := [k for k in sorted(about.keys() | before.keys()) if about.get(k) != before.get(k)]:
            said = "; ".join(f"{k}: {before.get(k)!r} there, {about.get(k)!r} here" for k in other if k != "networks")
            said = said or "the networks differ"
            raise FlagError(
                f"{folder} holds a run with other settings ({said}); give another --workdir, or the same settings"
            )
    files.check_folder(folder, "--workdir")


def claim(folder: Path, about: dict[str, Any]) -> None:
    """Writes the settings into a new run's folder."""
    path = folder / "settings.json"
    if path.exists() or jax.process_index():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise FlagError(f"--workdir={folder} cannot be made: {e.strerror}; give another") from None
    files.write(path, json.dumps(about, indent=1) + "\n")
