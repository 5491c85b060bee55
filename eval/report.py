"""What an evaluation leaves behind: the table it prints and the JSON it writes.

JSON knows neither inf nor nan: an infinite PSNR is written as the string "inf", a metric that a picture is too
small for as null. The table says `inf` and `n/a`.
"""

import json
import math
import os
from pathlib import Path

from zoo import files
from zoo.errors import FlagError

_COLUMNS = (("PSNR dB", "psnr", 2), ("SSIM", "ssim", 4), ("MAE", "mae", 4))


def table(result: dict) -> str:
    """One line a level: the mean of each metric before -> after restoring, and the gain in dB."""
    head = ["level", *(f"{title} degraded -> restored" for title, _, _ in _COLUMNS), "gain dB"]
    lines = [head]
    for level in result["levels"]:
        before, after = level["mean"]["degraded"], level["mean"]["restored"]
        pairs = [f"{number(before[key], digits)} -> {number(after[key], digits)}" for _, key, digits in _COLUMNS]
        lines.append([f"{level['level']:g}", *pairs, number(level["gain_db"], 2, sign="+")])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("   ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def number(value: float, digits: int, *, sign: str = "") -> str:
    """`value` for people: n/a where there is none, inf where pictures are identical."""
    return "n/a" if math.isnan(value) else f"{value:{sign}.{digits}f}"


def writable(path: str, flag: str) -> Path:
    """`path`, once it is certain that a file can be written there; asked before the work, not after it."""
    target = Path(path)
    if target.is_dir():
        raise FlagError(f"{flag}={path} is a folder; name a file in it")
    if not target.parent.is_dir():
        raise FlagError(f"{flag}={path}: there is no folder {target.parent}; make it first")
    if not os.access(target.parent, os.W_OK):
        raise FlagError(f"{flag}={path} cannot be written: no permission; choose another folder")
    return target


def write_json(path: Path, result: dict) -> None:
    """Writes the whole file or none of it."""
    files.write(path, json.dumps(_valid(result), indent=1, allow_nan=False) + "\n")


def _valid(value):
    if isinstance(value, dict):
        return {key: _valid(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_valid(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
