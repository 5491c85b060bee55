"""Chooses the free option of each classical method, for each trial and level, on data kept for that.

python -m eval.tune --data=path/to/photographs --json=eval/results/denoise/filters.json

Never on the material of a comparison. `eval.comparison.options` reads the file.
"""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.progress import track

from eval.comparison.datasets import fingerprint
from eval.comparison.task import Condition, Items, Rival, Task
from eval.pages.report import number, writable, write_json
from eval.run import check_seed
from eval.tasks import TASKS
from zoo.errors import ZooError, choose, command
from zoo.flags import check_names
from zoo.metrics import summarise


@dataclass(frozen=True)
class Flags:
    """Chooses the options of the classical methods by the metric that ranks them."""

    data: str
    """What `eval.compare` takes: material that no comparison is made on."""
    task: str = "denoise"
    """A key of eval.tasks.TASKS."""
    json: str | None = None
    """Where to write the options; comparisons read eval/results/TASK/filters.json."""
    seed: int = 0
    """Of the noise."""
    limit: int | None = None
    """Only the first so many pictures."""


def tune(task: Task, data: Items, *, seed: int = 0) -> dict[str, Any]:
    """The best options of each rival in each of its trials at each level, by the mean over `data`.

    Returns {"protocol", "seed", "data": {"items", "sha256"}, "untouched": {trial: {level: value}}, "filters": {name:
    {trial: {level: {"options": {option: value}, METRIC}}}}}, levels as strings. Rivals for no trial are left out.
    """
    digest = hashlib.sha256()
    for index in range(len(data)):
        fingerprint(digest, *data[index])
    meant = {name: rival for name, rival in task.rivals.items() if rival.trials}
    trials = [trial for trial in task.trials if any(trial in rival.trials for rival in meant.values())]
    result = {
        "protocol": task.protocol,
        "seed": seed,
        "data": {"items": len(data), "sha256": digest.hexdigest()},
        "untouched": {trial: {} for trial in trials},
        "filters": {name: {trial: {} for trial in rival.trials} for name, rival in meant.items()},
    }
    steps = [(trial, condition) for trial in trials for condition in conditions(task, trial)]
    console = Console(stderr=True)
    for trial, condition in track(steps, "tuning", console=console, transient=True, disable=not sys.stderr.isatty()):
        taking = {name: rival for name, rival in meant.items() if trial in rival.trials}
        untouched, best = _best(task, data, taking, condition, seed=seed)
        result["untouched"][trial][f"{condition.level:g}"] = untouched
        for name, found in best.items():
            result["filters"][name][trial][f"{condition.level:g}"] = found
    return result


def conditions(task: Task, trial: str) -> list[Condition]:
    """One condition for each level that a trial has, the first of those that have it."""
    found = {}
    for condition in task.trials[trial].conditions(quick=False):
        found.setdefault(condition.level, condition)
    return sorted(found.values(), key=lambda condition: condition.level)


def _best(
    task: Task, data: Items, rivals: dict[str, Rival], condition: Condition, *, seed: int
) -> tuple[float, dict[str, dict]]:
    """The mean of the untouched items, and of each rival the best options with theirs."""
    metric = task.metrics[task.rank]
    measure = jax.jit(metric.function)
    untouched = []
    tried = [(name, options, []) for name, rival in rivals.items() for options in rival.candidates(condition.level)]
    for index in range(len(data)):
        item, clean = data[index]
        degraded = condition.degrade(clean, seed=seed, index=index)
        inputs = jax.tree.map(jnp.asarray, degraded)
        untouched.append(float(measure(clean, task.untouched(degraded))))
        for name, options, values in tried:
            restored = np.asarray(rivals[name].function(inputs, **options), np.float32)
            if not np.isfinite(restored).all():
                raise ZooError(f"{name} with {options} made values that are not finite of {item}")
            values.append(float(measure(clean, restored.clip(0, 1))))
    best = {}
    for name, options, values in tried:
        mean = summarise(values)
        if name not in best or (mean > best[name][task.rank]) == metric.higher:
            best[name] = {"options": options, task.rank: mean}
    return summarise(untouched), best


def table(task: Task, result: dict[str, Any]) -> str:
    """One line a rival and trial: at each level the mean, and the value of the free option."""
    lines, digits = [], task.metrics[task.rank].digits
    for trial, values in result["untouched"].items():
        cells = [f"{level}: {number(value, digits)}" for level, value in values.items()]
        lines.append(" | ".join([f"{trial}, untouched", *cells]))
        for name, trials in result["filters"].items():
            option = task.rivals[name].option
            cells = [
                f"{level}: {number(found[task.rank], digits)}"
                + (f" ({option}={found['options'][option]:g})" if option else "")
                for level, found in trials.get(trial, {}).items()
            ]
            lines += [" | ".join([f"{trial}, {name}", *cells])] if cells else []
    return "\n".join(lines)


@command
def main(argv: Sequence[str] | None = None) -> None:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, args=argv)
    task = TASKS[choose("task", flags.task, TASKS)]
    check_seed(flags.seed)
    path = writable(flags.json, "--json") if flags.json else None
    result = tune(task, task.open(flags.data).first(flags.limit), seed=flags.seed)
    result["data"]["source"] = "/".join(Path(flags.data).parts[-2:])  # the same everywhere
    title = task.metrics[task.rank].title
    print(f"{title}: mean over {result['data']['items']} items of {flags.data}, seed {flags.seed}")
    print(table(task, result))
    if path:
        write_json(path, result)
        print(f"every value: {path}")


if __name__ == "__main__":
    sys.exit(main())
