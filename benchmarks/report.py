"""docs/performance.md and the README's numbers of speed, drawn from a result of benchmarks.run alone:
python -m benchmarks.report FILE"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro

from benchmarks import tables
from benchmarks.plot import draw
from benchmarks.ratios import frames, steps
from eval.pages.plots import check_plots
from eval.pages.report import read_json, write_section
from zoo.errors import InputError, command
from zoo.flags import check_names

ROOT = Path(__file__).parents[1]
PLOT = "performance.png"


@dataclasses.dataclass(frozen=True)
class Flags:
    """Draws the plot beside a result of benchmarks.run, docs/performance.md and the README's numbers of speed."""

    file: tyro.conf.Positional[str]
    """A result of benchmarks.run."""
    readme: bool = True
    """Write the sections of docs and README; else print them."""


@command
def main(argv: Sequence[str] | None = None) -> None:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, args=argv)
    path = Path(flags.file)
    result = read_json(path)
    if "benchmarks" not in result:
        raise InputError(f"{path} is no result of benchmarks.run")
    check_plots()
    write_pages(result, path, root=ROOT if flags.readme else None)


def write_pages(result: dict[str, Any], path: Path, *, root: Path | None) -> None:
    """The plot beside the result, and the sections into the pages below `root`, or to standard output."""
    plot = draw(result, path.with_name(PLOT)) if frames(result) or steps(result) else None
    drawn = {"docs/performance.md": ("performance", section(result, path, plot))}
    if text := tables.headline(result):
        drawn["README.md"] = "speed", text
    for page, (name, text) in drawn.items():
        if root:
            write_section(root / page, name, text)
            print(f"written: the {name} in {page}")
        else:
            print(text)


def section(result: dict[str, Any], path: Path, plot: Path | None) -> str:
    """What docs/performance.md shows."""
    parts = ["    python -m benchmarks.run", about(result)]
    if plot:
        parts.append(f"![Speed against PyTorch](../benchmarks/results/{plot.name})")
    parts += tables.every(result, path)
    parts.append(f"[Every sample](../benchmarks/results/{path.name}).")
    return "\n\n".join(parts)


def about(result: dict[str, Any]) -> str:
    m = result["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in m["versions"].items() if v)
    where = f"{m['processor']}, {m['cores']} cores" + (
        "" if m["device"] == "cpu" else f", {m['devices']} {m['device']}"
    )
    times = dict.fromkeys(
        f"{part.get('date', result['date'])} at {(part.get('commit') or m['commit'] or 'an unknown commit')[:10]}"
        for part in result["benchmarks"].values()
    )
    text = (
        f"Measured on {where}, {versions}, {', '.join(times)}: wall time, "
        "medians of rounds in which every contender takes its turn, compiling apart, from memory to memory, float32."
    )
    if not m["versions"]["torch"]:
        return f"{text} PyTorch was not there to compare with."
    return (
        f"{text} PyTorch has the same networks with the same weights, channels last, on as many cores and "
        "in the same process, so that its freed memory is kept too, which by itself it is not; it is timed only after "
        "its output agrees to 1e-4 (of train steps: the losses, and to 5e-3 those after an update). Ratios are "
        "PyTorch's better time, eager or compiled, over ours: above 1, ours is faster."
    )


if __name__ == "__main__":
    sys.exit(main())
