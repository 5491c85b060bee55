"""Taking things out: what was behind a line comes back, and nothing else changes."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from tests import clips
from tests.test_film_resume import break_at
from zoo import cli, filling, pictures
from zoo.color import Layout
from zoo.errors import FlagError, InputError
from zoo.motion import camera, flow
from zoo.steps.remove import Remove
from zoo.steps.step import Aside, Kind, Moment, Window

HEIGHT, WIDTH, COUNT = 48, 72, 7
LINE = slice(30, 36)  # columns of the mask; the line lies two pixels within


def scene(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """A texture of all sizes, in [0, 1]."""
    rng, out = np.random.default_rng(seed), np.zeros((height, width))
    for size in (2, 4, 8, 16):
        small = rng.normal(0, size**0.5, (-(-height // size), -(-width // size)))
        out += np.kron(small, np.ones((size, size)))[:height, :width]
    smooth = lambda x: (x + np.roll(x, 1, 0) + np.roll(x, 1, 1) + np.roll(x, (1, 1), (0, 1))) / 4
    out = smooth(smooth(out))
    return (0.5 + 0.15 * out / out.std()).clip(0.05, 0.95)


def panned(layout: Layout, *, step: int = 4) -> list[tuple[np.ndarray, ...]]:
    """Frames of a pan over a texture, as planes."""
    frames = []
    for k in range(COUNT):
        planes = []
        for n, (height, width) in enumerate(layout.shapes(HEIGHT, WIDTH)):
            cell = WIDTH // width
            wide = scene(height, width + step * COUNT // cell, seed=n)
            codes = wide[:, k * step // cell :][:, :width] * layout.top
            planes.append(np.rint(codes).astype(layout.dtype))
        frames.append(tuple(planes))
    return frames


def wired(planes: tuple[np.ndarray, ...], layout: Layout) -> tuple[np.ndarray, ...]:
    out = []
    for plane in planes:
        cell, plane = WIDTH // plane.shape[1], plane.copy()
        plane[:, (LINE.start + 2) // cell : (LINE.stop - 2) // cell] = 0.1 * layout.top
        out.append(plane)
    return tuple(out)


def mask_of(number: int) -> jnp.ndarray:
    return jnp.zeros((HEIGHT, WIDTH, 1)).at[:, LINE].set(1)


def removed(frames, layout: Layout, number: int, mask=mask_of, *, new: int = 0, around: int = COUNT):
    moments = [Moment(k, k == new, tuple(map(jnp.asarray, planes))) for k, planes in enumerate(frames)]
    first = max(new, number - around)
    window = Window(tuple(moments[first:number]), moments[number], tuple(moments[number + 1 : number + 1 + around]))
    ((made,),) = Remove(Path("any"))([window], Aside(mask=mask, kind=Kind(HEIGHT, WIDTH, layout=layout)))
    return [np.asarray(plane) for plane in made.planes], np.asarray(made.aside["confidence"])[..., 0]


LAYOUTS = [
    Layout("yuv", 8, (2, 2)),
    Layout("yuv", 10, (2, 2), siting="topleft"),
    Layout("grey", 16, full=True),
    Layout("rgb", 12, full=True, alpha=True),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_what_lay_behind_comes_back_and_nothing_else_changes(layout):
    truth = panned(layout)
    dirty = [wired(planes, layout) for planes in truth]
    made, sure = removed(dirty, layout, 3)
    alone, guessed = removed(dirty, layout, 3, around=0)
    for k, (own, plane, guess, true) in enumerate(zip(dirty[3], made, alone, truth[3], strict=True)):
        cell = WIDTH // own.shape[1]
        whole = slice(-(-LINE.start // cell), LINE.stop // cell)
        assert plane.dtype == layout.dtype
        assert np.array_equal(np.delete(plane, np.r_[whole], 1), np.delete(own, np.r_[whole], 1))
        if layout.alpha and k == 3:
            assert np.array_equal(plane, own)
            continue
        error = [np.square(x[:, whole] / layout.top - true[:, whole] / layout.top).mean() for x in (plane, guess)]
        assert error[0] < 0.03**2, k
        assert error[0] < error[1] / 4, k
    assert sure[:, LINE].mean() > 0.7
    assert guessed[:, LINE].max() == 0
    for x in (sure, guessed):
        assert np.delete(x, np.r_[LINE], 1).min() == 1


def test_nothing_comes_from_another_shot():
    layout = LAYOUTS[2]
    dirty = [wired(planes, layout) for planes in panned(layout)]
    other = [tuple(65535 - plane for plane in planes) for planes in dirty[:3]]
    made, _ = removed(other + dirty[3:], layout, 4, new=3)
    again, _ = removed(dirty, layout, 4, new=3)
    assert all(np.array_equal(a, b) for a, b in zip(made, again, strict=True))


def test_light_that_changes_leaves_no_seam():
    layout = LAYOUTS[2]
    light = [1, 0.8, 1.1, 1.0, 0.9, 0.85, 1.1]
    truth = [(np.rint(x * planes[0] * 0.8).astype(np.uint16),) for x, planes in zip(light, panned(layout), strict=True)]
    made, _ = removed([wired(planes, layout) for planes in truth], layout, 3)
    assert np.square((made[0] - 1.0 * truth[3][0])[:, LINE] / layout.top).mean() < 0.03**2


def test_a_frame_of_an_empty_mask_is_the_same_and_a_white_one_is_refused():
    layout = LAYOUTS[0]
    frames = panned(layout)
    made, sure = removed(frames, layout, 2, lambda number: jnp.zeros((HEIGHT, WIDTH, 1)))
    assert all(np.array_equal(a, b) for a, b in zip(made, frames[2], strict=True))
    assert sure.min() == 1
    with pytest.raises(InputError, match="all white at frame 2; leave black what is to stay"):
        removed(frames, layout, 2, lambda number: jnp.ones((HEIGHT, WIDTH, 1)))


def test_a_sample_is_the_same_in_whichever_window_it_lies(monkeypatch):
    layout, rng, shape = Layout("grey", 8, full=True), np.random.default_rng(0), (70, 210)
    now, other = (jnp.asarray(rng.integers(0, 256, shape, np.uint8)) for _ in range(2))
    mask = jnp.zeros(shape, bool).at[10:60:9, 5:200].set(True)
    seen = filling.Other((other,), (mask & (now < 9),), jnp.eye(3), jnp.full((*shape, 2), 0.3), 1, 2)
    monkeypatch.setattr(filling, "_OUTLIER", 1.0)  # noise is unlike noise
    made = []
    for window in (256, 128):
        monkeypatch.setattr(filling, "_WINDOW_PX", window)
        made.append(filling.filled((now,), mask, [seen], 2, layout))
    ((one,), sure), ((another,), also) = made
    assert np.abs(np.int32(one) - np.int32(another)).max() <= 1
    np.testing.assert_allclose(sure, also, atol=1e-5)
    assert np.asarray(sure)[np.asarray(mask)].max() > 0


def test_the_camera_is_found_though_something_else_moves():
    rng = np.random.default_rng(0)
    true = np.array([[1.02, 0.01, 3.0], [-0.02, 0.99, -2.0], [2e-5, -1e-5, 1]])
    at = np.mgrid[4:240:8, 4:432:8].reshape(2, -1).T * 1.0
    move = camera.moved(true, at[:, ::-1])[:, ::-1] - at + rng.normal(0, 0.1, at.shape)
    move[: len(at) // 3] += [5, -7]
    found = camera.fitted(at, move, np.ones(len(at)))
    corners = np.array([[0, 0], [431, 0], [0, 239], [431, 239]], float)
    assert np.abs(camera.moved(found, corners) - camera.moved(true, corners)).max() < 0.3
    assert np.array_equal(camera.fitted(at[:5], move[:5], np.ones(5)), camera.STILL)
    steps = [found, np.linalg.inv(found), true]
    chains = camera.chained(steps, 2)
    np.testing.assert_allclose(chains[0], camera.STILL, atol=1e-9)
    np.testing.assert_allclose(chains[3], true, atol=1e-9)


def test_movement_is_found_to_parts_of_a_pixel_under_a_mask():
    wide = scene(80, 120)
    now, other = (jnp.asarray(wide[k : HEIGHT + k, m : WIDTH + m], jnp.float32) for k, m in ((8, 10), (5, 15)))
    trust = jnp.ones(now.shape).at[:, LINE].set(0)
    sizes = [flow.pyramid(picture * trust, trust) for picture in (now, other)]
    move, _ = flow.flow(*sizes, jnp.eye(3), shape=now.shape)
    inner = np.asarray(move)[12:-12, 12:-12]
    assert np.median(np.abs(inner - [3, -5])) < 0.1


def test_a_long_strip_has_the_sizes_that_its_movement_is_found_in():
    sizes = flow.pyramid(jnp.zeros((40, 5000)), jnp.ones((40, 5000)))
    assert sizes[0].shape == (5, 625, 2)
    assert 2 ** flow.finest(40, 5000) == 8


def test_fields_are_refused():
    with pytest.raises(FlagError, match="let deinterlace come first"):
        Remove(Path("any")).kind(Kind(HEIGHT, WIDTH, fields="top first"))


@pytest.fixture
def shot(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layout = Layout("yuv", 8, (2, 2))
    frames = [wired(planes, layout) for planes in panned(layout)]
    packed = [np.concatenate([plane.ravel() for plane in planes]).reshape(-1, WIDTH) for planes in frames]
    clips.write(tmp_path / "in.mkv", "yuv420p", COUNT, pictures=packed, size=(WIDTH, HEIGHT))
    (tmp_path / "masks").mkdir()
    for k in range(COUNT):
        mask = (255 * np.asarray(mask_of(k))).astype(np.uint8)
        pictures.write(tmp_path / "masks" / f"{k:03}.png", pictures.Picture(mask))
    return tmp_path


def restore(*words: str) -> int:
    return cli.main(["restore", "in.mkv", "--steps", "remove=mask=masks", "--progress", "off", *words])


def test_a_film_in_segments_or_after_a_kill_is_the_same(shot, monkeypatch):
    assert restore("-o", "whole.mkv", "--give", "confidence=sure.mkv") == 0
    assert restore("-o", "parts.mkv", "--segment", "2") == 0
    with monkeypatch.context() as patch:
        break_at(patch, 4, KeyboardInterrupt)
        assert restore("-o", "again.mkv", "--segment", "2") == 130
    assert restore("-o", "again.mkv", "--segment", "2") == 0
    assert clips.same(shot / "whole.mkv", shot / "parts.mkv")
    assert clips.same(shot / "whole.mkv", shot / "again.mkv")
    sure = [clips.planes(frame)[0] for frame in clips.read(shot / "sure.mkv")]
    assert len(sure) == COUNT
    assert np.delete(sure[3], np.r_[LINE], 1).min() == 255
    look_at = json.loads((shot / "whole.mkv.json").read_text())["look_at"]
    assert look_at == sorted(look_at, key=lambda k: -(sure[k] < 127.5).sum())
    assert set(look_at) == {k for k in range(COUNT) if (sure[k] < 127.5).any()}
    assert json.loads((shot / "parts.mkv.json").read_text())["look_at"] == []


def test_masks_of_another_size_or_count_are_refused(shot, capsys):
    (shot / "masks" / "006.png").unlink()
    assert restore("-o", "out.mkv") == 3
    assert "masks holds 6 masks, the film about 7 frames" in capsys.readouterr().err
    pictures.write(shot / "masks" / "006.png", pictures.Picture(np.zeros((HEIGHT, WIDTH - 2, 1), np.uint8)))
    assert restore("-o", "out.mkv") == 3
    assert "006.png is 70x48 px, but the film is 72x48" in capsys.readouterr().err
    assert not (shot / "out.mkv").exists()
