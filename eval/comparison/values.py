"""The values of a method, item by item: measured once, kept in a file, measured again when their reasons change.

A file holds one line of JSON for each (trial, condition): the identity of the method there, and a list for each
metric with one value an item. Values have 6 significant digits.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flax
import jax
import numpy as np
import PIL
from jaxtyping import Array, Float

from eval.comparison.material import Material
from eval.comparison.methods import Method
from eval.comparison.task import Condition, Item, Task
from eval.pages.report import read_json
from zoo import files
from zoo.numbers import parsed, valid


def common_keys(task: Task, material: Material, seed: int) -> dict[str, Any]:
    """What the values of every method depend on."""
    return {
        "protocol": task.protocol,
        "detail": task.detail_is,
        "seed": seed,
        "items": len(material),
        "items_sha256": material.sha256,
        "versions": {"jax": jax.__version__, "flax": flax.__version__, "pillow": PIL.__version__},
        "device": jax.devices()[0].device_kind,
    }


class Store:
    """The values of one method in FOLDER/METHOD.json, if they were made with these `keys`; else none, at first."""

    def __init__(self, folder: Path, method: Method, keys: dict[str, Any], *, fresh: bool = False):
        self.path, self.method = folder / f"{method.name}.json", method
        self.head = {"method": method.name, **keys}
        self.values: dict[str, dict[str, Any]] = {trial: {} for trial in method.trials}
        found = {} if fresh else read_json(self.path)
        if {key: found.get(key) for key in self.head} == self.head:
            self.values |= found["values"]

    def has(self, trial: str, condition: Condition) -> bool:
        entry = self.values[trial].get(condition.name, {})
        return entry.get("identity") == self.method.identity(trial, condition)

    def get(self, trial: str, condition: Condition) -> dict[str, Float[np.ndarray, " items"]]:
        """Each metric of every item."""
        entry = self.values[trial][condition.name]
        return {key: np.array([parsed(v) for v in entry[key]]) for key in entry if key != "identity"}

    def add(self, trial: str, condition: Condition, values: dict[str, list[float]]) -> None:
        """Keeps values and writes the file."""
        rounded = {key: [float(f"{v:.6g}") for v in column] for key, column in values.items()}
        entry = {"identity": self.method.identity(trial, condition), **rounded}
        self.values[trial][condition.name] = valid(entry)
        lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in self.head.items()]
        blocks = [f"  {json.dumps(trial)}: {{\n{_lines(entries)}\n  }}" for trial, entries in self.values.items()]
        files.write(self.path, "\n".join(["{", *lines, ' "values": {', ",\n".join(blocks), " }", "}"]) + "\n")


def measured(
    method: Method, trial: str, condition: Condition, material: Material, degraded: Sequence[Item]
) -> dict[str, list[float]]:
    """Every metric of every item, in their order, of what `method` makes of the `degraded` ones."""
    task, about = method.task, method.task.trials[trial]
    detail = task.detail if condition == about.at else None
    out: dict[str, list[float]] = {}
    for clean, item in zip(material.items, degraded, strict=True):
        both = about.counted(clean, method.restore(trial, condition, item))
        values = _measure(*both, task=task, detail=detail)
        for key, value in jax.device_get(values).items():
            out.setdefault(key, []).append(float(value))
    return out


@jax.jit(static_argnames=("task", "detail"))
def _measure(clean: Item, restored: Item, *, task: Task, detail: Callable | None) -> dict[str, Float[Array, ""]]:
    values = {name: metric.function(clean, restored) for name, metric in task.metrics.items()}
    return values | (detail(clean, restored) if detail else {})


def _lines(entries: dict[str, Any]) -> str:
    return ",\n".join(f"   {json.dumps(key)}: {json.dumps(entry)}" for key, entry in entries.items())
