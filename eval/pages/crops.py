"""The same hard places, method by method. A rule picks them: the pictures that the best filter restores worst at the
highest level, and in each the window where it errs most."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from eval.comparison.conditions import Condition, Material
from eval.comparison.methods import Method
from eval.comparison.summary import Row, best_networks, shown
from eval.comparison.values import Store
from eval.pages.plots import short_label
from eval.pages.report import number
from eval.pages.sheet import CROP, Cell, crops, worst_place
from eval.pages.tables import TITLES, label
from zoo.metrics import psnr

PLACES = 3  # at most one in a picture
CELLS = 12  # of a place: the clean picture, the degraded one, filters, networks
NETWORKS = 7


def crop_sheet(result: dict[str, Any], noise: str, stores: Sequence[Store], material: Material) -> Image.Image:
    """The sheet of one noise."""
    rows = result["noises"][noise]["methods"]
    by_name = {store.method.name: store for store in stores}
    condition = Condition(noise, result["levels"][-1])
    reference = by_name[result["noises"][noise]["reference"] or "untouched"]
    chosen = [(row, by_name[row["name"]].method) for row in choose_rows(rows, noise)]
    worst = np.argsort(reference.get(noise, condition)["psnr"], kind="stable")[:PLACES]
    places = [
        _place(int(index), chosen, reference.method, noise, condition, material, result["seed"]) for index in worst
    ]
    best = next((label(row) for row in rows if row["name"] == reference.method.name), "")
    note = (
        f"{CROP[1]}x{CROP[0]} px enlarged 4 times, with the PSNR of the place. The pictures that {best} restores "
        "worst, and in each where it errs most."
    )
    return crops(places, title=f"{TITLES[noise]}, level {condition.level:g}: the hardest places", note=note)


def choose_rows(rows: Sequence[Row], noise: str) -> list[Row]:
    """At most CELLS - 1 rows: of each network the better of its two trainings, the best of these, and the best filters
    in what room is left; in the order of the tables."""
    networks = best_networks(rows, noise)[:NETWORKS]
    filters = sorted((row for row in rows if row["kind"] == "filter"), key=lambda row: -shown(row, noise))
    kept = [*filters[: CELLS - 2 - len(networks)], *networks]
    names = ["untouched", *(row["name"] for row in kept)]
    return [row for row in rows if row["name"] in names]


def _place(
    index: int,
    chosen: Sequence[tuple[Row, Method]],
    reference: Method,
    noise: str,
    condition: Condition,
    material: Material,
    seed: int,
) -> tuple[str, list[Cell]]:
    clean = material.picture(index)
    degraded = condition.degrade(clean, seed=seed, index=index)
    y, x = worst_place(clean, reference.restore(noise, condition, degraded[None])[0], CROP)
    window = slice(y, y + CROP[0]), slice(x, x + CROP[1])
    cells = [Cell(clean[window], "clean")]
    for row, method in chosen:
        restored = method.restore(noise, condition, degraded[None])[0][window]
        decibels = number(float(psnr(clean[window], restored)), 2)
        cells.append(Cell(restored, short_label(row, noise), f"{decibels} dB"))
    return f"{material.names[index]}, at row {y}, column {x}", cells
