"""How long until something happens: imports, the first restored frame, the first train step, each in a fresh process,
with an empty persistent compilation cache and then with what it holds; of train steps the compiling, or loading, alone
too.
"""

import statistics
import tempfile
from collections.abc import Iterator
from typing import Any

from benchmarks import processes
from benchmarks.measure import rounded
from benchmarks.train_step import COMMANDS

# Each prints the seconds that its second part took, and what that found.
TIMED = (
    "import json, time; found = {{}}; began = time.perf_counter(); {}; "
    "print(json.dumps({{'s': time.perf_counter() - began, **found}}))"
)
IMPORTS = {
    "import jax": "import jax",
    "import zoo": "import zoo",
    "import zoo and its Restorer": "import zoo; zoo.Restorer",
}
FIRST_FRAME = "import numpy as np, zoo; zoo.Restorer({model!r})(np.zeros(({height}, {width}, 3), np.float32))"
FIRST_STEP = (
    "import jax; from benchmarks.train_step import Ours, make, random_batch; "
    "task = make({command!r}, *{flags!r}); ours = Ours(task, [random_batch(task, 0)] * 2); "
    "jax.block_until_ready(ours(0)); found['compile_s'] = ours.compile_s"
)
NARROW = ("--network=width=8,growth=4,blocks=1,layers=1", "--crop=32", "--batch=2")


def run(*, tiny: bool) -> Iterator[dict[str, Any]]:
    samples: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(1 if tiny else 5):  # in turn
        for name, code in IMPORTS.items():
            samples[name].append(_seconds(code))
    base = statistics.median(samples["import jax"])
    for name, seconds in samples.items():
        middle = statistics.median(seconds)
        row = {"what": "import", "name": name, "wall_s": rounded(middle), "times_jax": rounded(middle / base)}
        yield row | {"wall_samples_s": [rounded(s) for s in seconds]}
    width, height = (48, 32) if tiny else (720, 576)
    frame = FIRST_FRAME.format(model="resnet-gaussian", width=width, height=height)
    yield {"what": "first frame", **_twice(frame)}
    for command in ("densenet",) if tiny else COMMANDS:
        flags = ["--preset=paper", *(NARROW if tiny else ("--crop=128", "--batch=1"))]
        step = FIRST_STEP.format(command=command, flags=flags)
        yield {"what": "first step", "command": command, **_twice(step)}


def _twice(code: str) -> dict[str, float]:
    """The seconds of a process that finds nothing compiled, and of the next one."""
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = (processes.ask("-c", TIMED.format(code), **_cache(folder)) for _ in range(2))
    seconds = {"cold_s": cold["s"], "cached_s": warm["s"]}
    if "compile_s" in cold:
        seconds |= {"compile_s": cold["compile_s"], "load_s": warm["compile_s"]}
    return {name: rounded(value) for name, value in seconds.items()}


def _seconds(code: str) -> float:
    return processes.ask("-c", TIMED.format(code))["s"]


def _cache(folder: str) -> dict[str, str]:
    """The environment in which every compiled program is kept in a folder."""
    return {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
