"""How long methods take: milliseconds a megapixel, all in one run, in turn."""

import os
import statistics
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from eval.comparison.conditions import SHOWN, Condition, Material
from eval.comparison.methods import Method

SIDE_PX = 512  # of the picture that is timed
ROUNDS = 5
SPEED_IS = (
    f"one picture of {SIDE_PX}x{SIDE_PX} px, from memory to memory; the median of {ROUNDS} rounds after a warm-up, in "
    "each round every method once"
)


def machine() -> dict[str, Any]:
    """Where times are taken."""
    return {"device": jax.devices()[0].device_kind, "cores": os.cpu_count(), "jax": jax.__version__}


def ms_per_megapixel(methods: Sequence[Method], material: Material, *, seed: int) -> dict[str, dict[str, float]]:
    """{noise: {method: milliseconds}} of all but the untouched picture; see SPEED_IS."""
    calls, times = {}, {}
    for noise in {noise: None for method in methods for noise in method.noises}:
        condition = Condition(noise, SHOWN)
        degraded = condition.degrade(_picture(material), seed=seed, index=0)[None]
        for method in methods:
            if noise in method.noises and method.kind != "untouched":
                calls[noise, method.name] = method, (noise, condition, degraded)
    for method, arguments in calls.values():
        method.restore(*arguments)
    for _ in range(ROUNDS):
        for key, (method, arguments) in calls.items():
            began = time.perf_counter()
            method.restore(*arguments)
            times.setdefault(key, []).append(time.perf_counter() - began)
    found: dict[str, dict[str, float]] = {}
    for (noise, name), seconds in times.items():
        per_megapixel = statistics.median(seconds) * 1e3 / (SIDE_PX**2 / 1e6)
        found.setdefault(noise, {})[name] = float(f"{per_megapixel:.3g}")
    return found


def _picture(material: Material) -> np.ndarray:
    """The first picture, mirrored and cut to the size."""
    picture = material.picture(0)
    missing = [(0, max(0, SIDE_PX - side)) for side in picture.shape[:2]]
    return np.pad(picture, [*missing, (0, 0)], "symmetric")[:SIDE_PX, :SIDE_PX]
