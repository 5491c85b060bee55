"""The study of what a film teaches: its noise is as it says, and so is what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from train import reel_study


def test_the_noise_that_no_model_has_seen_is_as_it_is_said_to_be():
    clip = np.linspace(0, 1, 256)[None, None, :, None] * np.ones((4, 128, 1, 3))
    noise = reel_study.unseen(np.random.default_rng(0), clip, 0.03) - clip
    red, green, blue = noise.std((0, 1, 2))
    assert red == pytest.approx(green, rel=0.05)
    assert blue / red == pytest.approx(2, rel=0.05)
    assert noise[:, :, :16, 0].std() / noise[:, :, -16:, 0].std() == pytest.approx(1.47 / 0.53, rel=0.1)
    alike = lambda lag: (noise[:, lag:] * noise[:, : 128 - lag]).mean() / np.square(noise).mean()
    assert alike(2) == pytest.approx(np.exp(-1), abs=0.05)
    assert abs(alike(6)) < 0.05
    assert abs((noise[0] * noise[1]).mean() / np.square(noise).mean()) < 0.02


def test_a_gain_is_over_the_best_that_ships():
    learned = {"adapt": {"psnr": 32.5, "begun": "film-grain"}}
    row = {"clip": "a", "noise": "unseen", "level": 0.03, "noisy": 27.0, "learned": learned}
    lines = reel_study.table([row | {"models": {"fast-grain": 30.0, "film-grain": 31.0}}], ["adapt"])
    assert lines[1] == ["a", "unseen 0.03", "27.00", "31.00 (film-grain)", "32.50 (+1.50; film-grain)"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["--data=reel.mkv"], "must be clips:"),
        (["--data=clips:a", "--noises", "snow"], "the noises are unseen, gaussian"),
    ],
)
def test_what_it_cannot_study_is_said(line, said, capsys):
    assert reel_study.main(line) == 2
    assert said in capsys.readouterr().err


def test_the_committed_table_is_of_the_committed_values():
    folder = Path(__file__).parents[1] / "eval" / "results" / "adapt"
    found = json.loads((folder / "adapt.json").read_text())
    flags = reel_study.Flags(data="clips:", images=found["images"])
    assert (folder / "adapt.md").read_text() == reel_study.page(found["rows"], flags)
