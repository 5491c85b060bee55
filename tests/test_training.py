"""The train commands through their real mains: they learn, resume, refuse, and give on eight devices what they give
on one."""

import dataclasses
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from train import cyclegan, data, degrade, densenet, gan, loop
from train import state as st
from train.settings import check
from zoo import registry
from zoo.pictures import read

ROOT = Path(__file__).parents[1]
MAINS = {"densenet": densenet.main, "gan": gan.main, "cyclegan": cyclegan.main}
TINY = {
    "densenet": "width=8,growth=4,blocks=1,layers=1,norm=none",
    "gan": "width=8,depth=2",
    "cyclegan": "width=8,blocks=1",
}
SHORT = ["--batch=8", "--crop=16", "--images=64", "--checkpoints=2", "--valid=2", "--leaves=6"]


def flags(command: str, folder, workdir, *more: str) -> list[str]:
    return [f"--data={folder}", f"--workdir={workdir}", f"--network={TINY[command]}", *SHORT, *more]


def weights(workdir: Path) -> dict[str, np.ndarray]:
    return {k: np.asarray(v) for k, v in _flat(zoo.load(workdir)).items()}


def _flat(network) -> dict:
    from flax import nnx

    return registry.flatten(nnx.to_pure_dict(nnx.state(network)))


def same(one: Path, other: Path, tolerance: float = 0.0) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(np.allclose(a[k], b[k], rtol=0, atol=tolerance) for k in a)


JUDGE = "--judge=width=4,depth=2"
DENSE = ("--generator=densenet", "--discriminator=densenet", f"--network={TINY['densenet']}")
DENSE += ("--judge=width=8,growth=4,blocks=1,layers=1", "--dropout=0.5")
VARIANTS = {
    "densenet": ("densenet", "--noise=salt_and_pepper"),
    "gan": ("gan", "--noise=mixed", JUDGE),
    "gan densenet": ("gan", *DENSE),
    "gan generate": ("gan", "--goal=generate", "--objective=minimax", "--network=width=4,steps=2", JUDGE),
    "cyclegan": ("cyclegan", "--noise=gaussian", "--judge=width=8"),
    "cyclegan salt": ("cyclegan", "--noise=salt_and_pepper", "--judge=width=8"),
    "cyclegan densenet": ("cyclegan", *DENSE),
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_command_runs_and_leaves_a_loadable_network(variant, folder, tmp_path, capsys):
    command, *more = VARIANTS[variant]
    assert MAINS[command](flags(command, folder, tmp_path, *more)) == 0
    notes = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert notes[-1]["images"] == 64
    assert {p.name for p in tmp_path.iterdir()} >= {"settings.json", "model.json", "metrics.jsonl", "checkpoints"}
    network = zoo.load(tmp_path)
    if "--goal=generate" in more:
        assert network(jnp.zeros((1, network.config.latent))).shape == (1, 16, 16, 3)
        assert read(tmp_path / "samples.png").samples.shape == (4 * 16, 8 * 16, 3)
    else:
        picture = read(folder / "00.png").samples
        assert zoo.Restorer(network)(picture).shape == picture.shape
        assert "64/64 images" in capsys.readouterr().err


def test_the_papers_preset_runs_with_its_own_losses(folder, tmp_path):
    """Both cycles, both discriminators, identities, pool, rising levels, dropout, L2, on fewer channels and images."""
    small = [
        "--preset=paper",
        "--images=16",
        "--batch=4",
        "--crop=32",
        "--valid=2",
        "--checkpoints=1",
        "--pool=4",
        "--judge=width=4",
    ]
    assert cyclegan.main([f"--data={folder}", f"--workdir={tmp_path}", "--network=width=4,blocks=1", *small]) == 0
    first = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    assert {"g_ab", "g_ba", "d_a", "d_b", "cycle", "identity"} <= first.keys()
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["networks"]["g_ab"]["norm"] == "instance"
    assert (settings["dropout"], settings["rising"], settings["epochs"]) == (0.5, True, 100)


def test_paper_preset_is_the_paper(capsys):
    assert cyclegan.main(["--preset=paper", "--dry-run"]) == 0
    about = json.loads(capsys.readouterr().out)
    expected = {"learning_rate": 2e-4, "batch": 64, "epochs": 100, "checkpoints": 10, "dropout": 0.5, "rising": True}
    expected |= {"levels": [0.01, 0.05], "pool": 50, "objective": "least_squares", "images": None, "decay": "linear"}
    assert {k: about[k] for k in expected} == expected
    assert about["l2"] > 0
    assert about["patience"] > 0
    assert about["networks"]["g_ab"]["blocks"] == about["networks"]["g_ba"]["blocks"] == 6


def test_dry_run_writes_nothing(tmp_path, capsys):
    assert densenet.main(["--dry-run", "--levels=0.02,0.04", f"--workdir={tmp_path / 'run'}"]) == 0
    assert json.loads(capsys.readouterr().out)["levels"] == [0.02, 0.04]
    assert not (tmp_path / "run").exists()


def test_tensorboard_holds_the_losses(folder, tmp_path):
    assert densenet.main(flags("densenet", folder, tmp_path, "--tensorboard")) == 0
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"pixel" in events.read_bytes()


# Learning


def test_overfits_one_batch(folder):
    """The same crops under fresh noise at one level: most of the noise must go, in one compiled program."""
    settings = densenet.DenseNetSettings(network="width=16,growth=8,blocks=1,layers=2,norm=none", levels=(0.05, 0.05))
    settings = check(dataclasses.replace(settings, grey=0.0, learning_rate=3e-3))
    task = densenet.DenseNet(settings, steps=200)
    state = task.init(jax.random.key(0))
    source = data.open_source(str(folder))
    batch = {"clean": jnp.stack([jnp.asarray(source[k][:32, :32]) for k in range(8)])}
    step, losses = jax.jit(task.step, donate_argnums=0), []
    for k in range(200):
        state, found = step(state, batch, jax.random.fold_in(jax.random.key(1), k))
        losses.append(float(found["pixel"]))
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])
    assert step._cache_size() == 1


@pytest.mark.parametrize("noise", ["gaussian", "salt_and_pepper"])
def test_a_short_real_run_beats_the_degraded_picture(noise, folder, tmp_path):
    more = ["--images=2400", "--crop=32", f"--noise={noise}", "--network=width=16,growth=8,blocks=1,layers=2,norm=none"]
    assert densenet.main(flags("densenet", folder, tmp_path, *more)) == 0
    found = zoo.card(tmp_path)["validation"]
    assert found["restored_db"] > found["degraded_db"] + 1
    assert all(level["restored_db"] > level["degraded_db"] for level in found["levels"])


# Unpaired training


def test_no_pair_reaches_the_loss(tmp_path, folder, monkeypatch):
    """Every picture of the folder is a colour of its own: none may be seen clean in one step and degraded in any."""
    from zoo import pictures

    rng = np.random.default_rng(1)
    colours = rng.permutation(np.linspace(0.1, 0.9, 24))
    (tmp_path / "colours").mkdir()
    for k, colour in enumerate(colours):
        flat = np.full((24, 24, 3), round(255 * colour), np.uint8)
        pictures.write(tmp_path / "colours" / f"{k:02}.png", pictures.Picture(flat))
    seen = {"degraded": set(), "clean": set()}
    original = cyclegan.CycleGan.domains

    def look(shades, domain):
        seen[("degraded", "clean")[int(domain)]].update(np.argmin(abs(colours - shades[:, None]), 1).tolist())

    def spy(self, batch, key, step):
        found = original(self, batch, key, step)
        for domain, x in enumerate(found):
            jax.debug.callback(look, x.mean((1, 2, 3)), domain)
        return found

    monkeypatch.setattr(cyclegan.CycleGan, "domains", spy)
    more = ["--images=400", "--levels=0.01,0.02", "--head-start=1.0", "--batch=8"]
    assert cyclegan.main(flags("cyclegan", tmp_path / "colours", tmp_path / "run", *more)) == 0
    jax.effects_barrier()
    assert len(seen["degraded"]) > 8
    assert len(seen["clean"]) > 8
    assert not seen["degraded"] & seen["clean"]


def test_the_cycle_step_never_touches_degraded_pictures(folder):
    """g_ab's own step gives the same when the degraded batch is replaced by anything else."""
    settings = check(cyclegan.CycleGanSettings(network=TINY["cyclegan"], batch=4, crop=16))
    task = cyclegan.CycleGan(settings, steps=10)
    state = jax.jit(task.init)(jax.random.key(0))
    clean = jax.random.randint(jax.random.key(1), (4, 16, 16, 3), 0, 255).astype(jnp.uint8)
    run = jax.jit(task.cycle)
    one, _ = run(state, {"clean": clean, "degraded": clean}, jax.random.key(2))
    other, _ = run(state, {"clean": clean, "degraded": 255 - clean}, jax.random.key(2))
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), one.params, other.params)))


def test_history_pool_shows_earlier_fakes_and_loses_none():
    pool = jnp.full((6, 2, 2, 1), cyclegan.NOT_FILLED)
    shown, kept = [], set()
    for k in range(40):
        fake = jnp.broadcast_to(jnp.arange(2 * k, 2 * k + 2, dtype=jnp.float32)[:, None, None, None], (2, 2, 2, 1))
        out, pool = cyclegan.from_pool(jax.random.key(k), pool, fake)
        shown.append((k, sorted(out[:, 0, 0, 0].tolist())))
        kept |= set(pool[:, 0, 0, 0].tolist())
    assert all(value >= 0 for _, values in shown for value in values)  # never an empty slot
    old = [value for k, values in shown for value in values if value < 2 * k]
    assert 0.25 < len(old) / 80 < 0.6
    assert max(kept) > 40


# Settings and their errors


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
}


@pytest.mark.parametrize("case", BAD)
def test_bad_settings_get_one_sentence(case, folder, tmp_path, capsys):
    more, named = BAD[case]
    code = densenet.main(flags("densenet", folder, tmp_path / "run", *more))
    err = capsys.readouterr().err
    assert code in (2, 3)
    assert named in err.splitlines()[-1]
    assert not (tmp_path / "run" / "model.json").exists()


@pytest.mark.parametrize(("flag", "choice"), [("--noise=rain", "salt_and_pepper"), ("--preset=huge", "paper")])
def test_unknown_values_list_the_choices(flag, choice, capsys):
    with pytest.raises(SystemExit) as left:
        densenet.main([flag])
    assert left.value.code == 2
    assert choice in "".join(capsys.readouterr())


def test_unknown_flags_list_the_flags(capsys):
    assert densenet.main(["--bacth=3"]) == 2
    assert "--bacth; the flags are: --average, --batch" in capsys.readouterr().err


def test_another_run_in_the_folder_is_refused(folder, tmp_path, capsys):
    assert densenet.main(flags("densenet", folder, tmp_path)) == 0
    before = (tmp_path / "model.json").read_bytes()
    assert densenet.main(flags("densenet", folder, tmp_path, "--seed=3")) == 2
    assert "seed: 0 there, 3 here" in capsys.readouterr().err
    assert (tmp_path / "model.json").read_bytes() == before


def test_a_full_disk_is_named_and_leaves_no_half_card(folder, tmp_path, monkeypatch, capsys):
    def full(self, *_):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert densenet.main(flags("densenet", folder, tmp_path)) == 1
    assert "disk is full" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.safetensors")) + list(tmp_path.glob("model.json"))


def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(folder, tmp_path, monkeypatch, capsys):
    original = densenet.DenseNet.step

    def poisoned(self, state, batch, key):
        state, losses = original(self, state, batch, key)
        return state, {"pixel": jnp.where(state.step == 6, jnp.nan, losses["pixel"])}

    poisoned.__name__ = "step"
    monkeypatch.setattr(densenet.DenseNet, "step", poisoned)
    assert densenet.main(flags("densenet", folder, tmp_path)) == 1
    err = capsys.readouterr().err
    assert "'pixel' is not finite at step 5" in err
    assert "step 4 is the last good checkpoint" in err
    assert sorted(int(p.name) for p in (tmp_path / "checkpoints").iterdir()) == [4]
    assert zoo.card(tmp_path)["images"] == 32


def test_early_stopping(folder, tmp_path, capsys):
    """A learning rate of 0 never gets better: the run ends after `patience` checkpoints and says so."""
    more = ["--learning-rate=0", "--checkpoints=8", "--patience=2"]
    assert densenet.main(flags("densenet", folder, tmp_path, *more)) == 0
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
    batch = jnp.full((256, 16, 16, 3), 128, jnp.uint8)
    settings = dataclasses.replace(densenet.DenseNetSettings(), rising=True, grey=0.0)
    spread = lambda progress: degrade.pairs(key, batch, settings=settings, progress=progress)[1].std((1, 2, 3))
    assert float(spread(0.05).max()) < 0.016
    assert float(spread(0.9).max()) > 0.045
    assert float(spread(0.9).min()) == pytest.approx(0.01, abs=0.002)


def test_grey_crops_have_grey_noise(key):
    batch = jax.random.randint(key, (64, 16, 16, 3), 0, 255).astype(jnp.uint8)
    settings = dataclasses.replace(densenet.DenseNetSettings(), grey=0.5)
    clean, degraded = degrade.pairs(key, batch, settings=settings, progress=jnp.asarray(1.0))
    grey = lambda x: np.asarray(jnp.all(jnp.ptp(x, axis=-1) < 1e-6, (1, 2)))
    assert np.array_equal(grey(clean), grey(degraded))
    assert 16 < grey(clean).sum() < 48


# Resuming


@pytest.mark.parametrize("command", MAINS)
def test_interrupted_equals_unbroken(command, folder, tmp_path, monkeypatch, capsys):
    """Ctrl-C in the middle saves at that step and exits 130; the same command then ends bit for bit where an unbroken
    run does."""
    assert MAINS[command](flags(command, folder, tmp_path / "whole")) == 0
    place = loop.sharding.place

    def interrupt(*args, calls=iter(range(10**6))):  # noqa: B008
        if next(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return place(*args)

    monkeypatch.setattr(loop.sharding, "place", interrupt)
    assert MAINS[command](flags(command, folder, tmp_path / "broken")) == 130
    monkeypatch.undo()
    assert MAINS[command](flags(command, folder, tmp_path / "broken")) == 0
    assert "from step 5 of 8" in capsys.readouterr().err
    assert same(tmp_path / "whole", tmp_path / "broken")
    steps = lambda run: [json.loads(x)["step"] for x in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
    assert steps("broken") == sorted(steps("broken"))


def start(command: str, *arguments: str, **environment: str) -> subprocess.Popen:
    env = {**os.environ, "JAX_PLATFORMS": "cpu", **environment}
    line = [sys.executable, "-m", f"train.{command}", *arguments]
    return subprocess.Popen(line, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)


def finish(*processes: subprocess.Popen) -> None:
    for process in processes:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err


def test_killed_run_continues_bit_for_bit(folder, tmp_path):
    """SIGKILL as soon as a checkpoint is there."""
    more = ["--images=480", "--checkpoints=12"]
    finish(start("densenet", *flags("densenet", folder, tmp_path / "whole", *more)))
    victim = start("densenet", *flags("densenet", folder, tmp_path / "killed", *more))
    deadline = time.monotonic() + 240
    while not list((tmp_path / "killed").glob("checkpoints/[0-9]*[0-9]")) and time.monotonic() < deadline:
        time.sleep(0.02)
    victim.kill()
    victim.communicate()
    assert victim.returncode == -signal.SIGKILL
    finish(start("densenet", *flags("densenet", folder, tmp_path / "killed", *more)))
    assert same(tmp_path / "whole", tmp_path / "killed")


# Many devices


def test_eight_devices_give_what_one_gives(folder, tmp_path):
    """Batch norm's statistics and the noise included: they are of the whole batch, wherever its rows lie."""
    arguments = ["--network=width=8,growth=4,blocks=1,layers=1,norm=batch", "--decay=constant"]
    one = start("densenet", *flags("densenet", folder, tmp_path / "one", *arguments))
    many = start(
        "densenet",
        *flags("densenet", folder, tmp_path / "eight", *arguments),
        XLA_FLAGS="--xla_force_host_platform_device_count=8",
    )
    finish(one, many)
    assert same(tmp_path / "one", tmp_path / "eight", 2e-4)  # Adam's first steps magnify rounding to parts of the rate
    db = [zoo.card(tmp_path / run)["validation"]["restored_db"] for run in ("one", "eight")]
    assert math.isclose(*db, abs_tol=1e-2)


def test_batch_that_does_not_divide_names_both_numbers(folder, tmp_path):
    process = start(
        "densenet",
        *flags("densenet", folder, tmp_path, "--batch=12"),
        XLA_FLAGS="--xla_force_host_platform_device_count=8",
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "--batch=12" in err
    assert "8 devices" in err


def test_two_processes_give_what_one_gives(folder, tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    pair = [
        start(
            "densenet",
            *flags("densenet", folder, tmp_path / "pair"),
            JAX_COORDINATOR_ADDRESS=f"127.0.0.1:{port}",
            JAX_NUM_PROCESSES="2",
            JAX_PROCESS_ID=str(k),
        )
        for k in range(2)
    ]
    finish(*pair)
    finish(start("densenet", *flags("densenet", folder, tmp_path / "one")))
    assert same(tmp_path / "one", tmp_path / "pair", 2e-4)
