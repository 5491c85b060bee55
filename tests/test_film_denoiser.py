"""A denoiser of several frames: it begins as the network of one frame, sees what moves, and may be cut into tiles."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from train import denoise
from train.loop import grow
from train.loop import state as st
from zoo import draws, registry
from zoo.errors import FlagError
from zoo.models.film import FilmConfig
from zoo.models.network import channels
from zoo.models.resnet import ResNetConfig
from zoo.tiles import Tiled

TINY = FilmConfig(width=8, blocks=1, doubt=8, around=1)
RNG = np.random.default_rng(3)


def stacked(*frames):
    return jnp.concatenate(frames, -1)


def texture(height: int, width: int):
    """Smooth enough to be found again, different everywhere."""
    rough = RNG.random((1, height // 4, width // 4, 3), np.float32)
    return jnp.asarray(np.repeat(np.repeat(rough, 4, 1), 4, 2))


@pytest.fixture
def begun(key):
    """The network of one frame, and the arrays of the one around it."""
    small = st.Net(ResNetConfig(width=8, blocks=1))
    trained, net = small.init(key), st.Net(grow.as_taught(small.config, TINY))
    return small, trained, net, grow.grown(net.init(key), trained)


def test_what_stands_still_is_restored_as_by_the_network_of_one_frame_that_it_began_with(begun, key):
    small, trained, net, arrays = begun
    x = draws.uniform(key, (2, 32, 48, 3))
    one, _ = small(*trained, x, train=False)
    three, _ = net(*arrays, stacked(x, x, x), train=False)
    np.testing.assert_allclose(three, one, rtol=0, atol=1e-5)


def test_a_pan_averages_grain_away_and_a_cut_does_not_pass(begun, key):
    """With full trust, then with none: the mean before the network is what tells them apart."""
    _, _, net, (params, stats) = begun
    wide = texture(64, 160)
    clean = [wide[:, :, 32 + 5 * t : 96 + 5 * t] for t in (-1, 0, 1)]
    noise = 0.02 * draws.normal(key, (3, *clean[0].shape))
    noisy = [frame + noise[k] for k, frame in enumerate(clean)]

    def mean(bias: float):
        last = params["doubts"][2]
        alike = {"kernel": jnp.zeros_like(last["kernel"]), "bias": jnp.full_like(last["bias"], bias)}
        silent = {k: jnp.zeros_like(v) for k, v in params["exit"].items()}
        changed = {**params, "doubts": {**params["doubts"], 2: alike}, "exit": silent}
        return net(changed, stats, stacked(*noisy), train=False)[0]

    inside = (slice(None), slice(16, -16), slice(16, -16))
    error = lambda x: float(jnp.std((x - clean[1])[inside]))
    assert error(mean(20.0)) < 0.75 * error(noisy[1])  # of three: 0.58, but for what the motion misses
    np.testing.assert_allclose(mean(-30.0), noisy[1], rtol=0, atol=1e-6)


def test_tiles_are_the_whole():
    config = FilmConfig(width=4, blocks=1, doubt=4, around=1)
    network = config.build(nnx.Rngs(0))
    x = np.concatenate([np.asarray(texture(304, 336))] * 3, -1) + RNG.normal(0, 0.03, (1, 304, 336, 9))
    x = x.astype(np.float32)
    whole, tiled = (Tiled(network, tile=tile)(x) for tile in (512, 256))
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5)


def test_nothing_is_seen_beyond_the_halo(key):
    network = FilmConfig(width=4, blocks=1, doubt=4, around=1).build(nnx.Rngs(0))
    halo = network.config.halo
    side = -(-(2 * halo + 40) // 16) * 16
    x = stacked(*[texture(side, side)] * 3)
    run = nnx.jit(lambda net, v: net(v))
    at = side // 2
    moved = np.asarray(
        jnp.abs(run(network, x.at[0, at - 9 : at + 9, at - 9 : at + 9].set(1)) - run(network, x)).max((0, 3))
    )
    rows, columns = np.nonzero(moved)
    assert 9 < max(*np.abs(rows - at), *np.abs(columns - at)) <= halo + 9


@pytest.mark.parametrize("around", [1, 2])
def test_frames_of_the_flag_are_what_the_network_sees(capsys, around):
    assert denoise.main(["--frames", str(around), "--noise=grain", "--dry-run"]) == 0
    network = json.loads(capsys.readouterr().out)["networks"]["g"]
    assert (network["network"], network["around"]) == ("FilmConfig", around)
    assert channels(FilmConfig(around=around)) == 3 * (1 + 2 * around)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["--frames=2", "--network=resnet"], "a resnet looks at one frame; give --network=film"),
        (["--frames=-1"], "around=-1 must be at least 1"),
        (["--frames=2", "--method=cyclegan"], "a network that looks at several frames learns from pairs"),
        (["--network=film:around=0"], "around=0 must be at least 1"),
    ],
)
def test_what_cannot_be_is_said(capsys, line, said):
    assert denoise.main([*line, "--dry-run"]) == 2
    assert said in capsys.readouterr().err


def test_other_networks_do_not_grow_into_it():
    with pytest.raises(FlagError, match="none of its fields may change"):
        grow.check(registry.SPECS["unet-gaussian"].config, registry.SPECS["unet-salt-and-pepper"].config)
    assert grow.as_taught(ResNetConfig(impulse=True), TINY) == ResNetConfig(impulse=True)


@pytest.mark.parametrize("method", ["paired", "gan"])
def test_it_is_trained_on_clips(method, picture_folder, tmp_path):
    line = [
        f"--method={method}",
        f"--data={picture_folder}",
        f"--workdir={tmp_path}",
        "--network=film:width=4,blocks=1,doubt=4,around=1",
    ]
    line += ["--noise=grain", "--white=0.5", "--batch=2", "--crop=32", "--images=4", "--checkpoints=1", "--valid=2"]
    assert denoise.main(line) == 0
    about = registry.card(tmp_path)
    assert about["config"]["around"] == 1
    assert about["images"] == 4
    assert registry.config_of(tmp_path).frames == (1, 1)
