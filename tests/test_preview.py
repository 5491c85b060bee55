"""`preview`: the sheet holds what it says, and nothing is overwritten."""

import numpy as np
import pytest

from tests import clips
from zoo import cli, pictures, registry

FRAME = (34, 36)
TITLE, GAP = 24, 4


@pytest.fixture(autouse=True)
def models(monkeypatch, tmp_path):
    known = {"same": clips.Identity, "lighter": clips.Lighter}
    monkeypatch.setattr(registry, "load", lambda name: known[name]())
    monkeypatch.setattr(registry, "card", lambda name: {"sha256": "0" * 64} if name in known else registry._find(name))
    monkeypatch.setattr(registry, "config_of", lambda name: known[name]().config)
    monkeypatch.chdir(tmp_path)
    clips.write(tmp_path / "in.mkv", "gray", 5, tags=(1, 2, 1, 1))  # no codes below black
    return tmp_path


def preview(*words: str) -> int:
    return cli.main(["preview", "in.mkv", *words])


def test_the_sheet_shows_input_and_models_side_by_side(models):
    assert preview("-m", "same,lighter", "--at", "0.08", "--frames", "2") == 0
    paper = pictures.read(models / "in_preview.png").samples
    height, width = FRAME
    assert paper.shape == (TITLE + 2 * (height + width + 2 * GAP), 3 * (width + GAP), 3)
    for first in (TITLE, TITLE + height + width + 2 * GAP):
        before, same, lighter = (paper[first : first + height, k * (width + GAP) :][:, :width] for k in range(3))
        assert np.array_equal(before, same)
        assert np.abs(127.5 + before / 2 - lighter).max() <= 1
        assert before.std() > 20
    assert not np.array_equal(paper[TITLE : TITLE + height], paper[first : first + height])  # two frames, not one twice


def test_the_sheet_shows_what_restore_gives(models):
    """Of a frame with neighbours in time too, and of a chain."""
    assert preview("-m", "lighter", "--steps", "denoise=lighter,filter=median:radius_px=1", "--at", "0.08") == 0
    paper = pictures.read(models / "in_preview.png").samples
    height, width = FRAME
    for column, words in ((1, ["-m", "lighter"]), (2, ["--steps", "denoise=lighter,filter=median:radius_px=1"])):
        assert cli.main(["restore", "in.mkv", "-o", f"{column}/%d.png", *words]) == 0
        shown = paper[TITLE : TITLE + height, column * (width + GAP) :][:, :width]
        given = pictures.read(models / f"{column}" / "2.png").samples  # grey
        assert np.abs(shown.astype(int) - given).max() <= 1  # the sheet rounds once more


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--steps", "nonesuch"], 2, "unknown step 'nonesuch'"),
        ([], 2, "name the models"),
        (["-m", "sam"], 2, "sam"),
        (["-m", "same", "--frames", "0"], 2, "--frames"),
        (["-m", "same", "--at", "9"], 2, "--at"),
        (["-m", "same", "--at", "soon"], 2, "00:01:30.5"),
        (["-m", "same", "-o", "sheet.jpg"], 2, "PNG"),
    ],
)
def test_mistakes_get_one_sentence(words, code, said, capsys, models):
    assert preview(*words) == code
    assert said in capsys.readouterr().err
    assert [p.name for p in models.iterdir()] == ["in.mkv"]


def test_what_stands_against_the_colour_is_said(models, capsys):
    for name, tags, said in (
        ("hdr.mkv", (9, 1, 9, 16), "is HDR, PQ"),
        ("untagged.mkv", (2, 0, 2, 2), "guessed: matrix"),
    ):
        clips.write(models / name, "yuv420p10le", 1, tags=tags)
        assert cli.main(["preview", name, "-m", "same"]) == 0
        assert f"note: {name} " in (message := capsys.readouterr().err)
        assert said in message


def test_a_sheet_is_never_written_over_a_picture_of_the_film(models, capsys):
    pictures.write(models / "f001.png", pictures.Picture(np.zeros((9, 9, 3), np.uint8)))
    assert cli.main(["preview", "f%03d.png", "-m", "same", "-o", "f001.png", "-y"]) == 2
    assert "f001.png is an original" in capsys.readouterr().err


def test_a_sheet_is_overwritten_only_with_y(models, capsys):
    assert preview("-m", "same") == 0
    assert preview("-m", "same") == 2
    assert "-y" in capsys.readouterr().err
    assert preview("-m", "same", "-y") == 0
