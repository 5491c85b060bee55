"""How long until something happens: imports, the first restored frame, the first train step, each in a fresh process,
with an empty persistent compilation cache and then with what it holds.
"""

import statistics
import tempfile
from collections.abc import Iterator
from typing import Any

from benchmarks import processes
from benchmarks.measure import rounded

# Each prints the seconds that its second part took.
TIMED = "import json, time; began = time.perf_counter(); {}; print(json.dumps({{'s': time.perf_counter() - began}}))"
IMPORTS = {
    "import jax": "import jax",
    "import zoo": "import zoo",
    "import zoo and its Restorer": "import zoo; zoo.Restorer",
}
FIRST = {
    "first frame": "import numpy as np, zoo; zoo.Restorer({model!r})(np.zeros(({height}, {width}, 3), np.float32))",
    "first step": "import jax; from benchmarks.train_step import Ours, make, random_batch; "
    "task = make({command!r}, *{flags!r}); jax.block_until_ready(Ours(task, [random_batch(task, 0)] * 2)(0))",
}


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
    command = "densenet" if tiny else "cyclegan"
    narrow = ["--network=width=8,growth=4,blocks=1,layers=1", "--crop=32", "--batch=2"]
    flags = ["--preset=paper", *(narrow if tiny else ["--crop=128", "--batch=1"])]
    width, height = (48, 32) if tiny else (720, 576)
    for name, code in FIRST.items():
        code = code.format(model="resnet-gaussian", width=width, height=height, command=command, flags=flags)
        with tempfile.TemporaryDirectory() as folder:
            cold, warm = (_seconds(code, **_cache(folder)) for _ in range(2))
        yield {"what": name, "cold_s": rounded(cold), "cached_s": rounded(warm)}


def _seconds(code: str, **environment: str) -> float:
    return processes.ask("-c", TIMED.format(code), **environment)["s"]


def _cache(folder: str) -> dict[str, str]:
    """The environment in which every compiled program is kept in a folder."""
    return {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
