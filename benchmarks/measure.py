"""How everything is timed here: contenders in turn, A B A B, on several inputs, the first calls (which compile) apart.

A contender is a function of a round's number: it works on that round's inputs and waits until the device is done.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax

Contender = Callable[[int], Any]


@dataclasses.dataclass(frozen=True)
class Rounds:
    """How long to go on: until `most` rounds are done, or `seconds` have gone by, but one round at least."""

    most: int
    seconds: float


TINY = Rounds(2, 1.0)
FULL = Rounds(7, 8.0)


def in_half(*, tiny: bool) -> bool:
    """Whether ours is measured in bfloat16 too: XLA has no convolution in it on a CPU."""
    return tiny or jax.default_backend() != "cpu"


def timed(work: Callable[..., Any], *inputs: Any) -> tuple[float, float]:
    """(wall seconds, CPU seconds of the process) of one call, to the end of what it gave to the device."""
    wall, cpu = time.perf_counter(), time.process_time()
    jax.block_until_ready(work(*inputs))
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(contenders: dict[str, Contender], rounds: Rounds) -> dict[str, dict[str, Any]]:
    """{name: what was measured}: medians, spread and every sample. Who fails at the first call is left out of the
    rounds and says why."""
    found: dict[str, dict[str, Any]] = {}
    running: dict[str, list[tuple[float, float]]] = {}
    for name, contender in contenders.items():
        try:
            first, _ = timed(contender, 0)
        except Exception as e:
            found[name] = {"failed": reason(e)}
            continue
        found[name], running[name] = {"first_call_s": rounded(first)}, []
    began, done = time.perf_counter(), 0
    while running and (not done or (done < rounds.most and time.perf_counter() - began < rounds.seconds)):
        for name, samples in running.items():
            samples.append(timed(contenders[name], done))
        done += 1
    return {name: row | (summary(running[name]) if name in running else {}) for name, row in found.items()}


def summary(samples: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Medians, the spread (highest less lowest wall time, over the median), and the samples."""
    wall, cpu = ([rounded(pair[k]) for pair in samples] for k in (0, 1))
    return {
        "wall_s": statistics.median(wall),
        "cpu_s": statistics.median(cpu),
        "spread": rounded((max(wall) - min(wall)) / statistics.median(wall)),
        "wall_samples_s": wall,
        "cpu_samples_s": cpu,
    }


def rounded(value: float) -> float:
    """To four digits: clocks and machines give no more."""
    return float(f"{value:.4g}")


def reason(error: BaseException) -> str:
    """An error in one line."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:200]}" if text else type(error).__name__
