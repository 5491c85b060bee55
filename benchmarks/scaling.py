"""Data parallelism: the train step on 1, 2, 4 and 8 devices, and in two processes, against the same step on one device:
how far the results differ, and what the compiled program sends between the devices.

A CPU plays several devices, which shows equality and what is sent, not speed; on accelerators the images a second are
those of real devices. A frame, cut into bands along its height, is restored on as many.
"""

import json
import os
import re
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from benchmarks import processes
from benchmarks.measure import TINY, compare, rounded
from benchmarks.train_step import Ours, make, random_batch
from train.loop import sharding
from zoo import Restorer
from zoo.models.resnet import ResNetConfig

Row = dict[str, Any]
COLLECTIVES = re.compile(r"\s(all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)(?:-start)?\(")
BATCH = 8  # crops of the step, over all devices
STEPS_OF = {  # Adam, whose state after one step is the gradient; batch norm would send its statistics layer by layer
    "densenet": ("--network=width=8,growth=4,blocks=1,layers=1,norm=none",),
    "cyclegan": ("--network=width=8,blocks=2", "--judge=width=8"),
}


def run(*, tiny: bool) -> Iterator[Row]:
    crop = 32 if tiny else 64
    for command, network in list(STEPS_OF.items())[: 1 if tiny else None]:
        flags = ("--preset=paper", *network, f"--crop={crop}", f"--batch={BATCH}")
        with tempfile.TemporaryDirectory() as folder:
            yield from _against_one(command, flags, Path(folder), counts=(1, 2) if tiny else (1, 2, 4, 8))
    with tempfile.TemporaryDirectory() as folder:
        yield from _bands(Path(folder), tiny=tiny)


def _against_one(command: str, flags: Sequence[str], folder: Path, *, counts: tuple[int, ...]) -> Iterator[Row]:
    facts = {"command": command, "flags": list(flags)}
    words = ["-m", "benchmarks.scaling", command, *flags]
    one = folder / f"{counts[0]}.npz"
    for count in counts:
        row = {"what": "devices", **facts, "devices": count}
        if jax.default_backend() != "cpu" and count > jax.device_count():
            yield row | {"skipped": f"there are {jax.device_count()} devices"}
            continue
        path = folder / f"{count}.npz"
        found = processes.ask(*words, str(path), **processes.devices(count))
        yield row | {"emulated": jax.default_backend() == "cpu", **found, **_difference(one, path)}
    row = {"what": "processes", **facts, "processes": 2}
    if jax.default_backend() != "cpu":
        yield row | {"skipped": "two processes cannot share an accelerator"}
        return
    pair = [
        processes.start(*words, str(folder / f"process{k}.npz"), **environment)
        for k, environment in enumerate(_two_processes())
    ]
    answers = [processes.answer(process) for process in pair]
    yield row | answers[0] | _difference(one, folder / "process0.npz")


def _bands(path: Path, *, tiny: bool) -> Iterator[Row]:
    """One frame on several devices, whose height does not divide by them, against the frame whole on one."""
    if jax.default_backend() != "cpu":
        return
    height = 203 if tiny else 1081
    for count in (1, 2) if tiny else (1, 2, 4, 8):
        words = ("-m", "benchmarks.scaling", "frame", str(height), str(path / f"frame{count}.npy"))
        found = processes.ask(*words, **processes.devices(count))
        whole, bands = (np.load(path / f"frame{k}.npy") for k in (1, count))
        difference = rounded(float(np.abs(whole - bands).max()))
        yield {"what": "frame", "height": height, "devices": count, "difference": difference, **found}


def _frame(height: int, path: Path) -> Row:
    """In a process of its own: a frame restored, whose result goes to `path`."""
    network = ResNetConfig(width=16, blocks=2).build(nnx.Rngs(0))
    frame = np.random.default_rng(0).random((height, 160, 3), np.float32)
    np.save(path, Restorer(network)(frame))
    return {}


def _two_processes() -> list[dict[str, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    common = {"JAX_PLATFORMS": "cpu", "JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    # Without the cache: only process 0 writes it, and would wait for the other, which compiles, too long.
    return [common | {"JAX_PROCESS_ID": str(k), "JAX_ENABLE_COMPILATION_CACHE": "false"} for k in range(2)]


def _difference(one: Path, other: Path) -> dict[str, float]:
    """How far a step's losses, its gradient (over its largest value) and the new weights lie from one device's."""
    with np.load(one) as a, np.load(other) as b:
        largest = {kind: max(float(np.abs(a[k] - b[k]).max()) for k in a if k.startswith(kind)) for kind in _KINDS}
        scale = max(float(np.abs(a[k]).max()) for k in a if k.startswith("gradient"))
    largest["gradient"] /= scale
    return {f"{kind}_difference": rounded(value) for kind, value in largest.items()}


_KINDS = ("loss", "gradient", "weight")


def _step(command: str, flags: Sequence[str], path: Path) -> Row:
    """In a process of its own: one step, whose results go to `path`."""
    sharding.start()
    task = make(command, *flags)
    rows = BATCH // jax.process_count()
    mine = slice(jax.process_index() * rows, (jax.process_index() + 1) * rows)
    ours = Ours(task, [{name: part[mine] for name, part in random_batch(task, k).items()} for k in range(2)])
    state, losses = jax.device_get(ours(0))
    moments = [x for p, x in jax.tree_util.tree_leaves_with_path(state.optimiser) if ".mu" in jax.tree_util.keystr(p)]
    found = {f"loss {name}": value for name, value in losses.items()}
    found |= {f"gradient {k}": x for k, x in enumerate(moments)}
    found |= {f"weight {k}": x for k, x in enumerate(jax.tree.leaves(state.params))}
    np.savez(path, **found)
    counted = Counter(COLLECTIVES.findall(next(iter(ours.kinds.values())).as_text()))
    times = compare({"ours": ours}, TINY)
    return {"collectives": dict(counted), "images_per_s": rounded(BATCH / times["ours"]["wall_s"])}


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    what, *words, place = sys.argv[1:]
    print(json.dumps(_frame(int(words[0]), Path(place)) if what == "frame" else _step(what, words, Path(place))))
