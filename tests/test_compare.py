"""eval.compare: what it measures, keeps, writes and refuses; its intervals, bands and rules."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest
import scipy.stats
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from eval import compare
from eval.comparison import datasets, goals, methods, options, speed, statistics, values
from eval.comparison.datasets import open_clips, open_pictures
from eval.comparison.material import Material
from eval.comparison.summary import best_networks, place
from eval.comparison.task import Metric, Rival, Task, Trial
from eval.pages import crops, plots, tables
from eval.pages.report import marks, read_json, read_section, write_section
from eval.run import evaluate
from eval.tasks import TASKS
from eval.tasks.denoise import TASK, Noise
from tests.clips import write
from tests.test_eval import smooth
from zoo import metrics, registry
from zoo.errors import InputError, ZooError
from zoo.models.resnet import ResNetConfig
from zoo.pictures import jpeg
from zoo.restorer import Restorer

ROOT = Path(__file__).parents[1]
RESULTS = [pytest.param(name, id=name) for name in TASKS if (options.RESULTS / name / "compare.json").exists()]
OPTIONS = {"gaussian": {trial: {"0.03": {"options": {"sigma_px": 0.5}}} for trial in TASK.trials}}
SIDE_PX = 48  # of all pictures, timed ones too, so that little is compiled


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Filters with options of their own, a small picture to time, coarse plots."""
    (tmp_path / "denoise").mkdir()
    (tmp_path / "denoise" / "filters.json").write_text(json.dumps({"filters": OPTIONS}))
    monkeypatch.setattr(options, "RESULTS", tmp_path)
    monkeypatch.setattr(speed, "SIDE_PX", SIDE_PX)
    monkeypatch.setattr(plots, "DPI", 40)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(np.rint(smooth(i, SIDE_PX, SIDE_PX) * 255).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


def make_run(folder: Path, seed: int = 0, noise: str = "gaussian") -> Path:
    """A training run's folder with a tiny network that was never trained."""
    config = ResNetConfig(width=8, blocks=1)
    shapes = nnx.to_pure_dict(nnx.state(nnx.eval_shape(lambda: config.build(nnx.Rngs(0)))))
    draw = np.random.default_rng(seed)
    params = jax.tree.map(lambda leaf: np.float32(draw.normal(0, 0.02, leaf.shape)), shapes)
    facts = {"licence": "Apache-2.0", "data": {"name": "leaves"}, "recipe": {"noise": noise}, "seconds": 90}
    folder.mkdir(exist_ok=True)
    registry.save(folder, "tiny", config, params, {}, facts)
    return folder


@pytest.fixture
def tiny(tmp_path):
    return make_run(tmp_path / "tiny")


@pytest.fixture
def calls(monkeypatch):
    """What is measured: (method, condition) of each call. Without plots, which take longer than all else."""
    seen, true = [], values.measured

    def watched(method, trial, condition, *rest):
        seen.append((method.name, condition.name))
        return true(method, trial, condition, *rest)

    monkeypatch.setattr(compare, "measured", watched)
    monkeypatch.setattr(compare, "draw_all", lambda task, result, folder: [])
    return seen


def run(data, output, *more: str, models: str) -> int:
    return compare.main([f"--data={data}", f"--models={models}", f"--output={output}", *more])


def result_of(output) -> dict:
    return json.loads((output / "compare.json").read_text())


def without_times(result: dict) -> dict:
    for found in result["trials"].values():
        for row in found["methods"]:
            assert row.pop("ms_per_megapixel") is None or row["kind"] != "untouched"
    return {key: value for key, value in result.items() if key != "times"}


def kept(output) -> dict[str, str]:
    return {path.name: path.read_text() for path in (output / "compare").iterdir()}


# ---- the command


def test_quick_measures_what_eval_run_measures(data, tiny, tmp_path, capsys):
    before = [(ROOT / page).read_text() for page, _ in tables.sections(TASK)]
    assert run(data, tmp_path / "out", "--quick", models=f"gaussian,{tiny}") == 0
    printed, result = capsys.readouterr().out, result_of(tmp_path / "out")
    rows = {trial: {row["name"]: row for row in found["methods"]} for trial, found in result["trials"].items()}
    assert set(rows["gaussian"]) == {"untouched", "gaussian", "tiny"}
    assert set(rows["salt_and_pepper"]) == set(rows["grain"]) == {"untouched", "gaussian"}
    pictures, levels = open_pictures(str(data)), (0.01, 0.03, 0.05)
    for level in evaluate(Restorer(tiny), pictures, noise="gaussian", levels=levels)["levels"]:
        for name, side in (("untouched", "degraded"), ("tiny", "restored")):
            found = rows["gaussian"][name]["conditions"][Noise("gaussian", level["level"]).name]
            for metric, value in level["mean"][side].items():
                mean, low, high = found[metric]
                assert mean == pytest.approx(value, rel=2e-5)
                assert low <= mean <= high
        assert f"{level['mean']['restored']['psnr']:.2f}" in printed
    assert rows["gaussian"]["tiny"]["ms_per_megapixel"] > 0
    assert rows["gaussian"]["tiny"]["receptive_field_px"] == 2 * ResNetConfig(width=8, blocks=1).halo + 1
    assert "claimed, not measured" in printed
    written = {path.name for path in (tmp_path / "out").iterdir() if path.suffix == ".png"}
    assert written == {
        f"{kind}-{noise}.png" for kind in ("compare", "crops") for noise in ("gaussian", "salt-and-pepper", "grain")
    } | {"speed.png"}
    assert [(ROOT / page).read_text() for page, _ in tables.sections(TASK)] == before
    assert "docs are left alone" in printed


def test_a_second_run_measures_what_is_new_and_ends_where_a_fresh_one_does(data, tiny, tmp_path, calls):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    assert run(data, out, models="gaussian") == 0
    names = [condition.name for condition in TASK.trials["gaussian"].conditions(quick=False)]
    assert len(names) == 9
    all_of_them = {c.name for trial in TASK.trials.values() for c in trial.conditions(quick=False)}
    assert {condition for _, condition in calls} == all_of_them
    calls.clear()
    assert run(data, out, models=f"gaussian,{tiny}") == 0
    assert calls == [("tiny", name) for name in names]
    calls.clear()
    before = (out / "compare.json").read_text()
    assert run(data, out, models=f"gaussian,{tiny}") == 0
    assert (calls, (out / "compare.json").read_text()) == ([], before)
    assert run(data, fresh, "--fresh", models=f"gaussian,{tiny}") == 0
    assert kept(fresh) == kept(out)
    assert without_times(result_of(fresh)) == without_times(result_of(out))
    page = (out / "compare.md").read_text()
    assert all(word in page for word in ("then JPEG", "poisson 0.03", "mixed 0.03", "fine texture", "band 2 kept"))


def test_what_values_depend_on_is_measured_again(data, tiny, tmp_path, calls):
    again = lambda *more: (calls.clear(), run(data, tmp_path / "out", "--quick", *more, models=f"gaussian,{tiny}"))[1]
    assert again() == 0
    make_run(tiny, seed=1)
    assert again() == 0
    assert {name for name, _ in calls} == {"tiny"}
    (tmp_path / "out" / "compare" / "tiny.json").write_text("{")
    assert again() == 0
    assert {name for name, _ in calls} == {"tiny"}
    assert again("--seed=1") == 0
    assert {name for name, _ in calls} == {"untouched", "gaussian", "tiny"}
    Image.new("RGB", (SIDE_PX, SIDE_PX)).save(data / "1.png")
    assert again("--seed=1") == 0
    assert {name for name, _ in calls} == {"untouched", "gaussian", "tiny"}


def test_a_cut_leaves_whole_files_and_the_next_run_goes_on(data, tmp_path, calls, monkeypatch):
    watched = compare.measured

    def cut(*arguments):
        if len(calls) == 3:
            raise KeyboardInterrupt
        return watched(*arguments)

    monkeypatch.setattr(compare, "measured", cut)
    assert run(data, tmp_path / "out", "--quick", models="gaussian") == 130
    assert len(calls) == 3
    assert all(json.loads(text) for text in kept(tmp_path / "out").values())
    monkeypatch.setattr(compare, "measured", watched)
    assert run(data, tmp_path / "out", "--quick", models="gaussian") == 0
    assert len(calls) == len(set(calls)) == 18


def test_tiny_pictures_and_perfect_ones(tmp_path, capsys):
    """Without SSIM, and where no pixel was hit without an end to PSNR."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    for i in range(2):
        Image.new("RGB", (8, 8)).save(folder / f"{i}.png")
    assert run(folder, tmp_path / "out", "--quick", models="gaussian") == 0
    printed = capsys.readouterr().out
    assert "inf" in printed
    assert "n/a" in printed
    assert "**inf**" in tables.section(TASK, result_of(tmp_path / "out"))


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--models=nobody"], 2, "nobody"),
        (["--models=gan-pictures"], (1, 2), "gan-pictures"),
        (["--models=gaussian,gaussian"], 2, "twice"),
        (["--limit=0"], 2, "--limit=0 leaves no picture"),
        (["--seed=-1"], 2, "seed -1"),
        (["--data=nowhere"], 3, "nowhere"),
        (["--modles=x"], 2, "--models"),
        ([f"--output={__file__}"], 2, "choose another output with --output"),
        ([f"--output={__file__}/sub"], 2, "choose another output with --output"),
        (["--output=/proc/none"], 1, "nothing can be written in /proc/none"),
    ],
)
def test_mistakes_end_with_a_sentence_and_a_code(data, tmp_path, capsys, flags, code, says):
    standard = [f"--data={data}", f"--output={tmp_path / 'out'}", "--models=gaussian"]
    given = {flag.split("=")[0] for flag in flags}
    assert np.isin(compare.main([f for f in standard if f.split("=")[0] not in given] + flags), code)
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert says in error


def test_without_data_the_flag_is_named(capsys):
    with pytest.raises(SystemExit) as left:
        compare.main(["--quick"])
    assert left.value.code == 2
    assert "--data" in "".join(capsys.readouterr())


def test_without_matplotlib_it_says_so_before_the_work(data, monkeypatch, capsys):
    monkeypatch.setattr(plots.importlib.util, "find_spec", lambda name: None)
    assert compare.main([f"--data={data}"]) == 2
    assert "filmzoo[report]" in capsys.readouterr().err


def test_without_names_all_filters_and_all_weights_are_compared(monkeypatch):
    monkeypatch.setattr(registry, "has_weights", lambda name: name == "resnet-gaussian")
    monkeypatch.setattr(methods, "_network", lambda task, name: methods.Network(task, name, "network", ()))
    chosen, missing = methods.choose_methods(TASK, None)
    names = [method.name for method in chosen]
    assert names[0] == "untouched"
    assert {"bilateral", "median", "directional_fill", "resnet-gaussian"} <= set(names)
    assert "sharpen" not in names  # it removes no noise
    assert "unet-gaussian" in missing
    assert not {"resnet-gaussian", "gan-pictures"} & set(missing)


# ---- the pages


def test_the_section_stands_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    begin, end = marks("this")
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    write_section(page, "this", "new")
    write_section(page, "this", "new")
    assert page.read_text() == f"before\n{begin}\nnew\n{end}\nafter\n"
    assert read_section(page, "this") == "new"
    page.write_text("bare")
    with pytest.raises(ZooError, match="marks"):
        write_section(page, "this", "new")


def test_a_whole_run_writes_the_pages(data, tmp_path, monkeypatch, calls):
    monkeypatch.setattr(compare, "ROOT", tmp_path)
    monkeypatch.setattr(compare, "RESULTS", tmp_path)
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    monkeypatch.setitem(
        TASKS, "denoise", task := dataclasses.replace(TASK, rivals={"gaussian": TASK.rivals["gaussian"]})
    )
    (tmp_path / "docs").mkdir()
    for page, name in tables.sections(task):
        (tmp_path / page).write_text("".join(marks(name)))
    written = lambda: {name: read_section(tmp_path / page, name) for page, name in tables.sections(task)}
    assert compare.main([f"--data={data}", "--data-name=THREE"]) == 0
    result, first = result_of(tmp_path / "denoise"), written()
    assert first == {name: draw(task, result) for (_, name), draw in tables.sections(task).items()}
    assert "3 pictures (THREE)" in first["comparison"]
    assert str(tmp_path) not in str(first) + (tmp_path / "denoise" / "compare.json").read_text()
    assert "unet-gaussian" in result["trials"]["gaussian"]["without_weights"]
    assert compare.main([f"--data={data}", "--data-name=THREE"]) == 0
    assert written() == first


@pytest.mark.parametrize("name", RESULTS)
def test_the_pages_comparison_is_the_committed_result(name):
    task, folder = TASKS[name], ROOT / "eval" / "results" / name
    result = read_json(folder / "compare.json")
    for (page, section), draw in tables.sections(task).items():
        assert read_section(ROOT / page, section) == draw(task, result)
    assert (folder / "compare.md").read_text() == tables.full(task, result)


@pytest.mark.parametrize("name", RESULTS)
def test_the_weights_that_were_compared_are_those_that_ship(name):
    """In every trial that was run. What is new since then stands in no table yet."""
    for found in read_json(ROOT / "eval" / "results" / name / "compare.json")["trials"].values():
        measured = {row["name"]: row["weights_sha256"] for row in found["methods"] if row["name"] in registry.SPECS}
        assert measured == {name: registry.card(name)["sha256"] for name in measured}


# ---- the goals


def reached(name: str, *psnr: float, parameters: float = 4e5, kind: str = "network") -> dict:
    means = {Noise("gaussian", k / 100).name: {"psnr": [value] * 3} for k, value in enumerate(psnr, 1)}
    return {"name": name, "kind": kind, "parameters": parameters, "conditions": means}


def test_margins_are_those_of_the_best_that_counts():
    rows = [
        reached("resnet-gaussian", 45, 40.5, 38, 36.3, 33),  # better but for one level
        reached("unet-gaussian-photos", 44.8, 40.3, 37.9, 36.2, 34.8),
        reached("densenet-gaussian", 46, 42, 40, 39, 38, parameters=2e6),  # too large
        reached("bm3d", 46, 42, 40, 39, 38, kind="filter"),
        reached("gan-gaussian", 44.5, 40.1, 37.6, 35.9, 34.6),
        reached("gan-paper-gaussian", 46, 42, 40, 39, 38),
    ]
    levels = [condition.name for condition in TASK.trials["gaussian"].levels.values()]
    paired, paired_leaves, gan, gan_leaves = goals.margins(TASK, "gaussian", rows, levels)
    assert (paired.name, paired.reached) == ("unet-gaussian-photos", False)
    np.testing.assert_allclose(paired.above, [-0.1, -0.1, 0, 0, -0.1], atol=1e-9)
    assert (gan.name, gan.reached) == ("gan-gaussian", True)
    assert (paired_leaves.name, paired_leaves.reached) == ("resnet-gaussian", False)
    np.testing.assert_allclose(paired_leaves.above, [0.5, 0.5, 0.5, 0.5, -1.5], atol=1e-9)
    np.testing.assert_allclose(gan_leaves.above, 0.4, atol=1e-9)


def test_goals_are_for_the_pictures_that_they_were_set_for():
    result = read_json(ROOT / "eval" / "results" / "denoise" / "compare.json")
    assert "Above the goals" in tables.full(TASK, result)
    result["data"]["sha256"] = "0" * 64
    assert "Above the goals" not in tables.full(TASK, result)
    assert "**Not reached**" not in tables.section(TASK, result)


def test_reproductions_come_last_and_say_that_they_are_some():
    """Above what their papers claim, whatever they reach."""
    paper = reached("gan-paper-gaussian", 46, 42, 40, 39, 38) | {"reproduction": True}
    ours, blur = reached("fast-gaussian", 44, 40, 37, 35, 34), reached("gaussian", 40, 34, 32, 30, 29, kind="filter")
    rows = sorted([paper, ours, blur], key=lambda row: place(TASK, row, "gaussian"))
    assert [tables._code(TASK, row) for row in rows] == [
        "Gaussian blur",
        "`fast-gaussian`",
        "`gan-paper-gaussian`, a reproduction",
    ]


# ---- intervals


def test_intervals_are_those_of_a_plain_bootstrap():
    draw = np.random.default_rng(0)
    sample = np.stack([draw.normal(30, 2, 40), draw.exponential(1, 40)], axis=-1)
    means, low, high = statistics.Bootstrap(40, seed=0).mean(sample).T
    np.testing.assert_allclose(means, sample.mean(0))
    for column, (a, b) in enumerate(zip(low, high, strict=True)):
        found = scipy.stats.bootstrap((sample[:, column],), np.mean, method="percentile", rng=1).confidence_interval
        np.testing.assert_allclose((a, b), found, atol=0.05 * (found.high - found.low))


def test_resamples_are_the_same_for_all_methods():
    """A constant difference between two methods has an interval of no width."""
    sample = np.random.default_rng(0).normal(size=(20, 1))
    same = statistics.Bootstrap(20, seed=3)
    np.testing.assert_allclose(same.mean(sample + 2) - same.mean(sample), 2)
    np.testing.assert_array_equal(same.mean(sample), statistics.Bootstrap(20, seed=3).mean(sample))


def test_images_without_a_metric_are_left_out_and_perfect_ones_are_infinite():
    mean = lambda *column: statistics.Bootstrap(len(column), seed=0).mean(np.array(column)[:, None])[0]
    np.testing.assert_allclose(mean(1.0, np.nan, 3.0)[0], 2)
    assert np.isnan(mean(np.nan, np.nan)).all()
    assert np.isinf(mean(1.0, 2.0, np.inf)[[0, 2]]).all()
    assert mean(*[1.0] * 40, np.inf)[1] == 1


# ---- bands and rules


def test_bands_add_up_and_each_holds_its_wavelengths():
    picture = np.random.default_rng(0).random((33, 47, 3), np.float32)
    split = jax.jit(statistics.bands)
    parts, rest = split(picture)
    np.testing.assert_allclose(sum(parts) + rest, picture, atol=1e-6)
    x = np.arange(256, dtype=np.float32)
    for k in range(statistics.BANDS):
        wave = np.broadcast_to(np.sin(2 * np.pi * x / (3 * 2**k))[None, :, None], (16, 256, 3))
        energy = [np.square(np.asarray(part)[:, 32:-32]).mean() for part in split(wave)[0]]
        assert np.argmax(energy) == k


def test_detail_is_kept_under_noise_and_lost_in_a_blur():
    draw = np.random.default_rng(0)
    clean = draw.random((96, 96, 3), np.float32)
    noisy = clean + np.float32(0.05) * draw.standard_normal(clean.shape).astype(np.float32)
    detail, split = jax.jit(statistics.detail), jax.jit(statistics.bands)
    under_noise, faded = detail(clean, noisy), detail(clean, clean / 2)
    for k in range(statistics.BANDS):
        assert float(under_noise[f"kept_{k}"]) == pytest.approx(1, abs=0.02)
        assert float(faded[f"kept_{k}"]) == pytest.approx(0.5, abs=1e-4)
        error = np.square(np.asarray(split(noisy)[0][k]) - np.asarray(split(clean)[0][k])).mean()
        assert float(under_noise[f"band_{k}"]) == pytest.approx(-10 * np.log10(error), abs=1e-3)


def test_fine_texture_is_what_has_energy_at_high_frequencies():
    stripes = np.broadcast_to(np.arange(64)[None, :, None] % 2, (48, 64, 3)).astype(np.float32)
    assert statistics.fineness(stripes) > 0.9
    assert statistics.fineness(smooth(0)) < 0.01
    assert statistics.fineness(np.full((16, 16, 3), 0.5, np.float32)) == 0
    fine = statistics.fine_texture([smooth(i, 48, 64) for i in range(9)] + [stripes])
    assert len(fine) == 2
    assert 9 in fine


def of(*arrays) -> datasets.Data:
    return datasets.Data([f"{i}" for i in range(len(arrays))], [lambda x=x: x for x in arrays])


def test_pictures_of_several_shapes_keep_their_order():
    pictures = of(*(smooth(i, *shape) for i, shape in enumerate([(16, 24), (24, 16), (16, 24)])))
    material, condition = Material(TASK, pictures), Noise("salt_and_pepper", 0.05)
    untouched = methods.Method(TASK, "untouched", "untouched", tuple(TASK.trials))
    found = values.measured(untouched, "salt_and_pepper", condition, material, material.degraded(condition, seed=0))
    (level,) = evaluate(lambda x: x, pictures, noise="salt_and_pepper", levels=[0.05])["levels"]
    for metric, column in found.items():
        np.testing.assert_allclose(column, [image["degraded"][metric] for image in level["images"]], rtol=1e-5)


def test_jpeg_comes_after_the_noise():
    clean = smooth(0, 48, 64)
    noisy, squeezed = (Noise("gaussian", 0.03, q).degrade(clean, seed=0, index=0) for q in (None, 75))
    np.testing.assert_array_equal(squeezed, np.float32(jpeg(np.uint8(np.rint(255 * noisy)), quality=75)) / 255)
    assert 0.001 < np.abs(squeezed - noisy).mean() < 0.1
    assert squeezed.dtype == np.float32


# ---- clips and other tasks


def clips_folder(folder: Path) -> Path:
    """A clip of numbered pictures and one in a film, whose frames are of one shade each: frame k is 4k codes bright."""
    (folder / "a").mkdir(parents=True)
    for k in range(datasets.FRAMES + 2):
        Image.new("RGB", (64, 48), (4 * k,) * 3).save(folder / "a" / f"f{k}.png")
    shades = [np.full((48, 64), 4 * k, np.uint8) for k in range(datasets.FRAMES)]
    write(folder / "b.mkv", "gray", len(shades), size=(64, 48), pictures=shades, tags=(1, 2, 1, 1))
    return folder


def test_clips_are_films_and_folders_of_frames_and_begin_where_one_says(tmp_path):
    folder = clips_folder(tmp_path / "clips")
    clips = open_clips(f"clips:{folder}")
    assert clips.names == ["a", "b"]
    for index in range(2):
        np.testing.assert_allclose(clips[index][1][:, 5, 5, 1] * 255, 4 * np.arange(datasets.FRAMES), atol=1e-3)
    name, later = open_clips(f"clips:{folder}/b.mkv,{folder}/a@2")[1]
    assert (name, later.shape) == ("a@2", (datasets.FRAMES, 48, 64, 3))
    np.testing.assert_allclose(later[0] * 255, 8, atol=1e-3)
    frames = open_pictures(f"clips:{folder}")
    assert (len(frames), frames.names[0]) == (2 * 14, "a, frame 3")
    np.testing.assert_allclose(frames[14][1] * 255, 12, atol=1e-3)
    for wrong, says in ((f"{folder}/a@3", "fewer than 23 frames"), (f"{folder}/c", "no film and no folder")):
        with pytest.raises(InputError, match=says):
            open_clips(f"clips:{wrong}").first(1)[0]


def test_clips_larger_than_they_need_are_halved_by_area_and_cut_in_their_middle(data, monkeypatch):
    monkeypatch.setattr(datasets, "SIZE_PX", (8, 12))
    picture = np.random.default_rng(0).integers(0, 256, (20, 32, 3), np.uint8)
    for k in range(datasets.FRAMES):
        Image.fromarray(picture).save(data / f"{k}.png")
    _, clip = open_clips(f"clips:{data}")[0]
    means = (picture / 255).reshape(10, 2, 16, 2, 3).mean((1, 3))
    np.testing.assert_allclose(clip[7], means[1:9, 2:14], atol=1e-6)


@dataclasses.dataclass(frozen=True)
class Woven:
    """Of a clip every second line of each frame is lost."""

    name: str = "woven"
    level: float = 0

    def degrade(self, clean, *, seed, index):
        return clean[:, ::2]


def test_a_task_on_clips_whose_methods_take_fields_needs_no_other_comparison(tmp_path, monkeypatch, capsys):
    """Columns are the clips; what is degraded is of another shape than what is restored."""
    bob = lambda fields: np.repeat(fields, 2, axis=1)
    lines = lambda fields: jax.image.resize(
        fields, (*fields.shape[:1], 2 * fields.shape[1], *fields.shape[2:]), "linear"
    )
    whole = lambda clean, restored: metrics.psnr(clean, restored).mean()
    still = lambda clean, restored: abs(jax.numpy.diff(restored, axis=0)).mean() * 255
    task = Task(
        name="weave",
        trials={"double": Trial("double rate", {"woven": Woven()}, "woven", networks=(), by_item=True)},
        rivals={"lines": Rival(lines, ("double",), title="line doubling")},
        metrics={"psnr": Metric(whole, "PSNR, dB", 2), "flicker": Metric(still, "flicker, codes", 3, higher=False)},
        open=open_clips,
        restorer=lambda source: bob,
        compared=lambda config: False,
        protocol="psnr",
        heading="h",
        about="a",
        told="t",
        by="clip",
        pages="p",
        headline="{value}",
        untouched=bob,
    )
    monkeypatch.setitem(TASKS, "weave", task)
    data = f"clips:{clips_folder(tmp_path / 'clips')}"
    assert compare.main([f"--data={data}", "--task=weave", f"--output={tmp_path / 'out'}"]) == 0
    found = result_of(tmp_path / "out")["trials"]["double"]
    assert found["columns"] == {"a": "a", "b": "b", "mean": "woven"}
    assert [row["name"] for row in found["methods"]] == ["untouched", "lines"]
    assert "flicker" in capsys.readouterr().out
    page = tables.section(task, result_of(tmp_path / "out"))
    assert "| method | parameters | a | b | mean | flicker, codes |" in page
    assert "line doubling" in (tmp_path / "out" / "compare.md").read_text()


def row(name: str, psnr: float, kind: str = "network") -> dict:
    return {"name": name, "kind": kind, "conditions": {"gaussian 0.03": {"psnr": [psnr, psnr, psnr]}}}


def test_crops_show_the_better_training_of_each_network():
    rows = [
        row("untouched", 30, "untouched"),
        *(row(f"filter {k}", 30 + k, "filter") for k in range(12)),
        *(row(name, psnr) for name, psnr in (("a", 37), ("a-photos", 38), ("b", 39), ("b-photos", 36))),
    ]
    assert [r["name"] for r in best_networks(TASK, rows, "gaussian")] == ["b", "a-photos"]
    names = [r["name"] for r in crops.choose_rows(TASK, rows, "gaussian")]
    assert len(names) == crops.CELLS - 1
    assert {"untouched", "a-photos", "b", "filter 11"} <= set(names)
    assert not {"a", "b-photos", "filter 0"} & set(names)


@given(st.lists(st.floats(-50, 50), max_size=9))
def test_labels_lie_apart_in_their_order_and_move_no_further_than_they_must(heights):
    moved = plots._apart(heights, 2.0)
    assert (np.diff(sorted(moved)) >= 2 - 1e-9).all()
    order = sorted(range(len(heights)), key=heights.__getitem__)
    assert [moved[k] for k in order] == sorted(moved)
    if (np.diff(sorted(heights)) >= 2).all():
        np.testing.assert_allclose(moved, heights, atol=1e-9)


def test_methods_are_timed_in_turn(data, monkeypatch):
    seen = []

    class Watched(methods.Filter):
        def restore(self, trial, condition, degraded):
            seen.append(self.name)
            return degraded

    both = [Watched(TASK, name, "filter", ("gaussian",)) for name in "ab"]
    times = speed.ms_per_megapixel(both, Material(TASK, open_pictures(str(data))), seed=0)
    assert seen == ["a", "b"] * (1 + speed.ROUNDS)
    assert times["gaussian"].keys() == {"a", "b"}
