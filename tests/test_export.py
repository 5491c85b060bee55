"""Networks as ONNX files: the same pictures come out of onnxruntime, whole and in tiles as the file says."""

import sys

import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest
from flax import nnx

from tests.test_restorer import picture
from zoo import cards, cli, registry
from zoo.export import onnx_file
from zoo.export.draw import drawn
from zoo.models.cyclegan import ResidualConfig
from zoo.models.densenet import DenseNetConfig
from zoo.tiles import Tiled

NETWORKS = ["fast-gaussian", "fast-salt-and-pepper", "densenet-gaussian", "unet-gaussian", "gan-paper-gaussian"]
NETWORKS += ["cyclegan-paper-gaussian", "upscale-x2", "upscale-x4"]  # each kind of layer that ships


def session(data: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run(network: onnxruntime.InferenceSession, x: np.ndarray) -> np.ndarray:
    (y,) = network.run(None, {"input": np.ascontiguousarray(x.transpose(0, 3, 1, 2))})
    return np.asarray(y).transpose(0, 2, 3, 1)


def facts(network: onnxruntime.InferenceSession) -> dict[str, str]:
    return network.get_modelmeta().custom_metadata_map


def with_hits(x: np.ndarray) -> np.ndarray:
    """Salt and pepper, at the edges too."""
    drawn = np.random.default_rng(1).random(x.shape[:3])
    x = np.where(drawn[..., None] < 0.05, 0, np.where(drawn[..., None] > 0.95, 1, 0.1 + 0.8 * x))
    return x.astype(np.float32)


@pytest.mark.parametrize("name", NETWORKS)
def test_onnxruntime_makes_the_same_pictures(name):
    network, ours = session(onnx_file.made(name)), Tiled(name)
    about = facts(network)
    assert (int(about["multiple"]), int(about["scale"])) == (ours.config.multiple, ours.config.scale)
    assert (about["licence"], about["sha256"]) == ("Apache-2.0", registry.card(name)["sha256"])
    for shape in ((1, 24, 40, 3), (2, 40, 32, 3)):
        x = with_hits(picture(*shape))
        np.testing.assert_allclose(run(network, x), ours(x), atol=1e-5)


NORMED = [DenseNetConfig(width=4, growth=2, blocks=1, layers=1, norm="batch")]
NORMED += [ResidualConfig(width=2, blocks=1, norm="instance")]


@pytest.mark.parametrize("config", NORMED, ids=["batch", "instance"])
def test_norms_that_no_weights_ship_for(config):
    network, x = config.build(nnx.Rngs(0)), picture(1, 24, 40, 3)
    network(jnp.asarray(x))  # which moves the averages
    network.eval()
    np.testing.assert_allclose(
        run(session(onnx_file.of(network, {})), x), np.clip(network(jnp.asarray(x)), 0, 1), atol=1e-5
    )


def test_every_network_that_may_be_exported_is_drawn():
    for kind in cards.NETWORKS.values():
        config = kind()
        if config.task in onnx_file.TASKS and not sum(config.frames):
            network = nnx.eval_shape(lambda config=config: config.build(nnx.Rngs(0)))
            assert drawn.dispatch(type(network)) is not drawn.dispatch(object), kind


@pytest.mark.parametrize("name", ["fast-gaussian", "fast-salt-and-pepper", "upscale-x2"])
def test_tiles_that_overlap_as_the_file_says_are_the_whole(name):
    network, x = session(onnx_file.made(name)), with_hits(picture(1, 104, 96, 3))
    overlap, scale = (int(facts(network)[fact]) for fact in ("overlap", "scale"))
    assert overlap >= registry.config_of(name).halo
    upper, lower = run(network, x[:, : 52 + overlap]), run(network, x[:, 52 - overlap :])
    tiled = np.concatenate([upper[:, : 52 * scale], lower[:, overlap * scale :]], 1)
    np.testing.assert_allclose(tiled, Tiled(name)(x), atol=1e-5)


def test_what_cannot_be_tiled_says_so():
    assert facts(session(onnx_file.made("cyclegan-paper-gaussian")))["overlap"] == onnx_file.WHOLE


def test_the_command_writes_a_whole_file_once(folder, capsys):
    assert cli.main(["export", "fast-gaussian", "-o", "fast.onnx"]) == 0
    assert "fast-gaussian -> fast.onnx (scale 1, multiple 2, overlap 30, licence Apache-2.0)" in capsys.readouterr().err
    assert facts(session((folder / "fast.onnx").read_bytes()))["model"] == "fast-gaussian"
    assert cli.main(["export", "fast-gaussian", "-o", "fast.onnx"]) == 2
    assert "exists; overwrite it with -y" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "output", "said"),
    [
        ("film-grain", "a.onnx", "film-grain looks at 5 frames, which programs that read ONNX files do not give it"),
        (
            "deinterlace",
            "a.onnx",
            "is a network for the task 'deinterlace', which takes more than a picture",
        ),
        ("gan-pictures", "a.onnx", "gan-pictures is a network for the task 'generate'"),
        ("fast-gaussian", "a.pth", "an ONNX file ends in .onnx"),
        ("nothing", "a.onnx", "'nothing' is no model"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_sentence(name, output, said, folder, capsys):
    assert cli.main(["export", name, "-o", output]) == 2
    assert said in capsys.readouterr().err
    assert not list(folder.iterdir())


def test_without_its_extra_the_mend_is_said(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx.helper", None)
    assert cli.main(["export", "fast-gaussian", "-o", "a.onnx"]) == 2
    assert "pip install 'filmzoo[onnx]'" in capsys.readouterr().err
