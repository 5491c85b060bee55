"""A film is steadier: what flickers is measured, shots are found, and neighbouring frames are fused without a trace."""

import io
import json
import sys
from fractions import Fraction
from pathlib import Path

import av
import av.filter
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import clips
from zoo import cli, color, pictures
from zoo.color import Layout
from zoo.commands.restore import film as command
from zoo.cuts import cut_score, is_cut
from zoo.flicker import flicker
from zoo.steps import fuse
from zoo.steps.fuse import fused
from zoo.tiles import Tiled

FILM = Path(__file__).parents[2] / "shared" / "data" / "film"
REAL = pytest.mark.skipif(not FILM.is_dir(), reason=f"no films in {FILM}")


def waves(height=96, width=128, shift=0.0):
    """A smooth picture in [0.2, 0.8], moved to the right by `shift` pixels."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return 0.5 + 0.15 * np.sin((x - shift) / 7) + 0.15 * np.cos(y / 5 + (x - shift) / 23)


# ---- the flicker index


def test_flicker_is_the_mean_change_in_codes():
    still = np.float32(waves())
    assert flicker(still, still) == 0
    assert np.isclose(flicker(still, still + 3 / 255), 3, atol=1e-3), "the brightness pumps by three codes"


def test_flicker_of_grain_is_its_mean_difference():
    rng = np.random.default_rng(0)
    still = waves(288, 352)
    for sigma in (1.0, 4.0):
        one, other = (np.float32(still + rng.normal(0, sigma / 255, still.shape)) for _ in range(2))
        assert np.isclose(flicker(one, other), sigma * 2 / np.sqrt(np.pi), rtol=0.03), (
            "of normal deviates: 2 / sqrt(pi)"
        )


def test_what_moves_in_less_than_half_of_the_picture_does_not_flicker():
    one, other = np.full((2, 96, 128), 0.5, np.float32)
    other = other.copy()
    other[:, :48] = 0.9
    assert flicker(one, other) == 0


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (33, 17)])
def test_flicker_of_any_size_and_of_many_pairs(size):
    pairs = np.random.default_rng(1).random((2, 3, *size), np.float32)
    many = flicker(*pairs)
    assert many.shape == (3,)
    assert np.allclose(many, [flicker(*pair) for pair in pairs.swapaxes(0, 1)], rtol=1e-6)


@pytest.mark.parametrize("layout", [Layout("yuv", 10, (2, 2)), Layout("rgb", 16, full=True), Layout("grey", 8)])
def test_luma_is_that_of_the_rgb(layout):
    rng = np.random.default_rng(2)
    planes = tuple(rng.integers(0, layout.top, (1, *s)).astype(layout.dtype) for s in layout.shapes(6, 8))
    kr, kb = color.MATRICES["bt709"]
    rgb = np.asarray(color.to_rgb(jax.tree.map(jax.numpy.asarray, planes), layout=layout))
    assert np.allclose(color.luma(planes, layout=layout), rgb @ [kr, 1 - kr - kb, kb], atol=1e-5)


# ---- cuts


def shots_of(*lengths: int) -> list[np.ndarray]:
    """Frames of luma, 0 to 255, of as many shots of smooth texture that pans a pixel a frame, with grain."""
    rng, frames = np.random.default_rng(3), []
    for length in lengths:
        coarse = rng.uniform(0, 1, (14, 20)) * rng.uniform(0.5, 0.9)
        still = np.kron(coarse, np.ones((10, 10)))
        moving = [still[4:100, 4 + k : 132 + k] * 255 for k in range(length)]
        frames += [np.uint8(np.clip(f + rng.normal(0, 4, f.shape), 0, 255)) for f in moving]
    return frames


def ours(frames: list[np.ndarray]) -> list[int]:
    lumas = [np.float32(f) / 255 for f in frames]
    return [k for k in range(1, len(lumas)) if is_cut(float(cut_score(lumas[k - 1], lumas[k])))]


def ffmpegs(frames: list[np.ndarray]) -> list[int]:
    """The cuts that FFmpeg's scdet finds."""
    graph, (height, width), found = av.filter.Graph(), frames[0].shape, []
    source = graph.add_buffer(width=width, height=height, format="gray", time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("scdet"), graph.add("buffersink")).configure()
    for k, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(frame, "gray")
        picture.pts, picture.time_base = k, Fraction(1, 25)
        graph.push(picture)
        if "lavfi.scd.time" in graph.pull().metadata:
            found.append(k)
    return found


def test_cuts_are_those_that_ffmpeg_finds():
    frames = shots_of(7, 5, 9, 6)
    assert ours(frames) == ffmpegs(frames) == [7, 12, 21]


def test_a_flash_is_no_cut_to_us():
    frames = shots_of(9)
    frames[4] = np.uint8(np.minimum(frames[4] * 0.8 + 51, 255))
    assert ours(frames) == []


@REAL
@pytest.mark.parametrize("name", ["onepiece_demo.mp4", "cockatoo_yuv420.mp4"])
def test_cuts_of_real_films_are_those_that_ffmpeg_finds(name):
    with av.open(str(FILM / "clips" / name)) as film:
        frames = [f.reformat(width=320, height=180, format="gray").to_ndarray() for f in film.decode(video=0)]
    assert ours(frames) == ffmpegs(frames)


# ---- neighbours


def grainy(clean, sigma: float, seed: int):
    """Colour pictures with noise, in [0, 1]."""
    rgb = np.stack([clean] * 3, axis=-1)
    return jnp.asarray(np.clip(rgb + np.random.default_rng(seed).normal(0, sigma, rgb.shape), 0, 1), jnp.float32)


def error(picture, clean) -> float:
    return float(jnp.mean((picture - clean[..., None]) ** 2))


def test_a_still_picture_loses_most_of_its_grain():
    clean = waves()
    before, now, after = (grainy(clean, 0.01, seed) for seed in range(3))
    steady = fused(now + 0.03, before, now, after)
    assert error(steady, clean) < 0.45 * error(now, clean), "the mean of three would have a third"


@pytest.mark.parametrize("pan", [2.0, 7.0, 3.5])
def test_a_moving_picture_loses_nothing(pan):
    lumas = [waves(shift=pan * k) for k in (-1, 0, 1)]
    before, now, after = (grainy(luma, 0.005, seed) for seed, luma in enumerate(lumas))
    assert error(fused(now + 0.02, before, now, after), lumas[1]) < 1.005 * error(now, lumas[1])


def test_what_appears_for_one_frame_stays_and_what_leaves_has_no_ghost():
    clean = waves()
    ball = clean.copy()
    ball[40:56, 60:76] = 0.95
    before, now, after = (grainy(luma, 0.005, seed) for seed, luma in enumerate((clean, ball, clean)))
    assert jnp.abs(fused(now + 0.02, before, now, after) - now)[40:56, 60:76].max() < 0.03
    assert jnp.abs(fused(before + 0.02, now, before, now) - before)[40:56, 60:76].max() < 0.03


def test_where_the_network_changed_nothing_nothing_changes():
    before, now, after = (grainy(waves(), 0.02, seed) for seed in range(3))
    half = now.at[:, :64].add(0.05)
    steady = fused(half, before, now, after)
    assert np.array_equal(steady[:, 64:], now[:, 64:])
    assert not np.array_equal(steady[:, :64], now[:, :64])


@pytest.mark.parametrize("size", [(1, 1), (17, 40)])
def test_frames_of_any_size(size):
    frames = [grainy(waves(*size), 0.01, seed) for seed in range(3)]
    assert fused(frames[1] + 0.02, *frames).shape == (*size, 3)


# ---- the command


@pytest.fixture(scope="module")
def reel(tmp_path_factory):
    """A grainy film of two shots at rest, and what one run makes of it."""
    folder, rng = tmp_path_factory.mktemp("reel"), np.random.default_rng(5)
    with av.open(str(folder / "in.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 80, "gray"
        for k in range(13):
            still = waves(80, 96) if k < 6 else waves(96, 80).T[::-1]
            codes = np.clip(255 * still + rng.normal(0, 8, still.shape), 0, 255).round().astype(np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(codes, "gray")))
        out.mux(stream.encode(None))
    assert restore(folder, "whole.mkv") == 0
    return folder


def restore(folder, output: str, *words: str) -> int:
    name = output if output == "-" else str(folder / output)
    return cli.main(["restore", str(folder / "in.mkv"), "-o", name, "-m", "fast-gaussian", "-y", *words])


def test_the_log_lists_the_shots_and_fusing_makes_them_steadier(reel):
    assert restore(reel, "off.mkv", "--temporal", "off") == 0
    on, off = (json.loads((reel / f"{name}.mkv.json").read_text()) for name in ("whole", "off"))
    assert [(s["first"], s["frames"]) for s in on["shots"]] == [(0, 6), (6, 7)]
    for steady, plain in zip([on, *on["shots"]], [off, *off["shots"]], strict=True):
        assert steady["flicker"]["input"] == plain["flicker"]["input"] > plain["flicker"]["output"]
        assert steady["flicker"]["output"] < 0.8 * plain["flicker"]["output"]


@pytest.mark.parametrize("words", ["--segment 1 --batch 2", "--segment 5 --batch 1", "--segment 6 --batch 4"])
def test_segments_and_batches_change_no_code(reel, words):
    assert restore(reel, "out.mkv", *words.split()) == 0
    assert clips.same(reel / "out.mkv", reel / "whole.mkv")
    for key in ("shots", "flicker", "framemd5"):
        assert (
            json.loads((reel / "out.mkv.json").read_text())[key]
            == json.loads((reel / "whole.mkv.json").read_text())[key]
        )


def test_freed_memory_is_kept_and_of_the_frames_before_little(reel, monkeypatch):
    work, held, kept = Tiled.on_device, [], []

    def watched(self, rgb):
        held.append(sum(one.size == rgb.size for one in jax.live_arrays()))
        return work(self, rgb)

    others = sum(one.size == 80 * 96 * 3 for one in jax.live_arrays())
    monkeypatch.setattr(Tiled, "on_device", watched)
    monkeypatch.setattr(command, "keep_freed", kept.append)
    assert restore(reel, "out.mkv", "--batch", "1") == 0
    assert kept == [80 * 96], "told how large a frame is"
    assert len(held) == 13
    assert max(held) - others <= 5  # one before, restored; the last, restored too; the next, in a batch too


def test_shards_change_no_code(reel):
    for shard in ("2/3", "3/3", "1/3"):
        assert restore(reel, "shards.mkv", "--segment", "3", "--shard", shard) == 0
    assert clips.same(reel / "shards.mkv", reel / "whole.mkv")


def test_a_pipe_gets_the_same_frames(reel, monkeypatch):
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe))
    assert restore(reel, "-") == 0
    (reel / "piped.y4m").write_bytes(pipe.getvalue())
    one, other = clips.read(reel / "piped.y4m"), clips.read(reel / "whole.mkv")
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(clips.planes(a)[0], clips.planes(b)[0])


def test_a_mask_and_no_strength_hold(reel):
    mask = np.zeros((80, 96, 1), np.uint8)
    mask[20:60, 30:70] = 255
    pictures.write(reel / "mask.png", pictures.Picture(mask))
    assert restore(reel, "masked.mkv", "--mask", str(reel / "mask.png")) == 0
    assert restore(reel, "none.mkv", "--strength", "0") == 0
    outside = mask[..., 0] == 0
    before, masked, none, whole = (
        np.stack([clips.planes(f)[0] for f in clips.read(reel / f"{name}.mkv")])
        for name in ("in", "masked", "none", "whole")
    )
    assert np.array_equal(masked[:, outside], before[:, outside])
    assert np.array_equal(masked[:, ~outside], whole[:, ~outside])
    assert np.array_equal(none, before)


def test_a_run_that_was_broken_off_fused_is_not_gone_on_with_unfused(reel, monkeypatch, capsys):
    work, count = fuse.fused, []

    def breaking(*pictures):
        count.append(1)
        if len(count) == 5:
            raise KeyboardInterrupt
        return work(*pictures)

    monkeypatch.setattr(fuse, "fused", breaking)
    assert restore(reel, "broken.mkv", "--segment", "2") == 130
    capsys.readouterr()
    assert restore(reel, "broken.mkv", "--segment", "2", "--temporal", "off") == 2
    assert "steps was" in capsys.readouterr().err
    assert restore(reel, "broken.mkv", "--segment", "2") == 0
    assert clips.same(reel / "broken.mkv", reel / "whole.mkv")


@REAL
def test_a_damaged_film_does_not_flicker_more(tmp_path):
    for k, path in enumerate(sorted((FILM / "damaged").iterdir())[:6]):
        samples = pictures.read(path).samples[60:140, 100:196]
        pictures.write(tmp_path / f"{k}.png", pictures.Picture(samples))
    flickers = []
    for setting in ("auto", "off"):
        words = ["restore", str(tmp_path / "%d.png"), "-o", str(tmp_path / f"{setting}.mkv"), "-m", "fast-gaussian"]
        assert cli.main([*words, "--temporal", setting]) == 0
        flickers.append(json.loads((tmp_path / f"{setting}.mkv.json").read_text())["flicker"]["output"])
    assert flickers[0] <= flickers[1]
