"""Looks that are measured: the rivals do what they say, the pages say what was measured."""

from pathlib import Path

import numpy as np
import pytest

from eval import looks
from eval.grade import rivals
from eval.grade.looks import LOOKS
from eval.pages.report import read_json, read_section

RESULT = looks.RESULTS / "grade" / "looks.json"
COLOURS = np.random.default_rng(0).beta(2, 2, (900, 3)).astype(np.float32)


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_look_is_of_each_colour_alone_and_within_the_range(look):
    made = look(COLOURS)
    assert 0 <= made.min() < made.max() <= 1
    assert np.abs(made - COLOURS).mean() > 0.01
    np.testing.assert_allclose(look(COLOURS[100:110]), made[100:110], atol=1e-12)


@pytest.mark.parametrize("name", rivals.FROM_ANY)
def test_what_needs_no_pairs_carries_a_shift_over_whatever_the_order(name):
    graded = (0.8 * COLOURS + [0.1, 0.06, 0.04]).astype(np.float32)
    made = rivals.FROM_ANY[name](COLOURS, graded[::-1])(COLOURS)
    np.testing.assert_allclose(made.mean(0), graded.mean(0), atol=0.01)
    assert np.abs(made - graded).mean() < 0.02


def test_a_monge_kantorovich_map_has_the_covariance_of_the_other_pictures():
    graded = LOOKS["cross process"](COLOURS)
    made = rivals.monge_kantorovich(COLOURS, graded)(COLOURS)
    np.testing.assert_allclose(np.cov(made.T), np.cov(graded.T), atol=1e-5)


def test_other_halves_and_other_pictures_share_no_pixel_and_pairs_share_all():
    halves = np.float32([0.0, 0.004])[np.arange(10) // 5, None]
    stills = [np.full((6, 10, 3), k / 50, np.float32) + halves for k in range(40)]
    same = lambda x: x
    before, after = (np.concatenate(x) for x in looks.material(stills, same, "other halves"))
    assert not set(before[:, 0]) & set(after[:, 0])
    before, after = (np.concatenate(x) for x in looks.material(stills, same, "other pictures"))
    assert after.max() < before.min()
    before, after = looks.material(stills, same, "3 pairs")
    assert len(before) == 3
    np.testing.assert_array_equal(before, after)


@pytest.mark.skipif(not RESULT.exists(), reason="nothing was measured yet")
def test_the_pages_are_the_committed_result():
    result = read_json(RESULT)
    assert read_section(Path(looks.ROOT) / "docs" / "quality.md", "looks") == looks.section(result)
    assert RESULT.with_suffix(".md").read_text() == looks.page(result)
    for condition in ("1 pair", "3 pairs", "10 pairs"):
        means = {name: looks._mean(values) for name, values in result["conditions"][condition].items()}
        assert min(means, key=means.__getitem__) == looks.OURS
