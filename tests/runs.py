"""Short training runs, through the commands' real mains, and what they leave."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from flax import nnx

import zoo
from train import cyclegan, densenet, gan
from zoo import registry

ROOT = Path(__file__).parents[1]
MAINS = {"densenet": densenet.main, "gan": gan.main, "cyclegan": cyclegan.main}
TINY = {
    "densenet": "width=8,growth=4,blocks=1,layers=1,norm=none",
    "gan": "width=8,depth=2",
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
    env = {**os.environ, "JAX_PLATFORMS": "cpu", **environment}
    line = [sys.executable, "-m", f"train.{command}", *arguments]
    return subprocess.Popen(line, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)


def finish(*processes: subprocess.Popen) -> None:
    for process in processes:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
