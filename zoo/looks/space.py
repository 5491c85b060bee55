"""The space of looks: what colourists do, as a mean and few directions about it, learned from random looks.

A random look is a matrix, gains, lift, a tone curve of its own for each channel, split toning, saturation by luma, some
hues that turn, and a fade; none is anybody's. Its change of a cube's colours is one point; the principal components of
many such points, weighted by how often colours occur in pictures, span the space.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from zoo.looks.look import LUMA, lattice

SIDE = 9  # of the cube in which looks are points
LOOKS, DIRECTIONS = 1200, 60
_KNOTS = 6  # of a tone curve
_RED, _BLUE = np.array([1, -0.5, -0.5]), np.array([0, 0.866, -0.866])  # the plane of hues
_WAVES, _TURN, _GAIN = 5, 0.08, 0.07  # around the circle of hues; radians, logarithm
_GREYNESS = 0.16  # how far from grey colours of pictures mostly lie
_RARE = 0.15  # weight of colours that pictures do not have, as a share of the mean
Colours = Float[np.ndarray, "n 3"]


class Space(NamedTuple):
    """`mean` and `directions`: changes of the cube's colours; `variance` along each direction."""

    mean: Float[np.ndarray, "p 3"]
    directions: Float[np.ndarray, "k p 3"]
    variance: Float[np.ndarray, " k"]


@lru_cache(1)
def space() -> Space:
    """The same wherever it is made."""
    rng, colours = np.random.default_rng(0), lattice(SIDE).reshape(-1, 3).astype(np.float64)
    changes = np.stack([random_look(rng, colours) - colours for _ in range(LOOKS)])
    mean = changes.mean(0)
    weight = np.sqrt(_frequency(colours))[:, None]
    flat = ((changes - mean) * weight).reshape(LOOKS, -1)
    _, size, rows = np.linalg.svd(flat, full_matrices=False)
    directions = rows[:DIRECTIONS].reshape(DIRECTIONS, -1, 3) / weight
    return Space(mean, directions, size[:DIRECTIONS] ** 2 / LOOKS)


def _frequency(colours: Colours) -> Float[np.ndarray, " n"]:
    """How often pictures have a colour, about: the less the farther it is from grey. The mean is 1."""
    away = np.linalg.norm(colours - colours.mean(-1, keepdims=True), axis=-1)
    often = np.exp(-((away / _GREYNESS) ** 2) / 2)
    return often / often.mean() + _RARE


def random_look(rng: np.random.Generator, colours: Colours) -> Colours:
    """What a random look makes of colours in [0, 1]."""
    often = lambda chance: rng.random() < chance
    mix = np.eye(3) + rng.normal(0, 0.05, (3, 3)) * often(0.5)
    gain, lift = np.exp(rng.normal(0, 0.07, 3)), rng.normal(0, 0.03, 3) * often(0.5)
    x = np.clip(colours @ (mix / mix.sum(1, keepdims=True)).T, 0, 1)
    x = np.clip(x * gain + lift * (1 - x), 0, 1)
    x = _toned(rng, x)
    luma = x @ LUMA
    shadow, light = (rng.normal(0, 0.05, 3) * often(0.5) for _ in range(2))
    x = x + np.outer((1 - luma) ** 2, shadow) + np.outer(luma**2, light)
    x = _turned(rng, x) if often(0.7) else x
    luma = (x @ LUMA)[:, None]
    saturation = np.exp(rng.normal(0, 0.25)) * (1 + rng.normal(0, 0.4) * (luma - 0.5))
    x = luma + (x - luma) * np.clip(saturation, 0, 2.5)
    black, white = 0.06 * rng.random() * often(0.5), 1 - 0.1 * rng.random() * often(0.4)
    return np.clip(black + (white - black) * x, 0, 1)


def _toned(rng: np.random.Generator, x: Colours) -> Colours:
    """A rising curve through random knots: one for all channels, and a little another for each."""
    at = np.linspace(0, 1, _KNOTS)
    contrast, bend = rng.normal(0.5, 0.6), rng.normal(0, 0.35)
    slopes = np.exp(contrast * np.sin(np.pi * (at[1:] + at[:-1]) / 2) + bend * (at[1:] - 0.5))
    out = []
    for c in range(3):
        own = slopes * np.exp(rng.normal(0, 0.12, _KNOTS - 1))
        knots = np.concatenate([[0], np.cumsum(own) / own.sum()])
        out.append(_smooth(x[:, c], at, knots))
    return np.stack(out, -1)


def _smooth(x: np.ndarray, at: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """A curve through knots, smoothed; it rises where they do."""
    fine = np.linspace(0, 1, 201)
    line = np.interp(fine, at, knots)
    padded = np.concatenate([2 * line[0] - line[20:0:-1], line, 2 * line[-1] - line[-2:-22:-1]])
    smooth = np.convolve(padded, np.hanning(43)[1:-1] / np.hanning(43).sum(), "valid")
    return np.interp(x, fine, (smooth - smooth[0]) / (smooth[-1] - smooth[0]))


def _turned(rng: np.random.Generator, x: Colours) -> Colours:
    """Hues turn and become more or less saturated, by a few waves around the circle of hues."""
    luma = (x @ LUMA)[:, None]
    across, up = (x - luma) @ _RED / 1.5, (x - luma) @ _BLUE / 1.5
    hue, chroma = np.arctan2(up, across), np.hypot(across, up)
    waves = np.exp(1j * np.arange(1, _WAVES + 1) * hue[:, None])
    swing = lambda size: (waves * (rng.normal(0, size, (2, _WAVES)).T @ [1, 1j])).real.sum(-1)
    hue, chroma = hue + swing(_TURN), chroma * np.exp(swing(_GAIN))
    moved = np.outer(chroma * np.cos(hue), _RED) + np.outer(chroma * np.sin(hue), _BLUE)
    return luma + moved - (moved @ LUMA)[:, None]
