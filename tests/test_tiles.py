"""Networks on arrays of any size: stacked frames in, pictures larger by a whole factor and other channels out."""

import dataclasses
import os
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from benchmarks.processes import devices
from tests.test_restorer import out_of_memory_above, picture
from zoo import cards, registry
from zoo.errors import FlagError, OutOfMemory
from zoo.models.deinterlace import DeinterlacerConfig
from zoo.models.film import FilmConfig
from zoo.models.layers import Conv, unfold
from zoo.models.network import ModelConfig, NetworkConfig, OneToOne, channels
from zoo.models.repair import RepairConfig
from zoo.tiles import SMALLEST_SIDE_PX, Tiled

BANDS = ((2, (0, 0)), (4, (0, 0)), (2, (3, 3)))  # scale and frames


@dataclasses.dataclass(frozen=True)
class Config(OneToOne):
    """`exact`: of small whole numbers, whose sums no order of adding rounds."""

    scale: int = 1
    frames: tuple[int, int] = (0, 0)
    needs: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    exact: bool = False
    task: str = "upscale"
    multiple: int = 1
    halo: int | None = 3


class Convolutions(nnx.Module):
    """Three 3x3 convolutions, the last of which gives the pixels of a larger picture."""

    def __init__(self, config: Config):
        self.config, rngs = config, nnx.Rngs(0)
        outs = (3 + len(config.gives)) * config.scale**2
        self.convs = nnx.List([Conv(a, b, rngs=rngs) for a, b in ((channels(config), 8), (8, 8), (8, outs))])
        for k, conv in enumerate(self.convs if config.exact else ()):
            kernel = np.random.default_rng(k).integers(-1, 2, conv.kernel.shape)
            conv.kernel[...] = jnp.asarray(kernel, jnp.float32)

    def __call__(self, x):
        for conv in self.convs[:2]:
            x = nnx.relu(conv(x))
        y = unfold(self.convs[2](x), self.config.scale)
        return 0.5 + y / 2**22 if self.config.exact else 0.5 + y / 4


def codes(*shape: int) -> np.ndarray:
    return picture(*shape, dtype=np.uint8).astype(np.float32)


@pytest.mark.usefixtures("as_shipped")
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("frames", [(0, 0), (3, 3)])
def test_tiled_is_the_whole_to_the_bit(frames, scale, exact):
    config = Config(scale=scale, frames=frames, exact=exact)
    network = Convolutions(config)
    whole, tiled = Tiled(network), Tiled(network, tile=70)
    for size in ((101, 90), (75, 203)):
        x = codes(2, *size, channels(config)) if exact else picture(2, *size, channels(config))
        y = whole(x)
        assert y.shape == (2, scale * size[0], scale * size[1], 3)
        assert 0 <= y.min() < y.max() <= 1
        assert len(np.unique(y)) > 1000
        assert np.abs(tiled(x) - y).max() == 0
        assert np.array_equal(tiled(jnp.asarray(x)), y), "on the device as on the host"


def test_channels_beside_the_frames_go_in_and_come_out():
    config = Config(scale=2, frames=(1, 0), needs=("mask",), gives=("confidence",), exact=True)
    network, x = Convolutions(config), codes(1, 100, 81, 7)
    y = Tiled(network, tile=70)(x)
    assert y.shape == (1, 200, 162, 4)
    assert np.array_equal(y, Tiled(network)(x))
    x[..., 6] += 1
    assert not np.array_equal(y, Tiled(network)(x)), "the mask is seen"


def test_what_is_too_small_is_mirrored_and_cut_again():
    for shape in ((3, 1, 1, 3), (1, 5, 37, 3)):
        x = codes(*shape)
        y = Tiled(Convolutions(Config(scale=2, exact=True)))(x)
        assert y.shape == (shape[0], 2 * shape[1], 2 * shape[2], 3)
        missing = [(0, max(0, SMALLEST_SIDE_PX - side)) for side in shape[1:3]]
        mirrored = np.pad(x, [(0, 0), *missing, (0, 0)], mode="symmetric")
        wanted = Tiled(Convolutions(Config(scale=2, exact=True)))(mirrored)
        assert np.array_equal(y, wanted[:, : y.shape[1], : y.shape[2]])


def test_eight_devices_equal_one(tmp_path):
    script = """
import jax, numpy as np
from tests.test_tiles import BANDS, Config, Convolutions, channels, codes
from zoo.tiles import Tiled
assert jax.local_device_count() == 8
for k, (scale, frames) in enumerate(BANDS):
    config = Config(scale=scale, frames=frames, exact=True)
    bands = Tiled(Convolutions(config))
    plan = bands._plan(1, 601, 90, bands=True)
    assert plan.devices == len(plan.pieces) == 8, plan
    x = codes(1, 601, 90, channels(config))
    np.save({folder!r} + f"/{{k}}.npy", bands(x))
    assert np.array_equal(bands(jax.numpy.asarray(x)), bands(x))
"""
    command = [sys.executable, "-c", script.format(folder=str(tmp_path))]
    subprocess.run(command, env=os.environ | devices(8), check=True)
    for k, (scale, frames) in enumerate(BANDS):
        config = Config(scale=scale, frames=frames, exact=True)
        whole = Tiled(Convolutions(config))(codes(1, 601, 90, channels(config)))
        assert np.array_equal(np.load(tmp_path / f"{k}.npy"), whole)


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_out_of_memory_halves_the_tile_and_loses_nothing(kind):
    x = kind(codes(1, 301, 175, 3))
    tiled = Tiled(Convolutions(Config(scale=2, exact=True)))
    whole = tiled(x)
    seen = out_of_memory_above(tiled, 100 * 100)
    assert np.array_equal(tiled(x), whole)
    assert seen[0][1:3] == (301, 175)
    assert seen[-1][1] * seen[-1][2] <= 100 * 100
    assert tiled.tile < 175


def test_a_network_of_its_task_is_named_where_one_cannot_be_tiled(monkeypatch):
    monkeypatch.setattr(registry, "SPECS", {})
    network = Convolutions(Config(halo=None))
    with pytest.raises(OutOfMemory, match="cannot work in tiles; cut it into smaller ones"):
        Tiled(network)(np.zeros((1, 4097, 4096, 3), np.float32))


def test_a_module_without_a_config_is_refused():
    with pytest.raises(FlagError, match=r"Linear lacks a config .* zoo.models.network.OneToOne"):
        Tiled(nnx.Linear(1, 1, rngs=nnx.Rngs(0)))


def test_every_config_of_the_zoo_keeps_the_contract():
    assert isinstance(Config(), NetworkConfig)
    assert not isinstance(nnx.Dropout(0.5), NetworkConfig)
    for config in [spec.config for spec in registry.SPECS.values()] + [kind() for kind in cards.NETWORKS.values()]:
        assert isinstance(config, ModelConfig)
        assert channels(config) == 3 * (1 + sum(config.frames))
        assert config.needs == ()
        assert config.gives == (("dirt", "scratches") if isinstance(config, RepairConfig) else ())
        assert (config.scale > 1) == (config.task == "upscale")
        assert (sum(config.frames) > 0) == isinstance(config, DeinterlacerConfig | FilmConfig | RepairConfig)
