"""train.all and what it stands on: beginning with weights, stopping after minutes, putting a run into the zoo."""

import json
import time

import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests.runs import SHORT, TINY, flags, same, weights
from train import all as everything
from train import resnet, unet
from train.loop import loop
from zoo import registry, shipped
from zoo.errors import InputError, ZooError
from zoo.models.gan import LatentConfig

pytestmark = pytest.mark.usefixtures("quick_leaves")

NAME = "resnet-gaussian"


@pytest.fixture
def zoo_folder(tmp_path, monkeypatch):
    """An empty folder of shipped weights, and runs beside it; recipes small enough for a test."""
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(shipped, "SHA256", {})
    monkeypatch.setattr(shipped, "FILE", tmp_path / "shipped.py")
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(everything, "RUNS", tmp_path / "runs")
    short = " ".join([*SHORT, f"--network={TINY['resnet']}"])
    monkeypatch.setattr(everything, "RECIPES", {NAME: f"resnet --noise=gaussian {short}"})
    monkeypatch.setattr(registry, "SPECS", {name: registry.SPECS[name] for name in (NAME, NAME + registry.PHOTOS)})
    return tmp_path / "weights"


def run(*words: str) -> int:
    return everything.main(list(words))


def test_missing_weights_are_trained_and_shipped_once(zoo_folder, capsys):
    assert run("--missing") == 0
    about = zoo.card(NAME)
    assert about["model"] == NAME
    assert about["licence"] == "Apache-2.0"
    assert [images for images, _ in about["curve"]] == [32, 64]
    assert about["recipe"]["images"] == 64
    assert (zoo_folder / about["weights"]).stat().st_size < 4 * about["parameters"]  # bfloat16
    assert zoo.load(NAME)(jnp.full((1, 4, 4, 3), 0.5)).shape == (1, 4, 4, 3)
    assert run("--missing") == 0
    assert "nothing to do" in capsys.readouterr().err


def test_a_generator_of_pictures_ships_what_nothing_validates(zoo_folder, monkeypatch, capsys):
    name, spec = "gan-pictures", registry.Spec(LatentConfig(), "any", "")
    short = " ".join([*SHORT, "--network=width=2,steps=2", "--judge=width=2,depth=2"])
    monkeypatch.setattr(everything, "RECIPES", {name: f"gan --goal=generate {short}"})
    monkeypatch.setattr(registry, "SPECS", {name: spec})
    assert run("--missing") == 0
    about = zoo.card(name)
    assert (about["task"], about["images"], about["curve"]) == ("generate", 64, [])
    assert f"{name}: weights after 64 crops" in capsys.readouterr().err
    assert zoo.load(name)(jnp.zeros((2, 128))).shape == (2, 16, 16, 3)
    assert run("--weakest") == 0
    assert "nothing to do" in capsys.readouterr().err


def test_a_run_cut_by_the_budget_goes_on_with_the_same_command(zoo_folder, monkeypatch):
    """Even when it has a checkpoint already, and so weights that could ship."""
    every_step = everything.RECIPES[NAME].replace("--checkpoints=2", "--checkpoints=8")
    monkeypatch.setattr(everything, "RECIPES", {NAME: every_step})
    assert run("--missing", "--budget-minutes=0.001") == 0
    assert zoo.card(everything.RUNS / NAME)["images"] == 8
    assert not registry.has_weights(NAME)
    assert run("--missing") == 0
    assert [images for images, _ in zoo.card(NAME)["curve"]] == list(range(8, 65, 8))


def test_the_minutes_count_from_the_start(picture_folder, tmp_path, monkeypatch, capsys):
    """Opening the data takes them too: here all of them, so that one step is left."""
    opened, now = loop._open, time.monotonic
    later = lambda *of: (monkeypatch.setattr(time, "monotonic", lambda: now() + 3600), opened(*of))[1]
    monkeypatch.setattr(loop, "_open", later)
    assert resnet.main([*flags("resnet", picture_folder, tmp_path), "--minutes=59"]) == 0
    assert "saved at step 1 of 8" in capsys.readouterr().err


def test_a_budget_that_is_over_trains_nothing(zoo_folder, capsys):
    assert run("--missing", "--budget-minutes=1e-9") == 0
    assert f"--budget-minutes=1e-09 are over before {NAME}" in capsys.readouterr().err
    assert not everything.RUNS.exists()


def test_shipped_weights_are_the_runs_in_bfloat16(zoo_folder, tmp_path):
    assert run(f"--name={NAME}") == 0
    run_folder = tmp_path / "runs" / NAME
    fine, coarse = weights(run_folder), registry.flatten(_arrays(zoo.load(NAME)))
    assert fine.keys() == coarse.keys()
    for name, value in fine.items():
        assert np.all(np.abs(coarse[name] - value) <= np.abs(value) * 2**-8), name


def test_weights_that_ship_stay_unless_a_new_run_surpasses_them(zoo_folder, capsys):
    """At the middle level, whatever the other levels; a run that goes on from them is judged by what it gains."""
    assert run(f"--name={NAME}") == 0
    path, sha256 = zoo_folder / f"{NAME}.json", zoo.card(NAME)["sha256"]
    shipped = json.loads(path.read_text())
    for level in shipped["validation"]["levels"]:
        level["restored_db"] = 40.0
    path.write_text(json.dumps(shipped))
    assert run(f"--name={NAME}") == 0
    assert "not more than the 40.00 dB of the weights that ship: they stay" in capsys.readouterr().err
    assert zoo.card(NAME)["validation"]["levels"][1]["restored_db"] == 40.0
    for level in shipped["validation"]["levels"]:
        level["restored_db"] = 0.0
    path.write_text(json.dumps(shipped))
    assert run(f"--name={NAME}") == 0
    assert zoo.card(NAME)["sha256"] == sha256
    assert zoo.card(NAME)["validation"]["levels"][1]["restored_db"] > 0


def test_altered_weights_are_refused(zoo_folder):
    assert run(f"--name={NAME}") == 0
    path = zoo_folder / zoo.card(NAME)["weights"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ZooError, match="truncated or altered"):
        zoo.load(NAME)


def test_the_sums_of_what_ships_are_in_the_code(zoo_folder):
    """Weights and a card that were changed together are refused too."""
    assert run(f"--name={NAME}") == 0
    scope = {"__file__": __file__}
    exec(compile(shipped.FILE.read_text(), "shipped.py", "exec"), scope)
    assert scope["SHA256"] == {NAME: zoo.card(NAME)["sha256"]}
    registry._write(zoo_folder, f"{NAME}.json", zoo.card(NAME), {"a": np.zeros(3, np.float32)})
    with pytest.raises(InputError, match="not those that ship"):
        zoo.card(NAME)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    config = registry.configure(registry.SPECS[NAME].config, width=8, blocks=1)
    params = {"a": {"b": np.array([1, value], np.float32)}}
    registry.save(tmp_path, "run", config, params, {}, {})
    with pytest.raises(InputError, match=r"no finite numbers, in a\.b; take others"):
        zoo.load(tmp_path)


def test_photographs_begin_with_the_plain_weights_and_ship_only_if_they_gain(
    zoo_folder, picture_folder, monkeypatch, capsys
):
    photos = f"--photos={picture_folder}"
    assert run(f"--name={NAME}-photos", photos) == 2
    assert f"begins with the weights of {NAME}" in capsys.readouterr().err
    assert run(f"--name={NAME}") == 0
    monkeypatch.setattr(everything, "LEAST_GAIN_DB", 99.0)
    assert run(f"--name={NAME}-photos", photos) == 0
    assert not registry.has_weights(f"{NAME}-photos")
    assert "they stay" in capsys.readouterr().err
    monkeypatch.setattr(everything, "LEAST_GAIN_DB", -99.0)
    assert run(f"--name={NAME}-photos", photos) == 0
    about = zoo.card(f"{NAME}-photos")
    assert about["recipe"]["weights"] == f"{NAME} {zoo.card(NAME)['sha256']}"
    assert about["curve"][0][0] == 0
    assert about["licence"].startswith("research")


def test_the_weakest_goes_on_from_its_weights(zoo_folder, picture_folder):
    assert run(f"--name={NAME}") == 0
    before = zoo.card(NAME)
    assert run("--weakest") == 0
    after = zoo.card(NAME)
    began = _began(everything.RUNS / f"{NAME}-{before['sha256'][:8]}")
    assert abs(began - before["validation"]["restored_db"]) < 0.02  # bfloat16
    assert after["validation"]["restored_db"] >= began or after["sha256"] == before["sha256"]


def test_further_goes_on_whatever_is_weakest(zoo_folder):
    assert run(f"--name={NAME}") == 0
    sha256 = zoo.card(NAME)["sha256"]
    assert run(f"--name={NAME}", "--further") == 0
    assert zoo.card(everything.RUNS / f"{NAME}-{sha256[:8]}")["recipe"]["weights"] == f"{NAME} {sha256}"


def test_a_budget_stops_a_run_which_then_continues(picture_folder, tmp_path, capsys):
    """`--minutes` ends with code 0 and a checkpoint; the whole is then bit for bit the unbroken run."""
    assert resnet.main(flags("resnet", picture_folder, tmp_path / "whole")) == 0
    assert resnet.main([*flags("resnet", picture_folder, tmp_path / "cut"), "--minutes=0.00001"]) == 0
    assert "the same command continues" in capsys.readouterr().err
    assert not (tmp_path / "cut" / registry.CARD).exists()
    assert resnet.main(flags("resnet", picture_folder, tmp_path / "cut")) == 0
    assert same(tmp_path / "whole", tmp_path / "cut")


def test_weights_bring_their_network(picture_folder, tmp_path, capsys):
    assert resnet.main(flags("resnet", picture_folder, tmp_path / "first")) == 0
    begun = [f"--data={picture_folder}", f"--workdir={tmp_path / 'second'}", f"--weights={tmp_path / 'first'}", *SHORT]
    assert resnet.main([*begun, "--learning-rate=0"]) == 0
    assert same(tmp_path / "first", tmp_path / "second", 1e-6)
    assert zoo.card(tmp_path / "second")["config"] == zoo.card(tmp_path / "first")["config"]
    assert resnet.main([*begun, "--network=width=4"]) == 2
    assert "width=4 does not fit weights of width=8" in capsys.readouterr().err
    assert unet.main([*begun, f"--workdir={tmp_path / 'third'}"]) == 2
    assert "ResNetConfig" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one of --missing"),
        (["--missing", "--weakest"], "one of --missing"),
        (["--name=resnt-gaussian"], "resnet-gaussian"),
        (["--name=resnet-gaussian-photos"], "--photos=FOLDER"),
        (["--missing", "--budget-minutes=0"], "more than 0"),
        (["--missing", "--further"], "--name=NAME"),
    ],
)
def test_bad_flags_get_one_sentence(words, said, capsys):
    assert run(*words) == 2
    assert said in capsys.readouterr().err


def test_every_model_has_a_recipe(monkeypatch, capsys):
    plain = {name for name in registry.SPECS if not name.endswith(registry.PHOTOS)}
    assert set(everything.RECIPES) == plain
    monkeypatch.setattr(registry, "has_weights", lambda name: False)
    assert run("--missing", "--dry-run", "--images=8", "--precision=bfloat16") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(everything.RECIPES)
    assert all(line.startswith("python -m train.") for line in lines)
    assert all("--images=8" in line and "--precision=bfloat16" in line for line in lines)


def _arrays(module):
    from flax import nnx

    return nnx.to_pure_dict(nnx.state(module))


def _began(run_folder) -> float:
    notes = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    return next(note["validation"]["restored_db"] for note in notes if "validation" in note)


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        ((f"--name={NAME}", "--images=0"), 2, "--images=0 must be at least 1"),
        ((f"--name={NAME}", "--photos=/nowhere"), 3, "/nowhere does not exist"),
        ((f"--name={NAME}", "--photos=."), 2, "leave out --photos"),
    ],
)
def test_flags_that_would_be_passed_by_are_refused(zoo_folder, flags, code, said, capsys):
    assert run(*flags) == code
    assert said in capsys.readouterr().err
    assert not everything.RUNS.exists()


def test_the_code_of_the_training_is_the_commands(zoo_folder, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("train.loop.loop.data.open_source", interrupted)
    assert run(f"--name={NAME}") == 130
