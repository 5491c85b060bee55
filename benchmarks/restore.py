"""How fast networks restore frames: each through `zoo.Restorer`, whole and in tiles, from memory to memory, in float32
and, on accelerators, bfloat16; one of each architecture beside its PyTorch twin; the share of the device's own peak;
the most memory that it takes.
"""

import dataclasses
import json
import math
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks import peers, processes
from benchmarks.measure import FULL, TINY, Rounds, compare, in_half, reason
from benchmarks.ratios import OURS_HALF
from zoo import Restorer, draws, registry
from zoo.errors import ZooError
from zoo.memory import keep_freed
from zoo.models import convolution, layers
from zoo.models.cyclegan import ResidualConfig
from zoo.models.densenet import DenseNetConfig
from zoo.models.gan import PlainConfig

SIZES = ((720, 576), (1920, 1080), (2048, 1556), (4096, 3112))
LARGE = Rounds(2, 3.0)  # of all but the first size
LONGEST_S = 12.0  # a row whose call would take longer is skipped
INPUTS = 2  # frames in turn
FLOP_SIDE = 256  # of the picture whose operations are counted


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network to time; `also` are the models that are the same network with other weights."""

    name: str
    config: Any
    shipped: bool
    also: tuple[str, ...] = ()

    def network(self) -> nnx.Module:
        network = registry.load(self.name) if self.shipped else self.config.build(nnx.Rngs(0))
        network.eval()
        return network

    def facts(self) -> dict[str, Any]:
        return {"model": self.name, "also": list(self.also), "weights": "shipped" if self.shipped else "random"}

    @property
    def large(self) -> bool:
        """Whether it is measured at the largest sizes: filters before a network add the same to each."""
        return not getattr(self.config, "impulse", False)


def subjects(*, tiny: bool) -> list[Subject]:
    """Every network that ships, once for each config, and some at full width, whose weights do not matter here."""
    groups: dict[Any, list[str]] = {}
    for name in registry.names():
        if registry.has_weights(name) and registry.SPECS[name].task == "denoise":
            groups.setdefault(registry.config_of(name), []).append(name)
    shipped = [Subject(first, config, True, tuple(others)) for config, (first, *others) in groups.items()]
    if tiny:
        return [*shipped[:1], Subject("tiny residual", ResidualConfig(width=8, blocks=1), False)]
    return [
        *(s for s in shipped if not isinstance(s.config, ResidualConfig | PlainConfig)),
        Subject("densenet, full width", DenseNetConfig(), False),  # what --preset=full trains
        Subject("gan-paper, full width", PlainConfig(), False),
        Subject("cyclegan-paper, full width", ResidualConfig(), False),
    ]


def run(*, tiny: bool) -> Iterator[dict[str, Any]]:
    yield {"what": "peak", **peak(TINY if tiny else FULL, side=_side(tiny=tiny), half=in_half(tiny=tiny))}
    found = subjects(tiny=tiny)
    sizes = ((48, 32),) if tiny else SIZES
    for subject in found:
        yield from against_peers(subject, sizes[0], tiny=tiny)
    for subject in found:
        yield from large_frames(subject, sizes[1:])
    for subject in found[:1] if tiny else found:
        if subject.large and subject.config.halo is not None:  # the others need far more than a tile's
            yield {"what": "memory", **subject.facts(), **memory(subject, sizes[-1])}


def peak(rounds: Rounds, *, side: int, half: bool) -> dict[str, Any]:
    """The device's own best, in floating point operations a second: a product of matrices, `half`: in bfloat16 too, and
    a 3x3 convolution of 64 channels."""
    key = jax.random.key(0)
    a, x = draws.normal(key, (side, side)), draws.normal(key, (1, side // 4, side // 4, 64))
    kernel = draws.normal(key, (3, 3, 64, 64))
    product = jax.jit(lambda a: a @ a)
    conv = jax.jit(lambda x: convolution.direct(x, kernel, ((1, 1), (1, 1))))
    work = {"matmul": lambda k: product(a), "conv": lambda k: conv(x)}
    flops = {"matmul": 2 * side**3, "conv": 2 * 9 * 64 * 64 * (side // 4) ** 2}
    if half:
        narrow = a.astype(jnp.bfloat16)
        work["matmul bf16"], flops["matmul bf16"] = lambda k: product(narrow), flops["matmul"]
    times = compare(work, dataclasses.replace(rounds, most=20))
    return {name: row | {"flops_per_s": flops[name] / min(row["wall_samples_s"])} for name, row in times.items()}


def _side(*, tiny: bool) -> int:
    """Of the matrices that fill the device."""
    return 64 if tiny else 2048 if jax.default_backend() == "cpu" else 8192


def against_peers(subject: Subject, size: tuple[int, int], *, tiny: bool) -> Iterator[dict[str, Any]]:
    """One row: the network and its PyTorch twins on the same frames, whole."""
    width, height = size
    network, frames = subject.network(), _frames(width, height)
    restore = Restorer(network)
    contenders: dict[str, Any] = {"ours": _in_turn(restore, frames)}
    if in_half(tiny=tiny):
        contenders[OURS_HALF] = _in_turn(Restorer(network, precision="bfloat16"), frames)
    facts = {"what": "frame", **subject.facts(), "width": width, "height": height, "tiled": False}
    if peers.available() and subject.large:
        peers.fresh()
        try:
            module = peers.twin(network, frames[0][None, :64, :64])
        except ZooError as e:
            yield facts | {"failed": reason(e)}
            return
        for name, options in peers.variants(tiny=tiny).items():
            contenders[name] = _in_turn(peers.restorer(module, **options), frames)
    elif subject.large:
        facts["note"] = peers.MISSING
    yield facts | {"flop_per_px": flop_per_px(network), "times": compare(contenders, TINY if tiny else FULL)}


def large_frames(subject: Subject, sizes: tuple[tuple[int, int], ...]) -> Iterator[dict[str, Any]]:
    """A row for each larger size, whole and in tiles; one that would take too long says so."""
    network = subject.network()
    for tiled in (False, True) if subject.config.halo is not None else (False,):
        s_per_px = 0.0
        for width, height in sizes if subject.large else sizes[:1]:
            row = {"what": "frame", **subject.facts(), "width": width, "height": height, "tiled": tiled}
            needs = s_per_px * width * height
            if needs > LONGEST_S:
                yield row | {"skipped": f"would take {needs:.0f} s"}
                continue
            tile = None if tiled or subject.config.halo is None else math.isqrt(width * height) + 1
            restore, frames = Restorer(network, tile=tile), _frames(width, height)
            contenders = {"ours": _in_turn(restore, frames)}
            if in_half(tiny=False):
                half = Restorer(network, tile=tile, precision="bfloat16")
                contenders[OURS_HALF] = _in_turn(half, frames)
            times = compare(contenders, LARGE)
            s_per_px = times["ours"].get("wall_s", 0.0) / (width * height)
            yield row | {"times": times}


def flop_per_px(network: Any) -> float:
    """XLA's count of floating point operations for each pixel. Of a loop it counts one round: here all blocks stand one
    after another."""
    graph, state = nnx.split(network)
    x = jax.ShapeDtypeStruct((1, FLOP_SIDE, FLOP_SIDE, 3), jnp.float32)
    with mock.patch.object(layers, "_loops", return_value=False):
        lowered = jax.jit(lambda state, x: nnx.merge(graph, state)(x)).lower(state, x)
    return float(lowered.cost_analysis()["flops"]) / FLOP_SIDE**2


def memory(subject: Subject, size: tuple[int, int]) -> dict[str, Any]:
    """The most memory that a process of its own takes that restores one frame of this size."""
    width, height = size
    if jax.default_backend() != "cpu":
        return {"skipped": "the memory of a process says nothing of a device's"}
    asked = json.dumps({"name": subject.name, "width": width, "height": height})
    facts = {"width": width, "height": height}
    try:
        return facts | processes.ask("-m", "benchmarks.restore", asked)
    except ZooError as e:
        return facts | {"failed": reason(e)}


def _restore_one(asked: dict[str, Any]) -> dict[str, Any]:
    """In the process of its own."""
    tiny = asked["name"].startswith("tiny")
    (subject,) = (s for s in subjects(tiny=tiny) if s.name == asked["name"])
    restore = Restorer(subject.network())
    before = processes.most_bytes()
    restore(_frames(asked["width"], asked["height"])[0])
    return {"peak_bytes": processes.most_bytes(), "before_bytes": before}


def _frames(width: int, height: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.random((height, width, 3), np.float32) for _ in range(INPUTS)]


def _in_turn(restore: Any, frames: list[np.ndarray]) -> Any:
    return lambda k: restore(frames[k % INPUTS])


if __name__ == "__main__":
    keep_freed()  # as the commands
    print(json.dumps(_restore_one(json.loads(sys.argv[1]))))
