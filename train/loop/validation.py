"""How good the weights are, while they train: the lesson's metrics on what is held out, with the same damage each
time."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, UInt8

from train.loop.method import Method, unit

SIDE = 128  # px, of the middle of each picture


class Validation:
    """`measure(state)` gives the means of the lesson's metrics over what is held out. `decides`: the one by which
    weights are the best."""

    def __init__(self, held_out: UInt8[Array, "n *t h w 3"], method: Method):
        lesson, seed = method.lesson, method.settings.seed
        self._trials = lesson.trials(jax.random.key(seed + 1), unit(held_out))
        names = {label: label.lower().replace(" ", "_") for label in lesson.metrics}
        self.unit, first = next(iter(names.items()))
        self.decides, self._before = f"restored_{first}", f"degraded_{first}"
        means = lambda x, wanted: {names[k]: jnp.mean(metric(x, wanted)) for k, metric in lesson.metrics.items()}
        self._degraded = jax.jit(lambda pair: means(lesson.untouched(pair.seen), lesson.measured(pair.wanted)))
        restored = lambda state, seen: lesson.restored(seen, method.restore(state, seen))
        self._restored = jax.jit(lambda state, pair: means(restored(state, pair.seen), lesson.measured(pair.wanted)))

    def measure(self, state: Any) -> dict[str, Any]:
        """{"degraded_db", "restored_db", "levels": [...]}, as the lesson's units are: means over all, then for each of
        its trials."""
        rows = []
        for _, pair in self._trials:
            found = {"degraded": self._degraded(pair), "restored": self._restored(state, pair)}
            rows.append({f"{which}_{name}": float(v) for which, means in found.items() for name, v in means.items()})
        means = {name: math.fsum(row[name] for row in rows) / len(rows) for name in rows[0]}
        return means | {"levels": [facts | row for (facts, _), row in zip(self._trials, rows, strict=True)]}

    def said(self, found: dict[str, Any]) -> str:
        return f"{found[self._before]:.2f} -> {found[self.decides]:.2f} {self.unit}"
