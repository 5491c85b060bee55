"""eval.pages.film: the sheet of films before and after."""

import numpy as np
import pytest

from eval.pages import film
from tests.sources import photo
from zoo import pictures


@pytest.fixture
def reel(tmp_path):
    folder = tmp_path / "reel"
    folder.mkdir()
    for k in range(3):
        pictures.write(folder / f"{k:03}.png", pictures.Picture(np.full((24, 32, 3), 60 * k, np.uint8)))
    return folder


def darker(picture):
    return picture / 2


def test_a_row_is_the_frame_that_was_asked_for_and_what_each_network_makes_of_it(reel):
    cells = film.row(f"{reel}@2", [darker, darker])
    assert [round(255 * float(cell.picture.mean())) for cell in cells] == [120, 60, 60]
    assert cells[0].caption == "reel@2"
    assert not cells[1].gain  # of a film whose clean frames nobody has


def test_grain_is_laid_on_half_the_frame_and_told_in_decibels(reel):
    seen, same = film.row(f"{reel}@2:0.1", [np.asarray])
    assert seen.picture.shape == (12, 16, 3)
    assert 0.02 < seen.picture.std() < 0.2
    assert same.gain == "+0.0 dB"
    assert same.caption in seen.caption


def test_a_sheet_is_drawn(reel, tmp_path, monkeypatch, capsys):
    pictures.write(reel / "003.png", pictures.Picture(photo(0, 24, 32)))
    monkeypatch.setattr(film, "Restorer", lambda name: darker)
    assert film.main([f"{reel}@3", "--models", "one", "two", f"--output={tmp_path / 'sheet.png'}"]) == 0
    assert "before and after: " in capsys.readouterr().out
    assert pictures.read(tmp_path / "sheet.png").samples.shape[1] > 1000


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("{}", 2, "write it as reel.mkv@40"), ("{}@3", 3, "has no frame 3"), ("nowhere.mkv@1", 3, "nowhere.mkv")],
)
def test_a_frame_that_is_not_there_gets_one_sentence(reel, tmp_path, name, code, said, monkeypatch, capsys):
    monkeypatch.setattr(film, "Restorer", lambda name: darker)
    assert film.main([name.format(reel), f"--output={tmp_path / 'sheet.png'}"]) == code
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
