"""Fields made whole: known lines stay, either order is the other upside down, film that was split comes back."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.test_cadence import pictures, surveyed, woven
from train import deinterlace as lesson
from zoo import registry
from zoo.cadence import Cadence
from zoo.chain import Chain
from zoo.color import Layout
from zoo.damage.interlace import FRAMES, interlace
from zoo.errors import FlagError
from zoo.models.deinterlace import DeinterlacerConfig
from zoo.steps.step import Aside, Kind, Moment
from zoo.tiles import Tiled

RNG = np.random.default_rng(5)
DEPTHS = pytest.mark.parametrize("depth", [8, 10, 16])


@pytest.fixture(scope="module")
def network():
    return Tiled(DeinterlacerConfig(width=8, layers=2).build(nnx.Rngs(0)))


@pytest.fixture(autouse=True)
def any_model(monkeypatch):
    monkeypatch.setattr(registry, "card", lambda name: {"sha256": "0" * 64})


def film(frames: int, height: int, width: int, depth: int = 8) -> list[tuple[np.ndarray, ...]]:
    """Planes of 4:2:0 of noise."""
    chroma = -(-height // 2), -(-width // 2)
    kind = np.uint8 if depth == 8 else np.uint16
    return [
        tuple(RNG.integers(0, 2**depth, s).astype(kind) for s in ((height, width), chroma, chroma))
        for _ in range(frames)
    ]


def made(text: str, network, planes, depth: int = 8, found=None) -> list[tuple[np.ndarray, ...]]:
    height, width = planes[0][0].shape
    kind = Kind(height, width, layout=Layout("yuv", depth, cell=(2, 2)), fields="top first")
    moments = [Moment(k, not k, tuple(map(jnp.asarray, own))) for k, own in enumerate(planes)]
    aside = Aside(network=lambda name: network, survey=found, kind=kind)
    return [tuple(map(np.asarray, moment.planes)) for moment in Chain(text).run(moments, aside)]


@DEPTHS
@pytest.mark.parametrize("size", [(24, 20), (25, 21), (1, 2), (2, 1)])
def test_known_lines_stay_to_the_bit(network, depth, size):
    planes = film(3, *size, depth)
    for first, order in enumerate(("top", "bottom")):
        out = made(f"deinterlace=fields={order}", network, planes, depth)
        assert len(out) == 6
        for k, picture in enumerate(out):
            for own, plane in zip(planes[k // 2], picture, strict=True):
                assert plane.dtype == own.dtype
                assert plane.shape == own.shape
                parity = first ^ k % 2
                assert np.array_equal(plane[parity::2], own[parity::2])


def test_bottom_first_is_top_first_upside_down(network):
    planes = film(3, 24, 20)
    top = made("deinterlace=fields=top", network, planes)
    bottom = made("deinterlace=fields=bottom", network, [tuple(x[::-1] for x in own) for own in planes])
    for a, b in zip(top, bottom, strict=True):
        assert all(np.array_equal(x, y[::-1]) for x, y in zip(a, b, strict=True))


def test_single_rate_is_every_second_picture_of_the_double(network):
    planes = film(3, 16, 18)
    double, single = (made(f"deinterlace=fields=top:rate={rate}", network, planes) for rate in ("double", "single"))
    for a, b in zip(double[::2], single, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_what_is_progressive_stays_as_it_is(network):
    planes = film(2, 16, 18)
    for k, picture in enumerate(made("deinterlace=fields=progressive", network, planes)):
        assert all(np.array_equal(x, y) for x, y in zip(planes[k // 2], picture, strict=True))


@pytest.mark.parametrize("on", [1, 2])
@pytest.mark.parametrize("order", ["top first", "bottom first"])
@pytest.mark.parametrize("kind", ["progressive", "shifted", "telecine"])
def test_film_that_was_split_into_fields_comes_back_to_the_bit(network, kind, order, on):
    whole = pictures(30, on=on)
    frames, shown = woven(kind, order, whole)
    out = made("deinterlace", network, [(x,) for x in frames], found=surveyed(frames))
    for field in range(2, len(shown) - 2):
        assert np.array_equal(out[field][0], whole[shown[field]]), field


def test_film_that_is_said_to_be_telecined_is_taken_for_that_all_through(network):
    """Also where noise hides the repeats: nothing is made by the network but at the ends."""
    whole = pictures(40, noise=30)
    frames, shown = woven("telecine", "top first", whole)
    film = [(x,) for x in frames]
    out = made("deinterlace=fields=telecine", network, film, found=surveyed(frames))
    for field in range(2, len(shown) - 2):
        assert any(np.array_equal(out[field][0], whole[shown[field + k]]) for k in (-1, 0, 1)), field
    survey = surveyed(woven("interlaced", "top first", pictures(20))[0])
    assert all(all(Cadence(survey, "top first", ("telecine",)).partners(n)) for n in range(1, 9))
    assert not any(any(Cadence(survey, "top first").partners(n)) for n in range(1, 9))


def test_a_survey_is_asked_for_only_where_the_pictures_must_say():
    assert "survey" in Chain("deinterlace").steps[0].needs
    assert "survey" in Chain("deinterlace=fields=telecine").steps[0].needs
    assert "survey" not in Chain("deinterlace=fields=top").steps[0].needs
    with pytest.raises(FlagError):
        Chain("deinterlace=fields=sideways")


def test_a_lesson_makes_fields_of_clips(key):
    clips = jnp.asarray(RNG.random((6, FRAMES, 32, 48, 3), np.float32))
    pair = interlace(key, clips, chroma=0.5, grain=(0.001, 0.01))
    assert pair.seen.shape == (6, 16, 48, FRAMES)
    assert pair.wanted.shape == (6, 16, 48, 1)
    assert 0 <= pair.seen.min() <= pair.seen.max() <= 1
    with pytest.raises(FlagError, match="--crop=40 must divide by 16"):
        lesson.DeinterlaceSettings(crop=40).check()
