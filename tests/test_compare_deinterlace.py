"""eval.compare --task=deinterlace: what is woven and compared, and rivals that do what they are named after."""

import json

import av
import av.filter
import numpy as np
import pytest

from eval import compare
from eval.comparison import speed
from eval.comparison.deinterlacers import RIVALS, weave
from eval.tasks.deinterlace import ENDS, TASK, Woven, open_films
from tests.test_cadence import pictures
from zoo.errors import InputError

EVERY = pytest.mark.parametrize("name", RIVALS)


def clip(frames: np.ndarray) -> np.ndarray:
    return (frames.astype(np.float32) / 255)[..., None].repeat(3, axis=-1)


def write(path, frames: np.ndarray) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=50)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:], "gray"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "gray")))
        out.mux(stream.encode(None))


@EVERY
def test_lines_that_are_known_stay_and_a_still_keeps_what_fields_around_hold(name):
    clean = clip(pictures(12, noise=5))
    made = np.asarray(RIVALS[name][0](Woven().degrade(clean, seed=0, index=0)))
    assert made.shape == clean.shape
    for t, (own, frame) in enumerate(zip(clean, made, strict=True)):
        assert np.array_equal(frame[t % 2 :: 2], own[t % 2 :: 2])
    still = clip(pictures(1, noise=5).repeat(12, axis=0))
    made = np.asarray(RIVALS[name][0](Woven().degrade(still, seed=0, index=0)))
    assert np.allclose(made, still, atol=1e-6) == (name == "bwdif")
    assert np.array_equal(weave(Woven().degrade(still, seed=0, index=0)), still)


@pytest.mark.parametrize("name", ["yadif", "bwdif"])
def test_rivals_make_what_ffmpeg_makes(name):
    frames = pictures(12, noise=3)
    woven = Woven().degrade(clip(frames), seed=0, index=0)
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frames.shape[2], height=frames.shape[1], format="gray", time_base="1/25")
    made = graph.add(name, "mode=send_field:parity=tff:deint=all")
    graph.link_nodes(source, made, graph.add("buffersink")).configure()
    theirs = []

    def pulled() -> None:
        while True:
            try:
                theirs.append(graph.pull().to_ndarray())
            except (BlockingIOError, EOFError):
                return

    for k, frame in enumerate(woven):
        given = av.VideoFrame.from_ndarray(np.rint(255 * frame[..., 0]).astype(np.uint8), "gray")
        given.pts = k
        graph.push(given)
        pulled()
    graph.push(None)
    pulled()
    ours = np.rint(255 * np.asarray(RIVALS[name][0](woven))[..., 0])
    inner = slice(2, -2), slice(6, -6), slice(6, -6)
    off = np.abs(ours[inner] - np.stack(theirs)[inner].astype(float))
    assert (off > 1).mean() < 0.01  # theirs are integers all the way, which sometimes choose another slant
    assert off.mean() < 0.3


def test_films_are_woven_and_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speed, "SIDE_PX", 32)
    for name in ("a", "b"):
        write(tmp_path / f"{name}.mkv", pictures(14, noise=ord(name) - 95))
    data = f"clips:{tmp_path / 'a.mkv'},{tmp_path / 'b.mkv'}"
    words = [f"--data={data}", "--task=deinterlace", "--models=bob,bwdif", f"--output={tmp_path / 'out'}"]
    assert compare.main(words) == 0
    found = json.loads((tmp_path / "out" / "compare.json").read_text())["trials"]["double"]
    assert found["columns"] == {"a": "a", "b": "b", "mean": "top-first"}
    assert [row["name"] for row in found["methods"]] == ["untouched", "bob", "bwdif"]
    assert "QTGMC" in (tmp_path / "out" / "compare.md").read_text()
    assert (tmp_path / "out" / "crops-double.png").exists()
    assert "A frame of each field" in capsys.readouterr().out


def test_films_that_are_too_short_are_named(tmp_path):
    write(tmp_path / "a.mkv", pictures(2 * ENDS + 2))
    with pytest.raises(InputError, match=r"a\.mkv has 10 frames; 11 or more are compared"):
        open_films(f"clips:{tmp_path}")[0]
    with pytest.raises(InputError, match="names no film"):
        open_films("clips:")


def test_what_is_perfect_is_as_restless_as_the_truth():
    clean = clip(pictures(14, noise=1))
    values = {name: float(metric.function(clean, clean)) for name, metric in TASK.metrics.items()}
    assert values["flicker"] == 0
    assert values["ssim"] == pytest.approx(1)
