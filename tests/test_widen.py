"""train.widen: a wider network with a narrow one's weights computes the same, and all of it learns."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests.runs import SHORT, flags
from train import resnet, unet, widen
from train import state as st
from zoo import registry
from zoo.models.densenet import DenseNetConfig
from zoo.models.resnet import ResNetConfig

pytestmark = pytest.mark.usefixtures("quick_to_compile")

NARROW = {
    "resnet": ResNetConfig(width=8, blocks=2),
    "salt-and-pepper": ResNetConfig(width=8, blocks=1, impulse=True),
    "batch norm": ResNetConfig(width=8, blocks=1, norm="batch"),
    "densenet": DenseNetConfig(width=8, growth=4, blocks=2, layers=2),
}


@pytest.mark.parametrize("case", NARROW)
def test_wider_is_the_same_function_and_all_of_it_learns(case):
    narrow = NARROW[case]
    wide = dataclasses.replace(narrow, width=20, **({"growth": 7} if case == "densenet" else {}))
    widen.check(narrow, wide)
    small, large = st.Net(narrow), st.Net(wide)
    trained, fresh = small.init(jax.random.key(1)), large.init(jax.random.key(2))
    grown = widen.widened(fresh, trained)
    assert jax.tree.map(jnp.shape, grown) == jax.tree.map(jnp.shape, fresh)
    x = jax.random.uniform(jax.random.key(3), (2, 16, 16, 3)).at[:, ::5, ::3].set(0)
    before, after = small(*trained, x, train=False)[0], large(*grown, x, train=False)[0]
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-6)

    rate, adam = jnp.float32(1e-3), st.Adam(b1=0.9, b2=0.999)
    params, moments = grown[0], adam.init(grown[0])
    for _ in range(3):
        gradient = jax.grad(lambda p: jnp.mean(jnp.square(large(p, grown[1], x, train=True)[0] - 0.5)))(params)
        params, moments = adam.update(gradient, moments, params, rate)
    still = [k for k, g in registry.flatten(gradient).items() if g.ndim > 1 and not np.any(g[..., -1])]
    assert not still  # the last output of every kernel belongs to what is new, but for the exit's


def test_weights_go_on_in_a_wider_network(folder, tmp_path):
    assert resnet.main(flags("resnet", folder, tmp_path / "narrow")) == 0
    begun = [f"--data={folder}", f"--weights={tmp_path / 'narrow'}", *SHORT]
    assert resnet.main([*begun, f"--workdir={tmp_path / 'wide'}", "--network=width=12", "--learning-rate=0"]) == 0
    narrow, wide = zoo.card(tmp_path / "narrow"), zoo.card(tmp_path / "wide")
    assert wide["config"] == {**narrow["config"], "width": 12}
    assert wide["validation"]["restored_db"] == pytest.approx(narrow["validation"]["restored_db"], abs=1e-4)


@pytest.mark.parametrize(
    ("command", "network", "said"),
    [
        (resnet, "width=4", "width may grow"),
        (resnet, "width=16,blocks=3", "blocks=3 does not fit"),
        (unet, "width=16", "none of its fields may change"),
    ],
)
def test_what_cannot_hold_the_weights_is_refused(command, network, said, folder, tmp_path, capsys):
    name = command.__name__.removeprefix("train.")
    assert command.main(flags(name, folder, tmp_path / "narrow")) == 0
    begun = [f"--data={folder}", f"--workdir={tmp_path / 'wide'}", f"--weights={tmp_path / 'narrow'}", *SHORT]
    assert command.main([*begun, f"--network={network}"]) == 2
    assert said in capsys.readouterr().err
