"""Pictures from a random vector that are measured: the distance, the features, the page."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval import generate
from eval.pages.report import read_json, read_section
from zoo import draws, registry

RESULT = generate.RESULTS / "generate" / "pictures.json"


def normal(seed: int, mean, deviation) -> np.ndarray:
    return mean + deviation * np.random.default_rng(seed).standard_normal((20000, 3))


def test_the_distance_of_normal_laws_is_the_known_one():
    """Of independent features: the squared differences of means and of deviations, in deviations of the second."""
    a, b = normal(0, 3.0, [1.0, 2.0, 3.0]), normal(1, 2.0, [2.0, 2.0, 1.0])
    assert generate.frechet(a, b) == pytest.approx((1 / 2) ** 2 * 2 + 1 + (1 - 1 / 2) ** 2 + (3 - 1) ** 2, rel=0.06)
    assert generate.frechet(a, a) == pytest.approx(0, abs=1e-6)
    turned = a @ np.linalg.qr(np.random.default_rng(2).standard_normal((3, 3)))[0]
    assert generate.frechet(turned, a) > 0.1  # covariances count, not the deviations alone


def test_features_tell_flat_smooth_and_noisy_pictures_apart():
    noise = draws.uniform(jax.random.key(0), (64, 32, 32, 3))
    smooth = noise.reshape(64, 8, 4, 8, 4, 3).mean((2, 4)).repeat(4, 1).repeat(4, 2)
    flat = jnp.broadcast_to(noise[:, :1, :1], noise.shape)
    found = {name: generate.features(x) for name, x in (("noise", noise), ("smooth", smooth), ("flat", flat))}
    assert all(bool(jnp.isfinite(x).all()) for x in found.values())
    near = generate.frechet(generate.features(noise[::-1, ::-1]), found["noise"])
    assert near < 0.1 < generate.frechet(found["smooth"], found["noise"])
    assert generate.frechet(found["flat"], found["noise"]) > generate.frechet(found["smooth"], found["noise"])


def test_parts_are_cut_from_every_picture_the_same_each_time():
    large = [np.full((40, 50, 3), k / 4, np.float32) for k in range(3)]
    parts = generate.cut(large, 16)
    assert parts.shape == (3 * generate.EACH, 16, 16, 3)
    assert sorted(set(np.asarray(parts).ravel())) == [0, 0.25, 0.5]
    np.testing.assert_array_equal(parts, generate.cut(large, 16))


def test_a_restorer_makes_no_pictures(capsys):
    assert generate.main(["--photos=nowhere", "--model=fast-gaussian"]) == 2
    assert "makes no pictures from a random vector" in capsys.readouterr().err


@pytest.mark.skipif(not RESULT.exists(), reason="nothing was measured yet")
def test_the_page_is_the_committed_result():
    result = read_json(RESULT)
    assert read_section(Path(generate.ROOT) / "docs" / "quality.md", "generated") == generate.section(result)
    assert result["model"]["sha256"] == registry.card("gan-pictures")["sha256"]
    distance = result["distance"]
    assert distance["other leaves"] < distance["gan-pictures"] < distance["white noise"]
