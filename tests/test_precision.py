"""Networks that compute in bfloat16: nearly the same pictures, from the same weights, and the same training."""

import dataclasses
from typing import get_args

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from benchmarks.train_step import SMALL, make
from train.loop.state import Net
from zoo import Restorer
from zoo.errors import FlagError
from zoo.flags import Precision
from zoo.models.cyclegan import NoiseCriticConfig, NoiseModelConfig, PatchConfig, ResidualConfig
from zoo.models.densenet import DenseDiscriminatorConfig, DenseNetConfig
from zoo.models.gan import DiscriminatorConfig, LatentConfig, PlainConfig
from zoo.models.layers import PRECISIONS, narrowed
from zoo.models.resnet import ResNetConfig
from zoo.models.unet import UNetConfig

DENOISERS = [
    ResNetConfig(width=16, blocks=2),
    ResNetConfig(width=16, blocks=2, impulse=True),
    DenseNetConfig(width=16, growth=8, blocks=1, layers=2),
    DenseNetConfig(width=16, growth=8, blocks=1, layers=2, norm="batch"),
    UNetConfig(width=16, growth=8, levels=1, layers=2),
    PlainConfig(width=16, depth=2),
    ResidualConfig(width=8, blocks=2),
]
JUDGES = [
    PatchConfig(width=8, norm="batch"),
    NoiseCriticConfig(width=8),
    DiscriminatorConfig(width=8, depth=2),
    DenseDiscriminatorConfig(width=8, growth=4, blocks=2, layers=2),
]
SURE = [dataclasses.replace(config, dropout=0.0) for config in JUDGES]
word = lambda config: f"{type(config).__name__}-{getattr(config, 'impulse', False)}-{getattr(config, 'norm', '')}"


def network(config):
    """With an exit that says something: as they begin, denoisers change next to nothing."""
    module = config.build(nnx.Rngs(0))
    if hasattr(module, "body"):
        module.exit.kernel[...] *= 10
    return module


def convolved(jaxpr) -> list[jnp.dtype]:
    """The types of what the convolutions and products of a traced function read, innermost ones too."""
    found = []
    for eqn in jaxpr.eqns:
        if eqn.primitive.name in ("conv_general_dilated", "dot_general"):
            found.append(eqn.invars[0].aval.dtype)
        for inner in jax.extend.core.jaxprs_in_params(eqn.params):
            found += convolved(inner)
    return found


@pytest.mark.parametrize("config", DENOISERS, ids=word)
def test_a_restored_picture_is_nearly_the_same(config):
    module, x = network(config), np.random.default_rng(0).random((32, 48, 3), np.float32)
    x[::7, ::5] = 1  # hits of salt
    full, half = Restorer(module)(x), Restorer(module, precision="bfloat16")(x)
    change = np.abs(full - x).mean()
    difference = np.abs(full - half)
    assert change > 1e-3
    assert 0 < difference.mean() < 0.02 * change
    assert half.dtype == np.float32


@pytest.mark.parametrize("config", DENOISERS[:1] + DENOISERS[2:3], ids=word)
def test_a_network_that_changes_nothing_keeps_every_code(config):
    module = network(config)
    module.exit.kernel[...] *= 0
    codes = np.arange(65536, dtype=np.uint16).reshape(128, -1, 1)[:, :128]
    assert np.array_equal(Restorer(module, precision="bfloat16")(codes), codes)


def test_float32_is_all_of_it_on_accelerators():
    """Where by default they round the factors of its products."""

    def said(precision):
        restore = Restorer(network(DENOISERS[0]), precision=precision).tiled
        x = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
        return restore._forward.trace(restore._state, x).lower(lowering_platforms=("tpu",)).as_text()

    full, half = said("float32"), said("bfloat16")
    convolutions = full.count("stablehlo.convolution")
    assert full.count("precision_config = [#stablehlo<precision HIGHEST>") == convolutions > 1
    assert "HIGHEST" not in half


def test_noise_is_drawn_in_what_was_asked_for():
    net = Net(NoiseModelConfig(), "bfloat16")
    x = jax.random.uniform(jax.random.key(1), (2, 32, 32, 3))
    params, stats = net.init(jax.random.key(0))
    call = lambda x: net(params, stats, x, jax.random.key(2), jnp.full(2, 0.02), train=True)[0]
    traced = jax.make_jaxpr(call)(x)
    assert convolved(traced.jaxpr).count(jnp.dtype("bfloat16")) == 2, "of three: the first reads the picture"
    assert traced.out_avals[0].dtype == jnp.float32


def test_what_is_no_kernel_stays():
    module = network(DENOISERS[3])
    for path, leaf in nnx.to_flat_state(narrowed(nnx.state(module), "bfloat16")):
        assert leaf[...].dtype == (jnp.bfloat16 if path[-1] == "kernel" else jnp.float32), path


def test_flags_offer_what_networks_take():
    assert get_args(Precision) == PRECISIONS


def test_an_unknown_precision_is_refused():
    with pytest.raises(FlagError, match="float16"):
        Restorer(network(DENOISERS[0]), precision="float16")


@pytest.mark.parametrize("config", [*DENOISERS[:1], *DENOISERS[2:], *SURE], ids=word)
def test_in_training_all_but_the_first_layer_is_narrow(config):
    net = Net(config, "bfloat16")
    x = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    params, stats = net.init(jax.random.key(0))
    call = lambda train: jax.make_jaxpr(lambda x: net(params, stats, x, train=train)[0])
    wide, narrow = (convolved(call(train)(x).jaxpr) for train in (False, True))
    assert set(wide) == {jnp.dtype("float32")}, "validation is in the precision of use"
    assert narrow[0] == jnp.float32
    assert jnp.bfloat16 in narrow
    assert {x for x in narrow[1:-3]} <= {jnp.dtype("bfloat16")}, "but for the last, which give scores"
    assert call(True)(x).out_avals[0].dtype == jnp.float32


@pytest.mark.parametrize("config", [DENOISERS[0], DENOISERS[3], *SURE], ids=word)
def test_gradients_are_those_of_float32_but_for_rounding(config):
    x = jax.random.uniform(jax.random.key(1), (2, 32, 32, 3))
    params, stats = Net(config).init(jax.random.key(0))
    target = jax.random.uniform(jax.random.key(2), x.shape)

    def gradient(precision):
        net = Net(config, precision)

        def loss(params):
            y = net(params, stats, x, train=True)[0]
            return jnp.mean(jnp.square(y - (target if y.shape == x.shape else 1.0)))

        return jax.tree.leaves(jax.jit(jax.grad(loss))(params))

    full, half = (np.concatenate([g.ravel() for g in gradient(p)]) for p in ("float32", "bfloat16"))
    assert half.dtype == np.float32
    assert 0 < np.linalg.norm(full - half) < 0.1 * np.linalg.norm(full)


@pytest.mark.parametrize("command", ["gan", "densenet", "cyclegan"])
def test_a_step_computes_in_what_was_asked_for(command):
    def types(precision):
        small = SMALL[f"{command} paper"]
        task = make(command, "--preset=paper", "--crop=32", "--batch=2", f"--precision={precision}", *small)
        state = jax.eval_shape(task.init, jax.random.key(0))
        names = ("degraded", "clean") if task.unpaired else ("clean",)
        batch = {name: jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32) for name in names}
        traced = jax.make_jaxpr(task.update(0))(state, batch, jax.random.key(0))
        assert all(leaf.dtype != jnp.bfloat16 for leaf in traced.out_avals), "weights and losses stay float32"
        return convolved(traced.jaxpr)

    full, half = types("float32"), types("bfloat16")
    assert jnp.bfloat16 not in full
    assert half.count(jnp.dtype("bfloat16")) > len(half) / 2


def test_pictures_from_a_vector():
    config = LatentConfig(size=16, width=4, steps=2, latent=8)
    params, stats = Net(config).init(jax.random.key(0))
    z = jax.random.normal(jax.random.key(1), (2, 8))
    full, half = (Net(config, p)(params, stats, z, train=True)[0] for p in ("float32", "bfloat16"))
    assert half.dtype == jnp.float32
    assert 0 < float(jnp.abs(full - half).max()) < 0.05
