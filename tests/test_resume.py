"""A run that is broken off continues, and many devices or processes give what one gives."""

import contextlib
import json
import math
import os
import shutil
import signal
import socket
import time
from types import SimpleNamespace

import jax
import pytest

import zoo
from benchmarks.processes import devices
from tests.runs import MAINS, finish, flags, outcome, same, start
from train import densenet
from train.loop import loop
from train.loop.checkpoints import Checkpoints, Progress
from train.loop.state import TrainState
from zoo.errors import InputError


@pytest.mark.parametrize("command", MAINS)
def test_interrupted_equals_unbroken(command, picture_folder, tmp_path, monkeypatch, capsys):
    """Ctrl-C in the middle saves at that step and exits 130; the same command then ends bit for bit where an unbroken
    run does."""
    assert MAINS[command](flags(command, picture_folder, tmp_path / "whole")) == 0
    place = loop.sharding.place

    def interrupt(*args, calls=iter(range(10**6))):  # noqa: B008
        if next(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return place(*args)

    monkeypatch.setattr(loop.sharding, "place", interrupt)
    assert MAINS[command](flags(command, picture_folder, tmp_path / "broken")) == 130
    monkeypatch.undo()
    assert MAINS[command](flags(command, picture_folder, tmp_path / "broken")) == 0
    assert "from step 5 of 8" in capsys.readouterr().err
    assert same(tmp_path / "whole", tmp_path / "broken")
    steps = lambda run: [json.loads(x)["step"] for x in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
    assert steps("broken") == sorted(steps("broken"))


def test_changed_pictures_are_refused(picture_folder, tmp_path, capsys):
    """A run that went on upon other pictures would be neither the one nor the other."""
    shutil.copytree(picture_folder, tmp_path / "pictures")
    assert densenet.main(flags("densenet", tmp_path / "pictures", tmp_path / "run")) == 0
    (tmp_path / "pictures" / "03.png").unlink()
    assert densenet.main(flags("densenet", tmp_path / "pictures", tmp_path / "run")) == 2
    assert "are others than" in capsys.readouterr().err


def test_killed_run_continues_bit_for_bit(picture_folder, tmp_path):
    """SIGKILL as soon as a checkpoint is there."""
    more = ["--images=480", "--checkpoints=12"]
    finish(start("densenet", *flags("densenet", picture_folder, tmp_path / "whole", *more)))
    victim = start("densenet", *flags("densenet", picture_folder, tmp_path / "killed", *more))
    deadline = time.monotonic() + 240
    while not list((tmp_path / "killed").glob("checkpoints/[0-9]*[0-9]")) and time.monotonic() < deadline:
        time.sleep(0.02)
    victim.kill()
    assert outcome(victim)[0] == -signal.SIGKILL
    finish(start("densenet", *flags("densenet", picture_folder, tmp_path / "killed", *more)))
    assert same(tmp_path / "whole", tmp_path / "killed")


def test_a_checkpoint_cut_short_gives_way_to_the_one_before(picture_folder, tmp_path, capsys):
    """As a full disk leaves it: the run says so, goes on from the one before, and ends where it would have."""
    assert densenet.main(flags("densenet", picture_folder, tmp_path / "whole")) == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for file in (tmp_path / "cut" / "checkpoints" / "8").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    capsys.readouterr()
    assert densenet.main(flags("densenet", picture_folder, tmp_path / "cut")) == 0
    said = capsys.readouterr().err
    assert "step 4 is the last checkpoint that can be read (8: " in said
    assert "from step 4 of 8" in said
    assert same(tmp_path / "whole", tmp_path / "cut")
    with (tmp_path / "cut" / "metrics.jsonl").open("ab") as log:
        log.write(b"\xff\n")
    assert densenet.main(flags("densenet", picture_folder, tmp_path / "cut")) == 0
    assert "from step 8 of 8" in capsys.readouterr().err
    assert (tmp_path / "cut" / "metrics.jsonl").read_text().count("finished") == 1


def test_a_checkpoint_that_fails_without_a_word_is_named():
    def fail(*_, **__):
        raise Exception

    checkpoints = Checkpoints.__new__(Checkpoints)
    checkpoints.folder, checkpoints._manager = "runs", SimpleNamespace(all_steps=lambda: [4], restore=fail)
    with pytest.raises(InputError, match=r"no checkpoint in runs can be read \(4: Exception: \)"):
        checkpoints.restore(TrainState(jax.numpy.zeros((), int), *[{}] * 5))


def test_several_processes_stopped_before_a_checkpoint_say_that_nothing_is_saved(monkeypatch, capsys):
    settings = densenet.COMMAND.parse(["--batch=8", "--checkpoints=1"])
    quiet = SimpleNamespace(note=lambda *_: None, progress=lambda *_: None)
    trainer = loop._Trainer(settings, None, quiet, None, None, {}, 8)
    monkeypatch.setattr(trainer, "_update", lambda step, mesh: lambda state, batch: (state, {}))
    monkeypatch.setattr(loop.sharding, "place", lambda mesh, batch: batch)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    asked = SimpleNamespace(is_set=lambda: True)
    with pytest.raises(KeyboardInterrupt):
        trainer.train(None, 0, Progress("of pictures"), None, iter([{}]), asked)
    assert capsys.readouterr().err == "nothing is saved yet; the same command begins anew\n"


def test_steps_before_a_checkpoint_cut_short_are_saved(tmp_path):
    """A run that goes on from step 4 past a broken step 8 is interrupted at 6."""
    state = TrainState(jax.numpy.zeros((), int), *[{"x": jax.numpy.ones(3)}] * 5)
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        for step in (4, 8):
            checkpoints.save(step, state, Progress("of pictures"))
    shutil.rmtree(tmp_path / "checkpoints" / "8" / "state")
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        assert checkpoints.restore(state)[0] == 4
        checkpoints.save(6, state._replace(step=state.step + 6), Progress("of pictures"))
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        step, found, _ = checkpoints.restore(state)
    assert step == found.step == 6


def test_eight_devices_give_what_one_gives(picture_folder, tmp_path):
    """Batch norm's statistics and the noise included: they are of the whole batch, wherever its rows lie."""
    arguments = ["--network=width=8,growth=4,blocks=1,layers=1,norm=batch", "--decay=constant"]
    one = start("densenet", *flags("densenet", picture_folder, tmp_path / "one", *arguments))
    many = start(
        "densenet",
        *flags("densenet", picture_folder, tmp_path / "eight", *arguments),
        **devices(8),
    )
    finish(one, many)
    assert same(tmp_path / "one", tmp_path / "eight", 2e-4)  # Adam's first steps magnify rounding to parts of the rate
    db = [zoo.card(tmp_path / run)["validation"]["restored_db"] for run in ("one", "eight")]
    assert math.isclose(*db, abs_tol=1e-2)


def test_batch_that_does_not_divide_names_both_numbers(picture_folder, tmp_path):
    process = start(
        "densenet",
        *flags("densenet", picture_folder, tmp_path, "--batch=12"),
        **devices(8),
    )
    code, err = outcome(process)
    assert code == 2
    assert "--batch=12" in err
    assert "8 devices" in err


def test_two_processes_give_what_one_gives(picture_folder, tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    pair = [
        start(
            "densenet",
            *flags("densenet", picture_folder, tmp_path / "pair"),
            JAX_COORDINATOR_ADDRESS=f"127.0.0.1:{port}",
            JAX_NUM_PROCESSES="2",
            JAX_PROCESS_ID=str(k),
            # Only process 0 writes the cache: warm, it would be at the first collective long before the other, and the
            # CPU's collectives wait no longer than half a minute.
            JAX_ENABLE_COMPILATION_CACHE="false",
        )
        for k in range(2)
    ]
    finish(*pair)
    finish(start("densenet", *flags("densenet", picture_folder, tmp_path / "one")))
    assert same(tmp_path / "one", tmp_path / "pair", 2e-4)
