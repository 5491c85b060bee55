"""SMPTE timecode, `01:00:00:00`: the number of a frame as a clock. With `;` before its last part it leaves out numbers,
so that 29.97 frames a second keep up with the clock: the first two (of 59.94: four) of every minute but each tenth."""

import re
from fractions import Fraction

_CODE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d+)")


def later(code: str, frames: int, rate: Fraction, multiple: int = 1) -> str | None:
    """The timecode so many frames after `code`, at `rate` frames a second, as one of `multiple` times the rate says it;
    None for what is no timecode."""
    if not (match := _CODE.fullmatch(code.strip())):
        return None
    hours, minutes, seconds, frame = (int(match[k]) for k in (1, 2, 3, 5))
    base, sign = round(rate), match[4]
    left_out = base // 15 if sign in ";." else 0  # numbers, in a minute
    minutes += 60 * hours
    count = (60 * minutes + seconds) * base + frame - left_out * (minutes - minutes // 10) + frames
    count, base, left_out = count * multiple, base * multiple, left_out * multiple
    minute = 60 * base - left_out
    ten, rest = divmod(count, 10 * minute + left_out)
    count += left_out * (9 * ten + max(0, rest - left_out) // minute)
    seconds, frame = divmod(count, base)
    return f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{sign}{frame:02}"
