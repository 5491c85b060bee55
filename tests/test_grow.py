"""train.loop.grow: a larger network with a smaller one's weights computes the same, and all of it learns."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests.runs import SHORT, flags, same
from train import resnet, unet
from train.loop import grow
from train.loop import state as st
from zoo import draws, registry
from zoo.models.densenet import DenseNetConfig
from zoo.models.resnet import ResNetConfig
from zoo.models.upscale import UpscaleConfig

RESNET = ResNetConfig(width=8, blocks=1)
DENSE = DenseNetConfig(width=8, growth=4, blocks=2, layers=2)
CASES = {  # a network, and what it grows into
    "wider": (RESNET, {"width": 20}),
    "wider, salt-and-pepper": (dataclasses.replace(RESNET, impulse=True), {"width": 20}),
    "wider, batch norm": (dataclasses.replace(RESNET, norm="batch"), {"width": 20}),
    "wider, dense": (DENSE, {"width": 20, "growth": 7}),
    "deeper": (RESNET, {"blocks": 3}),
    "deeper and wider, upscaler": (UpscaleConfig(width=8, blocks=1), {"width": 20, "blocks": 3}),
    "deeper and wider, batch norm": (dataclasses.replace(RESNET, norm="batch"), {"width": 20, "blocks": 3}),
}


@pytest.mark.parametrize("case", CASES)
def test_larger_is_the_same_function_and_all_of_it_learns(case):
    small, changes = CASES[case]
    large = dataclasses.replace(small, **changes)
    grow.check(small, large)
    before, after = st.Net(small), st.Net(large)
    trained, fresh = before.init(jax.random.key(1)), after.init(jax.random.key(2))
    grown = grow.grown(fresh, trained)
    assert jax.tree.map(jnp.shape, grown) == jax.tree.map(jnp.shape, fresh)
    x = draws.uniform(jax.random.key(3), (2, 16, 16, 3)).at[:, ::5, ::3].set(0)
    said = [net(*arrays, x, train=False)[0] for net, arrays in ((before, trained), (after, grown))]
    np.testing.assert_allclose(said[1], said[0], rtol=0, atol=1e-6)

    rate, adam = jnp.float32(1e-3), st.Adam(b1=0.9, b2=0.999)
    params, moments = grown[0], adam.init(grown[0])
    for _ in range(3):
        gradient = jax.grad(lambda p: jnp.mean(jnp.square(after(p, grown[1], x, train=True)[0] - 0.5)))(params)
        params, moments = adam.update(gradient, moments, params, rate)
    still = [k for k, g in registry.flatten(gradient).items() if g.ndim > 1 and not np.any(g[..., -1])]
    assert not still  # the last output of every kernel belongs to what is new, but for the exit's


def test_weights_go_on_at_another_scale():
    """All but the last layer, which says what the larger picture's samples are."""
    small = UpscaleConfig(width=8, blocks=1)
    large = dataclasses.replace(small, scale=4, blocks=2)
    assert grow.as_taught(small, large) == dataclasses.replace(small, scale=4)
    grow.check(small, large)
    trained, fresh = (st.Net(config).init(jax.random.key(k)) for k, config in enumerate((small, large)))
    grown, _ = grow.grown(fresh, trained, grow.anew(small, large))
    assert jax.tree.map(jnp.shape, grown) == jax.tree.map(jnp.shape, fresh[0])
    np.testing.assert_array_equal(grown["entry"]["kernel"], trained[0]["entry"]["kernel"])
    np.testing.assert_array_equal(grown["blocks"][0]["first"]["kernel"], trained[0]["blocks"][0]["first"]["kernel"])
    np.testing.assert_array_equal(grown["exit"]["kernel"], fresh[0]["exit"]["kernel"])


def test_weights_go_on_in_a_larger_network(picture_folder, tmp_path):
    assert resnet.main(flags("resnet", picture_folder, tmp_path / "small")) == 0
    begun = [f"--data={picture_folder}", f"--weights={tmp_path / 'small'}", *SHORT]
    larger = "--network=width=12,blocks=3"
    assert resnet.main([*begun, f"--workdir={tmp_path / 'large'}", larger, "--learning-rate=0"]) == 0
    small, large = zoo.card(tmp_path / "small"), zoo.card(tmp_path / "large")
    assert large["config"] == {**small["config"], "width": 12, "blocks": 3}
    assert large["validation"]["restored_db"] == pytest.approx(small["validation"]["restored_db"], abs=1e-4)


@pytest.mark.parametrize(
    ("command", "network", "said"),
    [
        (resnet, "width=4", "width may grow and blocks may grow"),
        (resnet, "width=16,fold=4", "fold=4 does not fit"),
        (unet, "width=16", "none of its fields may change"),
    ],
)
def test_what_cannot_hold_the_weights_is_refused(command, network, said, picture_folder, tmp_path, capsys):
    name = command.__name__.removeprefix("train.")
    assert command.main(flags(name, picture_folder, tmp_path / "small")) == 0
    begun = [f"--data={picture_folder}", f"--workdir={tmp_path / 'large'}", f"--weights={tmp_path / 'small'}", *SHORT]
    assert command.main([*begun, f"--network={network}"]) == 2
    assert said in capsys.readouterr().err


def test_weights_that_a_run_made_worse_do_not_stand_for_it(picture_folder, tmp_path, capsys):
    """What a run begins with is measured like all that comes later; here nothing later is better."""
    assert resnet.main(flags("resnet", picture_folder, tmp_path / "good")) == 0
    begun = [f"--data={picture_folder}", f"--weights={tmp_path / 'good'}", "--learning-rate=3", "--average=0", *SHORT]
    assert resnet.main([*begun, f"--workdir={tmp_path / 'worse'}"]) == 0
    assert "by the weights that it began with: none were better" in capsys.readouterr().err
    assert zoo.card(tmp_path / "worse")["images"] == 0
    assert same(tmp_path / "good", tmp_path / "worse")
