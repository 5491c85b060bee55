"""One body of tests over every row of the table, and the layers against outside writings of the same thing."""

import dataclasses
import hashlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

import zoo
from zoo import cards, draws, registry
from zoo.filters import directional_fill
from zoo.models import convolution
from zoo.models.cyclegan import (
    NoiseCriticConfig,
    NoiseModelConfig,
    PatchConfig,
    ResidualConfig,
)
from zoo.models.deinterlace import DeinterlacerConfig
from zoo.models.densenet import DenseBlock, DenseDiscriminatorConfig, DenseLayer, DenseNetConfig
from zoo.models.film import FilmConfig
from zoo.models.gan import DiscriminatorConfig, LatentConfig, PlainConfig
from zoo.models.layers import Conv, Denoiser, Upsample
from zoo.models.repair import RepairConfig
from zoo.models.resnet import ResNetConfig
from zoo.models.unet import UNetConfig
from zoo.models.upscale import UpscaleConfig

PARAMETERS = {
    "cyclegan-gaussian": 457_036,
    "cyclegan-salt-and-pepper": 459_340,
    "cyclegan-paper-gaussian": 125_395,
    "cyclegan-paper-salt-and-pepper": 125_395,
    "densenet-gaussian": 438_412,
    "densenet-salt-and-pepper": 440_716,
    "deinterlace": 121_208,
    "fast-gaussian": 117_932,
    "fast-grain": 117_932,
    "fast-salt-and-pepper": 119_084,
    "film-gaussian": 141_600,
    "film-grain": 141_600,
    "gan-gaussian": 457_036,
    "gan-salt-and-pepper": 459_340,
    "gan-paper-gaussian": 81_196,
    "gan-paper-salt-and-pepper": 81_196,
    "gan-pictures": 1_503_523,
    "repair": 269_136,
    "resnet-gaussian": 457_036,
    "resnet-grain": 457_036,
    "resnet-salt-and-pepper": 459_340,
    "unet-gaussian": 701_164,
    "unet-salt-and-pepper": 702_316,
    "upscale-x2": 96_844,
    "upscale-x4": 107_248,
    "upscale-tv": 96_844,
}
ALL = sorted(PARAMETERS)
DENOISERS = [name for name in ALL if zoo.SPECS[name].task == "denoise"]
ONE_FRAME = [name for name in DENOISERS if zoo.SPECS[name].config.frames == (0, 0)]
TILEABLE = [name for name in ONE_FRAME if zoo.SPECS[name].halo is not None]
NARROW = {ResNetConfig: {"width": 4}, UNetConfig: {"width": 4, "growth": 2}, ResidualConfig: {"width": 2}}
NARROW |= {DenseNetConfig: {"width": 4, "growth": 2}, PlainConfig: {"width": 4}, LatentConfig: {"width": 2, "size": 32}}
NARROW |= {FilmConfig: {"width": 4, "doubt": 4}, UpscaleConfig: {"width": 4}, DeinterlacerConfig: {"width": 4}}
NARROW |= {RepairConfig: {"width": 4, "below": 4, "deep": 1}}


def distinct(names: list[str]) -> list[str]:
    """One row of each network: made narrow, they are alike."""
    return list({type(zoo.SPECS[name].config): name for name in names}.values())


def narrow(name: str, **overrides):
    """The row's network with few channels: as deep, as wide in view, quick to compile."""
    return zoo.build(name, **NARROW[type(zoo.SPECS[name].config)], **overrides)


def count(module) -> int:
    return sum(v.size for v in jax.tree.leaves(nnx.state(module, nnx.Param)))


def test_rows_trained_on_photographs_have_the_plain_rows_networks():
    """Every other row has its parameters pinned above, and is in ALL."""
    for name in set(zoo.SPECS) - set(ALL):
        plain = zoo.SPECS[name.removesuffix(registry.PHOTOS)]
        assert name.endswith(registry.PHOTOS)
        assert zoo.SPECS[name].config == plain.config
        assert zoo.SPECS[name].licence != plain.licence


@pytest.mark.parametrize("name", ALL)
def test_parameters_are_pinned(name):
    config = zoo.SPECS[name].config
    assert count(nnx.eval_shape(lambda: config.build(nnx.Rngs(0)))) == PARAMETERS[name]


@pytest.mark.parametrize("name", ONE_FRAME)
def test_denoiser_keeps_the_shape_and_starts_near_the_picture(name, key):
    network = narrow(name)
    side = 4 * network.config.multiple
    x = draws.uniform(key, (2, side, side + network.config.multiple, 3))
    y = network(x)
    assert y.shape == x.shape
    assert y.dtype == jnp.float32
    assert bool(jnp.all(jnp.isfinite(y)))
    if isinstance(network, Denoiser):
        assert float(jnp.abs(y - x).mean()) < 0.1  # a residual network starts as almost the identity


@pytest.mark.parametrize("name", ALL)
def test_every_parameter_gets_a_gradient(name, key):
    network = narrow(name)
    network.eval()  # statistics of one random batch would make some gradients vanish
    x = draws.uniform(key, (2, 32, 32, 3))
    if zoo.SPECS[name].task == "generate":
        x = draws.normal(key, (2, network.config.latent))
    elif sum(network.config.frames):  # deinterlacers see one plane
        planes = 1 if zoo.SPECS[name].task == "deinterlace" else 3
        x = draws.uniform(key, (2, 32, 32, planes * (1 + sum(network.config.frames))))
    elif getattr(network.config, "impulse", False):
        x = zoo_noise(key, x)

    @nnx.jit
    def gradient(network):
        return nnx.grad(lambda net: jnp.sum(jnp.square(net(x) - 0.3)))(network)

    paths = jax.tree_util.tree_leaves_with_path(gradient(network))
    silent = [jax.tree_util.keystr(path) for path, g in paths if not bool(jnp.any(g != 0))]
    assert not silent


def zoo_noise(key, x):
    from zoo.noise import salt_and_pepper

    return salt_and_pepper(key, x, amount=0.2)


@pytest.mark.parametrize("name", distinct(TILEABLE))
def test_halo_is_how_far_one_pixel_reaches(name, key, monkeypatch):
    """With positive weights nothing cancels and no ReLU is dead: what changes is all that the network sees. (But by
    Winograd's sums, which cancel to rounding only.)"""
    monkeypatch.setattr(convolution, "_suits_winograd", lambda x, kernel: False)
    network = narrow(name, impulse=False)
    assert reaches(network) == network.config.halo


def reaches(network: nnx.Module, by: float = 1e7) -> int:
    """How far a pixel that is moved `by` so much reaches, in pixels of what goes in. The weights become positive."""
    halo, m, scale = network.config.halo, network.config.multiple, network.config.scale

    def positive(p):  # heavy corners, so that the farthest path stays above rounding
        heavy = jnp.ones(p.shape[:2]).at[::2, ::2].set(100) if p.ndim == 4 else jnp.ones(p.shape[:1])
        p = (1 + jnp.abs(p)) * heavy.reshape(heavy.shape + (1,) * (p.ndim - heavy.ndim))
        return p / (p.sum() / p.shape[-1])

    nnx.update(network, jax.tree.map(positive, nnx.state(network, nnx.Param)))
    network.eval()
    side = (2 * halo // m + 3) * m
    x = jnp.full((1, side, side, 3), 0.5)
    run = nnx.jit(lambda net, v: net(v))
    base, farthest = run(network, x), 0
    for phase in range(m):
        at = side // 2 // m * m + phase
        moved = jnp.abs(run(network, x.at[0, at, at].add(by)) - base).max((0, 3)) > 0
        rows, columns = (found // scale for found in np.nonzero(np.asarray(moved)))
        farthest = max(farthest, *np.abs(rows - at), *np.abs(columns - at))
    return int(farthest)


@pytest.mark.parametrize("name", distinct([n for n in TILEABLE if getattr(zoo.SPECS[n].config, "impulse", False)]))
def test_impulse_halo_holds_for_random_hits(name, key):
    """What lies farther than the halo from a changed pixel stays as it was, to the bit."""
    network = narrow(name)
    network.eval()
    halo = network.config.halo
    side = 2 * halo + 10
    x = zoo_noise(key, jnp.round(255 * draws.uniform(key, (1, side, side, 3))) / 255)
    run = nnx.jit(lambda net, v: net(v))
    at = side // 2
    for value in (0.0, 0.5, 1.0):
        moved = np.asarray(jnp.abs(run(network, x.at[0, at, at].set(value)) - run(network, x)).max((0, 3)))
        rows, columns = np.nonzero(moved)
        assert max([0, *np.abs(rows - at), *np.abs(columns - at)]) <= halo


def test_instance_norm_forbids_tiling(key):
    """The paper's generator changes everywhere when one pixel does: halo None is true."""
    network = narrow("cyclegan-paper-gaussian", blocks=1, norm="instance")
    x = draws.uniform(key, (1, 128, 128, 3))
    moved = jnp.abs(network(x.at[0, 0, 0].set(9.0)) - network(x)).max(-1)[0]
    assert float(moved[-1, -1]) > 0


def test_reproductions_are_marked_and_stand_last():
    marks = [zoo.SPECS[name].reproduction for name in zoo.names()]
    assert marks == sorted(marks)
    assert all(("-paper-" in name) == mark for name, mark in zip(zoo.names(), marks, strict=True))


def test_an_instance_norm_cannot_tell_brightness_or_contrast(key):
    """As its docstring says; the film variant can."""
    x = draws.uniform(key, (1, 32, 32, 3))
    published = narrow("cyclegan-paper-gaussian", blocks=1, norm="instance")
    film = narrow("cyclegan-gaussian", blocks=1)
    for other in (0.5 * x, 0.5 * x + 0.4):
        np.testing.assert_allclose(published(other), published(x), atol=1e-3)
        assert float(jnp.abs(film(other) - film(x)).mean()) > 0.1


@pytest.mark.parametrize("impulse", [False, True])
def test_salt_and_pepper_networks_copy_what_was_not_hit(impulse, key):
    x = draws.uniform(key, (1, 32, 32, 3), low=0.1, high=0.9)
    noisy = zoo_noise(key, x)
    y = ResNetConfig(width=4, blocks=1, impulse=impulse).build(nnx.Rngs(0))(noisy)
    untouched = np.asarray(jnp.all(noisy == x, -1))
    assert np.array_equal(np.asarray(y)[untouched], np.asarray(x)[untouched]) == impulse


def test_salt_and_pepper_networks_begin_at_the_classical_filling(key):
    """With nothing added to it, the output is the filter's."""
    network = ResNetConfig(width=4, blocks=1, impulse=True).build(nnx.Rngs(0))
    network.exit.kernel[...] = jnp.zeros_like(network.exit.kernel[...])
    noisy = zoo_noise(key, draws.uniform(key, (1, 32, 32, 3)))
    np.testing.assert_allclose(network(noisy), directional_fill(noisy), atol=1e-6)


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (7, 1), (3, 2), (1, 1)])
@pytest.mark.parametrize("pad", ["zero", "reflect"])
@pytest.mark.parametrize("channels", [(3, 5), (5, 3), (16, 17)])
def test_conv_is_pad_and_valid_convolution(size, stride, pad, channels, key):
    conv = Conv(*channels, size, stride=stride, pad=pad, rngs=nnx.Rngs(1))
    x = draws.normal(key, (2, 17, 14, channels[0]))
    p = size // 2
    padded = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)), mode="reflect" if pad == "reflect" else "constant")
    expected = jax.lax.conv_general_dilated(
        jnp.asarray(padded), conv.kernel[...], (stride, stride), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(conv(x), expected, atol=2e-5)


def test_upsample_is_the_transposed_convolution(key):
    """Scattered by hand: sample i adds kernel k at 2i - 1 + k."""
    up = Upsample(3, 4, rngs=nnx.Rngs(2))
    x, kernel = np.asarray(draws.normal(key, (1, 5, 6, 3))), np.asarray(up.kernel[...])
    out = np.zeros((1, 12, 14, 4))
    for i in range(5):
        for j in range(6):
            for a in range(3):
                for b in range(3):
                    out[0, 2 * i + a, 2 * j + b] += x[0, i, j] @ kernel[a, b]
    np.testing.assert_allclose(up(jnp.asarray(x)), out[:, 1:11, 1:13], atol=1e-5)


def test_dense_layer_is_the_convolution_of_the_concatenation(key):
    layer = DenseLayer([4, 2, 2], 3, 3, "none", rngs=nnx.Rngs(3))
    features = [draws.normal(jax.random.fold_in(key, k), (1, 8, 8, c)) for k, c in enumerate((4, 2, 2))]
    whole = Conv(8, 3, rngs=nnx.Rngs(0))
    whole.kernel[...] = jnp.concatenate([c.kernel[...] for c in layer.convs], 2)
    np.testing.assert_allclose(layer(features), whole(nnx.relu(jnp.concatenate(features, -1))), atol=1e-5)


def test_dense_block_is_its_layers_in_turn(key):
    """Without norms it computes for all later layers at once."""
    block = DenseBlock(8, 4, 3, "none", rngs=nnx.Rngs(3))
    for layer in block.layers:
        layer.convs[0].bias[...] = draws.normal(key, (4,))
    x = draws.normal(key, (1, 9, 8, 8))
    features = [x]
    for layer in block.layers:
        features.append(layer(features))
    np.testing.assert_allclose(block(x), x + block.transition(features), atol=1e-5)


JUDGES = {
    "plain": (DiscriminatorConfig(width=4, depth=2), (2, 1)),
    "densenet": (DenseDiscriminatorConfig(width=4, growth=2, blocks=2, layers=1), (2, 1)),
    "patch": (PatchConfig(width=4), (2, 2, 2, 1)),
    "noise": (NoiseCriticConfig(width=4), (2, 128)),
}


@pytest.mark.parametrize("kind", JUDGES)
def test_discriminators_give_scores(kind, key):
    config, shape = JUDGES[kind]
    judge = config.build(nnx.Rngs(0))
    judge.eval()
    assert judge(draws.uniform(key, (2, 32, 32, 3))).shape == shape


@pytest.mark.parametrize("kind", JUDGES)
def test_the_smallest_crop_still_has_a_score(kind):
    config = type(JUDGES[kind][0])()
    side = getattr(config, "least", 16)  # which training asks for
    pictures = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    judge = lambda x: config.build(nnx.Rngs(0))(x, nnx.Rngs(1))
    assert jax.eval_shape(judge, pictures).size
    if kind == "patch":
        smaller = jax.ShapeDtypeStruct((2, side - 1, side - 1, 3), jnp.float32)
        assert not jax.eval_shape(judge, smaller).size


def test_patch_discriminator_sees_70_pixels(key):
    judge = dataclasses.replace(PatchConfig(), width=2, norm="none").build(nnx.Rngs(0))
    judge.eval()
    x = draws.uniform(key, (1, 128, 128, 3))
    seen = jax.grad(lambda v: judge(v)[0, 6, 6, 0])(x)
    rows = np.nonzero(np.asarray(jnp.abs(seen).sum((0, 2, 3))))[0]
    assert rows.max() - rows.min() + 1 == 70


@pytest.mark.parametrize(("law", "noise"), [("additive", False), ("impulse", True), ("both", True)])
def test_noise_model_is_one_to_many_and_its_law_is_what_it_says(law, noise, key):
    model = NoiseModelConfig(law=law, level=0.1).build(nnx.Rngs(0))
    clean = jnp.full((2, 32, 32, 3), 0.5)
    levels = jnp.full(2, 0.1)
    one, other = model(clean, key, levels), model(clean, jax.random.key(7), levels)
    assert not bool(jnp.array_equal(one, other))
    hits = float(jnp.mean(jnp.all((one == 0) | (one == 1), -1)))
    assert (hits > 0.01) == noise
    gradient = nnx.grad(lambda m: jnp.mean(jnp.square(m(clean, key, levels) - clean)))(model)
    assert bool(jnp.any(gradient["middle"][...] != 0))


def test_noise_model_begins_with_white_noise_of_the_measured_level(key):
    model = NoiseModelConfig().build(nnx.Rngs(0))
    clean = jnp.full((4, 64, 64, 3), 0.5)
    levels = jnp.array([0.01, 0.02, 0.03, 0.05])
    noise = np.asarray(model(clean, key, levels) - clean)
    np.testing.assert_allclose(noise.std((1, 2)), np.stack([levels] * 3, 1), rtol=0.05)
    white = (noise / noise.std((1, 2, 3), keepdims=True)).reshape(-1, 3)
    np.testing.assert_allclose(white.T @ white / len(white), np.eye(3), atol=0.05)
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) < 0.02 * noise.var()


def test_build_takes_overrides_and_names_what_is_wrong():
    assert zoo.build("densenet-gaussian", width=8, growth=4, blocks=1).config.width == 8
    with pytest.raises(zoo.FlagError, match=r"unknown model 'dncnn'.*densenet-gaussian"):
        zoo.build("dncnn")
    for wrong in ("8", 8.0, True):
        with pytest.raises(zoo.FlagError, match=f"width={wrong!r} must be like its default, 64"):
            zoo.build("densenet-gaussian", width=wrong)
    with pytest.raises(zoo.FlagError, match=r"'wdith'.*width"):
        zoo.build("densenet-gaussian", wdith=8)


def test_build_is_the_same_for_the_same_seed():
    one, same, other = (zoo.build("gan-gaussian", width=4, blocks=1, seed=s) for s in (1, 1, 2))
    equal = jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), nnx.state(one), nnx.state(same))
    assert all(jax.tree.leaves(equal))
    assert not bool(jnp.array_equal(one.entry.kernel[...], other.entry.kernel[...]))


@pytest.fixture
def saved(tmp_path):
    """A network with batch statistics, as a training run's folder."""
    network = zoo.build("densenet-gaussian", width=4, growth=2, blocks=1, layers=1, seed=5)
    network(draws.uniform(jax.random.key(0), (1, 16, 16, 3)))  # moves the statistics
    network.eval()
    params, stats = (nnx.to_pure_dict(state) for state in nnx.split(network, nnx.Param, ...)[1:])
    registry.save(tmp_path, "densenet-gaussian", network.config, params, stats, {"licence": "Apache-2.0"})
    return tmp_path, network


def test_weights_round_trip(saved, key):
    folder, network = saved
    x = draws.uniform(key, (1, 16, 16, 3))
    assert np.array_equal(zoo.load(folder)(x), network(x))
    card = zoo.card(folder)
    assert card["network"] == "densenet"
    assert card["parameters"] == count(network)


def edited(folder, **changes):
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("damage", ["altered", "truncated", "missing", "other network", "no card", "bad card"])
def test_damaged_weights_are_refused_in_one_sentence(saved, damage):
    folder, _ = saved
    weights = next(folder.glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    if damage == "altered":
        data[-3] ^= 1
        weights.write_bytes(data)
    elif damage == "truncated":
        weights.write_bytes(data[: len(data) // 2])
    elif damage == "missing":
        weights.unlink()
    elif damage == "other network":
        edited(folder, config={"width": 8, "growth": 2, "blocks": 1, "layers": 1})
    elif damage == "no card":
        (folder / "model.json").unlink()
    else:
        (folder / "model.json").write_text("[1, 2")
    with pytest.raises(zoo.InputError) as caught:
        zoo.load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


LARGE = {"width": 4, "growth": 2, "blocks": 10_000_000, "layers": 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"config": LARGE}, "arrays, too few for width=4, growth=2, blocks=10000000"),
        ({"config": LARGE | {"blocks": 1, "layers": 2**62}}, "too few for"),
        ({"config": LARGE | {"blocks": 1, "growth": 10**9}}, "too few for"),
        ({"config": LARGE | {"blocks": -1}}, "blocks=-1 must be at least 0"),
        ({"config": LARGE | {"blocks": 1, "width": "4"}}, "width='4' must be like its default"),
        ({"config": {"evil": 1}}, "'evil'"),
        ({"config": {"multiple": 10**9}}, "does not fit the network|unknown setting"),
        ({"config": {"task": "generate"}}, "task='generate' does not fit the network"),
        ({"config": [1]}, "config must be an object"),
        ({"network": "evil"}, "names the network 'evil'; known: unet"),
        ({"network": ["unet"]}, "network must be a text"),
        ({"weights": "/dev/zero"}, "names the weights '/dev/zero'; they are a .safetensors file beside it"),
        ({"weights": "../w.safetensors"}, "beside it"),
        ({"sha256": None}, "sha256 must be a text, not null"),
        ({"recipe": {"noise": 1}}, "recipe.noise must be a text or null, not 1"),
    ],
)
def test_a_strangers_card_is_looked_at_before_anything_is_built(saved, changes, words):
    folder, _ = saved
    edited(folder, **changes)
    with pytest.raises(zoo.InputError, match=words):
        zoo.load(folder)


def test_weights_are_a_regular_file_of_known_arrays(saved, monkeypatch):
    folder, _ = saved
    weights = next(folder.glob("*.safetensors"))
    data = safetensors.numpy.save({"a": np.zeros(3, np.float16)})
    weights.write_bytes(data)
    edited(folder, sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(zoo.InputError, match="holds arrays of F16; known: F32, BF16"):
        zoo.load(folder)
    monkeypatch.setattr(cards, "_MOST_BYTES", len(data) - 1)
    with pytest.raises(zoo.InputError, match=r"bytes; .* at most can be right"):
        zoo.load(folder)
    weights.unlink()
    weights.symlink_to("/dev/zero")  # has no end
    with pytest.raises(zoo.InputError, match="is no regular file"):
        zoo.load(folder)


def test_load_names_what_it_knows(tmp_path):
    with pytest.raises(zoo.FlagError, match=r"'nothing' is no model.*cyclegan-gaussian"):
        zoo.load("nothing")
    with pytest.raises(zoo.InputError, match=r"model\.json"):
        zoo.load(tmp_path)
