"""Films that are turned or mirrored when they are shown: the display matrix is kept whole, named, and obeyed."""

import itertools
import json
import math

import av
import numpy as np
import pytest

from tests import clips
from tests.clips import restore
from zoo import cli, pictures
from zoo.film import display
from zoo.film.read import source

pytestmark = pytest.mark.usefixtures("identity")

ONE, LAST = 1 << 16, 1 << 30


def turned(degrees: float, mirrored: bool) -> display.Matrix:
    """The matrix of a turn against the clock, after which left and right change places."""
    cosine, sine = (round(ONE * f(math.radians(degrees))) for f in (math.cos, math.sin))
    left = -1 if mirrored else 1
    return left * cosine, -sine, 0, left * sine, cosine, 0, 0, 0, LAST


def write(name: str, matrix: display.Matrix, size=(64, 80)):
    with av.open(name, "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv444p"
        stream.set_display_matrix(matrix)
        out.mux([*stream.encode(clips.frame("yuv444p", 0, *size)), *stream.encode(None)])


QUARTERS = list(itertools.product((0, 90, 180, 270), (False, True)))[1:]


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
@pytest.mark.parametrize(("degrees", "mirrored"), QUARTERS)
def test_a_film_is_shown_as_before(folder, name, degrees, mirrored):
    write("in.mp4", turned(degrees, mirrored))
    assert restore("in.mp4", "-o", name) == 0
    assert display.of(clips.read(folder / name)[0]) == turned(degrees, mirrored)


@pytest.mark.parametrize(("degrees", "mirrored"), QUARTERS)
def test_what_is_shown_is_what_the_matrix_says(degrees, mirrored):
    matrix, stored = turned(degrees, mirrored), np.random.default_rng(0).random((2, 3, 5, 1))
    place = lambda x, y: (x * matrix[1] + y * matrix[4], x * matrix[0] + y * matrix[3])  # row, column: FFmpeg's rule
    where = np.array([place(x, y) for y, x in np.ndindex(3, 5)]) // ONE
    where -= where.min(axis=0)
    expected = np.zeros((2, *where.max(axis=0) + 1, 1))
    expected[:, where[:, 0], where[:, 1]] = stored.reshape(2, 15, 1)
    np.testing.assert_array_equal(display.shown(stored, matrix), expected)
    assert display.is_sideways(matrix) == (degrees in (90, 270))


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (turned(0, True), "mirroring"),
        (turned(180, True), "rotation by 180 degrees and mirroring"),
        (turned(-90, False), "rotation by 270 degrees"),
        (turned(45, True), "rotation by 45 degrees and mirroring"),
        ((2 * ONE, 0, 0, 0, 2 * ONE, 0, 0, 0, LAST), "scaling"),
    ],
)
def test_what_a_matrix_does_has_words(matrix, words):
    assert display.words(matrix) == words


@pytest.mark.parametrize(
    ("name", "matrix", "can"),
    [
        ("out.ts", turned(90, True), "ffv1 in .mkv"),
        ("%d.png", turned(0, True), "ffv1 in .mkv"),
        ("-", turned(0, True), "ffv1 in .mkv"),
        ("out.mkv", (2 * ONE, 0, 0, 0, 2 * ONE, 0, 0, 0, LAST), ".mov"),
        ("out.mp4", (2 * ONE, 0, 0, 0, 2 * ONE, 0, 0, 0, LAST), None),
    ],
)
def test_a_matrix_that_has_no_place_is_named_before_the_work(folder, capsys, name, matrix, can):
    write("in.mp4", matrix)
    assert restore("in.mp4", "-o", name, "--dry-run") == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    expected = f"cannot say of the film: its {display.words(matrix)}; {can} can"
    assert any(expected in note for note in notes) == (can is not None)


def test_the_preview_shows_it_the_right_way_up(folder):
    write("stored.mp4", turned(0, False))
    write("in.mp4", turned(90, True))
    sheets = []
    for name in ("stored", "in"):
        assert cli.main(["preview", f"{name}.mp4", "-m", "any"]) == 0
        sheets.append(pictures.read(folder / f"{name}_preview.png").samples[24:].astype(int))
    stored, shown = sheets
    expected = display.shown(stored[None, :80, :64], turned(90, True))[0]
    assert np.abs(shown[:64, :80] - expected).max() <= 1


def test_films_that_are_shown_unlike_are_not_the_same_without_a_word(folder, capsys):
    write("a.mp4", turned(0, True))
    write("b.mp4", turned(0, False))
    assert cli.main(["compare", "a.mp4", "b.mp4"]) == 0
    said = capsys.readouterr()
    assert "a.mp4 is shown with mirroring, b.mp4 with no turn" in said.err
    assert json.loads(said.out)["a"]["display"] == list(turned(0, True))
    assert source.describe("b.mp4").display is None
