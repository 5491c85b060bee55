"""The comparison of what takes wires out, on a clip that is made."""

from pathlib import Path

import numpy as np
import pytest

from eval.tasks.remove import PARTS, TASK, diffusion, nearest_frames, remove
from tests import clips
from tests.test_remove import scene
from zoo.errors import InputError

HEIGHT, WIDTH, COUNT = 32, 48, 5
MASK, WIRE = slice(20, 26), slice(22, 24)  # columns


@pytest.fixture
def stem(tmp_path):
    """A pan behind a wire that stands still."""
    wide = scene(HEIGHT, WIDTH + 4 * COUNT)
    clean = np.stack([np.rint(255 * wide[:, 4 * k : 4 * k + WIDTH]).astype(np.uint8) for k in range(COUNT)])
    wired, mask, alpha = clean.copy(), np.zeros_like(clean), np.zeros_like(clean)
    wired[:, :, WIRE], mask[:, :, MASK], alpha[:, :, WIRE] = 20, 255, 255
    for part, frames in zip(PARTS, (clean, wired, mask, alpha), strict=True):
        clips.write(tmp_path / f"a-{part}.mkv", "gray", COUNT, size=(WIDTH, HEIGHT), pictures=list(frames))
    return tmp_path / "a"


def test_more_frames_show_more_of_what_lies_behind_and_nothing_else_changes(stem):
    (name, clean), *others = [TASK.open(f"clips:{stem}")[k] for k in range(1)]
    assert (name, others, clean.shape) == ("a", [], (COUNT, HEIGHT, WIDTH, 8))
    condition = TASK.trials["wired"].at
    seen = condition.degrade(clean, seed=0, index=0)
    made = {f.__name__: f(seen) for f in (diffusion, nearest_frames, remove)} | {"untouched": TASK.untouched(seen)}
    core, restless, strayed = (
        {name: float(TASK.metrics[metric].function(clean, x)) for name, x in made.items()}
        for metric in ("core", "flicker", "strayed")
    )
    assert core["untouched"] < core["diffusion"] < core["nearest_frames"] < core["remove"] + 3
    assert restless["remove"] < restless["diffusion"]
    assert set(strayed.values()) == {0.0}
    spoilt = made["remove"].copy()
    spoilt[0, 0, 0] = 1 - spoilt[0, 0, 0]
    assert TASK.metrics["strayed"].function(clean, spoilt) > 0
    assert TASK.metrics["core"].function(clean, clean[..., :3]) > 55  # but for rounding


def test_a_clip_of_which_a_part_is_missing_or_shorter_is_refused(stem):
    clips.write(Path(f"{stem}-mask.mkv"), "gray", COUNT - 1, size=(WIDTH, HEIGHT))
    with pytest.raises(InputError, match="are not equally long"):
        TASK.open(f"clips:{stem.parent}")[0]
    Path(f"{stem}-mask.mkv").unlink()
    with pytest.raises(InputError, match=r"a-mask\.mkv is missing; a clip is 4 films: clean, wired, mask, alpha"):
        TASK.open(f"clips:{stem}")
