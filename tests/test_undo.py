"""What was put back is the original's to the bit, and the rest is the film's."""

import numpy as np
import pytest

from tests import clips
from zoo import cli
from zoo.chain import Chain
from zoo.errors import FlagError
from zoo.steps.step import Kind

SIZE, ODD, COUNT = (40, 24), (41, 25), 6  # width, height


@pytest.fixture
def films(tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    random = clips.frame
    for first, name in enumerate(("reel.mkv", "clean.mkv")):
        monkeypatch.setattr(
            clips, "frame", lambda form, seed, *size, first=first: random(form, 2 * seed + first, *size)
        )
        clips.write(tmp_path / name, "yuv420p", COUNT, size=getattr(request, "param", SIZE))
    return tmp_path


def planes(name: str) -> list[np.ndarray]:
    return [np.stack(plane) for plane in zip(*map(clips.planes, clips.read(name)), strict=True)]


@pytest.mark.parametrize("films", [SIZE, ODD], ids=str, indirect=True)
def test_a_box_of_some_frames_is_the_originals(films):
    line = ["undo", "clean.mkv", "--original", "reel.mkv", "--frames", "2-3", "--box", "9,5,10,8"]
    assert cli.main([*line, "-o", "out.mkv", "--progress", "off"]) == 0
    for out, clean, reel, step in zip(*map(planes, ("out.mkv", "clean.mkv", "reel.mkv")), (1, 2, 2), strict=True):
        back = np.zeros(out.shape, bool)
        back[2:4, 5 // step : -(-13 // step), 9 // step : -(-19 // step)] = True
        assert np.array_equal(out[back], reel[back])
        assert np.array_equal(out[~back], clean[~back])


def test_it_is_a_step_of_restore(films):
    line = ["restore", "clean.mkv", "--steps", "undo=reel.mkv:frames=4", "--segment", "2", "--progress", "off"]
    assert cli.main([*line, "-o", "out.mkv"]) == 0
    for out, clean, reel in zip(*map(planes, ("out.mkv", "clean.mkv", "reel.mkv")), strict=True):
        assert np.array_equal(out[4], reel[4])
        assert np.array_equal(np.delete(out, 4, 0), np.delete(clean, 4, 0))


def test_what_cannot_be_is_said(films, capsys):
    said = lambda *words: (cli.main(["undo", "clean.mkv", "-o", "out.mkv", *words]), capsys.readouterr().err)
    assert said("--original", "reel.mkv") == (2, "error: say what is put back, with --frames and --box; all of it "
                                                 "would be the original\n")  # fmt: skip
    code, err = said("--original", "none.mkv", "--frames", "1")
    assert code == 3
    assert "none.mkv" in err
    clips.write(films / "small.mkv", "yuv420p", COUNT, size=(16, 16))
    code, err = said("--original", "small.mkv", "--frames", "1")
    assert code == 3
    assert "small.mkv is 16x16 yuv420p, but clean.mkv 40x24 yuv420p" in err
    for words, match in (
        ("frames=5-2", "the lower first"),
        ("box=1\\,2\\,3", "x,y,width,height"),
        ("box=1\\,2\\,3\\,0", "holds no pixel"),
    ):
        with pytest.raises(FlagError, match=match):
            Chain(f"undo=reel.mkv:{words}")
    with pytest.raises(FlagError, match="lies outside of the film's 40x24 px"):
        Chain("undo=reel.mkv:box=30\\,0\\,20\\,4").kinds(Kind(24, 40))
