"""Clips of VapourSynth through the zoo: what `filmzoo restore` makes of the same codes, and properties that fit."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests import clips
from zoo import cli
from zoo.errors import FlagError
from zoo.film.engine import Engine

vs = pytest.importorskip("vapoursynth", reason="VapourSynth needs Python 3.12 or later")
from zoo.vapoursynth import restore  # noqa: E402

core = vs.core


def clip_of(frames: list[list[np.ndarray]], form, **props):
    """A clip of planes, in VapourSynth's order."""
    height, width = frames[0][0].shape
    blank = core.std.BlankClip(format=form, width=width, height=height, length=len(frames), fpsnum=25, fpsden=1)

    def filled(n, f):
        out = f.copy()
        for p, plane in enumerate(frames[n]):
            np.asarray(out[p])[:] = plane
        return out

    return blank.std.ModifyFrame(blank, filled).std.SetFrameProps(**props)


def planes_of(clip) -> list[list[np.ndarray]]:
    return [[np.array(f[p]) for p in range(clip.format.num_planes)] for f in clip.frames()]


def film(path: Path, count: int = 11) -> list[list[np.ndarray]]:
    """A film that moves slowly, and cuts once: its planes."""
    y, x = np.mgrid[:34, :36]
    pictures = []
    for k in range(count):
        noise = np.random.default_rng(k).normal(0, 4, x.shape)
        luma = 110 + 60 * np.sin(x / 5 + k / 4) + (60 * np.cos(y / 3) if k > 5 else 0) + noise
        chroma = 128 + 20 * np.cos((y[:17, :18] + k) / 4)
        parts = [np.uint8(np.rint(part)).reshape(-1) for part in (luma, chroma, chroma)]
        pictures.append(np.concatenate(parts).reshape(51, 36))
    clips.write(path, count=count, pictures=pictures)
    return [clips.planes(frame) for frame in clips.read(path)]


def tagged(frames: list[list[np.ndarray]], **props):
    return clip_of(frames, vs.YUV420P8, **{"_Matrix": 1, "_Range": 0} | props)


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (["-m", "fast-gaussian", "--strength", "0.5"], {"model": "fast-gaussian", "strength": 0.5}),
        (["--steps", "upscale=2x:model=upscale-x2"], {"steps": "upscale=2x:model=upscale-x2"}),
    ],
)
def test_a_clip_becomes_what_restore_makes_of_the_film(flags, options, folder):
    frames = film(folder / "in.mkv")
    assert cli.main(["restore", "in.mkv", "-o", "out.mkv", "--batch", "1", *flags]) == 0
    wanted = [clips.planes(frame) for frame in clips.read(folder / "out.mkv")]
    clip = restore(tagged(frames), **options)
    assert (clip.num_frames, clip.fps) == (11, 25)
    last = [np.array(clip.get_frame(10)[p]) for p in range(3)]  # in any order
    for made, film_made in zip([last, *planes_of(clip)], [wanted[10], *wanted], strict=True):
        for plane, film_plane in zip(made, film_made, strict=True):
            assert np.array_equal(plane, film_plane)
    assert not np.array_equal(wanted[4][0], frames[4][0])


@pytest.mark.parametrize("batch", [1, 3])
def test_each_block_is_restored_once(batch, folder, monkeypatch):
    done, run = [], Engine.run
    monkeypatch.setattr(Engine, "run", lambda engine, frames: run(engine, [done.append(f.number) or f for f in frames]))
    clip = restore(tagged(film(folder / "in.mkv")), steps="denoise=fast-gaussian,fuse", batch=batch)
    assert len(planes_of(clip)) == 11
    assert sorted(set(done)) == [*range(11)]
    assert len(done) < 2 * 11  # with those around a block


def test_floats_become_what_the_chain_makes_of_pictures():
    rng = np.random.default_rng(0)
    pictures = [rng.random((24, 28, 3), np.float32) for _ in range(2)]
    clip = clip_of([[picture[..., p] for p in range(3)] for picture in pictures], vs.RGBS, Mine=7)
    out = restore(clip, steps="denoise=fast-gaussian")
    chain = zoo.Chain("denoise=fast-gaussian")
    for picture, planes in zip(pictures, planes_of(out), strict=True):
        np.testing.assert_allclose(np.stack(planes, -1), chain(picture), atol=1e-6)
    assert out.get_frame(1).props["Mine"] == 7


def test_fields_become_pictures_of_twice_the_rate(folder):
    frames = film(folder / "in.mkv", count=3)
    clip = tagged(frames, _FieldBased=2, Mine=7)
    out = restore(clip, steps="deinterlace=fields=top")
    assert (out.num_frames, out.fps, out.width, out.height) == (6, 50, 36, 34)
    for k, planes in enumerate(planes_of(out)):  # the lines that a field has stay as they are
        for plane, own in zip(planes, frames[k // 2], strict=True):
            assert np.array_equal(plane[k % 2 :: 2], own[k % 2 :: 2])
    for k, frame in enumerate(out.frames()):
        said = frame.props
        assert (said["_FieldBased"], said["Mine"], said["_DurationNum"], said["_DurationDen"]) == (0, 7, 1, 50), k


@pytest.mark.parametrize(
    ("form", "props", "options", "said"),
    [
        (vs.YUV420P8, {}, {"model": "fast-gaussian"}, "does not say its matrix"),
        (vs.YUV444PS, {"_Matrix": 1}, {"model": "fast-gaussian"}, "format=vs.RGBS"),
        (vs.RGBS, {}, {"steps": "deflicker"}, "deflicker needs a survey"),
        (vs.RGBS, {}, {"steps": "deinterlace"}, "deinterlace needs a survey, .* deinterlace=fields=top"),
        (vs.RGBS, {}, {"steps": "repair=mask=a.png"}, "repair needs a mask"),
        (
            vs.RGBS,
            {},
            {"steps": "upscale=2x:model=none", "strength": 0.5},
            "strength needs pictures",
        ),
        (vs.RGBS, {}, {}, "one of model, steps and preset"),
        (vs.RGBS, {}, {"model": "nothing"}, "'nothing' is no model"),
    ],
)
def test_what_a_clip_cannot_have_is_refused(form, props, options, said):
    clip = core.std.BlankClip(format=form, width=16, height=16, length=2).std.SetFrameProps(**props)
    with pytest.raises(FlagError, match=said):
        restore(clip, **options)


SCRIPT = """
import vapoursynth as vs
from zoo.vapoursynth import restore
clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=32, height=16, length=3, color=[90, 128, 128])
restore(clip.std.SetFrameProps(_Matrix=1), "fast-gaussian").set_output()
"""


def test_vspipe_runs_a_script(folder, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    run = lambda *words: subprocess.run([*map(str, words)], capture_output=True, text=True, cwd=folder)
    run(sys.executable, "-m", "vapoursynth", "config")
    (folder / "a.vpy").write_text(SCRIPT)
    done = run(Path(sys.executable).with_name("vspipe"), "-c", "y4m", "a.vpy", "a.y4m")
    if "Failed to initialize VSScript" in done.stderr:
        pytest.skip("vspipe finds no shared library of Python")
    assert done.returncode == 0, done.stderr
    assert (folder / "a.y4m").stat().st_size > 3 * 32 * 16 * 3 / 2


@pytest.mark.skipif(not hasattr(core, "ort"), reason="vapoursynth-mlrt-ort is not installed")
def test_an_exported_file_does_the_same_in_vs_mlrt(folder):
    rng = np.random.default_rng(0)
    picture = rng.random((96, 128, 3), np.float32)
    clip = clip_of([[picture[..., p] for p in range(3)]], vs.RGBS)
    assert cli.main(["export", "fast-gaussian", "-o", "fast.onnx"]) == 0
    wanted = zoo.Restorer("fast-gaussian")(picture)
    for tile in ({}, {"tilesize": [96, 96], "overlap": [30, 30]}):
        (planes,) = planes_of(core.ort.Model(clip, network_path=str(folder / "fast.onnx"), **tile))
        np.testing.assert_allclose(np.stack(planes, -1), wanted, atol=1e-5)
