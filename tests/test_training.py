"""The train commands learn, say what they do, and train unpaired where they say so."""

import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests.runs import MAINS, TINY, flags
from train import cyclegan, densenet
from train.loop import data, loop
from train.loop.method import streams
from train.methods.judges import NOT_FILLED, from_pool
from train.methods.unpaired import Unpaired
from zoo.pictures import Picture, read, write

JUDGE = "--judge=width=4,depth=2"
DENSE = ("--generator=densenet", "--discriminator=densenet", f"--network={TINY['densenet']}")
DENSE += ("--judge=width=8,growth=4,blocks=1,layers=1", "--dropout=0.5")
VARIANTS = {
    "unet": ("unet", "--noise=gaussian"),
    "resnet": ("resnet", "--noise=gaussian"),
    "densenet": ("densenet", "--noise=salt_and_pepper"),
    "gan": ("gan", "--noise=mixed", JUDGE),
    "gan plain": ("gan", "--generator=plain", "--network=width=8,depth=2", JUDGE),
    "gan densenet": ("gan", *DENSE),
    "gan generate": ("gan", "--goal=generate", "--objective=minimax", "--network=width=4,steps=2", JUDGE),
    "cyclegan": ("cyclegan", "--noise=gaussian", "--judge=width=8"),
    "cyclegan salt": ("cyclegan", "--noise=salt_and_pepper", "--judge=width=8"),
    "cyclegan densenet": ("cyclegan", *DENSE),
}  # fmt: skip


def made(module, steps: int, *line: str):
    """A command's method, as its flags have it."""
    return module.COMMAND.make(module.COMMAND.parse(list(line)), steps)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_command_runs_and_leaves_a_loadable_network(variant, picture_folder, tmp_path, capsys):
    command, *more = VARIANTS[variant]
    assert MAINS[command](flags(command, picture_folder, tmp_path, *more)) == 0
    notes = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert notes[-1]["images"] == 64
    assert {p.name for p in tmp_path.iterdir()} >= {"settings.json", "model.json", "metrics.jsonl", "checkpoints"}
    network = zoo.load(tmp_path)
    if "--goal=generate" in more:
        assert network(jnp.zeros((1, network.config.latent))).shape == (1, 16, 16, 3)
        assert read(tmp_path / "samples.png").samples.shape == (4 * 16, 8 * 16, 3)
    else:
        picture = read(picture_folder / "00.png").samples
        assert zoo.Restorer(network)(picture).shape == picture.shape
        assert "64/64 images" in capsys.readouterr().err


def test_the_papers_preset_runs_with_its_own_losses(picture_folder, tmp_path):
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
    assert (
        cyclegan.main([f"--data={picture_folder}", f"--workdir={tmp_path}", "--network=width=4,blocks=1", *small]) == 0
    )
    first = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    assert {"g_ab", "g_ba", "d_a", "d_b", "cycle", "identity"} <= first.keys()
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["networks"]["g_ab"]["norm"] == "batch"
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


def test_tensorboard_holds_the_losses(picture_folder, tmp_path):
    assert densenet.main(flags("densenet", picture_folder, tmp_path, "--tensorboard")) == 0
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"pixel" in events.read_bytes()


# Learning


def test_overfits_one_batch(picture_folder):
    """The same crops under fresh noise at one level: most of the noise must go, in one compiled program."""
    method = made(
        densenet,
        200,
        "--network=width=16,growth=8,blocks=1,layers=2",
        "--levels=0.05,0.05",
        "--grey=0",
        "--learning-rate=3e-3",
    )
    state = method.init(jax.random.key(0))
    source = data.open_source(str(picture_folder))
    batch = {"clean": jnp.stack([jnp.asarray(source[k][:32, :32]) / 255 for k in range(8)])}
    step, losses = jax.jit(method.step, donate_argnums=0), []
    for k in range(200):
        state, found = step(state, batch, jax.random.fold_in(jax.random.key(1), k))
        losses.append(float(found["pixel"]))
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])
    assert step._cache_size() == 1


@pytest.mark.parametrize("noise", ["gaussian", "salt_and_pepper"])
def test_a_short_real_run_beats_the_degraded_picture(noise, picture_folder, tmp_path):
    more = ["--images=2400", "--crop=32", f"--noise={noise}", "--network=width=16,growth=8,blocks=1,layers=2"]
    assert densenet.main(flags("densenet", picture_folder, tmp_path, *more)) == 0
    found = zoo.card(tmp_path)["validation"]
    assert found["restored_db"] > found["degraded_db"] + 1
    assert all(level["restored_db"] > level["degraded_db"] for level in found["levels"])


# Unpaired training


def test_no_pair_reaches_the_loss(tmp_path, picture_folder, monkeypatch):
    """Every picture of the folder is a colour of its own: none may be seen clean in one step and degraded in any."""
    rng = np.random.default_rng(1)
    colours = rng.permutation(np.linspace(0.1, 0.9, 24))
    (tmp_path / "colours").mkdir()
    for k, colour in enumerate(colours):
        flat = np.full((24, 24, 3), round(255 * colour), np.uint8)
        write(tmp_path / "colours" / f"{k:02}.png", Picture(flat))
    seen = {"degraded": set(), "clean": set()}
    original = Unpaired.domains

    def look(shades, domain):
        seen[("degraded", "clean")[int(domain)]].update(np.argmin(abs(colours - shades[:, None]), 1).tolist())

    def spy(self, batch, key, step):
        found = original(self, batch, key, step)
        for domain, x in enumerate(found):
            jax.debug.callback(look, x.mean((1, 2, 3)), domain)
        return found

    monkeypatch.setattr(Unpaired, "domains", spy)
    more = ["--images=400", "--levels=0.01,0.02", "--head-start=0.995", "--batch=8"]
    assert cyclegan.main(flags("cyclegan", tmp_path / "colours", tmp_path / "run", *more)) == 0
    jax.effects_barrier()
    assert len(seen["degraded"]) > 8
    assert len(seen["clean"]) > 8
    assert not seen["degraded"] & seen["clean"]


def test_the_cycle_step_never_touches_degraded_pictures(picture_folder):
    """g_ab's own step gives the same when the degraded batch is replaced by anything else."""
    method = made(cyclegan, 10, f"--network={TINY['cyclegan']}", "--batch=4", "--crop=16")
    state = jax.jit(method.init)(jax.random.key(0))
    clean = jax.random.uniform(jax.random.key(1), (4, 16, 16, 3))
    run = jax.jit(method.cycle)
    one, _ = run(state, {"clean": clean, "degraded": clean}, jax.random.key(2))
    other, _ = run(state, {"clean": clean, "degraded": 1 - clean}, jax.random.key(2))
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), one.params, other.params)))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_degraders_rate_is_its_own(share):
    """At 0 g_ba stays where it was, and its judge still learns."""
    line = [f"--network={TINY['cyclegan']}", "--batch=2", "--crop=16", f"--degrader-rate={share}"]
    method = made(cyclegan, 10, *line)
    state = jax.jit(method.init)(jax.random.key(0))
    pictures = jax.random.uniform(jax.random.key(1), (2, 16, 16, 3))
    after, _ = jax.jit(method.adversaries)(state, {"clean": pictures, "degraded": pictures}, jax.random.key(2))
    same = lambda name: jax.tree.leaves(jax.tree.map(jnp.array_equal, state.params[name], after.params[name]))
    assert all(same("g_ba")) == (share == 0)
    assert not all(same("d_a"))


def test_no_checkpoint_counts_before_g_ab_has_trained(tmp_path, monkeypatch):
    """While g_ba trains alone, g_ab's PSNR stands still: neither the best weights nor the end of patience."""
    line = [f"--network={TINY['cyclegan']}", "--head-start=0.5", "--patience=2", "--checkpoints=8"]
    method = made(cyclegan, 8, *line, f"--workdir={tmp_path}")
    log = SimpleNamespace(note=lambda *_: None, validated=lambda *_: None)
    found = {"degraded_db": 20.0, "restored_db": 10.0}
    validation = SimpleNamespace(measure=lambda *_: found, said=lambda *_: "", decides="restored_db")
    trainer = loop._Trainer(method.settings, method, log, SimpleNamespace(save=lambda *_: None), validation, {}, 8)
    exported = []
    monkeypatch.setattr(trainer, "_export", lambda done, *_: exported.append(done))
    waited, progress = [], loop.Progress("of pictures")
    for done in range(1, 9):
        progress = trainer._mark(done, None, progress, 0.0)
        waited.append(progress.waited)
    assert waited == [0, 0, 0, 0, 0, 1, 2, 3]
    assert exported == [5]


def test_no_key_is_used_twice():
    """Not for weights, steps and blocks of procedural pictures, nor for what each is split into."""
    weights, steps = streams(3)
    numbers = jnp.arange(64, dtype=jnp.uint32)
    keys = [
        jax.vmap(lambda n, key=key: jax.random.fold_in(key, n))(numbers) for key in (weights, steps, jax.random.key(3))
    ]
    parts = [jax.vmap(lambda key: jax.random.split(key, 8))(k).ravel() for k in keys]
    data = [tuple(row) for part in [*keys, *parts] for row in np.asarray(jax.random.key_data(part)).tolist()]
    assert len(set(data)) == len(data) == 3 * 64 * 9


def test_history_pool_shows_earlier_fakes_and_loses_none():
    pool = jnp.full((6, 2, 2, 1), NOT_FILLED)
    shown, kept = [], set()
    for k in range(40):
        fake = jnp.broadcast_to(jnp.arange(2 * k, 2 * k + 2, dtype=jnp.float32)[:, None, None, None], (2, 2, 2, 1))
        out, pool = from_pool(jax.random.key(k), pool, fake)
        shown.append((k, sorted(out[:, 0, 0, 0].tolist())))
        kept |= set(pool[:, 0, 0, 0].tolist())
    assert all(value >= 0 for _, values in shown for value in values)  # never an empty slot
    old = [value for k, values in shown for value in values if value < 2 * k]
    assert 0.25 < len(old) / 80 < 0.6
    assert max(kept) > 40
