"""Whether the data keep up: crops a second of the input pipeline alone, and the share of its time that a training step
waits for them, by running it with a batch that lies ready and with batches from the pipeline, in turn.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.measure import TINY, Rounds, compare, rounded
from benchmarks.train_step import Ours, make, random_batch
from train import data, sharding
from zoo import pictures

FULL = Rounds(7, 20.0)
PICTURES, SIDE = 16, 512  # of the folder
SOURCES = ("leaves", "folder, kept in memory", "folder, decoded each time")


def run(*, tiny: bool) -> Iterator[dict[str, Any]]:
    crop, batch, steps = (32, 4, 2) if tiny else (64, 8, 40)
    narrow = ("--network=width=8,growth=4,blocks=1,layers=1",) if tiny else ()
    task = make("densenet", "--preset=small", f"--crop={crop}", f"--batch={batch}", *narrow)
    with tempfile.TemporaryDirectory() as folder:
        _write_pictures(Path(folder), count=4 if tiny else PICTURES, side=64 if tiny else SIDE)
        for name in SOURCES:
            source = _open(name, folder, side=64 if tiny else SIDE)
            yield {"what": "data", "source": name, "batch": batch, "crop": crop} | _measure(
                source, task, steps, TINY if tiny else FULL
            )


def _open(name: str, folder: str, *, side: int) -> data.Source:
    if name == "leaves":
        return data.open_source("leaves", count=8, size=side)
    return data.open_source(folder, cache_bytes=4 << 30 if "kept" in name else 0)


def _measure(source: data.Source, task: Any, steps: int, rounds: Rounds) -> dict[str, Any]:
    """So many steps in each round: fed by the pipeline, fed with what lies ready, and the pipeline alone."""
    s, mesh = task.settings, sharding.mesh()
    ours = Ours(task, [random_batch(task, k) for k in range(2)])
    (program,) = ours.kinds.values()
    with contextlib.closing(data.batches(source, seed=0, batch=s.batch, crop=s.crop)) as stream:

        def train(fed: bool) -> Any:
            for k in range(steps):
                batch = sharding.place(mesh, {"clean": next(stream)}) if fed else ours.batches[k % 2]
                ours.state, losses = program(ours.state, batch)
            return ours.state, losses

        contenders = {
            "fed": lambda k: train(True),
            "ready": lambda k: train(False),
            "data": lambda k: jax.device_put([next(stream) for _ in range(steps)]),
        }
        times = compare(contenders, rounds)
    rates = {name: rounded(steps * s.batch / times[name]["wall_s"]) for name in times}
    share = 1 - times["ready"]["wall_s"] / times["fed"]["wall_s"]
    return {
        "command": "densenet",
        "steps": steps,
        "images_per_s": rates,
        "waits": rounded(max(0.0, share)),
        "times": times,
    }


def _write_pictures(folder: Path, *, count: int, side: int) -> None:
    """PNG files of the procedural pictures."""
    made = data.LeavesSource(0, count, size=side)
    for k in range(count):
        pictures.write(folder / f"{k:02}.png", pictures.Picture(np.asarray(made[k])))
