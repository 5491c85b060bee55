"""The same hard places, method by method. A rule picks them: the pictures that the best filter restores worst at the
highest level, and in each the window where it errs most."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from eval.comparison.material import Material
from eval.comparison.methods import Method
from eval.comparison.summary import Row, best_networks, shown
from eval.comparison.task import Item, Task
from eval.comparison.values import Store
from eval.pages.plots import short_label
from eval.pages.report import number
from eval.pages.sheet import CROP, Cell, crops, worst_place
from eval.pages.tables import label
from zoo.metrics import psnr

PLACES = 3  # at most one in a picture
CELLS = 12  # of a place: the clean picture, the degraded one, filters, networks
NETWORKS = 7


def crop_sheet(
    task: Task, result: dict[str, Any], trial: str, stores: Sequence[Store], material: Material
) -> Image.Image:
    """The sheet of one trial, at the highest of its levels."""
    rows = result["trials"][trial]["methods"]
    by_name = {store.method.name: store for store in stores}
    level, condition = list(task.trials[trial].levels.items())[-1]
    reference = by_name[result["trials"][trial]["reference"] or "untouched"]
    chosen = [(row, by_name[row["name"]].method) for row in choose_rows(task, rows, trial)]
    worst = np.argsort(reference.get(trial, condition)[task.rank], kind="stable")[:PLACES]
    places = []
    for index in map(int, worst):
        degraded = material.degraded_one(index, condition, result["seed"])
        restored = lambda method, degraded=degraded: _still(method.restore(trial, condition, degraded))
        known = restored(reference.method)
        clean = _still(material.items[index])[: known.shape[0], : known.shape[1]]
        y, x = worst_place(clean, known, CROP)
        cells = _cells(clean, chosen, restored, trial, (slice(y, y + CROP[0]), slice(x, x + CROP[1])))
        places.append((f"{material.names[index]}, at row {y}, column {x}", cells))
    best = next((label(task, row) for row in rows if row["name"] == reference.method.name), "")
    note = (
        f"{CROP[1]}x{CROP[0]} px enlarged 4 times, with the PSNR of the place. The pictures that {best} restores "
        "worst, and in each where it errs most."
    )
    at = f", level {level}" if task.trials[trial].axis else ""
    return crops(places, title=f"{task.trials[trial].heading}{at}: the hardest places", note=note)


def choose_rows(task: Task, rows: Sequence[Row], trial: str) -> list[Row]:
    """At most CELLS - 1 rows: of each network the better of its two trainings, the best of these, and the best filters
    in what room is left; in the order of the tables."""
    networks = best_networks(task, rows, trial)[:NETWORKS]
    filters = sorted((row for row in rows if row["kind"] == "filter"), key=lambda row: -shown(task, row, trial))
    kept = [*filters[: CELLS - 2 - len(networks)], *networks]
    names = ["untouched", *(row["name"] for row in kept)]
    return [row for row in rows if row["name"] in names]


def _cells(
    clean: Item,
    chosen: Sequence[tuple[Row, Method]],
    restored: Callable[[Method], Item],
    trial: str,
    window: tuple[slice, slice],
) -> list[Cell]:
    cells = [Cell(clean[window], "clean")]
    for row, method in chosen:
        crop = restored(method)[window]
        decibels = number(float(psnr(clean[window], crop)), 2)
        cells.append(Cell(crop, short_label(method.task, row, trial), f"{decibels} dB"))
    return cells


def _still(item: Item) -> Item:
    """The colours of a picture; of a clip those of the frame in its middle."""
    return (item if item.ndim == 3 else item[len(item) // 2])[..., :3]
