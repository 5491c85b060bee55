"""Results as JSON, which knows neither inf nor nan: an infinite PSNR is written as the string "inf", a metric that a
picture is too small for as null.
"""

import json
import math
import re

from zoo.errors import visible

_NUMBERS = re.compile(r"\[(\s+(-?[0-9][0-9.e+-]*|\"inf\"|null),?)+\s+\]")


def text(result: dict) -> str:
    """A result as JSON; a list of numbers on one line."""
    lines = json.dumps(valid(result), indent=1, allow_nan=False, ensure_ascii=False)
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[0][1:-1].split())}]", visible(lines, lines=True))


def valid(value):
    """`value` as JSON can hold it."""
    if isinstance(value, dict):
        return {key: valid(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [valid(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def parsed(value: float | int | str | None) -> float:
    """A number of JSON that was written here."""
    return math.nan if value is None else float(value)
