"""What an evaluation leaves behind: the table it prints and the JSON it writes (zoo.numbers says how)."""

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from zoo import checked, files, numbers
from zoo.errors import FlagError, InputError, ZooError

_COLUMNS = (("PSNR dB", "psnr", 2), ("SSIM", "ssim", 4), ("MAE", "mae", 4))


def table(result: dict) -> str:
    """One line a level: the mean of each metric before -> after restoring, and the gain in dB."""
    head = ["level", *(f"{title} degraded -> restored" for title, _, _ in _COLUMNS), "gain dB"]
    lines = [head]
    for level in result["levels"]:
        before, after = level["mean"]["degraded"], level["mean"]["restored"]
        pairs = [f"{number(before[key], digits)} -> {number(after[key], digits)}" for _, key, digits in _COLUMNS]
        lines.append([f"{level['level']:g}", *pairs, number(level["gain_db"], 2, sign="+")])
    return aligned(lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Cells in columns, the first line above them as their names: numbers to the right, words to the left."""
    columns = []
    for head, *cells in zip(*lines, strict=True):
        width = max(map(len, (head, *cells)))
        justify = str.rjust if is_numeric(cells) else str.ljust
        columns.append([justify(cell, width) for cell in (head, *cells)])
    return "\n".join("   ".join(line).rstrip() for line in zip(*columns, strict=True))


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """The same as a Markdown table."""
    head, *rest = lines
    rule = ["---"] + ["--:" if is_numeric(line[k] for line in rest) else "---" for k in range(1, len(head))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rest))


def is_numeric(cells: Iterable[str]) -> bool:
    """Whether every cell of a column is a number, or says that there is none."""
    return all(cell in ("", "-", "n/a", "inf") or cell.strip("+-*")[:1].isdigit() for cell in cells)


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
    files.write(path, numbers.text(result) + "\n")


def read_json(path: Path) -> dict:
    """What write_json wrote; nothing where the file is missing or spoilt."""
    try:
        return checked.read(path, dict[str, Any])
    except (FileNotFoundError, InputError):
        return {}


def marks(name: str) -> tuple[str, str]:
    """The lines of a page between which a section stands that is drawn from results."""
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def write_section(page: Path, name: str, text: str) -> None:
    """Replaces the section `name` of a Markdown page."""
    opening, closing = marks(name)
    before, begin, rest = page.read_text(encoding="utf-8").partition(opening)
    _, end, after = rest.partition(closing)
    if not begin or not end:
        raise ZooError(f"{page} has no marks {opening} ... {closing} for the section to stand between")
    files.write(page, f"{before}{begin}\n{text}\n{end}{after}")


def read_section(page: Path, name: str) -> str:
    """What stands there now."""
    opening, closing = marks(name)
    return page.read_text(encoding="utf-8").partition(opening)[2].partition(closing)[0].strip("\n")
