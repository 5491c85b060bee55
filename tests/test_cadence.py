"""What a film's fields are, found from how they are combed, and which fields are of one picture."""

import jax.numpy as jnp
import numpy as np
import pytest

from zoo import cadence, survey
from zoo.cadence import Cadence
from zoo.survey import ROW, Survey

FIRST = {"top first": 0, "bottom first": 1}


def pictures(count: int, *, noise: float = 0.0, on: int = 1) -> np.ndarray:
    """A pattern that moves over a ground, `on` pictures long each drawing; codes."""
    rng = np.random.default_rng(3)
    ground = 128 + 60 * np.kron(rng.random((6, 8)) - 0.5, np.ones((8, 8)))
    out = []
    for t in range(count):
        x = ground.copy()
        at = round(22 + 19 * np.sin(0.15 * (t // on)) + 3 * np.sin(0.7 * (t // on)))
        x[6:42, at : at + 20] = 40 + 80 * (np.arange(20) // 4 % 2)
        out.append(x + noise * rng.standard_normal(x.shape))
    return np.clip(np.stack(out), 0, 255).astype(np.uint8)


def moments(kind: str, count: int) -> list[int]:
    """Which picture each field shows, in time's order."""
    if kind == "telecine":
        return [t for t in range(count) for _ in range(3 if t % 2 else 2)]
    if kind == "shifted":
        return [t for t in range(count) for _ in range(2)][1:]
    return [t for t in range(count) for _ in range(1 if kind == "interlaced" else 2)]


def woven(kind: str, order: str, film: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Frames of fields, and which picture each field shows."""
    shown = moments(kind, len(film))
    shown = shown[: len(shown) // 2 * 2]
    frames = []
    for first, second in zip(shown[::2], shown[1::2], strict=True):
        frame = film[first].copy()
        frame[1 - FIRST[order] :: 2] = film[second][1 - FIRST[order] :: 2]
        frames.append(frame)
    return np.stack(frames), shown


def surveyed(frames: np.ndarray) -> Survey:
    lumas = jnp.asarray(np.concatenate([frames[:1], frames]), jnp.float32) / 255
    rows = np.zeros(len(frames), ROW)
    for name, values in survey.measured(lumas).items():
        rows[name] = np.asarray(values)
    rows["number"] = np.arange(len(frames))
    return Survey(rows)


@pytest.mark.parametrize("noise", [0, 4])
@pytest.mark.parametrize("order", FIRST)
@pytest.mark.parametrize("kind", cadence.NAMES)
def test_kind_and_order_are_found(kind, order, noise):
    found = surveyed(woven(kind, order, pictures(40, noise=noise))[0])
    seen = cadence.order_of(found)
    assert seen == (None if kind == "progressive" else order)
    verdict = cadence.verdict([found])
    assert (verdict.name, verdict.order) == (kind, seen)
    assert verdict.sure > 0.9 or kind == "interlaced"


@pytest.mark.parametrize("on", [1, 2])
@pytest.mark.parametrize("kind", ["progressive", "shifted", "telecine"])
def test_partners_are_fields_of_the_same_picture(kind, on):
    frames, shown = woven(kind, "top first", pictures(40, on=on))
    found = Cadence(surveyed(frames), "top first")
    for number in range(1, len(frames) - 1):
        for k, partner in enumerate(found.partners(number)):
            field = 2 * number + k
            assert partner, field
            assert shown[field + partner] // on == shown[field] // on, field


def test_film_that_becomes_progressive_is_parted_there():
    film = pictures(80)
    frames = np.concatenate([woven("interlaced", "top first", film[:40])[0], film[40:]])
    found = Cadence(surveyed(frames), "top first")
    assert cadence.verdict([surveyed(frames)]).name == "mixed"
    assert [found.partners(n) for n in range(2, 18)] == [(0, 0)] * 16
    assert [found.partners(n) for n in range(22, 59)] == [(1, -1)] * 37


def test_what_stands_still_goes_on_as_before():
    film = pictures(60)
    film[20:40] = film[20]
    frames, _ = woven("telecine", "top first", film)
    found = Cadence(surveyed(frames), "top first")
    assert cadence.verdict([surveyed(frames)]).name == "telecine"
    partners = [found.partners(n) for n in range(1, len(frames) - 1)]
    assert all(all(pair) for pair in partners)


def test_nothing_that_moves_is_no_kind():
    frames = np.repeat(pictures(1), 12, axis=0)
    found = surveyed(frames)
    assert cadence.order_of(found) is None
    assert cadence.verdict([found]).name == "still"
