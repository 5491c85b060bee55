"""Settings, their errors, and what may go wrong in a run."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests.runs import flags
from train import cyclegan, densenet, gan
from train.denoise import Denoise
from train.loop import state as st
from train.loop import workdir
from train.methods.paired import Paired
from zoo.damage.noise import noise
from zoo.errors import FlagError

BAD = {
    "levels out of range": (["--levels=0.01,1.5"], "levels"),
    "levels reversed": (["--levels=0.05,0.01"], "lower first"),
    "no data": (["--data=/nowhere/at/all"], "/nowhere/at/all"),
    "network field": (["--network=widht=3"], "width"),
    "network value": (["--network=width=wide"], "width"),
    "batch": (["--batch=0"], "batch"),
    "crop": (["--crop=4"], "crop"),
    "rate": (["--learning-rate=nan"], "learning-rate"),
    "tfds": (["--data=tfds:no_such_thing"], "no_such_thing"),
    "seed": (["--seed=-1"], "seed=-1"),
    "crop of an odd side": (["--crop=33"], "--crop=33 must divide by 2"),
    "no channels": (["--network=width=0"], "width=0"),
    "unknown norm": (["--network=norm=bacth"], "'bacth'; choose one of: batch, none"),
    "norm over the picture": (["--network=norm=instance"], "can be tiled 'instance'"),
    "fold": (["--network=fold=3"], "fold=3 must be 1, 2 or 4"),
    "folder": (["--workdir=/proc/none"], "--workdir=/proc/none cannot be made"),
    "folder in a file": ([f"--workdir={__file__}/run"], "not a folder; choose another output with --workdir"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_settings_get_one_sentence(case, picture_folder, tmp_path, capsys):
    more, named = BAD[case]
    code = densenet.main(flags("densenet", picture_folder, tmp_path / "run", *more))
    err = capsys.readouterr().err
    assert code in (2, 3)
    assert named in err.splitlines()[-1]
    assert not (tmp_path / "run" / "model.json").exists()


@pytest.mark.parametrize(
    ("main", "flag", "said"),
    [
        (cyclegan.main, "--degrader-rate=-1", "--degrader-rate=-1.0 must be a number from 0 up"),
        (cyclegan.main, "--adversary-every=1", "--adversary-every=1 must be at least 2"),
        (cyclegan.main, "--head-start=1", "leaves no step to g_ab"),
        (cyclegan.main, "--lambda-cycle=0", "which picture to restore"),
        (cyclegan.main, "--pool=-1", "--pool=-1 must be at least 0"),
        (cyclegan.main, "--discriminator=patch --crop=20", "--crop=20 is too small for a PatchConfig; make it 24"),
        (cyclegan.main, "--network=fold=1 --crop=33", "--crop=33 must divide by 2, which a NoiseCriticConfig"),
        (gan.main, "--judge=depth=7", "--crop=64 is too small for a DiscriminatorConfig; make it 128"),
        (
            gan.main,
            "--discriminator=densenet --judge=blocks=7",
            "--crop=64 is too small for a DenseDiscriminatorConfig; make it 128",
        ),
        (gan.main, "--judge=channels=3", "cannot change channels"),
        (gan.main, "--judge=dropout=2.0", "--judge: dropout=2.0 must lie in [0, 1)"),
        (gan.main, "--dropout=1", "--dropout=1.0 would drop everything"),
    ],
)
def test_a_commands_own_numbers_are_checked_too(main, flag, said, capsys):
    assert main([*flag.split(), "--dry-run"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("main", "line", "said"),
    [
        (cyclegan.main, "--joint --grey=0.2", "--grey cannot be used with a CycleGAN as published"),
        (cyclegan.main, "--preset=paper --head-start=0.2", "--head-start cannot be used with --joint"),
        (gan.main, "--goal=generate --noise=poisson", "--noise cannot be used with --goal=generate"),
        (gan.main, "--goal=generate --patience=2 --rising", "--patience, --rising cannot be used with"),
        (densenet.main, "--dropout=0.5", "--dropout cannot be used with pairs alone, which need no discriminator"),
    ],
)
def test_flags_that_would_be_ignored_are_refused(main, line, said, capsys):
    assert main([*line.split(), "--dry-run"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("preset", ["small", "full", "paper"])
@pytest.mark.parametrize("main", [cyclegan.main, gan.main, densenet.main])
def test_what_a_preset_says_is_not_refused(main, preset):
    goal = ["--goal=generate"] if main is gan.main else []
    assert main([f"--preset={preset}", *goal, "--dry-run"]) == 0


def test_a_generator_of_pictures_halves_its_side_and_begins_afresh(capsys):
    assert gan.main(["--goal=generate", "--crop=100", "--dry-run"]) == 2
    assert "choose a multiple of 16" in capsys.readouterr().err
    assert gan.main(["--goal=generate", "--weights=fast-gaussian", "--dry-run"]) == 2
    assert "--weights begins with a network that restores" in capsys.readouterr().err


def test_a_mistyped_folder_does_not_claim_the_runs_folder(picture_folder, tmp_path, capsys):
    line = flags("densenet", picture_folder, tmp_path / "run")
    assert densenet.main([*line, f"--data={tmp_path}/typo"]) == 3
    assert densenet.main(line) == 0


@pytest.mark.parametrize(("flag", "choice"), [("--noise=rain", "salt_and_pepper"), ("--preset=huge", "paper")])
def test_unknown_values_list_the_choices(flag, choice, capsys):
    with pytest.raises(SystemExit) as left:
        densenet.main([flag])
    assert left.value.code == 2
    assert choice in "".join(capsys.readouterr())


def test_unknown_flags_list_the_flags(capsys):
    assert densenet.main(["--bacth=3"]) == 2
    assert "--bacth; the flags are: --average, --batch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "images"), [(["--epochs=3"], None), (["--epochs", "3", "--images=64"], 64), ([], 14_000)]
)
def test_epochs_take_the_place_of_the_presets_length(words, images, capsys):
    assert densenet.main(["--preset=small", "--dry-run", *words]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == images


def test_another_run_in_the_folder_is_refused(picture_folder, tmp_path, capsys):
    assert densenet.main(flags("densenet", picture_folder, tmp_path)) == 0
    before = (tmp_path / "model.json").read_bytes()
    assert densenet.main(flags("densenet", picture_folder, tmp_path, "--seed=3")) == 2
    assert "seed: 0 there, 3 here" in capsys.readouterr().err
    assert (tmp_path / "model.json").read_bytes() == before


def test_a_run_that_made_nothing_leaves_its_folder_to_the_next(tmp_path):
    """Only a checkpoint, or weights, are worth keeping another run out; a checkpoint half written is neither."""
    workdir.claim(tmp_path, {"seed": 0})
    (tmp_path / "checkpoints" / "4.tmp").mkdir(parents=True)
    workdir.refuse_another(tmp_path, {"seed": 1})
    workdir.claim(tmp_path, {"seed": 1})
    (tmp_path / "checkpoints" / "4").mkdir()
    with pytest.raises(FlagError, match="seed: 1 there, 0 here"):
        workdir.refuse_another(tmp_path, {"seed": 0})
    (tmp_path / "settings.json").write_text("[1]")
    with pytest.raises(FlagError, match=r"settings\.json: it must be an object.*; give another --workdir"):
        workdir.refuse_another(tmp_path, {"seed": 0})


def test_a_folder_in_use_is_refused(picture_folder, tmp_path, capsys):
    with workdir.held(tmp_path):
        assert densenet.main(flags("densenet", picture_folder, tmp_path)) == 2
    assert "is in use by another run" in capsys.readouterr().err
    with workdir.held(tmp_path):
        pass


def test_too_few_pictures_for_two_halves_claim_nothing(picture_folder, tmp_path, capsys):
    (tmp_path / "two").mkdir()
    for name in ("00.png", "01.png"):
        (tmp_path / "two" / name).write_bytes((picture_folder / name).read_bytes())
    assert cyclegan.main(flags("cyclegan", tmp_path / "two", tmp_path / "run", "--valid=1")) == 2
    assert "unpaired training needs 2 pictures or more" in capsys.readouterr().err
    assert not (tmp_path / "run" / "settings.json").exists()


@pytest.mark.parametrize("problem", [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 9 GiB")])
def test_too_little_memory_gets_one_sentence(problem, picture_folder, tmp_path, monkeypatch, capsys):
    def large(*_):
        raise problem

    monkeypatch.setattr("train.loop.loop._Trainer.train", large)
    assert densenet.main(flags("densenet", picture_folder, tmp_path)) == 4
    assert capsys.readouterr().err.endswith("out of memory; make --batch, --crop or --network smaller\n")


def test_a_full_disk_is_named_and_leaves_no_half_card(picture_folder, tmp_path, monkeypatch, capsys):
    def full(self, *_):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert densenet.main(flags("densenet", picture_folder, tmp_path)) == 1
    assert "disk is full" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.safetensors")) + list(tmp_path.glob("model.json"))


def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(picture_folder, tmp_path, monkeypatch, capsys):
    original = Paired.step

    def poisoned(self, state, batch, key):
        state, losses = original(self, state, batch, key)
        return state, {"pixel": jnp.where(state.step == 6, jnp.nan, losses["pixel"])}

    poisoned.__name__ = "step"
    monkeypatch.setattr(Paired, "step", poisoned)
    assert densenet.main(flags("densenet", picture_folder, tmp_path)) == 1
    err = capsys.readouterr().err
    assert "'pixel' is not finite at step 5" in err
    assert "step 4 is the last good checkpoint" in err
    assert err.endswith("another --seed and another --workdir\n")
    assert sorted(int(p.name) for p in (tmp_path / "checkpoints").iterdir()) == [4]
    assert zoo.card(tmp_path)["images"] == 32


def test_nan_before_the_first_checkpoint_names_none(picture_folder, tmp_path, monkeypatch, capsys):
    step = lambda self, state, batch, key: (state._replace(step=state.step + 1), {"pixel": jnp.nan})
    monkeypatch.setattr(Paired, "step", step)
    step.__name__ = "step"
    assert densenet.main(flags("densenet", picture_folder, tmp_path)) == 1
    err = capsys.readouterr().err
    assert "checkpoint" not in err
    assert err.endswith("start again with a lower --learning-rate or another --seed\n")


def test_early_stopping(picture_folder, tmp_path, capsys):
    """A learning rate of 0 never gets better: the run ends after `patience` checkpoints and says so."""
    more = ["--learning-rate=0", "--checkpoints=8", "--patience=2"]
    assert densenet.main(flags("densenet", picture_folder, tmp_path, *more)) == 0
    assert "stopped early" in capsys.readouterr().err
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 3


def test_schedule_rises_holds_and_falls():
    rate = lambda step: float(st.schedule(jnp.asarray(step), steps=200, hold=0.5, shape="linear"))
    assert [rate(s) for s in (0, 99, 150, 200)] == pytest.approx([1, 1, 0.5, 0])
    warm = lambda step: float(st.schedule(jnp.asarray(step), steps=220, start=20, hold=0, shape="cosine", warmup=10))
    assert warm(20) == pytest.approx(0.1, abs=0.01)
    assert warm(120) == pytest.approx(0.5, abs=0.01)
    assert warm(220) == pytest.approx(0, abs=1e-6)


def test_levels_rise_where_asked(key):
    """Flat grey crops: the noise's deviation is the level. Early in the run none is high, late they fill the range."""
    lesson = Denoise(densenet.COMMAND.parse(["--rising", "--grey=0"]))
    spread = lambda progress: lesson.pairs(key, jnp.full((256, 16, 16, 3), 0.5), progress).seen.std((1, 2, 3))
    assert float(spread(0.05).max()) < 0.016
    assert float(spread(0.9).max()) > 0.045
    assert float(spread(0.9).min()) == pytest.approx(0.01, abs=0.002)


def test_grey_crops_have_grey_noise(key):
    for clips in (jax.random.uniform(key, (64, 16, 16, 3)), jax.random.uniform(key, (64, 2, 16, 16, 3))):
        seen, wanted, _ = noise(key, clips, kind="grain", levels=(0.01, 0.05), grey=0.5, white=0.5)
        grey = lambda x: np.asarray(jnp.all(jnp.ptp(x, axis=-1) < 1e-6, tuple(range(1, x.ndim - 1))))
        assert np.array_equal(grey(wanted), grey(seen))
        assert 16 < grey(wanted).sum() < 48
        assert np.array_equal(wanted[~grey(wanted)], clips[~grey(wanted)])
