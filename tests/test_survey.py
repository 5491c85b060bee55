"""What a survey measures of each frame, and how it is kept."""

import jax.numpy as jnp
import numpy as np
import pytest

from zoo.color import Layout
from zoo.film import survey
from zoo.film.read.source import Frame
from zoo.survey import QUANTILES, ROW, Survey

GREY = Layout("grey", 8, full=True)
HEIGHT, WIDTH = 48, 64


def surveyed(pictures: list[np.ndarray], first: int = 0) -> Survey:
    frames = [(first + k, Frame((np.asarray(picture, np.uint8),), k, 1)) for k, picture in enumerate(pictures)]
    return Survey(np.concatenate([*survey.made(frames, GREY, lambda work: work())]))


def moving(count: int) -> list[np.ndarray]:
    """Bars and a texture that pan by three pixels a picture."""
    rng = np.random.default_rng(0)
    wide = np.kron(rng.integers(20, 230, (HEIGHT // 8, (WIDTH + 4 * count) // 8 + 1)), np.ones((8, 8)))
    return [wide[:HEIGHT, 3 * k : 3 * k + WIDTH] for k in range(count)]


def combed(woven: np.ndarray) -> float:
    """The definition, by NumPy: the share of pixels more than 6 codes beyond both lines around them."""
    up, here, down = (woven[k : len(woven) - 2 + k].astype(int) for k in range(3))
    return float((((here - up > 6) & (here - down > 6)) | ((up - here > 6) & (down - here > 6))).mean())


def test_each_measure_is_what_it_says():
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8) for _ in range(11)]  # more than one batch
    found = surveyed(pictures, first=7)
    assert found.rows["number"].tolist() == [*range(7, 18)]
    assert found.frames == 11
    for k, (before, now) in enumerate(zip(pictures, pictures[1:], strict=False), 1):
        row = found.of(7 + k)
        np.testing.assert_allclose(row["luma"], np.quantile(now / 255, QUANTILES), atol=1e-6)
        top, bottom = now.copy(), now.copy()
        top[1::2], bottom[::2] = before[1::2], before[::2]
        np.testing.assert_allclose(row["comb"], [combed(now), combed(top), combed(bottom)], atol=1e-6)
        apart = np.abs(now.astype(float) - before)
        np.testing.assert_allclose(row["repeat"], [apart[::2].mean(), apart[1::2].mean()], rtol=1e-5)


def test_shots_are_found():
    pan, other = moving(8), [255 - picture[::-1] for picture in moving(6)]
    found = surveyed(pan + other)
    assert found.rows["new"][0] == 1
    assert [len(found.shot(number)) for number in (0, 7, 8, 13)] == [8, 8, 6, 6]
    assert found.shot(9)["number"].tolist() == [*range(8, 14)]


@pytest.mark.parametrize("order", ["top first", "bottom first"])
@pytest.mark.parametrize("kind", ["progressive", "video", "shifted", "telecine"])
def test_links_of_fields_tell_kinds_of_film_apart(kind, order):
    """Each field is taken from a moment of its own, or shares it with another."""
    first = 0 if order == "top first" else 1
    moments = {
        "progressive": lambda k: k // 2,
        "video": lambda k: k,
        "shifted": lambda k: (k + 1) // 2,
        "telecine": lambda k: k // 5 * 2 + (k % 5 > 1),
    }[kind]
    pictures, woven = moving(30), []
    for n in range(14):
        frame = np.zeros((HEIGHT, WIDTH))
        frame[first::2] = pictures[moments(2 * n)][first::2]
        frame[1 - first :: 2] = pictures[moments(2 * n + 1)][1 - first :: 2]
        woven.append(frame)
    comb, repeat = surveyed(woven).links(order)
    still = min(comb.min(), 0.01)
    same = [moments(k) == moments(k + 1) for k in range(27)]
    assert [bool(share <= still + 1e-6) for share in comb] == same
    assert [bool(change == 0) for change in repeat] == [moments(k) == moments(k + 2) for k in range(26)]


@pytest.mark.parametrize("sigma", [1.0, 3.0, 8.0])
def test_grain_is_measured_where_the_picture_is_flat(sigma):
    rng = np.random.default_rng(2)
    slope = np.linspace(60, 180, WIDTH * 2) + np.zeros((HEIGHT * 2, 1))
    slope[20:60, 20:60] += 40 * rng.random((40, 40))  # texture
    bars = np.concatenate([np.zeros((32, WIDTH * 2)), np.rint(slope + rng.normal(0, sigma, slope.shape))])
    (row,) = surveyed([bars.clip(0, 255)]).rows
    assert 0.8 * sigma < row["grain"] < 1.15 * sigma + 0.3  # rounding is noise too


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 2)])
def test_the_smallest_pictures_have_a_survey(size):
    rows = surveyed([np.full(size, 9), np.full(size, 90)]).rows
    assert rows["repeat"][1].tolist() == [81, 81]
    assert rows["grain"].tolist() == [0, 0]


def test_a_survey_is_kept_and_what_is_none_is_not_read(tmp_path):
    path, found = tmp_path / "survey.npy", surveyed(moving(3))
    survey.keep(path, found)
    again = survey.read(path)
    assert again
    assert np.array_equal(again.rows, found.rows)
    assert again.sha256 == found.sha256
    whole = path.read_bytes()
    damaged = found.rows.copy()
    damaged["grain"][1] = np.nan
    gap = found.rows.copy()
    gap["number"][2] = 9
    for rows in (damaged, gap, found.rows[:0], found.rows["luma"], np.array([{}], object)):
        np.save(path, rows, allow_pickle=True)
        assert survey.read(path) is None
    for data in (whole[:-10], b"", b"\x93NUMPY", whole.replace(b"(3,)", b"(9,)")):
        path.write_bytes(data)
        assert survey.read(path) is None
    assert survey.read(tmp_path / "none.npy") is None
    assert ROW.itemsize <= 120
    assert jnp.isfinite(found.rows["comb"]).all()
