"""The comparison in numbers: the means of all methods with their intervals, from the values of every image."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from eval.comparison.conditions import SHOWN, Condition, Material, conditions
from eval.comparison.methods import CLAIMS
from eval.comparison.statistics import Bootstrap
from eval.comparison.values import Store
from zoo.numbers import parsed
from zoo.registry import PHOTOS

TEXTURE = "texture"  # the column of the pictures of fine texture, at the level SHOWN

Row = dict[str, Any]
ORDER = ("untouched", "filter", "network")


def summarise(
    noise: str, stores: Sequence[Store], material: Material, *, seed: int, quick: bool, missing: Sequence[str]
) -> dict[str, Any]:
    """What tables, plots and the README say of the methods for `noise`: untouched first, then filters, then networks,
    each kind from the worst to the best at the level SHOWN. Means are [mean, low, high]."""
    measured = conditions(noise, quick=quick)
    draws = Bootstrap(len(material), seed=seed)
    rows = [_row(store, noise, measured, draws) for store in stores]
    if not quick:
        few = Bootstrap(len(material.texture), seed=seed)
        for row, store in zip(rows, stores, strict=True):
            values = {
                key: column[material.texture] for key, column in store.get(noise, Condition(noise, SHOWN)).items()
            }
            row["conditions"][TEXTURE] = _means(few, values)
    reference = best(rows, "filter", noise)
    if reference:
        by_name = {store.method.name: store for store in stores}
        for row in rows:
            for condition in (c for c in measured if c.noise == noise and not c.jpeg):
                ours, theirs = (by_name[r["name"]].get(noise, condition)["psnr"] for r in (row, reference))
                row["conditions"][condition.name] |= _means(draws, {"gain_db": _gain(ours, theirs)})
    rows.sort(key=lambda row: (ORDER.index(row["kind"]), shown(row, noise)))
    return {
        "reference": reference and reference["name"],
        "claimed": CLAIMS[noise],
        "without_weights": list(missing),
        "methods": rows,
    }


def shown(row: Row, noise: str, metric: str = "psnr") -> float:
    """The mean of a row at the level SHOWN."""
    return parsed(row["conditions"][Condition(noise, SHOWN).name][metric][0])


def best(rows: Sequence[Row], kind: str, noise: str) -> Row | None:
    """The row of a kind with the highest mean PSNR at the level SHOWN, if there is one."""
    return max((row for row in rows if row["kind"] == kind), key=lambda row: shown(row, noise), default=None)


def best_networks(rows: Sequence[Row], noise: str) -> list[Row]:
    """Of each network the better of its two trainings, the best first."""
    found: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: -shown(row, noise)):
        if row["kind"] == "network":
            found.setdefault(family(row), row)
    return list(found.values())


def family(row: Row) -> str:
    """The name of a network whatever it was trained on."""
    return row["name"].removesuffix(PHOTOS)


def _row(store: Store, noise: str, measured: Sequence[Condition], draws: Bootstrap) -> Row:
    method = store.method
    identities = {condition.name: method.identity(noise, condition) for condition in measured}
    row = {"name": method.name, "kind": method.kind, **method.facts, "conditions": {}}
    for condition in measured:
        row["conditions"][condition.name] = _means(draws, store.get(noise, condition))
    if method.kind == "filter":
        row["options"] = {name: identity["options"] for name, identity in identities.items()}
    return row


def _gain(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The difference of each image; none where one of the two is perfect."""
    both = np.isfinite(ours) & np.isfinite(theirs)
    return np.where(both, np.subtract(ours, theirs, where=both, out=np.zeros_like(ours)), np.nan)


def _means(draws: Bootstrap, values: dict[str, np.ndarray]) -> dict[str, list[float]]:
    means = draws.mean(np.stack(list(values.values()), axis=-1))
    return {key: [float(f"{value:.6g}") for value in mean] for key, mean in zip(values, means, strict=True)}
