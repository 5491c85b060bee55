"""Whether the data keep up: crops a second of the input pipeline alone, and the share of its time that a training step
waits for them. The step runs with a batch that lies ready and with batches from the pipeline, in turn. What an
accelerator would ask of the pipeline follows by arithmetic.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np

from benchmarks.measure import TINY, Rounds, compare, rounded
from benchmarks.train_step import Ours, make, random_batch
from train.loop import data, sharding
from train.loop.method import compiled
from zoo import pictures
from zoo.models import convolution

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
        yield {"what": "feeding"} | _feeding(_open(SOURCES[1], folder, side=SIDE), tiny=tiny)


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


def _feeding(source: data.Source, *, tiny: bool) -> dict[str, Any]:
    """What the step of `--preset=full` computes for a crop, as XLA counts it, and such crops a second from memory."""
    narrow = ("--network=width=8,growth=4,blocks=1,layers=1", "--crop=32", "--batch=4") if tiny else ()
    task = make("densenet", "--preset=full", *narrow)
    s = task.settings
    state = jax.eval_shape(task.init, jax.random.key(0))
    batch = {"clean": jax.ShapeDtypeStruct((s.batch, s.crop, s.crop, 3), np.uint8)}
    with mock.patch.object(convolution, "_suits_winograd", return_value=False):  # as accelerators compute it
        lowered = compiled(task, task.update(0), mesh=sharding.mesh()).lower(state, batch)
    with contextlib.closing(data.batches(source, seed=0, batch=s.batch, crop=s.crop)) as stream:
        times = compare({"data": lambda k: jax.device_put(next(stream))}, TINY if tiny else FULL)
    return {
        "command": "densenet",
        "crop": s.crop,
        "batch": s.batch,
        "flop_per_crop": float(lowered.cost_analysis()["flops"]) / s.batch,
        "crops_per_s": rounded(s.batch / times["data"]["wall_s"]),
        "times": times,
    }


def _write_pictures(folder: Path, *, count: int, side: int) -> None:
    """PNG files of the procedural pictures."""
    made = data.LeavesSource(0, count, size=side)
    for k in range(count):
        pictures.write(folder / f"{k:02}.png", pictures.Picture(np.asarray(made[k])))
