"""The options of classical methods that `eval.tune` chose, read from its file."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.comparison.task import Task
from zoo import checked
from zoo.errors import InputError, choose

RESULTS = Path(__file__).parents[1] / "results"


@dataclass(frozen=True)
class _Found:
    """The best options of a rival."""

    options: dict[str, int | float]
    more: dict[str, Any]


@dataclass(frozen=True)
class _Tuned:
    """What `eval.tune` writes."""

    filters: dict[str, dict[str, dict[str, _Found]]]  # by name, trial and level
    more: dict[str, Any]


def tuned(task: Task, name: str, trial: str, level: float, *, results: Path | None = None) -> dict[str, int | float]:
    """The options found for a rival in a trial at the tuned level nearest to `level`.

    A rival that is meant for no trial has its defaults. FlagError where the trial is not one of the rival's, InputError
    where its options were never tuned.
    """
    rival = task.rivals[choose("filter", name, task.rivals)]
    if not rival.trials:
        return {}
    choose(f"noise for {name}", trial, rival.trials)
    if not (rival.option or rival.level_option):
        return {}
    path = results or RESULTS / task.name / "filters.json"
    try:
        found = _read(path).filters[name][trial]
        nearest = min(found, key=lambda known: abs(float(known) - level))
    except (FileNotFoundError, ValueError, KeyError):
        raise InputError(
            f"{path} has no options of {name} for {trial}; python -m eval.tune --data=FOLDER --json={path} finds them, "
            "on data that are not compared on"
        ) from None
    return found[nearest].options


@functools.cache
def _read(path: Path) -> _Tuned:
    return checked.read(path, _Tuned)
