"""A painted line is followed through a shot, and becomes a mask of every frame."""

import json

import numpy as np
import pytest

from tests import clips
from tests.test_remove import scene
from zoo import cli, pictures
from zoo.commands.track import spans
from zoo.motion import tracking

HEIGHT, WIDTH, COUNT, WIDE = 96, 144, 12, 3.0


def line_of(number: int) -> np.ndarray:
    """A slack wire from above the picture to a hand within it, both of which sway."""
    top, hand = np.array([40 + 2.0 * number, -6]), np.array([80 - 3.0 * number, 60 + 1.5 * number])
    share = np.linspace(0, 1, 12)[:, None]
    return top + share * (hand - top) + 4 * share * (1 - share) * [5, 0]


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """A pan over a texture, with a dark wire and what it hangs from."""
    wide, out = scene(HEIGHT, WIDTH + 2 * COUNT, seed=3), []
    for k in range(COUNT):
        grey = 0.4 + 0.6 * wide[:, 2 * k : 2 * k + WIDTH]
        grey[tracking.drawn(line_of(k), WIDE, HEIGHT, WIDTH)] = 0.1
        hand = tracking.drawn(line_of(k)[-1:].repeat(2, 0), 16.0, HEIGHT, WIDTH)
        grey[hand] = 0.3
        out.append(np.repeat((255 * grey).astype(np.uint8)[..., None], 3, -1))
    return np.stack(out)


def recall(found: np.ndarray, number: int) -> float:
    true = tracking.drawn(line_of(number), WIDE, HEIGHT, WIDTH)
    return float((found & true).sum() / true.sum())


@pytest.mark.parametrize("keys", [[0], [11], [5], [0, 11]], ids=str)
def test_a_line_is_followed_both_ways(keys, frames):
    found = tracking.through(frames, {k: line_of(k) for k in keys}, WIDE)
    masks = [tracking.drawn(at.line, WIDE + 5, HEIGHT, WIDTH) for at in found]
    seen = [recall(mask, k) for k, mask in enumerate(masks)]
    assert len(found) == COUNT
    assert np.mean(seen) > 0.95, seen
    assert min(seen) > 0.85, seen
    still = [recall(masks[keys[0]], k) for k in range(COUNT)]
    assert np.mean(still) < 0.7
    assert all(found[k].unlike == 0 for k in keys)


def test_a_line_that_is_gone_is_said_to_look_unlike(frames):
    gone = frames.copy()
    gone[6:] = 255 - gone[6:]
    found = tracking.through(gone, {0: line_of(0)}, WIDE)
    assert min(at.unlike for at in found[6:]) > 2 * max(at.unlike for at in found[:6])


def test_what_is_drawn_is_as_wide_as_was_said():
    line = np.array([[10.0, -50], [10, 200]])
    assert tracking.drawn(line, 5.0, 20, 40).sum(1).tolist() == [5] * 20
    assert not tracking.drawn(line + np.array([100, 0]), 5.0, 20, 40).any()
    assert tracking.drawn(np.array([[5.0, 5], [5, 5]]), 1.0, 20, 40).sum() == 1


def test_runs_of_numbers_are_said_shortly():
    assert spans([3, 4, 5, 9]) == "3-5, 9"


@pytest.fixture
def shot(tmp_path, monkeypatch, frames):
    """The film, cut to another shot at its end."""
    monkeypatch.chdir(tmp_path)
    other = (255 * scene(HEIGHT, WIDTH, seed=9)).astype(np.uint8)
    grey, full = [*frames[..., 0], other, other], (1, 2, 1, 1)
    clips.write(tmp_path / "in.mkv", "gray", len(grey), pictures=grey, size=(WIDTH, HEIGHT), tags=full)
    written(tmp_path, [{"frame": 5, "points": line_of(5).tolist()}])
    return tmp_path


def written(folder, keys, width: float = WIDE):
    (folder / "wire.json").write_text(json.dumps({"width": width, "keys": keys}))


def track(*words: str) -> int:
    return cli.main(["track", "in.mkv", "--line", "wire.json", "--progress", "off", *words])


def test_masks_are_written_that_remove_takes(shot, capsys):
    assert track("-o", "wires") == 0
    said = capsys.readouterr().err
    assert "14 masks -> wires" in said
    assert "nothing is masked in frames 12-13" in said, "nothing crosses a cut"
    masks = [pictures.read(path).samples for path in sorted((shot / "wires").iterdir())]
    assert {(mask.shape, mask.dtype) for mask in masks} == {((HEIGHT, WIDTH, 1), np.dtype(np.uint8))}
    assert np.mean([recall(mask[..., 0] == 255, k) for k, mask in enumerate(masks[:COUNT])]) > 0.95
    assert track("-o", "wires") == 2
    assert "wires is there already; choose a new folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("keys", "width", "said"),
    [
        ([], 3, "keys hold one line or more"),
        ([{"frame": 0, "points": [[1, 2]]}], 3, "a line has two points or more"),
        ([{"frame": 0, "points": [[1, 2], [1, 2]]}], 3, "a line has two points or more"),
        ([{"frame": -1, "points": [[1, 2], [9, 9]]}], 3, "frame -1 is before the first"),
        ([{"frame": 0, "points": [[1, 2], [9, 9]]}] * 2, 3, "each on a frame of its own"),
        ([{"frame": 0, "points": [[1, 2], [9, 9]]}], 0, "a line is up to 500 pixels wide, not 0"),
        ([{"frame": 0, "points": [[1, 2], [9]]}], 3, "wire.json: keys.0.points.1"),
        ([{"frame": 0, "dots": []}], 3, "wire.json: keys.0 has an unknown key 'dots'"),
        ([{"frame": 14, "points": [[1, 2], [9, 9]]}], 3, "frame 14 is beyond in.mkv, whose 14 frames begin at 0"),
        ([{"frame": 0, "points": [[-50, 2], [-9, 9]]}], 3, "lies outside the picture, which is 144x96"),
    ],
)
def test_a_line_that_cannot_be_is_one_sentence(keys, width, said, shot, capsys):
    written(shot, keys, width)
    assert track("-o", "wires") == 3
    assert said in capsys.readouterr().err
    assert not (shot / "wires").exists()


def test_no_file_and_no_json(shot, capsys):
    (shot / "wire.json").write_text("{")
    assert track("-o", "wires") == 3
    assert "wire.json is no JSON" in capsys.readouterr().err
    (shot / "wire.json").unlink()
    assert track("-o", "wires") == 3
    assert "there is no wire.json" in capsys.readouterr().err
    assert cli.main(["track", "in.mkv", "-o", "wires"]) == 2
