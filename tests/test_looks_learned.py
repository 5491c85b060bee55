"""Looks that are learned: from pairs, from other pictures, from what a colourist does to each shot."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from tests import clips
from zoo import cli, pictures
from zoo.lab import ciede2000
from zoo.looks import files, habits, paired, unpaired
from zoo.looks.look import Cdl, Look
from zoo.pictures import Picture


def night(x: np.ndarray) -> np.ndarray:
    """A look that no random one is made like: a gamma of its own for each channel, blue shadows, less colour."""
    x = np.asarray(x, np.float64) ** [1.25, 1.1, 0.95] * [0.95, 0.97, 1.0] + [0.0, 0.01, 0.03]
    grey = x.mean(-1, keepdims=True)
    return np.clip(grey + 0.8 * (x - grey), 0, 1).astype(np.float32)


def colours(n: int, seed: int) -> np.ndarray:
    """As pictures have them: many near grey, few saturated."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.beta(1.3, 1.5, (n, 1)) + rng.normal(0, 0.12, (n, 3)), 0, 1).astype(np.float32)


def error(look: Look, x: np.ndarray) -> float:
    return float(ciede2000(look(jnp.asarray(x)), jnp.asarray(night(x))).mean())


def test_a_look_is_learned_from_pairs_and_from_others():
    before, others, unseen = colours(3000, 0), colours(3000, 1), colours(3000, 2)
    untouched = error(Look(), unseen)
    look = paired.learned(before, night(before))
    other = unpaired.learned(np.split(before, 10), np.split(night(others), 10))
    assert untouched > 4
    assert error(look, unseen) < 0.5
    assert error(other, unseen) < 0.25 * untouched
    greys = np.asarray(look(jnp.linspace(0, 1, 1024)[:, None].repeat(3, 1)))
    assert (np.diff(greys, axis=0) >= -1e-6).all()
    assert np.abs(np.diff(greys, 2, axis=0)).max() * 1023 < 1  # no bands in ten bits
    assert look.cube.table.min() >= 0
    assert look.cube.table.max() <= 1


def shot(seed: int) -> np.ndarray:
    """Colours of a picture with an exposure and a cast of its own."""
    rng = np.random.default_rng(seed)
    return (colours(400, seed) * np.exp(rng.normal(0, 0.3)) * np.exp(rng.normal(0, 0.1, 3))).clip(0, 1)


def balanced(x: np.ndarray) -> np.ndarray:
    """The colourist takes off casts, makes dark and bright shots alike, then gives all the same look."""
    return night((x * 0.45 / x.mean(0)).clip(0, 1))


def test_a_colourist_s_habits_are_learned_and_each_shot_gets_its_own_look():
    before, unseen = [shot(k) for k in range(24)], [shot(k) for k in range(100, 108)]
    learned = habits.learned(before, [balanced(x) for x in before])
    one = paired.learned(np.concatenate(before), np.concatenate([balanced(x) for x in before]))
    apart = lambda x, look: float(ciede2000(look(jnp.float32(x)), jnp.asarray(balanced(x))).mean())
    own, same = (np.mean([apart(x, look(x)) for x in unseen]) for look in (learned, lambda _: one))
    assert own < 2.5
    assert own < 0.4 * same


def test_a_decision_list_is_found_again():
    exact = Look(cdl=Cdl((1.1, 0.95, 0.9), (-0.02, 0.01, 0.02), (1.1, 0.95, 1.05), 0.85))
    before = colours(1500, 0) * 0.7 + 0.15
    found = paired.decision_list(before, np.asarray(exact(jnp.asarray(before))))
    np.testing.assert_allclose(found(jnp.asarray(before)), exact(jnp.asarray(before)), atol=2e-3)


def pair(folder, name: str, picture: np.ndarray):
    for kind, x in (("before", picture), ("after", night(picture))):
        (folder / kind).mkdir(exist_ok=True)
        pictures.write(folder / kind / f"{name}.png", Picture(np.uint16(np.rint(65535 * x))))


def test_the_command_learns_what_restore_applies(folder, capsys):
    for k in range(3):
        pair(folder, f"shot{k}", colours(4800, k).reshape(60, 80, 3))
    assert cli.main(["look", "before", "after", "-o", "night.cube"]) == 0
    assert "3 pairs -> night.cube, CIEDE2000" in capsys.readouterr().err
    assert cli.main(["restore", "before/shot0.png", "-o", "out.png", "--steps", "grade=night.cube"]) == 0
    out, wanted = (pictures.read(path).samples / 65535 for path in ("out.png", "after/shot0.png"))
    assert ciede2000(jnp.float32(out), jnp.float32(wanted)).mean() < 0.5
    assert cli.main(["look", "before", "after", "-o", "night.cdl"]) == 0
    assert files.read("night.cdl").cdl
    assert cli.main(["look", "before", "after", "-o", "others.cube", "--unpaired"]) == 0
    capsys.readouterr()
    assert cli.main(["look", "before", "after", "-o", "night.cube"]) == 2
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        (lambda: Path("after/a.png").rename("after/b.png"), 2, "b.png has no picture of its name"),
        (lambda: save("after/a.png", np.zeros((5, 6, 3))), 3, "have other sizes, 80x60 and 6x5"),
        (lambda: save("after/a.png", colours(4800, 9).reshape(60, 80, 3)), 3, "are not the same picture"),
        (lambda: [save(f"{k}/a.png", np.full((60, 80, 3), 0.5)) for k in ("before", "after")], 3, "too few colours"),
        (lambda: save("after/a.png", np.full((60, 80, 1), 0.5)), 3, "is grey"),
        (lambda: save("after/a.exr", np.full((60, 80, 3), 3.0)), 3, "is HDR"),
    ],
)
def test_pictures_that_tell_no_look_are_refused(folder, capsys, change, code, sentence):
    pair(folder, "a", colours(4800, 0).reshape(60, 80, 3))
    change()
    if Path("after/a.exr").exists():
        Path("after/a.png").unlink()
    save("before/c.png", colours(4800, 0).reshape(60, 80, 3))  # without a grade, and left out
    assert cli.main(["look", "before", "after", "-o", "look.cube"]) == code
    assert sentence in capsys.readouterr().err
    assert not Path("look.cube").exists()


def save(path: str, samples: np.ndarray):
    deep = path.endswith(".exr")
    pictures.write(path, Picture(np.float32(samples) if deep else np.uint16(np.rint(65535 * samples))))


def film(path: str, shown: list[np.ndarray]) -> str:
    """A film of pictures [h w 3] in [0, 1], of 10 bits and nothing lost."""
    height, width, _ = shown[0].shape
    samples = [np.rint(1023 * x).astype(np.uint16) for x in shown]
    clips.write(Path(path), "gbrp10le", len(shown), size=(width, height), pictures=samples, tags=(0, 2, 1, 1))
    return path


def scene(seed: int, frames: int = 3) -> list[np.ndarray]:
    """Frames of one shot: the same picture, a little darker from frame to frame."""
    return [shot(seed).reshape(20, 20, 3) * (1 - 0.01 * k) for k in range(frames)]


def test_two_films_are_pairs_and_a_film_has_a_look_for_each_shot(folder, capsys):
    scenes = [scene(k) for k in range(12)]
    whole = [x for frames in scenes for x in frames]
    film("rushes.mkv", whole)
    film("graded.mkv", [balanced(x.reshape(-1, 3)).reshape(x.shape) for frames in scenes for x in frames])
    assert cli.main(["look", "rushes.mkv", "graded.mkv", "-o", "one.cube"]) == 0
    assert "pairs -> one.cube" in capsys.readouterr().err
    assert cli.main(["look", "rushes.mkv", "graded.mkv", "-o", "own", "--shots", film("new.mkv", whole)]) == 0
    assert "looks of 12 shots in own" in capsys.readouterr().err
    assert clips.files(Path("own")) == [f"{3 * k:06d}.cube" for k in range(12)]
    assert cli.main(["restore", "new.mkv", "-o", "out.mkv", "--steps", "grade=own"]) == 0
    out = [np.stack(clips.planes(x)[:3], -1)[..., [2, 0, 1]] / 1023 for x in clips.read(Path("out.mkv"))]
    wanted = [balanced(x.reshape(-1, 3)).reshape(x.shape) for x in whole]
    apart = lambda a, b: np.mean([ciede2000(jnp.float32(x), jnp.float32(y)).mean() for x, y in zip(a, b, strict=True)])
    assert apart(out, wanted) < 3 < 0.5 * apart(whole, wanted)


def test_each_frame_has_the_look_of_its_shot(folder):
    Path("own").mkdir()
    for name, light in (("shot 000000", 0.25), ("shot 000002", 0.75)):
        files.write(f"own/{name}.cube", Look(cdl=Cdl(slope=(0.0,) * 3, offset=(light,) * 3)))
    film("a.mkv", [np.zeros((8, 8, 3))] * 5)
    assert cli.main(["restore", "a.mkv", "-o", "b.mkv", "--steps", "grade=own", "--segment", "1"]) == 0
    shown = [clips.planes(x)[0].mean() / 1023 for x in clips.read(Path("b.mkv"))]
    np.testing.assert_allclose(shown, [0.25, 0.25, 0.75, 0.75, 0.75], atol=2 / 1023)


@pytest.mark.parametrize(
    ("names", "code", "sentence"),
    [
        ([], 3, "own holds no .cube"),
        (["look.cube"], 2, "look.cube names no frame"),
        (["1.cube", "a001.cube"], 2, "are looks of the same frame"),
        (["1.cube", "3.cube"], 3, "3.cube has 0 colours"),
    ],
)
def test_a_folder_of_looks_that_cannot_be_used_is_refused(folder, capsys, names, code, sentence):
    Path("own").mkdir()
    for name in names:
        files.write(f"own/{name}", Look(cdl=Cdl()))
    if "3.cube" in names:
        Path("own/3.cube").write_text("LUT_3D_SIZE 2\n")
    film("a.mkv", [np.zeros((8, 8, 3))] * 2)
    assert cli.main(["restore", "a.mkv", "-o", "b.mkv", "--steps", "grade=own"]) == code
    assert sentence in capsys.readouterr().err
    assert not Path("b.mkv").exists()


def test_habits_are_not_learned_from_few_pairs_or_none(folder, capsys):
    pair(folder, "a", colours(4800, 0).reshape(60, 80, 3))
    film("new.mkv", scene(0))
    assert cli.main(["look", "before", "after", "-o", "own", "--shots", "new.mkv"]) == 2
    assert "--shots takes 8 pairs or more, not 1" in capsys.readouterr().err
    assert cli.main(["look", "before", "after", "-o", "own", "--shots", "new.mkv", "--unpaired"]) == 2
    assert "leave out --unpaired" in capsys.readouterr().err
    assert not Path("own").exists()
