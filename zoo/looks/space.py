"""The space of looks: what colourists do, as a mean and few directions about it, learned from random looks.

A random look is a matrix, gains, lift, a tone curve of its own for each channel, split toning, saturation by luma, some
hues that turn, and a fade; none is anybody's. Its change of a cube's colours is one point; the principal components of
many such points, weighted by how often colours occur in pictures, span the space.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from zoo.looks.look import LUMA, lattice

SIDE = 9  # of the cube in which looks are points
LOOKS, DIRECTIONS = 1200, 60
_KNOTS, _FINE = 6, 201  # of a tone curve; steps of it
_LUMA = np.array(LUMA)[:, None]
_RED, _BLUE = np.array([1, -0.5, -0.5]), np.array([0, 0.866, -0.866])  # the plane of hues
_WAVES, _TURN, _GAIN = 5, 0.08, 0.07  # around the circle of hues; radians, logarithm
_GREYNESS = 0.16  # how far from grey colours of pictures mostly lie
_RARE = 0.15  # weight of colours that pictures do not have, as a share of the mean
Colours = Float[np.ndarray, "n 3"]
Pictures = Sequence[Float[np.ndarray, "_ 3"]]  # colours of each
Many = Float[np.ndarray, "looks n 3"]


class Space(NamedTuple):
    """`mean` and `directions`: changes of the cube's colours; `variance` along each direction."""

    mean: Float[np.ndarray, "p 3"]
    directions: Float[np.ndarray, "k p 3"]
    variance: Float[np.ndarray, " k"]


@lru_cache(1)
def space() -> Space:
    """The same wherever it is made."""
    colours = lattice(SIDE).reshape(-1, 3).astype(np.float64)
    changes = random_looks(np.random.default_rng(0), colours, LOOKS) - colours
    mean = changes.mean(0)
    weight = np.sqrt(_frequency(colours))[:, None]
    flat = ((changes - mean) * weight).reshape(LOOKS, -1)
    size, places = _leading(flat @ flat.T, DIRECTIONS)
    directions = (places / np.sqrt(size)).T @ flat
    return Space(mean, directions.reshape(DIRECTIONS, -1, 3) / weight, size / LOOKS)


def _leading(matrix: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues and their vectors [n count], by subspace iteration: all of them take seconds."""
    basis = np.random.default_rng(0).normal(size=(len(matrix), 2 * count))
    for _ in range(6):
        basis, _ = np.linalg.qr(matrix @ basis)
    size, turned = np.linalg.eigh(basis.T @ matrix @ basis)
    largest = slice(-1, -count - 1, -1)
    return size[largest], basis @ turned[:, largest]


def _frequency(colours: Colours) -> Float[np.ndarray, " n"]:
    """How often pictures have a colour, about: the less the farther it is from grey. The mean is 1."""
    away = np.linalg.norm(colours - colours.mean(-1, keepdims=True), axis=-1)
    often = np.exp(-((away / _GREYNESS) ** 2) / 2)
    return often / often.mean() + _RARE


def random_looks(rng: np.random.Generator, colours: Colours, count: int) -> Many:
    """What each of random looks makes of colours in [0, 1]."""
    normal = lambda size, *shape: rng.normal(0, size, (count, *shape))
    often = lambda chance: (rng.random((count, 1, 1)) < chance).astype(float)
    mix = np.eye(3) + normal(0.05, 3, 3) * often(0.5)
    gain, lift = np.exp(normal(0.07, 1, 3)), normal(0.03, 1, 3) * often(0.5)
    x = np.clip(colours @ (mix / mix.sum(-1, keepdims=True)).transpose(0, 2, 1), 0, 1)
    x = _toned(rng, np.clip(x * gain + lift * (1 - x), 0, 1))
    luma = x @ _LUMA
    x = x + (1 - luma) ** 2 * (normal(0.05, 1, 3) * often(0.5)) + luma**2 * (normal(0.05, 1, 3) * often(0.5))
    x = np.where(often(0.7) > 0, _turned(rng, x), x)
    luma = x @ _LUMA
    saturation = np.exp(normal(0.25, 1, 1)) * (1 + normal(0.4, 1, 1) * (luma - 0.5))
    x = luma + (x - luma) * np.clip(saturation, 0, 2.5)
    black, white = 0.06 * rng.random((count, 1, 1)) * often(0.5), 1 - 0.1 * rng.random((count, 1, 1)) * often(0.4)
    return np.clip(black + (white - black) * x, 0, 1)


def _toned(rng: np.random.Generator, x: Many) -> Many:
    """A rising curve through random knots: one for all channels, and a little another for each."""
    at, count = np.linspace(0, 1, _KNOTS), len(x)
    contrast, bend = rng.normal(0.5, 0.6, (count, 1)), rng.normal(0, 0.35, (count, 1))
    slopes = np.exp(contrast * np.sin(np.pi * (at[1:] + at[:-1]) / 2) + bend * (at[1:] - 0.5))
    own = slopes[:, None] * np.exp(rng.normal(0, 0.12, (count, 3, _KNOTS - 1)))
    knots = np.concatenate([np.zeros((count, 3, 1)), np.cumsum(own, -1) / own.sum(-1, keepdims=True)], -1)
    curves = knots @ np.stack([_smooth(at, knot) for knot in np.eye(_KNOTS)])  # [n 3 fine]: linear in its knots
    curves = (curves - curves[..., :1]) / (curves[..., -1:] - curves[..., :1])
    place = x.transpose(0, 2, 1) * (_FINE - 1)
    first = np.minimum(place.astype(int), _FINE - 2)
    low, high = (np.take_along_axis(curves, first + k, -1) for k in (0, 1))
    return (low + (high - low) * (place - first)).transpose(0, 2, 1)


def _smooth(at: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """A curve through knots, smoothed, at even steps; it rises where they do."""
    line = np.interp(np.linspace(0, 1, _FINE), at, knots)
    padded = np.concatenate([2 * line[0] - line[20:0:-1], line, 2 * line[-1] - line[-2:-22:-1]])
    return np.convolve(padded, np.hanning(43)[1:-1] / np.hanning(43).sum(), "valid")


def _turned(rng: np.random.Generator, x: Many) -> Many:
    """Hues turn and become more or less saturated, by a few waves around the circle of hues."""
    luma = x @ _LUMA
    across, up = (x - luma) @ _RED / 1.5, (x - luma) @ _BLUE / 1.5
    hue, chroma = np.arctan2(up, across), np.hypot(across, up)
    turn, gain = (rng.normal(0, size, (2, _WAVES, len(x), 1)) for size in (_TURN, _GAIN))
    waves = [(np.cos(k * hue), np.sin(k * hue)) for k in range(1, _WAVES + 1)]
    swing = lambda size: sum(size[0, k] * cos - size[1, k] * sin for k, (cos, sin) in enumerate(waves))
    hue, chroma = hue + swing(turn), chroma * np.exp(swing(gain))
    moved = (chroma * np.cos(hue))[..., None] * _RED + (chroma * np.sin(hue))[..., None] * _BLUE
    return luma + moved - moved @ _LUMA
