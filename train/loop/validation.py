"""How good the weights are, while they train: PSNR on pictures held out, at three levels, with the same noise each
time."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

from train.loop.degrade import pictures
from train.loop.settings import Settings
from zoo.metrics import psnr
from zoo.noise import degrade

SIDE = 128  # px, of the middle of each picture


class Validation:
    """`measure(task, state)` gives the mean PSNR of the degraded and the restored pictures, dB."""

    def __init__(self, held_out: UInt8[Array, "n h w 3"], settings: Settings):
        low, high = settings.levels
        # The middles of the range's thirds: PSNR at its lowest level would outweigh all else in the mean.
        self.levels = sorted({low + (high - low) * share / 6 for share in (1, 3, 5)})
        clean = pictures(held_out)
        key = jax.random.key(settings.seed + 1)
        noisy = lambda k, level: degrade(jax.random.fold_in(key, k), clean, noise=settings.noise, level=level)
        self._clean = clean
        self._degraded = [noisy(k, level) for k, level in enumerate(self.levels)]
        self._psnr = jax.jit(lambda x: jnp.mean(psnr(x, clean)))
        self._measure: Any = None

    def measure(self, task: Any, state: Any) -> dict[str, Any]:
        """{"degraded_db", "restored_db", "levels": [...]}: means over pictures and levels, then for each level."""
        if self._measure is None:  # compiled once a run
            self._measure = jax.jit(lambda s, x: jnp.mean(psnr(task.restore(s, x), self._clean)))
        restored = [float(self._measure(state, x)) for x in self._degraded]
        degraded = [float(self._psnr(x)) for x in self._degraded]
        rows = zip(self.levels, degraded, restored, strict=True)
        return {
            "degraded_db": _mean(degraded),
            "restored_db": _mean(restored),
            "levels": [{"level": a, "degraded_db": b, "restored_db": c} for a, b, c in rows],
        }


def middle(picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[Array, "side side 3"]:
    """The middle of a picture, SIDE px square; smaller ones are reflected up."""
    pad = [(0, max(SIDE - s, 0)) for s in picture.shape[:2]]
    picture = np.pad(picture, (*pad, (0, 0)), mode="symmetric")
    y, x = ((s - SIDE) // 2 for s in picture.shape[:2])
    return picture[y : y + SIDE, x : x + SIDE]


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
