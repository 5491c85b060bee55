"""eval.compare --task=upscale: pairs as they lie, the figures that everyone has, who takes part."""

import json
from pathlib import Path

import numpy as np
import pytest
from flax import nnx
from PIL import Image

from eval import compare
from eval.comparison import methods, options, speed
from eval.comparison.material import Material
from eval.comparison.values import measured
from eval.tasks.upscale import TASK, Smaller, luma, open_pairs
from zoo import registry
from zoo.errors import FlagError, InputError
from zoo.models.upscale import UpscaleConfig

SETS = Path(__file__).parents[2] / "shared/data/sr"
# Of others' tables: PSNR of luma, dB, of Set5 and of Set14.
KNOWN = {
    ("x2", "cubic"): (33.68, 30.33),
    ("x4", "cubic"): (28.43, 26.09),
    ("x2", "lanczos"): (34.44, 30.87),
    ("x4", "lanczos"): (28.89, 26.37),
}
SIDE_PX = 32  # of the small ones four times less


def save(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples).save(path)


@pytest.fixture
def pairs(tmp_path) -> Path:
    """Two folders of pairs, three pictures in all; small ones are shades that no resampling would make."""
    folder, draw = tmp_path / "pairs", np.random.default_rng(0)
    for name in ("Set14/a", "Set5/a", "Set5/b"):
        where, stem = name.split("/")
        clean = draw.integers(0, 256, (SIDE_PX + 2, SIDE_PX + 3, 3), np.uint8)
        for scale in (2, 4):
            height, width = (side // scale for side in clean.shape[:2])
            save(folder / where / f"x{scale}" / f"{stem}_SRF_{scale}_HR.png", clean[: scale * height, : scale * width])
            save(folder / where / f"x{scale}" / f"{stem}_SRF_{scale}_LR.png", np.full((height, width, 3), 60, np.uint8))
    return folder


def make_run(folder: Path, scale: int) -> str:
    config = UpscaleConfig(width=4, blocks=1, scale=scale)
    params = nnx.to_pure_dict(nnx.state(config.build(nnx.Rngs(0)), nnx.Param))
    folder.mkdir()
    facts = {"licence": "Apache-2.0", "data": {"name": "leaves"}, "recipe": {}, "images": 4, "seconds": 60}
    registry.save(folder, "upscale", config, params, {}, facts)
    return str(folder)


def test_pairs_are_measured_as_they_lie(pairs):
    data = open_pairs(str(pairs))
    assert data.names == ["Set14/a", "Set5/a", "Set5/b"]
    assert [data[k][1].shape for k in range(3)] == [(34, 34, 3)] * 3  # cut to a multiple of 2, not of 4
    low = data.given(1, Smaller(4))
    assert low.picture.shape == (8, 8, 3)
    np.testing.assert_allclose(low.picture, 60 / 255)
    before = Material(TASK, data).sha256
    save(pairs / "Set5/x4/a_SRF_4_LR.png", np.full((8, 8, 3), 61, np.uint8))
    assert Material(TASK, open_pairs(str(pairs))).sha256 != before


def test_pairs_that_do_not_belong_together_are_named(pairs):
    save(pairs / "Set5/x4/a_SRF_4_LR.png", np.zeros((7, 8, 3), np.uint8))
    with pytest.raises(InputError, match=r"a_SRF_4_LR.png is not 4 times smaller than a_SRF_4_HR.png"):
        Material(TASK, open_pairs(str(pairs)))
    save(pairs / "Set14/x4/a_SRF_4_HR.png", np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(InputError, match=r"Set14/x4/a_SRF_4_HR.png is another picture"):
        Material(TASK, open_pairs(str(pairs)))
    (pairs / "Set14/x2/a_SRF_2_LR.png").unlink()
    with pytest.raises(InputError, match=r"a_SRF_2_LR.png"):
        Material(TASK, open_pairs(str(pairs)))


def test_pictures_that_are_no_pairs_are_made_smaller(tmp_path):
    save(tmp_path / "a.png", np.full((19, 22, 3), 99, np.uint8))
    (low,) = Material(TASK, open_pairs(str(tmp_path))).degraded(Smaller(4), seed=0)
    assert (low.picture.shape, low.scale) == ((4, 5, 3), 4)
    np.testing.assert_allclose(low.picture, 99 / 255, atol=1e-6)


def test_luma_is_that_of_8_bits():
    x = np.array([[[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0]]], np.float32)
    np.testing.assert_allclose(255 * luma(x)[0, :, 0], [16, 235, 81.481, 144.553], atol=1e-4)
    np.testing.assert_array_equal(luma(x), luma(x + np.float32(0.4 / 255)))


def test_a_table_has_a_column_a_folder_and_networks_take_part_at_their_own_scale(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "SIDE_PX", SIDE_PX)
    monkeypatch.setattr(compare, "draw_all", lambda task, result, folder: [])
    two, out = make_run(tmp_path / "two", 2), tmp_path / "out"
    assert compare.main([f"--data={pairs}", "--task=upscale", f"--models=cubic,{two}", f"--output={out}"]) == 0
    trials = json.loads((out / "compare.json").read_text())["trials"]
    names = {trial: [row["name"] for row in found["methods"]] for trial, found in trials.items()}
    assert names == {"x2": ["untouched", "cubic", "two"], "x4": ["untouched", "cubic"]}
    assert list(trials["x2"]["columns"].items()) == [("Set5", "Set5"), ("Set14", "Set14"), ("mean", "x2")]
    shades = trials["x4"]["methods"][0]["conditions"]
    assert 3 * shades["x4"]["psnr"][0] == pytest.approx(
        2 * shades["Set5"]["psnr"][0] + shades["Set14"]["psnr"][0], 1e-5
    )
    page = (out / "compare.md").read_text()
    assert "| method | Set5 | Set14 | mean |" in page
    assert "| nearest neighbour |" in page
    with pytest.raises(FlagError, match="makes pictures 3 times larger; compared are those of: 2, 4"):
        methods.choose_methods(TASK, [make_run(tmp_path / "three", 3)])


def test_others_figures_are_those_of_the_committed_result():
    for (trial, kernel), figures in KNOWN.items():
        rows = json.loads((options.RESULTS / "upscale" / "compare.json").read_text())["trials"][trial]["methods"]
        (row,) = [row for row in rows if row["name"] == kernel]
        found = tuple(round(row["conditions"][name]["psnr"][0], 2) for name in ("Set5", "Set14"))
        assert found == figures


@pytest.mark.skipif(not SETS.is_dir(), reason=f"no Set5 in {SETS}")
@pytest.mark.parametrize("trial", TASK.trials)
def test_others_figures_of_set5_are_reached_anew(trial):
    material, condition = Material(TASK, open_pairs(str(SETS / "Set5"))), TASK.trials[trial].at
    for method in methods.choose_methods(TASK, ["cubic", "lanczos"])[0][1:]:
        found = measured(method, trial, condition, material, material.degraded(condition, seed=0))
        assert np.mean(found["psnr"]) == pytest.approx(KNOWN[trial, method.name][0], abs=0.006)
