"""Short training runs, through the commands' real mains, and what they leave."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from flax import nnx

import zoo
from train import cyclegan, densenet, gan, resnet, unet
from zoo import registry

ROOT = Path(__file__).parents[1]
MAINS = {m.__name__.removeprefix("train."): m.main for m in (unet, resnet, densenet, gan, cyclegan)}
TINY = {
    "unet": "width=8,growth=4,levels=1,layers=1",
    "resnet": "width=8,blocks=1",
    "densenet": "width=8,growth=4,blocks=1,layers=1",
    "gan": "width=8,blocks=1",
    "cyclegan": "width=8,blocks=1",
}
SHORT = ["--batch=8", "--crop=16", "--images=64", "--checkpoints=2", "--valid=2", "--leaves=6"]


def flags(command: str, folder, workdir, *more: str) -> list[str]:
    return [f"--data={folder}", f"--workdir={workdir}", f"--network={TINY[command]}", *SHORT, *more]


def weights(workdir: Path) -> dict[str, np.ndarray]:
    return registry.flatten(nnx.to_pure_dict(nnx.state(zoo.load(workdir))))


def same(one: Path, other: Path, tolerance: float = 0.0) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(np.allclose(a[k], b[k], rtol=0, atol=tolerance) for k in a)


def start(command: str, *arguments: str, **environment: str) -> subprocess.Popen:
    """`python -m train.COMMAND` as a process of its own; what it says goes to a file, so that no pipe can fill up."""
    env = {**os.environ, "JAX_PLATFORMS": "cpu", **environment}
    line = [sys.executable, "-m", f"train.{command}", *arguments]
    said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `outcome`
    process = subprocess.Popen(line, cwd=ROOT, env=env, stdout=said, stderr=said)
    process.said = said
    return process


def outcome(process: subprocess.Popen) -> tuple[int, str]:
    """(exit code, all that it said), after at most five minutes."""
    try:
        code = process.wait(timeout=300)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    with process.said as said:
        said.seek(0)
        return code, said.read()


def finish(*processes: subprocess.Popen) -> None:
    """Waits for all, and demands that all ended well."""
    ends = [outcome(process) for process in processes]
    assert all(code == 0 for code, _ in ends), ends
