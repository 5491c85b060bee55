"""What the tests share. Heavy work stays small: few channels, few pixels, few steps."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

# Under nohup, or behind &, these would be ignored, and what tests send would do nothing.
for number in (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

# Compiled programs are kept between tests, workers and runs: most of the suite's time would go into making them anew.
CACHE = Path(__file__).parents[1] / ".pytest_cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# And they are compiled without the costly optimisations, by XLA's older emitters where it still has them: that takes a
# quarter of the time of a short training run. What is about the compiled program itself has the fixture `as_shipped`.
EMITTERS = "xla_cpu_use_fusion_emitters"
SHIPPED = "FILMZOO_TESTS_ENVIRONMENT"  # as it was, which the first process of a run leaves to those that it starts


def _known(flag: str) -> bool:
    """Whether this XLA has a flag: one that it does not know ends the process."""
    environment = os.environ | {"XLA_FLAGS": f"--{flag}=false", "JAX_PLATFORMS": "cpu"}
    starts = [sys.executable, "-c", "import jax; jax.devices()"]
    return not subprocess.run(starts, env=environment, capture_output=True).returncode


if SHIPPED not in os.environ:
    quick = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    if _known(EMITTERS):
        quick["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --{EMITTERS}=false"
    os.environ[SHIPPED] = json.dumps({name: os.environ.get(name) for name in quick})
    os.environ |= quick
ENVIRONMENT: dict[str, str | None] = json.loads(os.environ[SHIPPED])

import hypothesis  # noqa: E402
import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

# A slow machine is no fault of a property.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "photos"
MAPS = Path("/proc/self/maps")  # Linux lets a process have 65,530; a compiled program takes several
MANY_MAPS = 40_000


@pytest.fixture(autouse=True, scope="module")
def room_for_programs():
    """In a process that has compiled a great deal, the programs of modules that are done are let go of."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MANY_MAPS:
        jax.clear_caches()


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture
def as_shipped():
    """Programs of this test, and of the processes that it starts, are compiled as those of a user are."""
    from zoo.models import convolution

    with pytest.MonkeyPatch.context() as patch:  # its own: a test may undo what it patched itself in the middle
        for name, value in ENVIRONMENT.items():
            patch.delenv(name) if value is None else patch.setenv(name, value)
        if "XLA_FLAGS" in ENVIRONMENT:
            patch.setitem(convolution._OLDER, EMITTERS, True)
        jax.config.update("jax_disable_most_optimizations", False)
        yield
        jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def quick_leaves(monkeypatch):
    """Noise in the place of leaves, which compile for most of a minute."""

    from zoo.made import leaves

    def pictures(key, *, count, size):
        seed = np.asarray(jax.random.key_data(key)).tolist()
        return np.stack([np.random.default_rng([*seed, i]).random((size, size, 3)) for i in range(count)])

    monkeypatch.setattr(leaves, "pictures", pictures)


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of real photographs (train, valid, test) beside the checkout, where there is one."""
    if not PHOTOS.is_dir():
        pytest.skip(f"no photographs in {PHOTOS}")
    return PHOTOS


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory) -> Path:
    """A folder of 24 smooth, textured colour pictures, for short training runs."""
    from zoo import pictures

    path = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for k in range(24):
        y, x = np.mgrid[:72, :80] / 72
        waves = [np.sin(2 * np.pi * (rng.uniform(-3, 3) * x + rng.uniform(-3, 3) * y) + c) for c in range(3)]
        flat = rng.uniform(0.3, 0.7, 3) + 0.2 * np.stack(waves, -1)
        pictures.write(path / f"{k:02}.png", pictures.Picture(np.uint8(np.rint(255 * np.clip(flat, 0, 1)))))
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def identity(monkeypatch):
    """All models change nothing."""
    from tests import clips

    clips.stand_in(monkeypatch)
