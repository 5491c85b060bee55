"""How fast the train steps are: the functions that the loop jits, on crops in memory; the published ones beside PyTorch
writings of them, with the same weights, whose losses must first agree.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from benchmarks import peers
from benchmarks.measure import TINY, Rounds, compare, in_half, reason, rounded, timed
from benchmarks.ratios import OURS_HALF
from train import cyclegan, densenet, gan
from train.loop import sharding
from train.loop.method import Method, compiled
from train.methods.unpaired import Unpaired
from zoo.errors import ZooError

FULL = Rounds(5, 12.0)
INPUTS = 2  # batches in turn
AFTER_UPDATE = 5e-3  # how far losses may differ there
STEPS = 1000  # length of the run that the steps are of
COMMANDS = {module.COMMAND.name: module.COMMAND for module in (gan, densenet, cyclegan)}
SMALL = {  # what the tiny size narrows
    "gan paper": ("--network=width=8,depth=2", "--judge=width=4,depth=2"),
    "densenet paper": ("--network=width=8,growth=4,blocks=1,layers=1,norm=batch",),
    "cyclegan paper": ("--network=width=4,blocks=1", "--judge=width=4"),
    "cyclegan small": ("--network=width=8,blocks=1", "--judge=width=8"),
}


def run(*, tiny: bool) -> Iterator[dict[str, Any]]:
    rows = [(command, *shape) for command in (("densenet",) if tiny else COMMANDS) for shape in shapes(tiny=tiny)]
    if jax.default_backend() != "cpu":  # hours of compiling: a run that is cut short has then said the most
        rows.sort(key=lambda one: -(one[1] ** 2) * one[2])
    for command, crop, batch in rows:
        yield row(command, "paper", crop, batch, tiny=tiny)
    crop, batch = shapes(tiny=tiny)[-1]
    for command in ("cyclegan",) if tiny else COMMANDS:
        yield row(command, "small", crop, batch, tiny=tiny)


def shapes(*, tiny: bool) -> list[tuple[int, int]]:
    """(crop, batch)"""
    if tiny:
        return [(32, 2)]
    if jax.default_backend() == "cpu":
        return [(128, 1), (128, 4)]
    return [(crop, batch) for crop in (128, 256) for batch in (1, 4, 16, 64)]


def row(command: str, preset: str, crop: int, batch: int, *, tiny: bool) -> dict[str, Any]:
    """One step, ours and, of the published ones, PyTorch's."""
    small = SMALL[f"{command} {preset}"] if tiny else ()
    method = make(command, f"--preset={preset}", f"--crop={crop}", f"--batch={batch}", *small)
    facts = {"what": "step", "command": command, "preset": preset, "crop": crop, "batch": batch}
    batches = [random_batch(method, k) for k in range(INPUTS)]
    if preset == "paper" and peers.available():
        peers.fresh()
        try:
            check(command, method)
        except ZooError as e:
            return facts | {"failed": reason(e)}
    ours = Ours(method, batches)
    contenders: dict[str, Callable[[int], Any]] = {"ours": ours}
    if in_half(tiny=tiny):
        contenders[OURS_HALF] = Ours(changed(command, method, precision="bfloat16"), batches)
    steps = len(ours.turn())
    if preset == "paper" and peers.available():
        for name, options in peers.variants(tiny=tiny).items():
            contenders[name] = theirs(command, method, batches, **options)
    elif preset == "paper":
        facts["note"] = peers.MISSING
    times = compare(contenders, TINY if tiny else FULL)
    for found in (t for t in times.values() if "wall_s" in t):
        found["images_per_s"] = rounded(batch * steps / found["wall_s"])
    return facts | {"steps": steps, "compile_s": rounded(ours.compile_s), "times": times}


def make(command: str, *flags: str) -> Method:
    """A command's method, from its flags."""
    return COMMANDS[command].make(COMMANDS[command].parse(["--noise=gaussian", *flags]), STEPS)


def changed(command: str, method: Method, **settings: Any) -> Method:
    return COMMANDS[command].make(dataclasses.replace(method.settings, **settings), STEPS)


class Ours:
    """A call is a step as the loop makes it, or, where steps of several kinds take turns, one whole turn of them."""

    def __init__(self, method: Method, batches: list[dict[str, np.ndarray]]):
        self.mesh, self.method = sharding.mesh(), method
        self.state = sharding.replicate(self.mesh, method.init(jax.random.key(0)))
        self.batches = [sharding.place(self.mesh, batch) for batch in batches]
        self.kinds: dict[str, Any] = {}
        self.compile_s = 0.0
        for step in self.turn():
            function = method.update(step)
            if function.__name__ not in self.kinds:
                self.kinds[function.__name__] = self.compile(function)

    def turn(self) -> range:
        """Steps late in the run, one of each kind and as many of it as its share is."""
        length = self.method.settings.adversary_every if isinstance(self.method, Unpaired) else 1
        return range(STEPS - length, STEPS)

    def compile(self, function: Any) -> Any:
        jitted = compiled(self.method, function, mesh=self.mesh)
        lowered = jitted.lower(self.state, self.batches[0])
        program: list[Any] = []
        seconds, _ = timed(lambda: program.append(lowered.compile()))
        self.compile_s += seconds
        return program[0]

    def __call__(self, k: int) -> Any:
        for offset, step in enumerate(self.turn()):
            program = self.kinds[self.method.update(step).__name__]
            self.state, losses = program(self.state, self.batches[(k + offset) % INPUTS])
        return self.state, losses


def theirs(command: str, method: Method, batches: list[dict[str, np.ndarray]], **options: Any) -> Callable[[int], Any]:
    from benchmarks.torch_steps import STEPS as WRITTEN

    step = WRITTEN[command](method, jax.device_get(method.init(jax.random.key(0))), peers.device(), **options)
    return lambda k: step(batches[k % INPUTS])


def check(command: str, method: Method) -> None:
    """Two steps without noise, dropout and pool: the losses of both must agree, the second's after an update, which
    is less exact: Adam's first step is as long for a gradient that is all rounding as for any other."""
    still: dict[str, Any] = {"levels": (0.0, 0.0), "dropout": 0.0, "batch": 2, "crop": 32}
    if hasattr(method.settings, "pool"):
        still["pool"] = 0
    method = changed(command, method, **still)
    batches = [random_batch(method, k) for k in range(2)]
    with peers.exact():
        ours, other = Ours(method, batches), theirs(command, method, batches)
        for k in range(2):
            expected = {name: float(value) for name, value in ours(k)[1].items()}
            found = other(k)
            both = [expected[name] for name in found], list(found.values())
            peers.agree(f"{command}'s step {k}", *both, tolerance=(peers.TOLERANCE, AFTER_UPDATE)[k])


def random_batch(method: Method, k: int) -> dict[str, np.ndarray]:
    s, rng = method.settings, np.random.default_rng(k)
    names = ("degraded", "clean") if method.unpaired else ("clean",)
    return {name: rng.integers(0, 256, (s.batch, s.crop, s.crop, 3), np.uint8) for name in names}
