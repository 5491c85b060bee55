"""How long methods take: milliseconds a megapixel, all in one run, in turn."""

import math
import os
import statistics
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from eval.comparison.material import Material
from eval.comparison.methods import Method
from eval.comparison.task import Item

SIDE_PX, FRAMES = 512, 6  # of the picture, or the clip, that is timed
ROUNDS = 5
SPEED_IS = (
    f"one picture of {SIDE_PX}x{SIDE_PX} px, or {FRAMES} frames of a clip, from memory to memory; the median of "
    f"{ROUNDS} rounds after a warm-up, in each round every method once"
)


def machine() -> dict[str, Any]:
    """Where times are taken."""
    return {"device": jax.devices()[0].device_kind, "cores": os.cpu_count(), "jax": jax.__version__}


def ms_per_megapixel(methods: Sequence[Method], material: Material, *, seed: int) -> dict[str, dict[str, float]]:
    """{trial: {method: milliseconds}} of all but the untouched item; see SPEED_IS."""
    clean = _sample(material.items[0])
    megapixels = math.prod(clean.shape[:-1]) / 1e6
    calls, times = {}, {}
    for trial in {trial: None for method in methods for trial in method.trials}:
        for method in methods:
            if trial in method.trials and method.kind != "untouched":
                condition = method.task.trials[trial].at
                degraded = condition.degrade(clean, seed=seed, index=0)
                calls[trial, method.name] = method, (trial, condition, degraded)
    for method, arguments in calls.values():
        method.restore(*arguments)
    for _ in range(ROUNDS):
        for key, (method, arguments) in calls.items():
            began = time.perf_counter()
            method.restore(*arguments)
            times.setdefault(key, []).append(time.perf_counter() - began)
    found: dict[str, dict[str, float]] = {}
    for (trial, name), seconds in times.items():
        found.setdefault(trial, {})[name] = float(f"{statistics.median(seconds) * 1e3 / megapixels:.3g}")
    return found


def _sample(item: Item) -> Item:
    """An item mirrored and cut to the size; of a clip its first frames."""
    item = item[:FRAMES] if item.ndim > 3 else item
    missing = [max(0, SIDE_PX - side) for side in item.shape[-3:-1]]
    wide = np.pad(item, [*[(0, 0)] * (item.ndim - 3), *((0, side) for side in missing), (0, 0)], "symmetric")
    return wide[..., :SIDE_PX, :SIDE_PX, :]
