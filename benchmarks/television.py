"""How fast television becomes film: 576 lines, a picture a field, from a file to a file as `python -m zoo restore` does
it, at the sizes of high definition, 2K and 4K. Each stage is timed alone too, and on the device each step.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import film
from benchmarks.measure import TINY, compare, rounded

SOURCE, FRAMES = (720, 576), 2  # width, height; frames of the film, each of two fields
SIZES = ("1920x1080", "2048x1556", "4096x3112")
FIELDS = "deinterlace=fields=top"
WHAT = "television"


def run(*, tiny: bool) -> Iterator[dict[str, Any]]:
    width, height = (48, 32) if tiny else SOURCE
    with tempfile.TemporaryDirectory() as folder:
        path = film.write(Path(folder) / "tape.mkv", width, height, FRAMES)
        for size in ("80x60",) if tiny else SIZES:
            # The samples of 4:3, filled and cut: every size is filled.
            steps = f"{FIELDS},upscale={size}:sar=16/15:fit=crop:model=upscale-tv"
            whole, fields = (film.passes(path, text, FRAMES) for text in (steps, FIELDS))
            times = compare(whole | {"deinterlace": fields["device"]}, TINY if tiny else film.FULL)
            row = {"what": WHAT, "steps": steps, "size": size, "frames": FRAMES, "times": times}
            yield row | film.shares(times, FRAMES) | _steps(times)


def _steps(times: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Shares of the steps in what the device does."""
    if any("wall_s" not in times[name] for name in ("device", "deinterlace")):
        return {}
    first = min(1.0, times["deinterlace"]["wall_s"] / times["device"]["wall_s"])
    return {"steps_share": {"deinterlace": rounded(first), "upscale": rounded(1 - first)}}
