"""Lines that are only their neighbours' mean: found, made anew from the fields around, and nothing else is touched."""

import json

import av
import jax.numpy as jnp
import numpy as np
import pytest

from tests.test_cadence import pictures, surveyed
from zoo import cli, registry
from zoo.chain import Chain
from zoo.color import Layout
from zoo.steps.antialias import own_lines
from zoo.steps.step import Aside, Kind, Moment

KEPT = {"bob": lambda t: t % 2, "bob, the other": lambda t: 1 - t % 2, "top": lambda t: 0, "bottom": lambda t: 1}


class Later:
    """In place of the network: the missing lines as the next field has them."""

    def on_device(self, fields):
        return fields[..., 3:4]


@pytest.fixture(autouse=True)
def any_model(monkeypatch):
    monkeypatch.setattr(registry, "card", lambda name: {"sha256": "0" * 64})


def bobbed(film: np.ndarray, kept) -> np.ndarray:
    """Each frame of one of its fields, the other lines being means."""
    out = film.astype(np.float32)
    for t, frame in enumerate(out):
        p = kept(t)
        own = np.concatenate([frame[p::2][:1], frame[p::2], frame[p::2][-1:]])
        made = (own[:-1] + own[1:]) / 2
        frame[1 - p :: 2] = made[1 - p :][: len(frame[1 - p :: 2])]
    return np.round(out).astype(np.uint8)


def mended(film: np.ndarray, network=None, text: str = "antialias") -> np.ndarray:
    kind = Kind(*film.shape[1:], layout=Layout("grey", 8, full=True), colour="grey")
    aside = Aside(network=lambda name: network or Later(), survey=surveyed(film), kind=kind)
    moments = [Moment(t, not t, (jnp.asarray(frame),)) for t, frame in enumerate(film)]
    return np.stack([np.asarray(moment.planes[0]) for moment in Chain(text).run(moments, aside)])


@pytest.mark.parametrize("height", [47, 48])
@pytest.mark.parametrize("kept", ["bob", "bob, the other"])
def test_what_stands_still_comes_back_from_the_fields_around(kept, height):
    film = np.repeat(pictures(1, noise=9)[:, :height], 9, axis=0)
    bad = bobbed(film, KEPT[kept])
    assert not np.array_equal(bad, film)
    assert np.array_equal(mended(bad), film)


@pytest.mark.parametrize("kept", KEPT)
def test_own_lines_stay_to_the_bit(kept):
    bad = bobbed(pictures(9, noise=2), KEPT[kept])
    for t, (frame, own) in enumerate(zip(mended(bad), bad, strict=True)):
        assert np.array_equal(frame[KEPT[kept](t) :: 2], own[KEPT[kept](t) :: 2])
        assert not np.array_equal(frame, own)


@pytest.mark.parametrize("noise", [0, 4])
def test_a_film_without_such_lines_is_not_touched(noise):
    film = pictures(30, noise=noise)
    assert np.array_equal(mended(film), film)


def test_what_a_frame_hides_the_frames_around_it_tell():
    ratios = np.array([1.0, -1.1, 0.9, -1, 0.05, -1, 1])
    assert [own_lines(ratios, at) for at in range(7)] == [0, 1, 0, 1, 0, 1, 0]
    assert own_lines(np.array([0.02, -0.1, 0.7, 0, 0.01]), 2) is None  # one frame is no film


def test_it_is_said_what_a_film_has(folder, capsys):
    for name, film in {"clean": pictures(20, noise=3), "bad": bobbed(pictures(20, noise=3), KEPT["bob"])}.items():
        with av.open(f"{name}.mkv", "w") as out:
            stream = out.add_stream("ffv1", rate=25)
            stream.height, stream.width, stream.pix_fmt = *film.shape[1:], "gray"
            for frame in film:
                out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "gray")))
            out.mux(stream.encode(None))

    def noted(*words: str) -> str:
        assert cli.main(["restore", *words, "--dry-run"]) == 0
        return "\n".join(json.loads(capsys.readouterr().out)["notes"])

    assert "no lines of clean.mkv were seen" in noted("clean.mkv", "--steps", "antialias")
    assert "antialias makes such lines anew" in noted("bad.mkv", "--steps", "filter=median:radius_px=1")
    assert "mean" not in noted("bad.mkv", "--steps", "antialias") + noted("clean.mkv", "--steps", "deinterlace")
