"""eval.run and eval.demo: what they measure, print and write, and how they fail."""

import json

import numpy as np
import pytest
from PIL import Image

from eval import demo, run
from eval.comparison import datasets
from eval.comparison.datasets import open_pictures
from eval.pages import report, sheet
from zoo.errors import FlagError, InputError, ZooError
from zoo.metrics import METRICS, PROTOCOL

CARD = {"model": "stand-in", "network": "none", "sha256": "0" * 64}


def identity(picture):
    return picture


def blur(picture):
    """The mean of each pixel's 3x3 neighbours."""
    x = np.pad(np.asarray(picture), ((1, 1), (1, 1), (0, 0)), mode="edge")
    h, w = x.shape[0] - 2, x.shape[1] - 2
    return sum(x[i : i + h, j : j + w] for i in range(3) for j in range(3)) / 9


def smooth(seed, h=32, w=48):
    """A picture [h w 3] float32 that a blur hardly hurts."""
    a, b, c = np.random.default_rng(seed).uniform(0.05, 0.15, 3)
    y, x = np.mgrid[:h, :w]
    return np.stack([0.5 + 0.3 * np.sin(a * y + b * x + c * i) for i in range(3)], axis=-1).astype(np.float32)


PICTURES = [(f"{i}.png", smooth(i)) for i in range(3)]


def measured(restore=identity, pictures=PICTURES, noise="gaussian", levels=(0.05,), seed=0):
    return run.evaluate(restore, pictures, noise=noise, levels=levels, seed=seed)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "pictures"
    (place / "deep").mkdir(parents=True)
    for i, name in enumerate(("a.png", "b.jpg", "deep/c.png")):
        Image.fromarray(np.rint(smooth(i) * 255).astype(np.uint8)).save(place / name)
    return place


@pytest.fixture
def stand_in(monkeypatch):
    """The model "stand-in" restores with the blur, whatever name is asked for; in bfloat16 it does nothing."""
    restorers = {"float32": blur, "bfloat16": identity}
    monkeypatch.setattr(run.registry, "card", lambda name: dict(CARD))
    for module in (run, demo):
        monkeypatch.setattr(module, "Restorer", lambda name, precision="float32": restorers[precision])


# ---- evaluate


def test_identity_restores_nothing_and_loses_nothing():
    for level in measured(levels=(0.01, 0.1))["levels"]:
        assert level["gain_db"] == 0
        for image in level["images"]:
            assert image["restored"] == image["degraded"]


def test_a_perfect_restorer_has_infinite_psnr():
    (level,) = measured(lambda picture: PICTURES[0][1], PICTURES[:1])["levels"]
    assert level["mean"]["restored"]["psnr"] == float("inf")
    assert level["mean"]["restored"]["mae"] == 0


def test_the_degraded_side_is_what_the_level_says():
    (level,) = measured(levels=(0.05,))["levels"]
    assert level["mean"]["degraded"]["psnr"] == pytest.approx(-20 * np.log10(0.05), abs=0.3)


def test_mean_and_gain_are_those_of_the_images():
    (level,) = measured(blur)["levels"]
    assert [image["name"] for image in level["images"]] == [name for name, _ in PICTURES]
    for side in ("degraded", "restored"):
        for metric in METRICS:
            expected = np.mean([image[side][metric] for image in level["images"]])
            assert level["mean"][side][metric] == pytest.approx(expected)
    assert level["gain_db"] == level["mean"]["restored"]["psnr"] - level["mean"]["degraded"]["psnr"] > 3


def test_same_seed_same_values_other_seed_other_values():
    assert measured(blur) == measured(blur)
    assert measured(seed=1)["levels"][0]["mean"] != measured()["levels"][0]["mean"]


@pytest.mark.parametrize("noise", ["gaussian", "salt_and_pepper"])
def test_a_level_is_independent_of_the_other_levels(noise):
    both = measured(noise=noise, levels=(0.1, 0.05))["levels"]
    (alone,) = measured(noise=noise, levels=(0.05,))["levels"]
    assert both[1] == alone


def test_levels_and_pictures_have_noise_of_their_own():
    grey = np.full((32, 32, 3), 0.5, np.float32)
    draw = lambda level, index: run.degraded_picture(grey, noise="gaussian", level=level, seed=0, index=index)
    unit = [np.asarray(draw(level, index) - grey) / level for level, index in ((0.02, 0), (0.04, 0), (0.02, 1))]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(unit[a].ravel(), unit[b].ravel())[0, 1]) < 0.1


def test_an_unreadable_picture_is_named_and_leaves_the_others_alone(folder, capsys):
    whole = measured(pictures=open_pictures(str(folder)))
    (folder / "a.png").write_bytes(b"not a picture")
    result = measured(pictures=open_pictures(str(folder)))
    assert result["levels"][0]["images"] == whole["levels"][0]["images"][1:]
    assert result["data"]["pictures"] == 2
    assert [line for line in result["data"]["unreadable"] if "a.png" in line]
    assert "a.png" in capsys.readouterr().err


def test_numbers_without_some_of_the_pictures_end_with_a_code(folder, stand_in, tmp_path, capsys):
    (folder / "a.png").write_bytes(b"not a picture")
    line = ["--model=stand-in", f"--data={folder}", "--levels=0.03", f"--json={tmp_path / 'out.json'}"]
    assert run.main(line) == 1
    assert "1 of 3 pictures cannot be read and are not in these numbers" in capsys.readouterr().err
    assert (tmp_path / "out.json").exists()


def test_only_unreadable_pictures_is_an_input_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"a\.png"):
        measured(pictures=open_pictures(str(tmp_path)))


def test_restored_values_are_clipped_and_must_be_finite():
    (level,) = measured(lambda picture: picture * 0 + 7)["levels"]
    (white,) = measured(lambda picture: picture * 0 + 1)["levels"]
    assert level["mean"]["restored"] == white["mean"]["restored"]
    with pytest.raises(ZooError, match=r"0\.png"):
        measured(lambda picture: picture * np.nan)


def test_small_pictures_have_no_ssim_and_spoil_no_mean():
    small = ("small.png", smooth(9, 8, 8))
    (level,) = measured(pictures=[*PICTURES, small])["levels"]
    (large,) = measured()["levels"]
    assert level["mean"]["degraded"]["ssim"] == large["mean"]["degraded"]["ssim"]
    assert "n/a" in report.table(measured(pictures=[small]))


@pytest.mark.parametrize("bad", [{"noise": "fog"}, {"levels": (1.5,)}, {"levels": (float("nan"),)}, {"levels": ()}])
def test_wrong_settings_are_refused(bad):
    with pytest.raises(FlagError):
        measured(**bad)


# ---- data


def test_names_are_relative_to_the_data(folder):
    names = [name for name, _ in open_pictures(str(folder))]
    assert names == ["a.png", "b.jpg", "deep/c.png"]
    assert open_pictures(str(folder / "*.png")).names == ["a.png"]
    assert open_pictures(str(folder / "deep" / "c.png")).names == ["c.png"]
    assert open_pictures(str(folder)).first(2).names == names[:2]


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_grey_alpha_and_16_bits_become_rgb_at_full_scale(tmp_path, mode):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    samples = {"L": grey, "RGBA": np.stack([grey] * 4, axis=-1), "I;16": grey.astype(np.uint16) * 257}[mode]
    Image.fromarray(samples).save(tmp_path / "x.png")
    ((_, picture),) = open_pictures(str(tmp_path))
    np.testing.assert_allclose(picture, np.repeat(grey[..., None] / 255, 3, axis=-1), atol=1e-7)
    assert picture.dtype == np.float32


def test_the_sha256_is_of_samples_and_names(folder):
    sha = lambda pictures: measured(pictures=pictures)["data"]["sha256"]
    assert sha(PICTURES) == sha(PICTURES)
    assert len({sha(PICTURES), sha(PICTURES[:2]), sha([("x.png", PICTURES[0][1]), *PICTURES[1:]])}) == 3
    before = sha(open_pictures(str(folder)))
    with Image.open(folder / "a.png") as image:
        image.save(folder / "a.png", compress_level=0)  # other bytes, the same samples
    assert sha(open_pictures(str(folder))) == before


def test_skimage_photographs_come_without_importing_or_downloading():
    photographs = open_pictures("skimage")
    assert photographs.names == list(datasets.SKIMAGE)
    for name, picture in photographs:
        assert picture.shape[-1] == 3, name
        assert (picture[..., 0] != picture[..., 2]).any(), f"{name} is grey"


def test_without_scikit_image_one_sentence(monkeypatch):
    monkeypatch.setattr(datasets.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FlagError, match="pip install scikit-image"):
        open_pictures("skimage")


# ---- the command


def test_run_prints_a_table_and_writes_every_value(stand_in, folder, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert run.main([f"--data={folder}", "--model=x", "--levels=0.03,0.05", f"--json={out}", "--limit=2"]) == 0
    printed = capsys.readouterr().out
    result = json.loads(out.read_text())
    assert PROTOCOL in printed
    assert (result["protocol"], result["noise"], result["seed"]) == (PROTOCOL, "gaussian", 0)
    assert (result["model"], result["weights_sha256"]) == (CARD, CARD["sha256"])
    assert result["versions"].keys() == {"jax", "flax", "filmzoo"}
    assert result["data"]["pictures"] == 2
    assert result["data"]["source"] == str(folder)
    assert [level["level"] for level in result["levels"]] == [0.03, 0.05]
    for level in result["levels"]:
        assert [image["name"] for image in level["images"]] == ["a.png", "b.jpg"]
        assert f"{level['mean']['restored']['psnr']:.2f}" in printed
        assert f"{level['gain_db']:+.2f}" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "pictures"]


def test_precision_is_the_restorers(stand_in, folder, tmp_path):
    out = tmp_path / "out.json"
    assert run.main([f"--data={folder}", "--model=x", "--precision=bfloat16", f"--json={out}"]) == 0
    found = json.loads(out.read_text())
    assert found["precision"] == "bfloat16"
    assert all(level["gain_db"] == 0 for level in found["levels"])


@pytest.mark.parametrize("levels", ["much", ",", "0.1;0.2"])
def test_levels_that_are_no_numbers_name_themselves(levels, capsys):
    with pytest.raises(SystemExit) as left:
        run.main(["--model=x", "--data=y", f"--levels={levels}"])
    assert left.value.code == 2
    assert levels in "".join(capsys.readouterr())


def test_json_says_inf_and_null(tmp_path):
    report.write_json(
        tmp_path / "x.json", {"psnr": float("inf"), "gain_db": float("-inf"), "ssim": [float("nan"), 1.0]}
    )
    text = (tmp_path / "x.json").read_text()
    parsed = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert parsed == {"psnr": "inf", "gain_db": "-inf", "ssim": [None, 1.0]}


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        report.write_json(path, {"bad": object()})
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("x.json", "old")]


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--noise=fog"], 2, "salt_and_pepper"),
        (["--levels=0.1,2"], 2, "level 2"),
        (["--limit=0"], 2, "--limit=0 leaves no picture"),
        (["--seed=-1"], 2, "seed -1"),
        (["--json=missing/x.json"], 2, "missing"),
        (["--json=."], 2, "folder"),
        (["--data=nowhere"], 3, "nowhere"),
        (["--data=empty"], 3, "empty"),
        (["--model=nobody"], 2, "cyclegan-gaussian"),
    ],
)
def test_mistakes_end_with_a_sentence_and_a_code(folder, tmp_path, monkeypatch, capsys, flags, code, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    defaults = [f for f in ("--model=nobody", "--data=pictures") if f.split("=")[0] not in flags[0]]
    assert run.main([*defaults, *flags]) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert says in error


def test_an_unknown_flag_exits_2_and_lists_the_flags(capsys):
    assert run.main(["--model=x", "--data=y", "--levles=0.1"]) == 2
    assert "--levels" in capsys.readouterr().err


# ---- the demo


@pytest.fixture
def photographs(monkeypatch, tmp_path):
    """Small smooth stand-ins for scikit-image's photographs."""
    for i, name in enumerate(datasets.SKIMAGE):
        Image.fromarray(np.rint(smooth(i, 96, 128) * 255).astype(np.uint8)).save(tmp_path / name)
    monkeypatch.setattr(datasets, "_skimage_folder", lambda: tmp_path)


def test_demo_prints_the_table_and_writes_one_picture(stand_in, photographs, tmp_path, capsys):
    out, values = tmp_path / "sheet.png", tmp_path / "v.json"
    assert demo.main(["--levels=0.05,0.1", f"--output={out}", f"--json={values}"]) == 0
    printed = capsys.readouterr().out
    assert str(out) in printed
    assert "gain dB" in printed
    assert json.loads(values.read_text())["data"]["pictures"] == len(datasets.SKIMAGE)
    with Image.open(out) as image:
        assert image.width == 1400
        assert len(set(image.convert("L").resize((64, 64)).tobytes())) > 20  # pictures, not bare paper


def test_demo_fails_where_nothing_is_gained(stand_in, photographs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "Restorer", lambda name: identity)
    assert demo.main(["--levels=0.05", f"--output={tmp_path / 'sheet.png'}"]) == 1
    assert "level 0.05" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["sheet.txt", "missing/sheet.png"])
def test_demo_refuses_a_picture_it_cannot_write_before_the_work(stand_in, monkeypatch, tmp_path, output):
    monkeypatch.setattr(demo, "evaluate", lambda *args, **flags: pytest.fail("it began to work"))
    monkeypatch.chdir(tmp_path)
    assert demo.main([f"--output={output}"]) == 2


def test_the_framed_place_is_where_the_picture_errs_most():
    clean = np.full((200, 300, 3), 0.5, np.float32)
    wrong = clean.copy()
    wrong[120:130, 200:210] += 0.2
    y, x = sheet.worst_place(clean, wrong)
    assert y <= 120 < 130 <= y + 48
    assert x <= 200 < 210 <= x + 106


def test_a_sheet_of_pictures_smaller_than_its_windows():
    tiny = np.zeros((20, 30, 3), np.float32)
    drawn = sheet.sheet([[sheet.Cell(tiny, "x")] * 3], columns=("a", "b", "c"), title="t", note="n")
    assert drawn.width == 1400
