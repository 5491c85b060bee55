"""The values of a method, image by image: measured once, kept in a file, measured again when their reasons change.

A file holds one line of JSON for each (noise, condition): the identity of the method there, and a list for each
metric with one value an image. Values have 6 significant digits.
"""

import json
import math
from pathlib import Path
from typing import Any

import flax
import jax
import numpy as np
import PIL
from jaxtyping import Array, Float

from eval.comparison.conditions import Condition, Material
from eval.comparison.methods import Method, Stack
from eval.comparison.statistics import BANDS_ARE, detail
from eval.pages.report import read_json
from zoo import files
from zoo.metrics import METRICS, PROTOCOL
from zoo.numbers import parsed, valid


def common_keys(material: Material, seed: int) -> dict[str, Any]:
    """What the values of every method depend on."""
    return {
        "protocol": PROTOCOL,
        "bands": BANDS_ARE,
        "seed": seed,
        "pictures": len(material),
        "pictures_sha256": material.sha256,
        "versions": {"jax": jax.__version__, "flax": flax.__version__, "pillow": PIL.__version__},
        "device": jax.devices()[0].device_kind,
    }


class Store:
    """The values of one method in FOLDER/METHOD.json, if they were made with these `keys`; else none, at first."""

    def __init__(self, folder: Path, method: Method, keys: dict[str, Any], *, fresh: bool = False):
        self.path, self.method = folder / f"{method.name}.json", method
        self.head = {"method": method.name, **keys}
        self.values: dict[str, dict[str, Any]] = {noise: {} for noise in method.noises}
        found = {} if fresh else read_json(self.path)
        if {key: found.get(key) for key in self.head} == self.head:
            self.values |= found["values"]

    def has(self, noise: str, condition: Condition) -> bool:
        entry = self.values[noise].get(condition.name, {})
        return entry.get("identity") == self.method.identity(noise, condition)

    def get(self, noise: str, condition: Condition) -> dict[str, Float[np.ndarray, " images"]]:
        """Each metric of every image."""
        entry = self.values[noise][condition.name]
        return {key: np.array([parsed(v) for v in entry[key]]) for key in entry if key != "identity"}

    def add(self, noise: str, condition: Condition, values: dict[str, list[float]]) -> None:
        """Keeps values and writes the file."""
        rounded = {key: [float(f"{v:.6g}") for v in column] for key, column in values.items()}
        entry = {"identity": self.method.identity(noise, condition), **rounded}
        self.values[noise][condition.name] = valid(entry)
        lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in self.head.items()]
        blocks = [f"  {json.dumps(noise)}: {{\n{_lines(entries)}\n  }}" for noise, entries in self.values.items()]
        files.write(self.path, "\n".join(["{", *lines, ' "values": {', ",\n".join(blocks), " }", "}"]) + "\n")


def measured(
    method: Method,
    noise: str,
    condition: Condition,
    material: Material,
    degraded: dict[tuple[int, int], Stack],
) -> dict[str, list[float]]:
    """Every metric of every image, in the order of the images, of what `method` makes of `degraded`."""
    out: dict[str, list[float]] = {}
    for shape, (indices, clean) in material.stacks.items():
        restored = method.restore(noise, condition, degraded[shape])
        values = jax.device_get(_measure(clean, restored, detailed=condition.detailed))
        for key, column in values.items():
            into = out.setdefault(key, [math.nan] * len(material))
            for index, value in zip(indices, column, strict=True):
                into[index] = float(value)
    return out


@jax.jit(static_argnames="detailed")
def _measure(clean: Stack, restored: Stack, *, detailed: bool) -> dict[str, Float[Array, " n"]]:
    """In one call, picture after picture, so that what is made on the way stays small."""

    def one(pair: tuple[Array, Array]) -> dict[str, Array]:
        values = {name: metric(*pair) for name, metric in METRICS.items()}
        return values | (detail(*pair) if detailed else {})

    return jax.lax.map(one, (clean, restored))


def _lines(entries: dict[str, Any]) -> str:
    return ",\n".join(f"   {json.dumps(key)}: {json.dumps(entry)}" for key, entry in entries.items())
