"""Compares every method on the same degraded pictures, and writes the tables, the plots and the pages' sections.

    python -m eval.compare --data=path/to/CBSD68 --data-name=CBSD68

Rows are the untouched picture, the classical filters (told the noise and its level), every network of the zoo that has
weights (told nothing), and what the paper claims. What was measured before, of the same pictures with the same weights
or options, is not measured again: run it whenever weights arrive, or once more after a cut.
"""

import contextlib
import dataclasses
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from eval.comparison.conditions import LEVELS, NOISES, QUICK_LEVELS, SHOWN, TEXTURE_IS, Condition, Material, conditions
from eval.comparison.datasets import open_pictures
from eval.comparison.methods import choose_methods
from eval.comparison.speed import machine, ms_per_megapixel
from eval.comparison.summary import summarise
from eval.comparison.values import Store, common_keys, measured
from eval.pages import tables
from eval.pages.crops import crop_sheet
from eval.pages.plots import check_plots, draw_all
from eval.pages.report import read_json, write_json, write_section
from eval.run import check_settings
from zoo import files, pictures, registry
from zoo.errors import FlagError, command
from zoo.flags import check_names
from zoo.memory import keep_freed
from zoo.metrics import PROTOCOL

ROOT = Path(__file__).parents[1]
RESULTS, PARTS = ROOT / "eval" / "results", ROOT / "runs" / "compare"
QUICK_PICTURES = 8


@dataclasses.dataclass(frozen=True)
class Flags:
    """Compares every method on the same degraded pictures."""

    data: str
    """The clean pictures: a folder, a glob, one picture, or `skimage`."""
    data_name: str | None = None
    """What tables call the pictures; left out: the folder's name."""
    models: str | None = None
    """Filters, models of the zoo, folders of training runs, with commas between; left out: all that there are."""
    quick: bool = False
    """Eight pictures, three levels, nothing unseen."""
    limit: int | None = None
    """Only the first so many pictures."""
    seed: int = 0
    """Of the noise and of the intervals."""
    output: str | None = None
    """Folder of the results; left out: eval/results, or runs/compare with --models, --quick or --limit."""
    fresh: bool = False
    """Measure everything again."""

    @property
    def whole(self) -> bool:
        return self.models is None and not self.quick and self.limit is None


@command
def main(argv: Sequence[str] | None = None) -> None:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, args=argv)
    check_settings("gaussian", LEVELS, flags.seed)
    check_plots()
    keep_freed()
    names = [name for name in flags.models.split(",") if name] if flags.models is not None else None
    if names == []:
        raise FlagError("--models names nothing; leave it out for all, or name one")
    output = Path(flags.output) if flags.output else RESULTS if flags.whole else PARTS
    files.check_folder(output / "compare", "--output")
    methods, missing = choose_methods(names)
    material = Material(open_pictures(flags.data).first(flags.limit).first(QUICK_PICTURES if flags.quick else None))
    files.make_folder(output / "compare")

    keys = common_keys(material, flags.seed)
    stores = [Store(output / "compare", method, keys, fresh=flags.fresh) for method in methods]
    new = measure_missing(stores, material, seed=flags.seed, quick=flags.quick)
    previous = {} if flags.fresh else read_json(output / "compare.json")
    result = collect(stores, material, flags, missing, previous)
    same = not new and result["identities"] == previous.get("identities")
    write_json(output / "compare.json", result)
    result = read_json(output / "compare.json")  # what the pages' test will see
    for noise in result["noises"]:
        print(tables.printed(result, noise), end="\n\n")
    print(f"protocol: {PROTOCOL}")
    for path in write_pages(result, stores, material, output, keep=same):
        print(f"written: {path}")
    if flags.whole and output.resolve() == RESULTS.resolve():
        for (page, name), draw in tables.SECTIONS.items():
            write_section(ROOT / page, name, draw(result))
            print(f"written: the {name} in {page}")
    else:
        print("docs are left alone: they take the comparison of all methods on all pictures, in eval/results")


def measure_missing(stores: Sequence[Store], material: Material, *, seed: int, quick: bool) -> int:
    """Measures what the stores lack, condition after condition, so that each picture is degraded once for all
    methods; returns how much that was."""
    todo: dict[Condition, list[tuple[str, Store]]] = {}
    for noise in NOISES:
        for condition in conditions(noise, quick=quick):
            lacking = [s for s in stores if noise in s.method.noises and not s.has(noise, condition)]
            todo.setdefault(condition, []).extend((noise, store) for store in lacking)
    total = sum(map(len, todo.values()))
    with _progress(total) as step:
        for condition, work in todo.items():
            degraded = material.degraded(condition, seed) if work else {}
            for noise, store in work:
                step(f"{condition.name}, {store.method.name}")
                store.add(noise, condition, measured(store.method, noise, condition, material, degraded))
    return total


def collect(
    stores: Sequence[Store], material: Material, flags: Flags, missing: Sequence[str], previous: dict[str, Any]
) -> dict[str, Any]:
    """The summary of everything, with times: those of the previous summary where it was of the same methods on the
    same machine, else measured now, all together."""
    noises = [
        noise for noise in NOISES if any(noise in s.method.noises for s in stores if s.method.kind != "untouched")
    ]
    of = {noise: [store for store in stores if noise in store.method.noises] for noise in noises}
    identities = {n: {s.method.name: s.method.identity(n, Condition(n, SHOWN)) for s in of[n]} for n in noises}
    times = previous.get("times", {})
    if (previous.get("identities"), previous.get("machine")) != (identities, machine()):
        times = ms_per_megapixel([store.method for store in stores], material, seed=flags.seed)
    result = {
        "protocol": PROTOCOL,
        "seed": flags.seed,
        "quick": flags.quick,
        "levels": list(QUICK_LEVELS if flags.quick else LEVELS),
        "data": {
            "name": flags.data_name or Path(flags.data).name,
            "pictures": len(material),
            "sha256": material.sha256,
            "texture": [material.names[index] for index in material.texture],
            "texture_is": TEXTURE_IS,
        },
        "machine": machine(),
        "times": times,
        "identities": identities,
        "noises": {},
    }
    for noise in noises:
        lacking = [name for name in missing if registry.SPECS[name].noise in (noise, "any")]
        found = summarise(noise, of[noise], material, seed=flags.seed, quick=flags.quick, missing=lacking)
        for row in found["methods"]:
            row["ms_per_megapixel"] = times.get(noise, {}).get(row["name"])
        result["noises"][noise] = found
    return result


def write_pages(
    result: dict[str, Any], stores: Sequence[Store], material: Material, output: Path, *, keep: bool
) -> list[Path]:
    """The full tables, the plots, and the crops of each noise; with `keep`, crops that are there are left."""
    page = output / "compare.md"
    files.write(page, tables.full(result))
    written = [output / "compare.json", page, *draw_all(result, output)]
    for noise in result["noises"]:
        path = output / tables.figure("crops", noise)
        if not (keep and path.exists()):
            pictures.write(path, pictures.Picture(np.asarray(crop_sheet(result, noise, stores, material))))
            written.append(path)
    return written


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """A function to call before each step with its name: a bar on a terminal, else a line a step."""
    if sys.stderr.isatty():
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=total)
            done = itertools.count()
            yield lambda name: bar.update(task, completed=next(done), description=name)
        return
    began, done = time.monotonic(), itertools.count(1)
    yield lambda name: print(
        f"{next(done)}/{total} after {time.monotonic() - began:.0f} s: {name}", file=sys.stderr, flush=True
    )


if __name__ == "__main__":
    sys.exit(main())
