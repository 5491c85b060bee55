"""eval.compare --task=television: tiles of frames as they lie, and the figures that others have."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.comparison import methods
from eval.comparison.material import Material
from eval.comparison.values import measured
from eval.tasks import TASKS
from eval.tasks.television import LEVELS, TASK, TRIAL, open_frames
from zoo.errors import InputError

FRAMES = Path(__file__).parents[2] / "shared/data/sdtv"
KNOWN = {"mpeg2": (28.50, 28.79), "h264": (28.04, 28.24), "clean": (30.59, 31.04)}  # bicubic, Lanczos


@pytest.fixture
def frames(tmp_path) -> Path:
    """Mosaics of flat tiles: tile k is of shade 20 * k, one less after a codec."""
    for name, (height, width) in ({"hd": (1080, 1920)} | dict.fromkeys(LEVELS.values(), (576, 720))).items():
        tiles = np.kron(np.arange(9).reshape(3, 3), np.ones((height // 3, width // 3), int))[..., None].repeat(3, -1)
        Image.fromarray((20 * tiles - (name != "hd")).clip(0).astype(np.uint8)).save(tmp_path / f"{name}.png")
    return tmp_path


def test_tiles_belong_together(frames):
    material = Material(TASK, open_frames(str(frames)))
    assert material.names == ["tile 2", "tile 4", "tile 5", "tile 7"]
    for index, tile in enumerate((2, 4, 5, 7)):
        np.testing.assert_allclose(255 * material.items[index], 20 * tile, atol=1e-4)
        small = material.degraded_one(index, TRIAL.at, seed=0)
        assert (small.picture.shape, small.height, small.width) == ((192, 240, 3), 360, 640)
        np.testing.assert_allclose(255 * small.picture, 20 * tile - 1, atol=1e-4)
    before = material.sha256
    Image.fromarray(np.full((576, 720, 3), 7, np.uint8)).save(frames / "dv.png")
    assert Material(TASK, open_frames(str(frames))).sha256 != before


def test_what_is_missing_or_of_another_size_is_named(frames):
    Image.fromarray(np.zeros((480, 720, 3), np.uint8)).save(frames / "dv.png")
    with pytest.raises(InputError, match=r"dv.png is not 720x576 px"):
        Material(TASK, open_frames(str(frames)))
    (frames / "hd.png").unlink()
    with pytest.raises(InputError, match=r"hd.png is missing"):
        open_frames(str(frames))


@pytest.mark.skipif(not FRAMES.is_dir(), reason=f"no frames after codecs in {FRAMES}")
@pytest.mark.parametrize("codec", KNOWN)
def test_others_figures_are_reached(codec):
    material = Material(TASK, open_frames(str(FRAMES)))
    (condition,) = [one for one in TRIAL.levels.values() if one.name == codec]
    for method, expected in zip(methods.choose_methods(TASK, ["cubic", "lanczos"])[0][1:], KNOWN[codec], strict=True):
        found = measured(method, "tv", condition, material, material.degraded(condition, seed=0))
        assert np.mean(found["psnr"]) == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("task", [task for name, task in TASKS.items() if name != "remove"])  # which has no network
def test_every_task_has_networks_that_take_part(task):
    """Those that ship, each in a trial of its scale."""
    assert any(method.kind == "network" for method in methods.choose_methods(task, None)[0])
