"""A lesson of another task needs one class alone: here the frame between two others, from fields of clips."""

import dataclasses
import importlib
import json
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from train import denoise, densenet, resnet, unet
from train.command import Command
from train.loop.lesson import Lesson
from train.loop.settings import Settings
from train.loop.validation import SIDE, Validation
from train.methods import METHODS
from zoo.damage.pair import Pair
from zoo.metrics import MEASURES, psnr
from zoo.models.resnet import ResNetConfig


@dataclasses.dataclass(frozen=True)
class FieldSettings(Settings):
    offset: float = 0.0
    """added to what is seen"""

    def check(self) -> None:
        self.shares("offset")
        super().check()


class Fields(Lesson):
    """The lines that the middle frame of three lacks."""

    flags = FieldSettings
    frames = 3
    aside = ("motion",)
    networks: ClassVar = {"fields": ResNetConfig(width=8, blocks=1, fold=1)}
    metrics: ClassVar = {"dB": psnr, "negative error": lambda a, b: -jnp.abs(a - b).mean((1, 2, 3))}
    protocol = MEASURES

    def pairs(self, key, clips, progress, motion=None):
        assert motion is None or motion.shape == (*clips.shape[:-1], 2)
        return Pair(clips[:, 1, ::2] + self.settings.offset, clips[:, 1, 1::2], {})

    def untouched(self, seen):
        return jnp.clip(seen, 0, 1)


COMMAND = Command("fields", Fields, "Makes the missing lines.")


def clips(key, n: int, side: int):
    return jax.random.randint(key, (n, 3, side, side, 3), 0, 255).astype(jnp.uint8)


def test_a_lesson_of_clips_is_learned_and_measured(key, tmp_path):
    method = COMMAND.make(COMMAND.parse(["--batch=4", "--crop=16"]), steps=4)
    state = method.init(key)
    batch = {"clean": clips(key, 4, 16) / jnp.float32(255), "motion": jnp.zeros((4, 3, 16, 16, 2))}
    after, losses = jax.jit(method.step)(state, batch, key)
    assert int(after.step) == 1
    assert np.isfinite(losses["pixel"])
    held_out = np.asarray(clips(key, 2, SIDE))
    validation = Validation(held_out, method)
    found = validation.measure(after)
    assert validation.decides == "restored_db"
    assert set(found) == {f"{a}_{b}" for a in ("degraded", "restored") for b in ("db", "negative_error")} | {"levels"}
    expected = psnr(held_out[:, 1, ::2] / np.float32(255), held_out[:, 1, 1::2] / np.float32(255)).mean()
    assert found["degraded_db"] == pytest.approx(float(expected), abs=1e-3)


def test_a_run_on_clips_that_are_made_of_pictures(picture_folder, tmp_path):
    """From a folder of stills, with their true motion beside."""
    line = [f"--data={picture_folder}", f"--workdir={tmp_path}", "--batch=2", "--crop=16", "--images=4"]
    assert COMMAND.main([*line, "--checkpoints=1", "--valid=2"]) == 0
    about = zoo.card(tmp_path)
    assert (about["images"], about["recipe"]["command"], about["model"]) == (4, "fields", "fields")
    assert about["validation"]["protocol"] == MEASURES


def test_its_flags_are_its_own(capsys):
    assert COMMAND.main(["--dry-run", "--offset=0.5", "--network=fields:width=4"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["offset"], about["networks"]["g"]["width"], about["workdir"]) == (0.5, 4, "runs/fields")
    assert COMMAND.main(["--dry-run", "--noise=poisson"]) == 2
    assert "unknown flag --noise" in capsys.readouterr().err
    assert COMMAND.main(["--dry-run", "--method=gan"]) == 2
    assert "unknown method 'gan'" in capsys.readouterr().err
    assert COMMAND.main(["--dry-run", "--offset=2"]) == 2
    assert "--offset=2.0 must lie in [0, 1]" in capsys.readouterr().err


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preset", ["small", "paper"])
def test_every_method_teaches_every_network_to_denoise(method, preset, capsys):
    for network in denoise.NETWORKS:
        line = [f"--method={method}", f"--network={network}:width=8", f"--preset={preset}", "--crop=64"]
        if network == "film" and METHODS[method].unpaired:  # clips of which no pair is seen are not made
            assert denoise.main([*line, "--dry-run"]) == 2
            assert "learns from pairs" in capsys.readouterr().err
            continue
        assert denoise.main([*line, "--dry-run"]) == 0
        about = json.loads(capsys.readouterr().out)
        assert about["networks"][METHODS[method].ships]["width"] == 8
        assert (about["method"], about["generator"], about["workdir"]) == (method, network, "runs/denoise-gaussian")


def test_the_commands_of_pairs_are_the_lesson_with_both_axes_fixed(capsys):
    for module in (unet, resnet, densenet):
        name, found = module.COMMAND.name, []
        for main, more in ((module.main, []), (denoise.main, [f"--network={name}"])):
            for preset in ("small", "full", "paper"):
                assert main(["--dry-run", f"--preset={preset}", *more]) == 0
                about = json.loads(capsys.readouterr().out)
                found.append({key: about[key] for key in about if key not in ("command", "method", "workdir")})
        assert found[:3] == found[3:]
        assert [one["networks"]["g"]["norm"] for one in found[:3]] == ["none", "none", "batch"]


def test_the_axes_name_their_choices(capsys):
    for line, said in [
        ("--method=pared", "paired"),
        ("--network=resnt:width=8", "resnet"),
        ("--network=resnet:widht=8", "width"),
        ("--generator=resnet", "unknown flag --generator"),
    ]:
        assert denoise.main([line, "--dry-run"]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("preset", ["small", "full", "paper"])
@pytest.mark.parametrize("command", ["deinterlace", "repair", "upscale"])
def test_every_lesson_has_every_preset(command, preset, capsys):
    module = importlib.import_module(f"train.{command}")
    assert module.main([f"--preset={preset}", "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["command"] == command
