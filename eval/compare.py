"""Compares every method on the same degraded material, and writes the tables, the plots and the pages' sections.

    python -m eval.compare --data=path/to/CBSD68 --data-name=CBSD68
    python -m eval.compare --data=clips:tennis@4,cockatoo.mp4@40 --data-name=clips --output=eval/results/denoise/clips

Rows are the untouched material, the classical filters (told the noise and its level), every network of the zoo that has
weights (told nothing), and what others claim. What was measured before, of the same material with the same weights or
options, is not measured again: run it whenever weights arrive, or once more after a cut.
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

from eval.comparison.material import Material
from eval.comparison.methods import choose_methods
from eval.comparison.options import RESULTS
from eval.comparison.speed import machine, ms_per_megapixel
from eval.comparison.summary import summarise
from eval.comparison.task import Condition, Task
from eval.comparison.values import Store, common_keys, measured
from eval.pages import tables
from eval.pages.crops import crop_sheet
from eval.pages.plots import check_plots, draw_all
from eval.pages.report import read_json, write_json, write_section
from eval.run import check_seed
from eval.tasks import TASKS
from zoo import files, pictures, registry
from zoo.errors import FlagError, choose, command
from zoo.flags import check_names
from zoo.memory import keep_freed

ROOT = Path(__file__).parents[1]
PARTS = ROOT / "runs" / "compare"
QUICK_ITEMS = 8


@dataclasses.dataclass(frozen=True)
class Flags:
    """Compares every method on the same degraded material."""

    data: str
    """The clean pictures: a folder, a glob, one picture, `skimage`, or `clips:FOLDER`: films and folders of frames."""
    task: str = "denoise"
    """A key of eval.tasks.TASKS."""
    data_name: str | None = None
    """What tables call the material; left out: the folder's name."""
    models: str | None = None
    """Filters, models of the zoo, folders of training runs, with commas between; left out: all that there are."""
    quick: bool = False
    """Eight pictures, three levels, nothing unseen."""
    limit: int | None = None
    """Only the first so many pictures."""
    seed: int = 0
    """Of the noise and of the intervals."""
    output: str | None = None
    """Folder of the results; left out: eval/results/TASK, or runs/compare with --models, --quick or --limit."""
    fresh: bool = False
    """Measure everything again."""

    @property
    def whole(self) -> bool:
        return self.models is None and not self.quick and self.limit is None


@command
def main(argv: Sequence[str] | None = None) -> None:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, args=argv)
    task = TASKS[choose("task", flags.task, TASKS)]
    check_seed(flags.seed)
    check_plots()
    keep_freed()
    names = [name for name in flags.models.split(",") if name] if flags.models is not None else None
    if names == []:
        raise FlagError("--models names nothing; leave it out for all, or name one")
    committed = RESULTS / task.name
    output = Path(flags.output) if flags.output else committed if flags.whole else PARTS
    files.check_folder(output / "compare", "--output")
    methods, missing = choose_methods(task, names)
    material = Material(task, task.open(flags.data).first(flags.limit).first(QUICK_ITEMS if flags.quick else None))
    files.make_folder(output / "compare")

    keys = common_keys(task, material, flags.seed)
    stores = [Store(output / "compare", method, keys, fresh=flags.fresh) for method in methods]
    new = measure_missing(task, stores, material, seed=flags.seed, quick=flags.quick)
    previous = {} if flags.fresh else read_json(output / "compare.json")
    result = collect(task, stores, material, flags, missing, previous)
    same = not new and result["identities"] == previous.get("identities")
    write_json(output / "compare.json", result)
    result = read_json(output / "compare.json")  # what the pages' test will see
    for trial in result["trials"]:
        print(tables.printed(task, result, trial), end="\n\n")
    print(f"protocol: {task.protocol}")
    for path in write_pages(task, result, stores, material, output, keep=same):
        print(f"written: {path}")
    if flags.whole and output.resolve() == committed.resolve():
        for (page, name), draw in tables.sections(task).items():
            write_section(ROOT / page, name, draw(task, result))
            print(f"written: the {name} in {page}")
    else:
        print(f"docs are left alone: they take all methods on all that --data names, in eval/results/{task.name}")


def measure_missing(task: Task, stores: Sequence[Store], material: Material, *, seed: int, quick: bool) -> int:
    """Measures what the stores lack, condition after condition, so that each item is degraded once for all methods;
    returns how much that was."""
    todo: dict[Condition, list[tuple[str, Store]]] = {}
    for trial, about in task.trials.items():
        for condition in about.conditions(quick=quick):
            lacking = [s for s in stores if trial in s.method.trials and not s.has(trial, condition)]
            todo.setdefault(condition, []).extend((trial, store) for store in lacking)
    total = sum(map(len, todo.values()))
    with _progress(total) as step:
        for condition, work in todo.items():
            degraded = material.degraded(condition, seed) if work else []
            for trial, store in work:
                step(f"{condition.name}, {store.method.name}")
                store.add(trial, condition, measured(store.method, trial, condition, material, degraded))
    return total


def collect(
    task: Task,
    stores: Sequence[Store],
    material: Material,
    flags: Flags,
    missing: Sequence[str],
    previous: dict[str, Any],
) -> dict[str, Any]:
    """The summary of everything, with times: those of the previous summary where it was of the same methods on the
    same machine, else measured now, all together."""
    trials = [t for t in task.trials if any(t in s.method.trials for s in stores if s.method.kind != "untouched")]
    of = {trial: [store for store in stores if trial in store.method.trials] for trial in trials}
    identities = {t: {s.method.name: s.method.identity(t, task.trials[t].at) for s in of[t]} for t in trials}
    times = previous.get("times", {})
    if (previous.get("identities"), previous.get("machine")) != (identities, machine()):
        times = ms_per_megapixel([store.method for store in stores], material, seed=flags.seed)
    result = {
        "protocol": task.protocol,
        "seed": flags.seed,
        "quick": flags.quick,
        "data": {
            "name": flags.data_name or Path(flags.data).name,
            "items": len(material),
            "sha256": material.sha256,
            "subsets": {
                name: {"is": task.subsets[name][0], "items": [material.names[index] for index in indices]}
                for name, indices in material.subsets.items()
            },
        },
        "machine": machine(),
        "times": times,
        "identities": identities,
        "trials": {},
    }
    for trial in trials:
        specs = {name: registry.SPECS[name] for name in missing}
        lacking = [name for name, spec in specs.items() if trial in task.takes_part(spec.config, spec.noise)]
        found = summarise(task, trial, of[trial], material, seed=flags.seed, quick=flags.quick, missing=lacking)
        for row in found["methods"]:
            row["ms_per_megapixel"] = times.get(trial, {}).get(row["name"])
        result["trials"][trial] = found
    return result


def write_pages(
    task: Task, result: dict[str, Any], stores: Sequence[Store], material: Material, output: Path, *, keep: bool
) -> list[Path]:
    """The full tables, the plots, and the crops of each trial; with `keep`, crops that are there are left."""
    page = output / "compare.md"
    files.write(page, tables.full(task, result))
    written = [output / "compare.json", page, *draw_all(task, result, output)]
    for trial in result["trials"]:
        path = output / tables.figure("crops", trial)
        if not (keep and path.exists()):
            sheet = crop_sheet(task, result, trial, stores, material)
            pictures.write(path, pictures.Picture(np.asarray(sheet)))
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
