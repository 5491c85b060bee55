"""The comparison in numbers: the means of all methods with their intervals, from the values of every item."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from eval.comparison.material import Material
from eval.comparison.statistics import Bootstrap
from eval.comparison.task import Condition, Task
from eval.comparison.values import Store
from zoo.numbers import parsed
from zoo.registry import PHOTOS

Row = dict[str, Any]
ORDER = ("untouched", "filter", "network")


def summarise(
    task: Task,
    trial: str,
    stores: Sequence[Store],
    material: Material,
    *,
    seed: int,
    quick: bool,
    missing: Sequence[str],
) -> dict[str, Any]:
    """What tables, plots and the README say of the methods in a trial: untouched first, then filters, then networks,
    each kind from the worst to the best under the condition that is shown; reproductions last, above what their papers
    claim. Means are [mean, low, high]."""
    about = task.trials[trial]
    draws = Bootstrap(len(material), seed=seed)
    rows = [_row(store, trial, about.conditions(quick=quick), draws) for store in stores]
    for name, items in _parts(task, trial, material, quick=quick).items():
        few = Bootstrap(len(items), seed=seed)
        for row, store in zip(rows, stores, strict=True):
            values = {key: column[items] for key, column in store.get(trial, about.at).items()}
            row["conditions"][name] = _means(few, values)
    reference = best(task, rows, "filter", trial)
    columns = about.columns(quick=quick)
    if reference:
        by_name = {store.method.name: store for store in stores}
        for row in rows:
            for condition in columns.values():
                ours, theirs = (by_name[r["name"]].get(trial, condition)[task.rank] for r in (row, reference))
                row["conditions"][condition.name] |= _means(draws, {"gain_db": _gain(ours, theirs)})
    rows.sort(key=lambda row: place(task, row, trial))
    groups = {title: title for title in about.groups(material.names)}
    return {
        "columns": groups | ({"mean": about.at.name} if groups else {t: c.name for t, c in columns.items()}),
        "reference": reference and reference["name"],
        "claimed": [asdict(claim) for claim in about.claims],
        "without_weights": list(missing),
        "methods": rows,
    }


def place(task: Task, row: Row, trial: str) -> tuple[int, bool, float]:
    """What rows are sorted by."""
    return ORDER.index(row["kind"]), row.get("reproduction", False), shown(task, row, trial)


def _parts(task: Task, trial: str, material: Material, *, quick: bool) -> dict[str, list[int]]:
    """Some of the items, of which the means are wanted under the condition that is shown."""
    subsets = {} if quick else material.subsets
    return subsets | task.trials[trial].groups(material.names)


def shown(task: Task, row: Row, trial: str, metric: str | None = None) -> float:
    """The mean of a row under the condition that is shown, by default of the metric that ranks."""
    return parsed(row["conditions"][task.trials[trial].at.name][metric or task.rank][0])


def best(task: Task, rows: Sequence[Row], kind: str, trial: str) -> Row | None:
    """The row of a kind that ranks highest, if there is one."""
    return max((row for row in rows if row["kind"] == kind), key=lambda row: shown(task, row, trial), default=None)


def best_networks(task: Task, rows: Sequence[Row], trial: str) -> list[Row]:
    """Of each network the better of its two trainings, the best first."""
    found: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: -shown(task, row, trial)):
        if row["kind"] == "network":
            found.setdefault(family(row), row)
    return list(found.values())


def family(row: Row) -> str:
    """The name of a network whatever it was trained on."""
    return row["name"].removesuffix(PHOTOS)


def _row(store: Store, trial: str, measured: Sequence[Condition], draws: Bootstrap) -> Row:
    method = store.method
    identities = {condition.name: method.identity(trial, condition) for condition in measured}
    row = {"name": method.name, "kind": method.kind, **method.facts, "conditions": {}}
    for condition in measured:
        row["conditions"][condition.name] = _means(draws, store.get(trial, condition))
    if method.kind == "filter":
        row["options"] = {name: identity["options"] for name, identity in identities.items()}
    return row


def _gain(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The difference of each item; none where one of the two is perfect."""
    both = np.isfinite(ours) & np.isfinite(theirs)
    return np.where(both, np.subtract(ours, theirs, where=both, out=np.zeros_like(ours)), np.nan)


def _means(draws: Bootstrap, values: dict[str, np.ndarray]) -> dict[str, list[float]]:
    means = draws.mean(np.stack(list(values.values()), axis=-1))
    return {key: [float(f"{value:.6g}") for value in mean] for key, mean in zip(values, means, strict=True)}
