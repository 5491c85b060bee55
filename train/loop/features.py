"""What the description of a prepared TFDS data set may name. TFDS imports the module of every feature that
features.json names, and so would run whatever a stranger's data set likes; this reads it first."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo import checked
from zoo.errors import InputError

_NAMING = ("type", "pythonClassName", "python_class_name")  # the keys under which a class is named
_OWN = re.compile(r"tensorflow_datasets\.core\.features\.[a-z_]+\.[A-Za-z]+")
_PATHS = ("name", "filepathTemplate", "filepath_template", "fileFormat", "file_format", "splits")  # become file names
_DEPTH = 32  # JSON in texts in JSON


def check(folder: Path) -> None:
    """Raises InputError where a data set's description names code that is not TFDS's own, or files elsewhere."""
    path = folder / "features.json"
    for name in _classes(checked.read(path, dict[str, Any]), _DEPTH):
        if not _OWN.fullmatch(name):
            raise InputError(f"{path} names the code {name[:80]!r}, which is not run: only TFDS's own are read")
    path = folder / "dataset_info.json"
    about = checked.read(path, dict[str, Any])
    for name in _texts({key: about[key] for key in _PATHS if key in about}):
        if "/" in name or "\\" in name or ".." in name:
            raise InputError(f"{path} names the file {name[:80]!r}, which lies outside its folder")


def _classes(value: Any, depth: int) -> Iterator[str]:
    """All that is named as a class, anywhere; a text may itself be JSON, which TFDS reads too."""
    if isinstance(value, dict):
        yield from (value[key] for key in _NAMING if isinstance(value.get(key), str))
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _classes(inner, depth)
    elif isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            inner = json.loads(value)
        except (ValueError, RecursionError):  # no JSON to TFDS either
            return
        if not depth:
            raise InputError("features.json is nested too deeply")
        yield from _classes(inner, depth - 1)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
