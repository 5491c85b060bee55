"""The benchmarks run, say what they measured, and compare nothing that is not the same."""

import copy
import itertools
import json
import sys

import jax
import numpy as np
import pytest
from flax import nnx

from benchmarks import film, measure, peers, processes, report, restore, run, tables, train_step
from benchmarks.ratios import kind_of
from eval.pages.report import marks, read_json, read_section
from tests import clips
from zoo.errors import ZooError
from zoo.models.cyclegan import PatchConfig, ResidualConfig
from zoo.models.densenet import DenseNetConfig
from zoo.models.gan import DiscriminatorConfig, PlainConfig
from zoo.models.resnet import ResNetConfig
from zoo.models.unet import UNetConfig

CONFIGS = [
    ResNetConfig(width=8, blocks=1),
    PlainConfig(width=8, depth=2),
    DenseNetConfig(width=8, growth=4, blocks=1, layers=2, norm="batch"),
    UNetConfig(width=8, growth=4, layers=1),
    ResidualConfig(width=4, blocks=1),
    PatchConfig(width=4),
    DiscriminatorConfig(width=4, depth=2),
]
MACHINES = [("cpu", "AMD EPYC 9575F"), ("cpu", "Intel(R) Xeon(R) Processor"), ("NVIDIA H200", "AMD EPYC 9575F")]


@pytest.fixture
def torch():
    found = pytest.importorskip("torch", reason="the extra `bench` is not installed")
    found.set_num_threads(1)
    return found


@pytest.fixture
def alone(monkeypatch):
    """As if PyTorch were not there."""
    monkeypatch.setattr(peers, "available", lambda: False)


def rows_of(name: str, folder) -> list[dict]:
    """What the tiny size of one benchmark writes, through the real main."""
    assert run.main([f"--only={name}", "--size=tiny", f"--output={folder}"]) == 0
    (path,) = folder.glob("*.json")
    result = json.loads(path.read_text())
    assert result["machine"]["cores"]
    assert result["machine"]["versions"]["jax"] == jax.__version__
    part = result["benchmarks"][name]
    assert "failed" not in part
    return part["rows"]


def is_timed(times: dict) -> bool:
    return times["first_call_s"] > 0 and len(times["wall_samples_s"]) == len(times["cpu_samples_s"]) >= 1


# Measuring


def test_contenders_take_turns_after_their_first_calls():
    seen: list[str] = []
    contenders = {name: lambda k, name=name: seen.append(f"{name}{k}") for name in "ab"}
    found = measure.compare(contenders, measure.Rounds(3, 60.0))
    assert seen == ["a0", "b0", "a0", "b0", "a1", "b1", "a2", "b2"]
    assert all(is_timed(found[name]) and len(found[name]["wall_samples_s"]) == 3 for name in "ab")


def test_one_round_is_run_however_long_it_takes():
    found = measure.compare({"a": lambda k: None}, measure.Rounds(9, 0.0))
    assert len(found["a"]["wall_samples_s"]) == 1


def test_medians_and_spread():
    found = measure.summary([(1.0, 2.0), (4.0, 3.0), (2.0, 9.0)])
    assert (found["wall_s"], found["cpu_s"], found["spread"]) == (2.0, 3.0, 1.5)


def test_who_fails_says_why_and_the_others_go_on():
    def fail(k):
        raise ValueError("no compiler\nand more")

    found = measure.compare({"a": fail, "b": lambda k: None}, measure.TINY)
    assert found["a"] == {"failed": "ValueError: no compiler"}
    assert is_timed(found["b"])


# The runner


def test_a_benchmark_that_fails_is_recorded_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    def broken(*, tiny):
        yield {"what": "frame", "model": "one"}
        raise ZooError("half way")

    monkeypatch.setattr(run, "BENCHMARKS", {"broken": broken, "whole": lambda *, tiny: iter([{"what": "frame"}])})
    assert run.main(["--size=tiny", f"--output={tmp_path}"]) == 1
    (path,) = tmp_path.glob("*.json")
    found = json.loads(path.read_text())["benchmarks"]
    assert found["broken"]["failed"] == "ZooError: half way"
    assert [len(found[name]["rows"]) for name in ("broken", "whole")] == [1, 1]
    assert "broken failed: ZooError: half way" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "said"), [("--only=fast", "restore"), ("--only=", "restore"), ("--sizes=tiny", "size")]
)
def test_bad_flags_list_the_choices(flag, said, capsys):
    assert run.main([flag]) == 2
    assert said in capsys.readouterr().err


def test_a_later_run_of_another_benchmark_keeps_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "BENCHMARKS", dict.fromkeys("ab", lambda *, tiny: iter([{"what": "frame"}])))
    assert run.main(["--only=a", "--size=tiny", f"--output={tmp_path}"]) == 0
    (path,) = tmp_path.glob("*.json")
    elsewhere = json.loads(path.read_text())
    elsewhere["machine"]["processor"] = "another"
    path.with_name(path.name.replace("-20", "-30")).write_text(json.dumps(elsewhere))  # later
    assert run.main(["--only=b", "--size=tiny", f"--output={tmp_path}"]) == 0
    assert json.loads(path.read_text())["benchmarks"].keys() == {"a", "b"}


# Each benchmark, tiny


def test_restore(tmp_path, alone):
    rows = rows_of("restore", tmp_path)
    peak, *frames, memory = rows
    assert peak["what"] == "peak"
    assert all(peak[kind]["flops_per_s"] > 0 for kind in ("matmul", "matmul bf16", "conv"))
    assert [row["weights"] for row in frames] == ["shipped", "random"]
    for row in frames:
        assert is_timed(row["times"]["ours"])
        assert is_timed(row["times"]["ours bf16"])
        assert "not installed" in row["note"]
    assert memory["peak_bytes"] >= memory["before_bytes"] > 2**24


def test_every_block_of_a_network_counts():
    """Though a CPU has them as the rounds of one loop."""
    one, two, three = (restore.flop_per_px(ResidualConfig(width=8, blocks=k).build(nnx.Rngs(0))) for k in (1, 2, 3))
    assert three - two == pytest.approx(two - one, rel=0.01)
    # A block: two of 3x3, at a sixteenth of the pixels, by half the products
    assert two - one > 2 * 9 * 32 * 32 / 16


def test_film(tmp_path):
    *memory, film_row = rows_of("film", tmp_path)
    assert (film_row["frames"], film_row["width"], film_row["height"]) == (3, 48, 32)
    assert all(is_timed(film_row["times"][name]) for name in ("end to end", *film.STAGES))
    assert sum(film_row["share"].values()) == pytest.approx(1, abs=1e-3)
    assert film_row["limit"] == max(film_row["ms"], key=film_row["ms"].get)
    assert [(row["frames"], row["restored"]) for row in memory] == [(2, 2), (8, 8)]
    assert all(row["peak_bytes"] > 2**24 for row in memory)


def test_television(tmp_path):
    (row,) = rows_of("television", tmp_path)
    assert all(is_timed(row["times"][name]) for name in ("end to end", "deinterlace", *film.STAGES))
    assert sum(row["steps_share"].values()) == pytest.approx(1, abs=1e-3)


def test_the_films_picture_moves_under_grain_of_its_own_in_every_frame(tmp_path):
    a, b = (clips.planes(frame)[0].astype(float) for frame in clips.read(film.write(tmp_path / "x.mkv", 64, 48, 2)))
    there, here = (np.std(b[: 48 - k, : 64 - k] - a[k:, k:]) for k in (2, 0))
    assert here > 1.5 * there, "what was two pixels on is here now"
    assert there == pytest.approx(2**0.5 * film.GRAIN * 876 * np.sqrt(0.2126**2 + 0.7152**2 + 0.0722**2), rel=0.1)


def test_train_step(tmp_path, alone):
    rows = rows_of("train_step", tmp_path)
    assert [(row["command"], row["preset"], row["steps"]) for row in rows] == [
        ("densenet", "paper", 1),
        ("cyclegan", "small", 3),  # g_ba and d_a once, g_ab twice
    ]
    assert all(row["compile_s"] > 0 for row in rows)
    assert all(row["times"][name]["images_per_s"] > 0 for row in rows for name in ("ours", "ours bf16"))


def test_pipeline(tmp_path):
    *rows, feeding = rows_of("pipeline", tmp_path)
    assert feeding["crops_per_s"] > 0
    assert feeding["flop_per_crop"] > 32 * 32 * 1000
    assert [row["source"] for row in rows] == ["leaves", "folder, kept in memory", "folder, decoded each time"]
    assert all(0 <= row["waits"] < 1 and row["images_per_s"]["data"] > 0 for row in rows)


def test_scaling(tmp_path):
    one, two, processes_, frame, bands = rows_of("scaling", tmp_path)
    assert one["collectives"] == {}
    for row in (two, processes_):
        assert row["collectives"] == {"all-reduce": 1}  # one for the whole gradient, and nothing gathered
        assert row["loss_difference"] < 1e-6
        assert row["gradient_difference"] < 1e-6
    assert (frame["devices"], bands["devices"]) == (1, 2)
    assert bands["difference"] < 1e-6


def test_start(tmp_path):
    rows = rows_of("start", tmp_path)
    assert [row.get("name", row["what"]) for row in rows][:3] == list(run.start.IMPORTS)
    frame, step = rows[3:]
    assert (frame["what"], step["what"]) == ("first frame", "first step")
    assert 0 < step["load_s"] < step["compile_s"] < step["cold_s"]
    assert step["load_s"] < step["cached_s"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's memory")
def test_memory(tmp_path):
    (row,) = rows_of("memory", tmp_path)
    if "skipped" in row:
        pytest.skip(row["skipped"])
    for kind in ("kept", "given_back"):
        assert row[kind]["wall_s"] > 0
        assert len(row[kind]["wall_samples_s"]) == 1
    (path,) = tmp_path.glob("*.json")
    assert "given back" in report.section(read_json(path), path, None)


def test_a_process_that_fails_says_its_last_line():
    with pytest.raises(ZooError, match="ended with code 1: ValueError: no"):
        processes.ask("-c", "raise ValueError('no')")


# Against PyTorch


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: type(c).__name__)
def test_twins_agree(config, torch):
    network = config.build(nnx.Rngs(0))
    graph, state = nnx.split(network)
    rng = np.random.default_rng(0)  # statistics of batch norm included, so that none is mistaken for another
    network = nnx.merge(graph, jax.tree.map(lambda x: x + 0.1 * rng.random(x.shape, np.float32), state))
    network.eval()
    channels = getattr(config, "channels", 3)
    from benchmarks.torch_networks import convert

    picture = rng.random((2, 32, 32, channels), np.float32)
    with torch.inference_mode():
        theirs = convert(network)(torch.from_numpy(picture).permute(0, 3, 1, 2))
    theirs = theirs.permute(0, 2, 3, 1) if theirs.ndim == 4 else theirs
    np.testing.assert_allclose(np.asarray(network(jax.numpy.asarray(picture))), theirs.numpy(), rtol=1e-4, atol=1e-4)


def test_a_twin_with_other_weights_is_refused_before_anything_is_timed(torch, monkeypatch, tmp_path):
    from benchmarks import torch_networks

    def altered(network):
        module = convert(network)
        with torch.no_grad():
            next(module.parameters()).add_(0.1)
        return module

    convert, timed = torch_networks.convert, []
    monkeypatch.setattr(torch_networks, "convert", altered)
    monkeypatch.setattr(run.restore, "compare", lambda contenders, rounds: timed.append([*contenders]) or {})
    monkeypatch.setattr(run.restore, "peak", lambda *a, **k: {})
    assert run.main(["--only=restore", "--size=tiny", f"--output={tmp_path}"]) == 1
    (path,) = tmp_path.glob("*.json")
    rows = json.loads(path.read_text())["benchmarks"]["restore"]["rows"]
    assert ["nothing is timed" in row["failed"] for row in rows if row["what"] == "frame"] == [True, True]
    assert timed == []


@pytest.mark.parametrize("command", train_step.COMMANDS)
def test_train_steps_agree_and_an_altered_one_is_refused(command, torch, monkeypatch):
    from benchmarks import torch_steps

    task = train_step.make(command, "--preset=paper", "--crop=32", "--batch=2", *train_step.SMALL[f"{command} paper"])
    train_step.check(command, task)
    adam = torch_steps.adam

    def altered(module, settings, *, b1):
        optimiser = adam(module, settings, b1=b1)
        optimiser.param_groups[0]["lr"] *= 20
        return optimiser

    monkeypatch.setattr(torch_steps, "adam", altered)
    with pytest.raises(ZooError, match="nothing is timed"):
        train_step.check(command, task)


# The pages


def drawn_from() -> dict:
    """A result with everything in it, as JSON gives it back."""
    clock = itertools.count(1)
    times = lambda *names: {name: measure.summary([(next(clock), 1.0)]) for name in names}
    model = {"model": "resnet-gaussian", "also": ["gan-gaussian"], "weights": "shipped"}
    frame = {"what": "frame", **model, "width": 720, "height": 576, "tiled": False, "flop_per_px": 1e5}
    step = {"what": "step", "command": "gan", "preset": "paper", "crop": 128, "batch": 4, "steps": 1, "compile_s": 2.0}
    peak = measure.summary([(1.0, 1.0)]) | {"flops_per_s": 1e12}
    small = frame | {"times": times("ours", "torch eager", "torch compile bf16")}
    large = frame | {"width": 4096, "height": 3112, "skipped": "would take 99 s"}
    versions = {"jax": "1", "torch": "2"}
    machine = {"processor": "P", "cores": 2, "device": "cpu", "devices": 1, "versions": versions, "commit": "c" * 40}
    film = frame | {"what": "film", "frames_per_s": 8.0, "limit": "device"}
    film |= {
        "ms": {"decode": 10.0, "device": 80.0, "encode": 10.0},
        "share": {"decode": 0.1, "device": 0.8, "encode": 0.1},
    }
    memory = {"what": "film memory", **model, "width": 192, "height": 144, "frames_bytes": 2**26}
    rows = {
        "film": [film, frame | {"what": "film", "skipped": "a frame would take 77 s"}]
        + [memory | {"frames": n, "peak_bytes": p << 20} for n, p in ((10, 300), (1000, 303))]
        + [memory | {"frames": 4, "width": 4096, "height": 3112, "peak_bytes": 2**32}],
        "restore": [{"what": "peak", "matmul": peak, "conv": peak}, small, large],
        "train_step": [
            step | {"times": times("torch eager", "torch eager bf16", "ours")},
            {k: v for k, v in step.items() if k not in ("steps", "compile_s")} | {"batch": 64, "failed": "0.1 off"},
        ],
    }
    benchmarks = {name: {"rows": found, "seconds": 1} for name, found in rows.items()}
    return {"size": "full", "date": "2026-01-02", "machine": machine, "benchmarks": benchmarks}


def test_the_pages_are_drawn_from_the_result_alone(tmp_path, monkeypatch, capsys):
    page, path = tmp_path / "docs" / "performance.md", tmp_path / "cpu-2026-01-02.json"
    page.parent.mkdir()
    page.write_text("before\n{}\n{}\nafter\n".format(*marks("performance")))
    (tmp_path / "README.md").write_text("".join(marks("speed")))
    path.write_text(json.dumps(drawn_from()))
    monkeypatch.setattr(report, "ROOT", tmp_path)
    assert report.main([str(path)]) == 0
    first, plot = page.read_text(), (tmp_path / report.PLOT).read_bytes()
    assert report.main([str(path)]) == 0
    assert (page.read_text(), (tmp_path / report.PLOT).read_bytes()) == (first, plot)
    assert first.startswith("before\n")
    assert first.endswith("after\n")
    assert "would take 99 s" in first
    assert "Not measured: step of gan, 128 px, batch 64 (0.1 off)." in first
    assert "| 720x576 | `resnet-gaussian` | 8 | 10 (10%) | 80 (80%) | 10 (10%) | device |" in first
    assert "a frame would take 77 s" in first
    said = "* **1.010 times** the memory: a film of 1000 frames against one of 10."
    assert read_section(tmp_path / "README.md", "speed") == said
    assert "10 frames 300 MiB, 1000 frames 303 MiB, 1.010 times as much (the 1000 frames themselves" in first
    assert "are 64 MiB); of 4096x3112: 4.0 GiB." in first
    assert "PyTorch is faster in float32 at: gan, 128 px, batch 4 (0.67)." in first
    assert "| `resnet-gaussian` | 2411 | 4823 | - | 2 | 7234 | 3 |" in first
    capsys.readouterr()


def test_what_failed_of_ours_is_no_loss(tmp_path):
    result = drawn_from()
    _, frame, _ = result["benchmarks"]["restore"]["rows"]
    frame["times"]["ours"] = {"failed": "out of memory"}
    text = report.section(result, tmp_path / "cpu-2026-01-02.json", None)
    assert "ours of resnet-gaussian (out of memory)" in text
    assert "faster in float32 at: gan, 128 px, batch 4 (0.67)." in text


def test_ours_in_bfloat16_stands_beside_theirs(tmp_path):
    result = drawn_from()
    peak, frame, _ = result["benchmarks"]["restore"]["rows"]
    peak["matmul bf16"] = peak["matmul"] | {"flops_per_s": 1e11}
    frame["times"]["ours bf16"] = measure.summary([(0.5, 1.0)])
    text = report.section(result, tmp_path / "cpu-2026-01-02.json", None)
    assert "| ratio | bf16, ours | bf16, PyTorch's best | ratio to that | of the matmul bf16 peak |" in text
    assert "| `resnet-gaussian` | 2411 | 4823 | - | 2 | 1206 | 7234 | 6 | 83% |" in text


def test_other_machines_newest_results_stand_beside(tmp_path):
    here, there = tmp_path / "cpu-2026-01-02.json", copy.deepcopy(drawn_from())
    there["machine"]["processor"] = "Q"
    step, _ = there["benchmarks"]["train_step"]["rows"]
    for date, seconds in (("2025-01-01", 1.0), ("2026-01-01", 12.0)):
        step["times"]["torch eager"]["wall_s"] = seconds
        (tmp_path / f"cpu-{date}.json").write_text(json.dumps(there))
    (tmp_path / "cpu-2026-02-01.json").write_text("cut o")
    assert "other machines" not in report.section(drawn_from(), tmp_path / "alone" / here.name, None)
    text = report.section(drawn_from(), here, None)
    assert "| ratio to PyTorch | here | Q | Q, PyTorch in bf16 |" in text
    assert "| gan, 128 px, batch 4 | 0.667 | 2 | 0.833 |" in text
    assert "[Q](../benchmarks/results/cpu-2026-01-01.json)" in text


def test_a_result_without_peers_says_so(tmp_path):
    result = copy.deepcopy(drawn_from())
    result["machine"]["versions"]["torch"] = None
    for part in result["benchmarks"].values():
        for row in (row for row in part["rows"] if "times" in row):
            row["times"] = {"ours": row["times"]["ours"]}
    text = report.section(result, tmp_path / "x.json", None)
    assert "PyTorch was not there" in text
    assert "![" not in text


def test_what_is_no_result_is_refused(tmp_path, capsys):
    assert report.main([str(tmp_path / "missing.json"), "--no-readme"]) == 3
    assert "no result of benchmarks.run" in capsys.readouterr().err


def test_the_pages_performance_is_a_committed_result():
    section = read_section(report.ROOT / "docs" / "performance.md", "performance")
    if not section:
        pytest.skip("no benchmark was committed yet")
    path = run.RESULTS / section.rpartition("(../benchmarks/results/")[2].partition(")")[0]
    result = read_json(path)
    assert section == report.section(result, path, path.with_name(report.PLOT))
    assert read_section(report.ROOT / "README.md", "speed") == tables.headline(result)


def test_names_of_results_tell_machines_apart():
    names = [run.slug(kind_of({"device": d, "processor": p})) for d, p in MACHINES]
    assert names == ["amd-epyc-9575f", "intel-xeon-processor", "nvidia-h200"]


def test_processes_take_the_accelerators_that_were_given(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    assert processes.devices(2) == {"CUDA_VISIBLE_DEVICES": "4,5"}
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert processes.devices(2) == {"CUDA_VISIBLE_DEVICES": "0,1"}


def test_what_was_found_before_on_the_same_machine_stays_with_its_commit_and_date(tmp_path):
    before, now = drawn_from(), drawn_from() | {"date": "2026-02-03", "benchmarks": {}}
    now["machine"] = now["machine"] | {"commit": "d" * 40}
    now["benchmarks"] = run.earlier(before, now) | {"film": {"rows": [], "commit": "d" * 40, "date": now["date"]}}
    assert now["benchmarks"]["restore"]["rows"] == before["benchmarks"]["restore"]["rows"]
    said = report.about(now)
    assert "2026-01-02 at cccccccccc" in said
    assert "2026-02-03 at dddddddddd" in said
    now["machine"]["cores"] = 64
    assert run.earlier(before, now) == {}
