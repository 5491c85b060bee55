"""eval.compare: what it measures, keeps, writes and refuses; its intervals, bands and rules."""

import functools
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

from eval import compare, tune
from eval.comparison import goals, methods, speed, statistics, values
from eval.comparison.conditions import NOISES, Condition, Material, conditions, fineness
from eval.comparison.datasets import open_pictures
from eval.comparison.summary import best_networks
from eval.pages import crops, plots, tables
from eval.pages.report import marks, read_section, write_section
from eval.run import evaluate
from tests.test_eval import smooth
from zoo import registry
from zoo.errors import ZooError
from zoo.models.resnet import ResNetConfig
from zoo.pictures import jpeg
from zoo.restorer import Restorer

ROOT = Path(__file__).parents[1]
OPTIONS = {"gaussian": {noise: {"0.03": {"options": {"sigma_px": 0.5}}} for noise in NOISES}}
SIDE_PX = 48  # of all pictures, timed ones too, so that little is compiled


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Filters with options of their own, a small picture to time, coarse plots."""
    (tmp_path / "filters.json").write_text(json.dumps({"filters": OPTIONS}))
    monkeypatch.setattr(tune, "tuned", functools.partial(tune.tuned, results=tmp_path / "filters.json"))
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

    def watched(method, noise, condition, *rest):
        seen.append((method.name, condition.name))
        return true(method, noise, condition, *rest)

    monkeypatch.setattr(compare, "measured", watched)
    monkeypatch.setattr(compare, "draw_all", lambda result, folder: [])
    return seen


def run(data, output, *more: str, models: str) -> int:
    return compare.main([f"--data={data}", f"--models={models}", f"--output={output}", *more])


def result_of(output) -> dict:
    return json.loads((output / "compare.json").read_text())


def without_times(result: dict) -> dict:
    for found in result["noises"].values():
        for row in found["methods"]:
            assert row.pop("ms_per_megapixel") is None or row["kind"] != "untouched"
    return {key: value for key, value in result.items() if key != "times"}


def kept(output) -> dict[str, str]:
    return {path.name: path.read_text() for path in (output / "compare").iterdir()}


# ---- the command


def test_quick_measures_what_eval_run_measures(data, tiny, tmp_path, capsys):
    before = [(ROOT / page).read_text() for page, _ in tables.SECTIONS]
    assert run(data, tmp_path / "out", "--quick", models=f"gaussian,{tiny}") == 0
    printed, result = capsys.readouterr().out, result_of(tmp_path / "out")
    rows = {noise: {row["name"]: row for row in found["methods"]} for noise, found in result["noises"].items()}
    assert set(rows["gaussian"]) == {"untouched", "gaussian", "tiny"}
    assert set(rows["salt_and_pepper"]) == {"untouched", "gaussian"}
    pictures, levels = open_pictures(str(data)), (0.01, 0.03, 0.05)
    for level in evaluate(Restorer(tiny), pictures, noise="gaussian", levels=levels)["levels"]:
        for name, side in (("untouched", "degraded"), ("tiny", "restored")):
            found = rows["gaussian"][name]["conditions"][Condition("gaussian", level["level"]).name]
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
        f"{kind}-{noise}.png" for kind in ("compare", "crops") for noise in ("gaussian", "salt-and-pepper")
    } | {"speed.png"}
    assert [(ROOT / page).read_text() for page, _ in tables.SECTIONS] == before
    assert "docs are left alone" in printed


def test_a_second_run_measures_what_is_new_and_ends_where_a_fresh_one_does(data, tiny, tmp_path, calls):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    assert run(data, out, models="gaussian") == 0
    names = [condition.name for condition in conditions("gaussian")]
    assert len(names) == 9
    assert {condition for _, condition in calls} == {
        c.name for n in ("gaussian", "salt_and_pepper") for c in conditions(n)
    }
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
    assert len(calls) == len(set(calls)) == 12


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
    assert "**inf**" in tables.section(result_of(tmp_path / "out"))


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
    monkeypatch.setattr(methods, "_network", lambda name: methods.Network(name))
    chosen, missing = methods.choose_methods(None)
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
    monkeypatch.setattr(compare, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    monkeypatch.setattr(methods.filters, "FILTERS", {"gaussian": methods.filters.FILTERS["gaussian"]})
    (tmp_path / "docs").mkdir()
    for page, name in tables.SECTIONS:
        (tmp_path / page).write_text("".join(marks(name)))
    written = lambda: {name: read_section(tmp_path / page, name) for page, name in tables.SECTIONS}
    assert compare.main([f"--data={data}", "--data-name=THREE"]) == 0
    result, first = result_of(tmp_path / "results"), written()
    assert first == {name: draw(result) for (_, name), draw in tables.SECTIONS.items()}
    assert "3 pictures (THREE)" in first["comparison"]
    assert str(tmp_path) not in str(first) + (tmp_path / "results" / "compare.json").read_text()
    assert "unet-gaussian" in result["noises"]["gaussian"]["without_weights"]
    assert compare.main([f"--data={data}", "--data-name=THREE"]) == 0
    assert written() == first


def test_the_pages_comparison_is_the_committed_result():
    path = ROOT / "eval" / "results" / "compare.json"
    if not path.exists():
        pytest.skip(f"no comparison was run yet: there is no {path}")
    result = json.loads(path.read_text())
    for (page, name), draw in tables.SECTIONS.items():
        assert read_section(ROOT / page, name) == draw(result)
    assert (path.parent / "compare.md").read_text() == tables.full(result)


def test_the_weights_that_were_compared_are_those_that_ship():
    path = ROOT / "eval" / "results" / "compare.json"
    if not path.exists():
        pytest.skip(f"no comparison was run yet: there is no {path}")
    measured = {
        row["name"]: row["weights_sha256"]
        for noise in json.loads(path.read_text())["noises"].values()
        for row in noise["methods"]
        if row["name"] in registry.SPECS
    }
    compared = [name for name, spec in registry.SPECS.items() if spec.noise in (*NOISES, "any")]
    assert measured == {name: registry.card(name)["sha256"] for name in compared if registry.has_weights(name)}


# ---- the goals


def reached(name: str, *psnr: float, parameters: float = 4e5, kind: str = "network") -> dict:
    means = {Condition("gaussian", k / 100).name: {"psnr": [value] * 3} for k, value in enumerate(psnr, 1)}
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
    paired, paired_leaves, gan, gan_leaves = goals.margins("gaussian", rows)
    assert (paired.name, paired.reached) == ("unet-gaussian-photos", False)
    np.testing.assert_allclose(paired.above, [-0.1, -0.1, 0, 0, -0.1], atol=1e-9)
    assert (gan.name, gan.reached) == ("gan-gaussian", True)
    assert (paired_leaves.name, paired_leaves.reached) == ("resnet-gaussian", False)
    np.testing.assert_allclose(paired_leaves.above, [0.5, 0.5, 0.5, 0.5, -1.5], atol=1e-9)
    np.testing.assert_allclose(gan_leaves.above, 0.4, atol=1e-9)


def test_goals_are_for_the_pictures_that_they_were_set_for():
    path = ROOT / "eval" / "results" / "compare.json"
    if not path.exists():
        pytest.skip(f"no comparison was run yet: there is no {path}")
    result = json.loads(path.read_text())
    assert "Above the goals" in tables.full(result)
    result["data"]["sha256"] = "0" * 64
    assert "Above the goals" not in tables.full(result)
    assert "**Not reached**" not in tables.section(result)


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
    assert fineness(stripes) > 0.9
    assert fineness(smooth(0)) < 0.01
    assert fineness(np.full((16, 16, 3), 0.5, np.float32)) == 0
    material = Material([(f"{i}", smooth(i, 48, 64)) for i in range(9)] + [("stripes", stripes)])
    assert len(material.texture) == 2
    assert material.names.index("stripes") in material.texture


def test_pictures_of_several_shapes_keep_their_order():
    pictures = [(f"{i}", smooth(i, *shape)) for i, shape in enumerate([(16, 24), (24, 16), (16, 24)])]
    material = Material(pictures)
    for index, (_, picture) in enumerate(pictures):
        np.testing.assert_array_equal(material.picture(index), picture)
    condition = Condition("salt_and_pepper", 0.05)
    degraded = material.degraded(condition, seed=0)
    found = values.measured(methods.Method(), "salt_and_pepper", condition, material, degraded)
    (level,) = evaluate(lambda x: x, pictures, noise="salt_and_pepper", levels=[0.05])["levels"]
    for metric, column in found.items():
        np.testing.assert_allclose(column, [image["degraded"][metric] for image in level["images"]], rtol=1e-5)


def test_jpeg_comes_after_the_noise():
    clean = smooth(0, 48, 64)
    noisy, squeezed = (Condition("gaussian", 0.03, q).degrade(clean, seed=0, index=0) for q in (None, 75))
    np.testing.assert_array_equal(squeezed, np.float32(jpeg(np.uint8(np.rint(255 * noisy)), quality=75)) / 255)
    assert 0.001 < np.abs(squeezed - noisy).mean() < 0.1
    assert squeezed.dtype == np.float32


def row(name: str, psnr: float, kind: str = "network") -> dict:
    return {"name": name, "kind": kind, "conditions": {"gaussian 0.03": {"psnr": [psnr, psnr, psnr]}}}


def test_crops_show_the_better_training_of_each_network():
    rows = [
        row("untouched", 30, "untouched"),
        *(row(f"filter {k}", 30 + k, "filter") for k in range(12)),
        *(row(name, psnr) for name, psnr in (("a", 37), ("a-photos", 38), ("b", 39), ("b-photos", 36))),
    ]
    assert [r["name"] for r in best_networks(rows, "gaussian")] == ["b", "a-photos"]
    names = [r["name"] for r in crops.choose_rows(rows, "gaussian")]
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
        def restore(self, noise, condition, pictures):
            seen.append(self.name)
            return pictures

    both = [Watched(name, noises=("gaussian",)) for name in "ab"]
    times = speed.ms_per_megapixel(both, Material(open_pictures(str(data))), seed=0)
    assert seen == ["a", "b"] * (1 + speed.ROUNDS)
    assert times["gaussian"].keys() == {"a", "b"}
