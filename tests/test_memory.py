import ctypes
import subprocess
import sys
import types
from pathlib import Path

import jax
import pytest

from train import command, resnet
from zoo import memory

pytestmark = pytest.mark.usefixtures("as_shipped")

# The least that one of several calls of a program faults in, and what it takes for its parts, in bytes.
CALLS = """
import resource
from zoo.memory import keep_freed
kept = keep_freed() if {keep} else False
import jax, jax.numpy as jnp
x, y = jnp.ones((2**18, 64)), jnp.ones((64, 64))
call = jax.jit(lambda x, y: x @ y @ y).lower(x, y).compile()
faults = []
for _ in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    call(x, y).block_until_ready()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(kept, call.memory_analysis().temp_size_in_bytes, min(faults) * resource.getpagesize())
"""


def faulted(*, keep: bool) -> tuple[str, int, int]:
    words = [sys.executable, "-c", CALLS.format(keep=keep)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    kept, size, least = done.stdout.split()
    return kept, int(size), int(least)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's memory")
def test_a_program_called_again_has_its_memory():
    kept, size, least = faulted(keep=True)
    if kept == "False":
        pytest.skip("this C library has no mallopt")
    assert size >= 64 * 2**20
    assert least < size / 50
    if faulted(keep=False)[2] < size / 50:
        pytest.skip("this system gives memory in large pages")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's memory")
def test_a_library_that_cannot_keep_it_changes_nothing(monkeypatch):
    """As an old glibc, which takes no such number."""
    changed = []
    monkeypatch.setattr(type(jax.config), "update", lambda self, *setting: changed.append(setting))
    library = types.SimpleNamespace(mallopt=lambda which, size: int(size < 2**25))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    assert not memory.keep_freed()
    assert not changed


# What each of several frames faults in, in the middle, in bytes.
FRAMES = """
import resource, statistics
import numpy as np
from zoo.memory import keep_freed
kept = keep_freed()
from zoo import Restorer
restore, picture = Restorer("densenet-gaussian"), np.full((576, 720, 3), 0.5, np.float32)
faults = []
for _ in range(12):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    restore(picture)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(kept, statistics.median(faults[3:]) * resource.getpagesize())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's memory")
def test_a_frame_has_the_memory_of_the_one_before():
    """Its program runs in the thread that calls it, not in the one that copied its input."""
    words = [sys.executable, "-c", FRAMES]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    kept, middle = done.stdout.split()
    if kept == "False":
        pytest.skip("this C library has no mallopt")
    assert float(middle) < 10 * 2**20  # it takes 117 MiB


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert not memory.keep_freed()


def test_of_the_largest_frames_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda name: pytest.fail("malloc's options were touched"))
    assert not memory.keep_freed(4096 * 3112)


def test_training_keeps_what_it_freed(monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr(command, "keep_freed", lambda: called.append(True))
    assert resnet.main(["--noise=gaussian", "--dry-run", f"--workdir={tmp_path}"]) == 0
    assert called
