"""Runs the benchmarks on whatever device is there, and writes what they found: python -m benchmarks.run

Every row is written as soon as it is measured. A benchmark that fails is recorded with its reason; the others go on.
"""

import dataclasses
import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import tyro

from benchmarks import film, memory, peers, pipeline, report, restore, scaling, start, television, train_step
from benchmarks.measure import reason
from benchmarks.ratios import kind_of
from eval.pages.plots import check_plots
from eval.pages.report import read_json, write_json
from zoo.errors import FlagError, choose, command
from zoo.flags import check_names
from zoo.memory import keep_freed

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BENCHMARKS = {
    "restore": restore.run,
    "film": film.run,
    "television": television.run,
    "train_step": train_step.run,
    "pipeline": pipeline.run,
    "scaling": scaling.run,
    "start": start.run,
    "memory": memory.run,
}


@dataclasses.dataclass(frozen=True)
class Flags:
    """Runs the benchmarks on whatever device is there."""

    only: str | None = None
    """Some of them, with commas between: restore, film, television, train_step, pipeline, scaling, start, memory. What
    the others last found on the same machine stays."""
    size: Literal["full", "tiny"] = "full"
    """tiny: seconds, says only that all of it works."""
    output: str | None = None
    """Folder of the results; left out: benchmarks/results, or runs/benchmarks with --size=tiny."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, args=argv)
    keep_freed()
    # Of an accelerator JAX would take three quarters at once: PyTorch and processes of their own need some too.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    names = [name for name in flags.only.split(",") if name] if flags.only is not None else list(BENCHMARKS)
    if not names:
        raise FlagError(f"--only names no benchmark; choose of: {', '.join(BENCHMARKS)}")
    for name in names:
        choose("benchmark", name, BENCHMARKS)
    tiny = flags.size == "tiny"
    folder = Path(flags.output) if flags.output else ROOT / "runs" / "benchmarks" if tiny else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    check_plots()
    result = {"size": flags.size, "date": date, "machine": machine(), "benchmarks": {}}
    name = slug(kind_of(result["machine"]))
    path = folder / f"{name}-{date}.json"
    before = sorted(folder.glob(f"{name}-*.json"), reverse=True)  # their dates sort
    result["benchmarks"] = next((found for file in before if (found := earlier(read_json(file), result))), {})
    if not peers.available():
        say(peers.MISSING)
    for name in names:
        measure(name, result, path, tiny=tiny)
    print(f"written: {path}")
    whole = set(BENCHMARKS) <= result["benchmarks"].keys() and not tiny and folder.resolve() == RESULTS.resolve()
    report.write_pages(read_json(path), path, root=ROOT if whole else None)
    return int(any("failed" in one for part in result["benchmarks"].values() for one in (part, *part["rows"])))


def earlier(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """What was measured on the same machine before, by a run of other benchmarks; each says its own commit and date."""
    passing = ("load", "commit")
    about = lambda result: {k: v for k, v in result.get("machine", {}).items() if k not in passing}
    what = lambda result: [result.get("size"), about(result)]
    if what(before) != what(now):
        return {}
    when = {"commit": before["machine"]["commit"], "date": before["date"]}
    return {name: when | part for name, part in before["benchmarks"].items()}


def measure(name: str, result: dict[str, Any], path: Path, *, tiny: bool) -> None:
    """One benchmark, row after row into the file."""
    part: dict[str, Any] = {"commit": _commit(), "date": result["date"], "rows": []}
    result["benchmarks"][name] = part
    began = time.monotonic()
    try:
        for row in BENCHMARKS[name](tiny=tiny):
            part["rows"].append(row)
            write_json(path, result)
            say(f"{name} after {time.monotonic() - began:.0f} s: {said(row)}")
    except Exception as e:
        part["failed"] = reason(e)
        say(f"{name} failed: {part['failed']}")
    part["seconds"] = round(time.monotonic() - began)
    write_json(path, result)


def machine() -> dict[str, Any]:
    """On what all this was measured."""
    packages = ("jax", "jaxlib", "flax", "optax", "numpy")
    return {
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": list(os.getloadavg()),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages} | {"torch": peers.version()},
        "commit": _commit(),
    }


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _commit() -> str | None:
    """The checkout's commit, with "+" where files were changed since."""
    git = lambda *words: subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    try:
        return git("rev-parse", "HEAD").strip() + ("+" if git("status", "--porcelain", "-uno").strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def slug(text: str) -> str:
    """`text` for the name of a file, without (R) and the like."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(\w+\)", "", text).lower()).strip("-")


def said(row: dict[str, Any]) -> str:
    """A row in a line."""
    words = [f"{value}" for value in row.values() if isinstance(value, str | int)]
    times = [f"{name} {t['wall_s']:.4g} s" for name, t in row.get("times", {}).items() if "wall_s" in t]
    return ", ".join([*words, *times])


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
