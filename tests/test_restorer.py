import dataclasses
import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.processes import devices
from zoo import registry
from zoo.errors import FlagError, InputError, OutOfMemory, ZooError
from zoo.models.network import OneToOne
from zoo.restorer import Restorer
from zoo.tiles import SMALLEST_SIDE_PX

DTYPES = (np.uint8, np.uint16, np.float16, np.float32, np.float64, ml_dtypes.bfloat16)


@dataclasses.dataclass(frozen=True)
class Config(OneToOne):
    multiple: int = 1
    halo: int | None = 0
    task: str = "denoise"
    scale: int = 1
    frames: tuple[int, int] = (0, 0)
    needs: tuple[str, ...] = ()


class Identity(nnx.Module):
    def __init__(self, config=None):
        self.config = config or Config()

    def __call__(self, x):
        return x


class Convolutions(nnx.Module):
    """A random network with a known halo: `fold` x `fold` pixels become channels and pass three 3x3 convolutions."""

    def __init__(self, fold, *, halo=True):
        self.config = Config(multiple=fold, halo=(3 + 1) * fold - 1 if halo else None)
        rng, width = np.random.default_rng(7), 3 * fold * fold
        kernels = rng.normal(0, (9 * width) ** -0.5, (3, 3, 3, width, width))
        self.kernels = nnx.List([nnx.Param(jnp.asarray(k, jnp.float32)) for k in kernels])
        self.drop = nnx.Dropout(0.5, rngs=nnx.Rngs(7))

    def __call__(self, x):
        f = self.config.multiple
        n, h, w, c = x.shape
        assert h % f == w % f == 0
        assert min(h, w) >= SMALLEST_SIDE_PX
        y = x.reshape(n, h // f, f, w // f, f, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, h // f, w // f, -1)
        for kernel, border in zip(self.kernels, ("constant", "reflect", "constant"), strict=True):
            y = jnp.pad(2 * y, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=border)
            y = jax.lax.conv_general_dilated(
                y, kernel[...], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            y = self.drop(jnp.tanh(y))
        y = y.reshape(n, h // f, w // f, f, f, c).transpose(0, 1, 3, 2, 4, 5).reshape(x.shape)
        return 0.5 + 0.4 * y


def picture(*shape, dtype=np.float32, seed=0):
    """Random samples that use the whole range of `dtype`."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "u":
        return rng.integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)
    return rng.random(shape).astype(dtype)


def out_of_memory_above(restore, pixels, error=None):
    """Stands for a device that holds `pixels` at once; returns the list of the batches it was given."""
    tiled = getattr(restore, "tiled", restore)
    forward, seen = tiled._forward, []

    def limited(state, x):
        seen.append(x.shape)
        if x.shape[0] * x.shape[1] * x.shape[2] > pixels:
            raise error or jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")
        return forward(state, x)

    tiled._forward = limited
    return seen


identity = Restorer(Identity(Config(multiple=4, halo=3)), tile=80)


@settings(max_examples=30)
@given(
    shape=st.tuples(st.sampled_from([1, 2, 15, 37, 81, 130]), st.sampled_from([1, 3, 16, 100, 165])),
    channels=st.integers(1, 4),
    count=st.sampled_from([None, 1, 3]),
    dtype=st.sampled_from(DTYPES),
    on_device=st.booleans(),
)
def test_identity_gives_back_the_picture_itself(shape, channels, count, dtype, on_device):
    x = picture(*([count] if count else []), *shape, channels, dtype=dtype)
    if on_device and dtype != np.float64:
        x = jnp.asarray(x)
    y = identity(x)
    assert type(y) is type(x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert np.allclose(np.asarray(y, np.float64), np.asarray(x, np.float64), rtol=0, atol=2e-7)
    if np.dtype(dtype).kind == "u" or dtype in (np.float16, ml_dtypes.bfloat16):
        assert np.array_equal(y, x)


def test_every_integer_level_survives():
    for dtype in (np.uint8, np.uint16):
        levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
        x = np.resize(levels, (256, levels.size // 256, 1))
        assert np.array_equal(identity(x), x)


@pytest.mark.parametrize("dtype", [">u2", ">f4"])
def test_big_endian_samples(dtype):
    x = picture(20, 30, 3).astype(dtype) if "f" in dtype else picture(20, 30, 3, dtype=np.uint16).astype(dtype)
    y = identity(x)
    assert y.dtype == x.dtype
    assert np.array_equal(y, x)


@pytest.mark.usefixtures("as_shipped")
@pytest.mark.parametrize(
    ("fold", "size"), [(1, (301, 105)), (1, (97, 101)), (2, (227, 49)), (2, (1, 900)), (4, (97, 101)), (4, (30, 225))]
)
def test_tiled_equals_whole(fold, size):
    network, x = Convolutions(fold), picture(*size, 3)
    whole, tiled = Restorer(network), Restorer(network, tile=96)
    seen = out_of_memory_above(tiled, 96 * 96)
    y = tiled(x)
    assert np.abs(y - whole(x)).max() < 1e-5
    assert len(set(seen)) == 1, "one shape of tile, so one compile"
    assert np.array_equal(tiled(jnp.asarray(x)), y), "cut and put together on the device as on the host"
    assert np.array_equal(whole(jnp.asarray(x)), whole(x))


@pytest.mark.usefixtures("as_shipped")
@pytest.mark.parametrize("size", [(301, 150), (97, 330)])
def test_tiled_equals_whole_for_a_network_that_ships(size):
    """Where tiles begin at other rows, convolutions are grouped and so rounded otherwise: never by more than that."""
    x = picture(*size, 3)
    whole, tiled = Restorer("fast-gaussian")(x), Restorer("fast-gaussian", tile=134)(x)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_tiles_that_overlap_too_little_would_be_seen():
    network, x = Convolutions(1), picture(150, 150, 3)
    whole = Restorer(network)(x)
    network.config = dataclasses.replace(network.config, halo=1)
    assert np.abs(Restorer(network, tile=70)(x) - whole).max() > 1e-4


def test_a_picture_is_compiled_once_for_each_shape():
    restore = Restorer(Convolutions(2), tile=96)
    for seed in range(3):
        restore(picture(150, 170, 3, seed=seed))
    assert restore.tiled._forward._cache_size() == 1


def test_the_smallest_picture_is_mirrored_to_what_a_network_needs():
    x = np.full((1, 1, 3), 0.25, np.float32)
    network = Convolutions(4)
    restore = Restorer(network)
    seen = out_of_memory_above(restore, 10**9)
    y = restore(x)
    assert seen == [(1, 16, 16, 3)]
    network.eval()
    assert np.allclose(y, network(np.full((1, 16, 16, 3), 0.25, np.float32))[0, :1, :1], atol=1e-6)


def test_padding_mirrors_the_far_edges():
    x = picture(18, 21, 3)
    network = Convolutions(4)
    y = Restorer(network)(x)
    network.eval()
    assert np.allclose(y, network(np.pad(x, ((0, 2), (0, 3), (0, 0)), mode="symmetric")[None])[0, :18, :21], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_alpha_passes_through_bit_for_bit(dtype):
    colour, alpha = picture(40, 31, 3, dtype=dtype), picture(40, 31, 1, dtype=dtype, seed=1)
    if dtype == np.float32:
        alpha[0, :3, 0] = np.nan, 7, -0.0
    restore = Restorer(Convolutions(1))
    rgba = restore(np.concatenate([colour, alpha], axis=-1))
    assert rgba[..., 3:].tobytes() == alpha.tobytes()
    assert np.array_equal(rgba[..., :3], restore(colour))
    grey = restore(np.concatenate([colour[..., :1], alpha], axis=-1))
    assert grey[..., 1:].tobytes() == alpha.tobytes()
    assert np.array_equal(grey[..., :1], restore(colour[..., :1]))


def test_grey_is_the_mean_of_the_three_channels():
    x = picture(30, 40, 1)
    restore = Restorer(Convolutions(1))
    assert np.allclose(restore(x), restore(np.repeat(x, 3, axis=-1)).mean(axis=-1, keepdims=True), atol=1e-6)


def test_integers_are_rounded_floats_clipped():
    class Brighter(Identity):
        def __call__(self, x):
            return x + 0.6 / 255

    restore = Restorer(Brighter())
    assert np.array_equal(restore(np.array([[[0, 254, 255]]], np.uint8)), [[[1, 255, 255]]])
    assert np.allclose(restore(np.array([[[0, 0.5, 1]]], np.float32)), [[[0.6 / 255, 0.5 + 0.6 / 255, 1]]])


def test_a_batch_equals_one_by_one():
    restore = Restorer(Convolutions(2), tile=96)
    for size in [(30, 25), (130, 99)]:  # several in one window's memory, and several windows each
        batch = picture(7, *size, 4, dtype=np.uint16)
        one_by_one = np.stack([restore(x) for x in batch])
        assert np.abs(restore(batch).astype(int) - one_by_one).max() <= 1
        assert np.array_equal(restore(jnp.asarray(batch)), restore(batch))


def test_small_pictures_go_together_but_not_beyond_the_tile():
    restore = Restorer(Identity(), tile=64)
    seen = out_of_memory_above(restore, 64 * 64)
    restore(picture(9, 32, 32, 3))
    assert seen == [(3, 32, 32, 3)] * 3, "four would fit, three groups of three waste nothing"


def test_the_input_is_left_alone_and_the_network_keeps_its_mode():
    network = Convolutions(1)
    network.train()
    x = picture(20, 20, 3)
    before = x.copy()
    x.flags.writeable = False
    first, second = Restorer(network)(x), Restorer(network)(x)
    assert np.array_equal(x, before)
    assert np.array_equal(first, second), "dropout is off in the restorer"
    assert network.drop.deterministic is False


def test_an_accelerator_is_given_more_at_once(monkeypatch):
    sides = {}
    for backend in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        sides[backend] = Restorer(Identity()).tile
    assert sides == {"cpu": 1024, "gpu": 2048}


def test_progress_counts_the_tiles():
    counts = []
    Restorer(Identity(), tile=64)(picture(100, 150, 3), progress=lambda *c: counts.append(c))
    assert counts == [(i, 6) for i in range(1, 7)]


def test_large_pictures_need_little_more_memory_than_themselves():
    script = """
import resource, numpy as np
from tests.test_restorer import Identity
from zoo.restorer import Restorer
restore = Restorer(Identity(), tile=256)
restore(np.zeros((600, 600, 3), np.uint8))
x = np.zeros((8000, 8000, 3), np.uint8); x[-1] = 200
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
y = restore(x)
assert (y[-1] == 200).all()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 500, "the picture and its result are 366 MiB, as floats they would be 1465"


def test_eight_devices_equal_one(tmp_path):
    script = """
import jax, numpy as np
from jax.sharding import PartitionSpec
from tests.test_restorer import Convolutions, picture
from zoo.restorer import Restorer
assert jax.device_count() == 8
restore = Restorer(Convolutions(1), tile=70)
forward, shards = restore.tiled._forward, []
def watched(state, x):
    shards.append(len(x.sharding.device_set))
    return forward(state, x)
restore.tiled._forward = watched
np.save({out!r}, restore(picture(140, 250, 3)))
np.save({batch!r}, restore(picture(11, 40, 30, 3)))
mesh = jax.make_mesh((8,), ("data",))
spread = jax.NamedSharding(mesh, PartitionSpec("data"))
for x in (picture(140, 250, 3), picture(11, 40, 30, 3)):
    assert np.array_equal(restore(jax.numpy.asarray(x)), restore(x))
x = picture(16, 40, 30, 3)
assert np.array_equal(restore(jax.device_put(x, spread)), restore(x))
restore.tiled.tile = 1024
np.save({frame!r}, restore(picture(1201, 90, 3)))
print(shards)
"""
    out, batch, frame = (str(tmp_path / f"{name}.npy") for name in ("out", "batch", "frame"))
    environment = os.environ | devices(8)
    command = [sys.executable, "-c", script.format(out=out, batch=batch, frame=frame)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert set(done.stdout.strip(" []\n").split(", ")) == {"8"}
    one = Restorer(Convolutions(1), tile=70)
    assert np.abs(np.load(out) - one(picture(140, 250, 3))).max() < 1e-5
    assert np.abs(np.load(batch) - one(picture(11, 40, 30, 3))).max() < 1e-5
    whole = Restorer(Convolutions(1))  # one frame, in bands: its height does not divide by the devices
    assert np.abs(np.load(frame) - whole(picture(1201, 90, 3))).max() < 1e-5


# ---- out of memory


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
@pytest.mark.parametrize("error", [None, MemoryError()])
def test_out_of_memory_halves_the_tile_and_loses_nothing(error, kind, caplog):
    x = kind(picture(301, 275, 3))
    restore = Restorer(Convolutions(1))
    whole = restore(x)
    seen = out_of_memory_above(restore, 100 * 100, error)
    assert np.abs(restore(x) - whole).max() < 1e-5
    assert restore.tile <= 100
    assert "out of memory" in caplog.text
    seen.clear()
    restore(x)
    assert max(h * w for _, h, w, _ in seen) <= 100 * 100, "the smaller tile is remembered"


def test_out_of_memory_in_a_batch_takes_fewer_at_once():
    restore = Restorer(Identity(Config(halo=None)))
    x = picture(9, 32, 32, 3, dtype=np.uint8)
    seen = out_of_memory_above(restore, 32 * 32 * 3)
    assert np.array_equal(restore(x), x)
    assert seen[0][0] == 9
    assert seen[-1][0] <= 3


def test_out_of_memory_at_last_says_so():
    restore = Restorer(Convolutions(1))
    seen = out_of_memory_above(restore, 100)
    with pytest.raises(OutOfMemory, match="out of memory for Convolutions even in tiles of 70 px"):
        restore(picture(300, 300, 3))
    assert 64 <= seen[-1][1] <= 70


@pytest.mark.parametrize("halo", [0, None])
@pytest.mark.parametrize("shape", [(9, 16, 16, 3), (1, 1, 1)])
def test_a_device_without_memory_ends_the_retries(halo, shape):
    restore = Restorer(Identity(Config(halo=halo)))
    out_of_memory_above(restore, 0)
    with pytest.raises(OutOfMemory):
        restore(picture(*shape))


def test_another_error_of_the_device_is_not_hidden():
    restore = Restorer(Identity())
    out_of_memory_above(restore, 0, jax.errors.JaxRuntimeError("INTERNAL: a fault"))
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        restore(picture(20, 20, 3))


def test_a_network_that_cannot_be_tiled_names_others_that_can(monkeypatch):
    rows = {"tiles": Config(halo=8), "whole": Config(halo=None), "maker": Config(task="generate")}
    monkeypatch.setattr(registry, "SPECS", {k: SimpleNamespace(config=v) for k, v in rows.items()})
    restore = Restorer(Convolutions(1, halo=False))
    x = picture(1100, 1000, 3, dtype=np.uint8)
    assert restore(x).shape == x.shape, "beyond the tile, but in one piece"
    with pytest.raises(OutOfMemory, match=r"4097x4096 px .* in tiles; use a model that can: tiles$"):
        restore(np.zeros((4097, 4096, 1), np.uint8))
    out_of_memory_above(restore, 1000)
    with pytest.raises(OutOfMemory, match=r"use a model that can: tiles$"):
        restore(picture(50, 50, 3))


# ---- mistakes


@pytest.mark.parametrize(
    ("x", "error", "sentence"),
    [
        ([[1]], FlagError, "NumPy or JAX array, not list"),
        (np.zeros((8, 8)), FlagError, "needs a channel axis"),
        (np.zeros(8), FlagError, r"not \[8\]"),
        (np.zeros((1, 1, 8, 8, 3)), FlagError, r"not \[1, 1, 8, 8, 3\]"),
        (np.zeros((8, 8, 5)), FlagError, "1 to 4 channels"),
        (np.zeros((0, 8, 8, 3)), FlagError, "empty"),
        (np.zeros((8, 8, 0)), FlagError, "empty"),
        (np.zeros((8, 8, 3), bool), FlagError, "cannot be bool"),
        (np.zeros((8, 8, 3), np.int32), FlagError, "cannot be int32"),
        (np.zeros((8, 8, 3), np.complex64), FlagError, "cannot be complex64"),
        (np.full((8, 8, 3), np.nan), InputError, "NaN or infinite"),
        (np.full((8, 8, 3), np.nan, ml_dtypes.bfloat16), InputError, "NaN or infinite"),
        (np.full((8, 8, 3), -np.inf, np.float32), InputError, "NaN or infinite"),
        (np.full((8, 8, 3), 255.0), InputError, "divide by 255"),
        (jnp.full((8, 8, 3), -0.1), InputError, r"\[-0.1, -0.1\].* clip it"),
    ],
)
def test_what_is_no_picture_is_refused(x, error, sentence):
    with pytest.raises(error, match=sentence):
        identity(x)


def test_rounding_at_the_ends_of_the_range_is_forgiven():
    assert np.array_equal(identity(np.array([[[-1e-4, 0.5, 1 + 1e-4]]])), [[[0, 0.5, 1]]])


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (Identity(Config(task="generate")), "Identity is a network for the task 'generate'; give one whose task is"),
        (nnx.Linear(1, 1, rngs=nnx.Rngs(0)), "Linear lacks a config that says what it takes"),
        (
            Identity(Config(frames=(2, 2))),
            r"Identity looks at 5 frames: use it in a chain, zoo.Chain\('denoise=Identity'\)",
        ),
    ],
)
def test_only_denoising_networks_of_one_frame(network, sentence):
    with pytest.raises(FlagError, match=sentence):
        Restorer(network)


@pytest.mark.parametrize(
    ("halo", "tile", "sentence"),
    [(3, 71, "too small .* give 72 or more"), (None, 512, "cannot be tiled"), (3, 0, "72")],
)
def test_tiles_that_cannot_be(halo, tile, sentence):
    with pytest.raises(FlagError, match=sentence):
        Restorer(Identity(Config(multiple=4, halo=halo)), tile=tile)


def test_a_network_that_gives_nan_is_not_believed():
    class Broken(Identity):
        def __call__(self, x):
            return x / 0

    with pytest.raises(ZooError, match="not finite"):
        Restorer(Broken())(picture(20, 20, 3))


def test_a_name_is_looked_up(monkeypatch):
    monkeypatch.setattr(registry, "load", {"some-model": Identity()}.__getitem__)
    restore = Restorer("some-model")
    assert restore.name == "some-model"
    assert restore(picture(20, 20, 3)).shape == (20, 20, 3)
