"""Work in processes of its own, whose last line is JSON: for what must begin from nothing, or with other devices."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax

from zoo.errors import ZooError

ROOT = Path(__file__).parents[1]


def start(*words: str, **environment: str) -> subprocess.Popen:
    """`python WORDS` from the checkout."""
    env = {**os.environ, **environment}
    return subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def answer(process: subprocess.Popen, timeout_s: float = 600) -> dict[str, Any]:
    """What it printed last; a ZooError with the last that it said where it failed."""
    try:
        out, said = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise ZooError(f"a process did not end within {timeout_s:.0f} s") from None
    if process.returncode:
        last = said.strip().splitlines()[-1:] or ["it said nothing"]
        raise ZooError(f"a process ended with code {process.returncode}: {last[0][:200]}")
    return json.loads(out.strip().splitlines()[-1])


def devices(count: int) -> dict[str, str]:
    """The environment in which a process has so many devices; a CPU plays them."""
    if jax.default_backend() != "cpu":
        given = os.environ.get("CUDA_VISIBLE_DEVICES")  # by a scheduler, say
        visible = given.split(",") if given else [str(k) for k in range(count)]
        return {"CUDA_VISIBLE_DEVICES": ",".join(visible[:count])}
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
    return {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}


def ask(*words: str, **environment: str) -> dict[str, Any]:
    return answer(start(*words, **environment))


def most_bytes() -> int:
    """The most memory that this process has had. (On Linux `getrusage` begins with what its parent had.)"""
    if sys.platform == "linux":
        (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
