import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from PIL import ImageCms

from tests import clips
from tests.clips import Config
from zoo import cli, pictures, registry
from zoo.models.resnet import ResNetConfig
from zoo.pictures import Picture
from zoo.restorer import Restorer
from zoo.tiles import Tiled

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MODEL = "gan-gaussian"
LOAD = registry.load


class Inverter(nnx.Module):
    """Plain to see, and exact: every sample becomes 1 - sample."""

    def __init__(self, config):
        self.config = config

    def __call__(self, x):
        return 1 - x


@pytest.fixture(autouse=True)
def inverter(monkeypatch):
    """All models invert, whether or not their weights ship."""
    clips.stand_in(monkeypatch, lambda: Inverter(Config()))


def draw(path, shape=(21, 34, 3), dtype=np.uint8, icc=None, seed=0):
    """Writes a random picture; returns its samples."""
    samples = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures.write(path, Picture(samples, icc=icc))
    return samples


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


# ---- what is kept


@pytest.mark.parametrize(
    ("name", "dtype", "channels"),
    [
        ("a.png", np.uint8, 3),
        ("a.png", np.uint16, 4),
        ("a.tif", np.uint16, 3),
        ("a.png", np.uint8, 2),
        ("a.tiff", "u1", 1),
    ],
)
def test_a_file_keeps_size_depth_alpha_and_profile(folder, name, dtype, channels):
    samples = draw(folder / name, (17, 31, channels), np.dtype(dtype), icc=None if channels < 3 else ICC)
    before = (folder / name).read_bytes()
    assert cli.main(["restore", name, "-o", f"clean-{name}", "-m", MODEL]) == 0
    clean = pictures.read(folder / f"clean-{name}")
    colours = 1 if channels < 3 else 3
    assert clean.samples.dtype == samples.dtype
    assert np.array_equal(clean.samples[..., :colours], np.iinfo(samples.dtype).max - samples[..., :colours])
    assert np.array_equal(clean.samples[..., colours:], samples[..., colours:])
    assert clean.icc == (None if channels < 3 else ICC)
    assert (folder / name).read_bytes() == before


def test_a_picture_is_known_by_what_it_holds_where_its_name_says_nothing(folder):
    before = draw(folder / "a.png")
    (folder / "a.png").rename(folder / "a")
    assert cli.main(["restore", "a", "-m", MODEL]) == 0
    assert np.array_equal(pictures.read(folder / "a_restored.png").samples, 255 - before)


def test_without_an_output_it_lies_beside_the_input(folder):
    draw(folder / "sub" / "grain 影片.JPG")
    assert cli.main(["restore", "sub/grain 影片.JPG", "-m", MODEL]) == 0
    assert files(folder) == ["sub/grain 影片.JPG", "sub/grain 影片_restored.JPG"]
    assert (folder / "sub" / "grain 影片_restored.JPG").read_bytes()[:2] == b"\xff\xd8"


@pytest.mark.parametrize("output", ["out", "out/", "new/out/"])
def test_a_file_into_a_folder(folder, output):
    draw(folder / "a.png")
    (folder / "out").mkdir()
    assert cli.main(["restore", "a.png", "-o", output, "-m", MODEL]) == 0
    assert (folder / output / "a.png").is_file()


def test_a_folder_keeps_names_and_sub_folders(folder):
    for name in ("in/a.png", "in/reel 1/0001.tif", "in/reel 1/deep/0002.jpg"):
        draw(folder / name)
    (folder / "in" / "notes.txt").write_text("not a picture")
    assert cli.main(["restore", "in", "-o", "out", "-m", MODEL]) == 0
    assert files(folder / "out") == ["a.png", "reel 1/0001.tif", "reel 1/deep/0002.jpg"]


def test_globs_and_several_inputs(folder):
    for name in ("in/x/a.png", "in/y/b.png", "c.png", "in/x/other.tif"):
        draw(folder / name)
    assert cli.main(["restore", "in/*/*.png", "c.png", "./c.png", "-o", "out", "-m", MODEL]) == 0
    assert files(folder / "out") == ["c.png", "x/a.png", "y/b.png"]


@pytest.mark.parametrize("output", [[], ["-o", "in/out"]])
def test_a_folder_again_does_not_restore_its_results(folder, output):
    draw(folder / "in" / "a.png")
    command = ["restore", "in", *output, "-m", MODEL]
    assert cli.main(command) == 0
    before = files(folder)
    assert len(before) == 2
    assert cli.main(command) == 2, "it exists"
    assert cli.main([*command, "-y"]) == 0
    assert files(folder) == before


def test_what_cannot_be_written_becomes_png(folder):
    from PIL import Image

    Image.fromarray(np.full((20, 20, 3), 9, np.uint8)).save(folder / "old.bmp")
    assert cli.main(["restore", "old.bmp", "-m", MODEL]) == 0
    assert (pictures.read(folder / "old_restored.png").samples == 246).all()


# ---- what is never overwritten


def test_a_result_is_overwritten_only_with_y(folder, capsys):
    samples = draw(folder / "a.png")
    (folder / "b.png").write_bytes(b"precious")
    assert cli.main(["restore", "a.png", "-o", "b.png", "-m", MODEL]) == 2
    assert capsys.readouterr().err == "error: b.png exists; overwrite it with -y, or choose another output with -o\n"
    assert (folder / "b.png").read_bytes() == b"precious"
    assert cli.main(["restore", "a.png", "-o", "b.png", "-m", MODEL, "-y"]) == 0
    assert np.array_equal(pictures.read(folder / "b.png").samples, 255 - samples)


@pytest.mark.parametrize(
    "command", ["a.png -o a.png", "a.png -o link.png", "in -o in", "in/a.png -o in", "in a.png -o ."]
)
def test_an_original_is_never_overwritten(folder, capsys, command):
    for name in ("a.png", "in/a.png"):
        draw(folder / name)
    (folder / "link.png").symlink_to("a.png")
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    assert cli.main(["restore", *command.split(), "-m", MODEL, "-y"]) == 2
    assert "is an original, which is never overwritten" in capsys.readouterr().err
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("x/a.png y/a.png -o out", "x/a.png and y/a.png would both become out/a.png"),
        ("x y -o out.png", "names a file, but the input is a folder or several"),
        ("x -o y/a.png", "names a file, but the input is a folder or several"),
        ("x/a.png -o out.gif", "unknown picture suffix '.gif'"),
        ("x/a.png -o out", "unknown picture suffix ''"),
        ("x/a.png -o y/a.png/b.png", "a.png is a file, not a folder"),
        ("x/a.png -o out.png --tile 10", "a tile of 10 px is too small"),
        ("x/a.png -o rgba.jpg", "JPEG cannot hold"),
        ("-o out.png", "name a picture"),
        ("x/a.png -o out.png --strength 0.5 --mask y/a.png", "--strength, --mask cannot be used with still pictures"),
        ("x/a.png -o out.png -e crf=3 --shard 1/3", "-e, --shard cannot be used with still pictures"),
    ],
)
def test_outputs_that_cannot_be(folder, capsys, command, sentence):
    draw(folder / "x" / "a.png", (9, 9, 4))
    draw(folder / "y" / "a.png")
    before = files(folder)
    assert cli.main(["restore", *command.split(), "-m", MODEL]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert sentence in message
    assert files(folder) == before


# ---- what goes wrong


def test_a_bad_file_does_not_stop_the_others(folder, capsys):
    draw(folder / "in" / "a.png")
    (folder / "in" / "b.png").write_bytes((folder / "in" / "a.png").read_bytes()[:200])
    pictures.write(folder / "in" / "c.exr", Picture(np.full((20, 20, 3), np.nan, np.float32)))
    draw(folder / "in" / "d.png")
    assert cli.main(["restore", "in", "-o", "out", "-m", MODEL]) == 1
    assert files(folder / "out") == ["a.png", "d.png"]
    message = capsys.readouterr().err
    assert "error: in/b.png is damaged" in message
    assert "error: in/c.exr: the picture holds NaN or infinite samples" in message
    assert message.endswith("error: 2 of 4 pictures could not be restored\n")


@pytest.mark.parametrize("name", ["missing.png", "empty", "text.png", "*.tif"])
def test_a_single_bad_input(folder, capsys, name):
    (folder / "empty").mkdir()
    (folder / "text.png").write_text("hello")
    before = files(folder)
    assert cli.main(["restore", name, "-o", "out/", "-m", MODEL]) == 3
    assert name in capsys.readouterr().err
    assert files(folder) == before
    assert not (folder / "out").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc, in which even root can write nothing")
@pytest.mark.parametrize("output", ["/proc/b.png", "/proc/b/"])
def test_a_place_where_nothing_can_be(folder, capsys, output):
    draw(folder / "a.png")
    assert cli.main(["restore", "a.png", "-o", output, "-m", MODEL]) == 1
    message = capsys.readouterr().err
    assert "nothing can be written in /proc" in message
    assert message.count("\n") == 1


def test_models_are_listed_where_the_name_is_empty(folder, capsys):
    draw(folder / "a.png")
    assert cli.main(["restore", "a.png", "-m", ""]) == 2
    message = capsys.readouterr().err
    assert all(name in message for name, spec in registry.SPECS.items() if spec.task == "denoise")
    assert "gan-pictures" not in message


def test_an_unknown_model(folder, capsys, monkeypatch):
    monkeypatch.undo()
    assert cli.main(["restore", "a.png", "-m", "nonesuch"]) == 2
    message = capsys.readouterr().err
    assert all(name in message for name in ["nonesuch", *registry.SPECS])


def test_no_permission_is_told_before_the_work(folder, capsys, monkeypatch):
    draw(folder / "a.png")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(Restorer, "__call__", None)
    assert cli.main(["restore", "a.png", "-o", "out/", "-m", MODEL]) == 1
    assert capsys.readouterr().err == f"error: no permission to write in {folder}; choose another folder with -o\n"


def test_no_permission_to_read_one_of_many(folder, capsys, monkeypatch):
    for name in ("in/a.png", "in/b.png"):
        draw(folder / name)
    read = pictures.read

    def guarded(path):
        if path.name == "a.png":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(pictures, "read", guarded)
    assert cli.main(["restore", "in", "-o", "out", "-m", MODEL]) == 1
    assert "error: in/a.png: no permission to read it\n" in capsys.readouterr().err
    assert files(folder / "out") == ["b.png"]


@pytest.mark.parametrize("where", ["the network", "the writer"])
def test_control_c_leaves_nothing_half_written(folder, capsys, monkeypatch, where):
    for name in ("in/a.png", "in/b.png"):
        draw(folder / name)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    if where == "the network":
        monkeypatch.setattr(Tiled, "_run", interrupted)
    else:
        monkeypatch.setattr("PIL.Image.Image.save", interrupted)
    assert cli.main(["restore", "in", "-o", "out", "-m", MODEL]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert files(folder) == ["in/a.png", "in/b.png"]


def test_out_of_memory_is_code_4(folder, capsys, monkeypatch):
    draw(folder / "a.png")

    def full(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setattr(Tiled, "_run", full)
    assert cli.main(["restore", "a.png", "-m", MODEL]) == 4
    assert "error: a.png: out of memory for gan-gaussian" in capsys.readouterr().err


def test_a_name_too_long_for_the_system(folder, capsys):
    draw(folder / "a.png")
    for words in (["x" * 300], ["a.png", "-o", "x" * 300]):
        assert cli.main(["restore", *words, "-m", MODEL]) == 1
        assert "is too long for this system" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["mend", "a.png"], ["restore", "--tile", "wide", "a.png"]])
def test_bad_flags(argv, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(argv)
    assert left.value.code == 2


def test_unknown_flags_list_the_flags(capsys):
    assert cli.main(["restore", "--modle=x", "a.png"]) == 2
    assert "--keep-grain, --line, --margin, --mask, --max-pixels, --model" in capsys.readouterr().err


# ---- what is shown


def test_piped_progress_is_a_plain_line_a_picture(folder, capsys):
    for name in ("in/a.png", "in/[b].png"):
        draw(folder / name)
    assert cli.main(["restore", "in", "-o", "out", "-m", MODEL]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == ["1/2 in/[b].png -> out/[b].png", "2/2 in/a.png -> out/a.png"]


def test_a_bar_on_a_terminal(folder, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    draw(folder / "[b].png")
    assert cli.main(["restore", "[b].png", "-m", MODEL]) == 0
    assert "[b].png" in capsys.readouterr().err


def test_precision_reaches_the_network(folder, monkeypatch):
    network = ResNetConfig(width=16, blocks=1).build(nnx.Rngs(0))
    network.exit.kernel[...] *= 10
    monkeypatch.setattr(registry, "load", lambda name: network)
    samples = draw(folder / "a.png", dtype=np.uint16)
    results = {}
    for precision in ("float32", "bfloat16"):
        assert cli.main(["restore", "a.png", "-o", f"{precision}.png", "-m", MODEL, "--precision", precision]) == 0
        results[precision] = pictures.read(folder / f"{precision}.png").samples
        assert np.array_equal(results[precision], Restorer(network, precision=precision)(samples))
    assert not np.array_equal(*results.values())


def test_a_dry_run_prints_the_plan_and_does_nothing(folder, capsys):
    draw(folder / "a.png")
    assert cli.main(["restore", "a.png", "-m", MODEL, "--tile", "512", "--dry-run"]) == 0
    plan = json.loads(capsys.readouterr().out)
    sums = {"sha256": {"weights": {MODEL: "0" * 64}}}
    asked = {"steps": f"denoise=model={MODEL},fuse", "tile": 512, "precision": "float32"} | sums
    assert plan == {**asked, "files": {"a.png": "a_restored.png"}}
    assert files(folder) == ["a.png"]


def test_models(capsys, monkeypatch):
    config = registry.configure(registry.SPECS["gan-paper-gaussian"].config, width=4, depth=1)
    specs = {f"deep-{n}": registry.Spec(dataclasses.replace(config, depth=n), "gaussian", "") for n in (1, 2)}
    specs["normed"] = registry.SPECS["cyclegan-paper-gaussian"]
    monkeypatch.undo()
    monkeypatch.setattr(registry, "SPECS", specs)
    assert cli.main(["models", "--json"]) == 0
    one, two, paper = json.loads(capsys.readouterr().out)
    assert two["parameters"] - one["parameters"] == 3 * 3 * 4 * 4 + 2 * 4, "a convolution, a norm; not its statistics"
    assert (one["name"], one["halo"], one["weights"]) == ("deep-1", config.halo, False)
    assert paper["halo"] is None
    assert (one["reproduction"], paper["reproduction"]) == (False, True)
    assert cli.main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "name",
        "task",
        "parameters",
        "multiple",
        "halo",
        "scale",
        "frames",
        "licence",
        "weights",
        "reproduction",
    ]
    assert [line.split()[0] for line in lines[1:]] == list(specs)


def test_a_reader_who_leaves_early_gets_no_traceback():
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "zoo", "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    with process.stderr as said:
        assert said.read() == b""
    assert process.wait() == 141


def test_a_training_run_through_the_real_command(folder):
    config = registry.configure(registry.SPECS[MODEL].config, width=4, blocks=1)
    shapes = nnx.to_flat_state(nnx.state(nnx.eval_shape(lambda: config.build(nnx.Rngs(0)))))
    rng = np.random.default_rng(0)
    flat = {".".join(map(str, path)): rng.random(v.shape, np.float32) / 10 for path, v in shapes}
    (folder / "run").mkdir()
    registry.save(folder / "run", "generator", config, flat, {}, {})
    samples = draw(folder / "a.png", (33, 47, 3), np.uint16)
    command = [sys.executable, "-m", "zoo", "restore", "a.png", "-m", "run"]
    root = str(Path(cli.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": root}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert np.array_equal(pictures.read(folder / "a_restored.png").samples, Restorer(LOAD("run"))(samples))
