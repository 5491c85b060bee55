"""What it brings that a process keeps the memory it freed (`zoo.memory`): frames restored with and without, each in
processes of its own, in turn.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import processes
from benchmarks.measure import reason, rounded
from zoo import Restorer
from zoo.errors import ZooError
from zoo.memory import keep_freed

MODELS = ("fast-gaussian", "densenet-gaussian", "unet-gaussian", "resnet-gaussian")
KINDS = ("kept", "given back")
WIDTH, HEIGHT = 720, 576
PROCESSES, FRAMES = 3, 12  # of each kind; in each, after the first two


def run(*, tiny: bool) -> Iterator[dict[str, Any]]:
    width, height, frames = (48, 32, 1) if tiny else (WIDTH, HEIGHT, FRAMES)
    for model in MODELS[:1] if tiny else MODELS:
        row = {"what": "kept memory", "model": model, "weights": "shipped", "width": width, "height": height}
        asked = {"model": model, "width": width, "height": height, "frames": frames}
        found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        try:
            for _ in range(1 if tiny else PROCESSES):
                for kind in KINDS:
                    words = json.dumps(asked | {"keep": kind == "kept"})
                    found[kind].append(processes.ask("-m", "benchmarks.memory", words))
        except ZooError as e:
            yield row | {"failed": reason(e)}
            continue
        if not all(one["keeps"] for one in found["kept"]):
            yield row | {"skipped": "this system's C library cannot keep it"}
            continue
        yield row | {kind.replace(" ", "_"): _summary(found[kind]) for kind in KINDS}


def _summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The middle process's median."""
    medians = [statistics.median(one["wall_samples_s"]) for one in found]
    samples = [[rounded(s) for s in one["wall_samples_s"]] for one in found]
    faults = statistics.median(one["faults"] for one in found)
    return {"wall_s": rounded(statistics.median(medians)), "faults_a_frame": faults, "wall_samples_s": samples}


def _restore_some(asked: dict[str, Any]) -> dict[str, Any]:
    """In the process of its own."""
    import resource  # not on Windows, where `run` fails with its reason

    keeps = keep_freed() if asked["keep"] else False
    restore, samples = Restorer(asked["model"]), []
    pictures = [np.random.default_rng(k).random((asked["height"], asked["width"], 3), np.float32) for k in range(2)]
    for picture in pictures:
        restore(picture)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for k in range(asked["frames"]):
        began = time.perf_counter()
        restore(pictures[k % 2])
        samples.append(time.perf_counter() - began)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return {"keeps": keeps, "wall_samples_s": samples, "faults": round(faults / asked["frames"])}


if __name__ == "__main__":
    print(json.dumps(_restore_some(json.loads(sys.argv[1]))))
