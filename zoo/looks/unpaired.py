"""Looks learned from graded pictures that are others than those as shot.

Pictures differ by what they show, too. How much their statistics vary for that reason is told by leaving out each of
them in turn (the jackknife, Tukey 1958); the look is the likeliest of the space that explains the rest: a Gaussian's
maximum a posteriori, by Gauss and Newton's steps, for the statistics are no linear function of the look.
"""

import numpy as np
from jaxtyping import Float

from zoo.looks import paired
from zoo.looks.look import LUMA, Look, lattice
from zoo.looks.space import SIDE, Colours, Pictures, space

# Axes along which colours are ranked: the corners' of a cube, its edges', its faces', and two between.
_EDGES = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, -1, 0], [1, 0, -1], [0, 1, -1]]
_OTHERS = [[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1], [1, 1, -2], [1, 1, -2]]
_AXES = np.array([*_EDGES, *_OTHERS], float).T
_AXES /= np.linalg.norm(_AXES, axis=0)
_RANKS = np.linspace(0.015, 0.985, 20)
_COLOUR = np.array([[1, -0.5, -0.5], [0, 0.866, -0.866]]).T  # of what is left without luma
_LIGHTS, _AS_RANKS = 8, 2.0  # groups of luma whose colour is told, and its weight beside ranks
SAMPLES = 20_000  # of all pictures
_GROUPS = 6, 24  # of pictures that are left out in turn: the fewest, the most
_MORE = 3.0  # by which pictures differ more than the jackknife of few says
_APART, _NOISE = 0.3, 3e-5  # share of the covariance that is not common; variance of each statistic by itself
_ROUNDS, _STEP = 3, 0.5  # of Gauss and Newton; deviations by which slopes are measured


def learned(before: Pictures, after: Pictures) -> Look:
    """The look of graded pictures, of such as `before` are but not the same: colours [n 3] in [0, 1] of each."""
    known, base = space(), lattice(SIDE).reshape(-1, 3)
    before, after = _groups(before), _groups(after)
    deviation, wanted = np.sqrt(known.variance), _statistics(np.concatenate(after))
    corners = [paired.corners(colours, SIDE) for colours in before]
    graded = lambda cube: [np.einsum("mk,mkc->mc", weight, cube[index]) for index, weight in corners]
    place, content = np.zeros(len(deviation)), _varies(after)
    for _ in range(_ROUNDS):
        cube = base + known.mean + np.tensordot(place * deviation, known.directions, 1)
        seen = graded(cube)
        now = _statistics(np.concatenate(seen))
        moved = lambda k, cube=cube: cube + _STEP * deviation[k] * known.directions[k]
        slopes = [_statistics(np.concatenate(graded(moved(k)))) - now for k in range(len(place))]
        slope = np.stack(slopes, -1) / _STEP
        covariance = _MORE * _partly(content + _varies(seen)) + _NOISE * np.eye(len(now))
        solved = np.linalg.solve(covariance, np.column_stack([slope, wanted - now + slope @ place]))
        normal = slope.T @ solved
        place = np.linalg.solve(normal[:, :-1] + np.eye(len(place)), normal[:, -1])
    cube = base + known.mean + np.tensordot(place * deviation, known.directions, 1)
    return paired.finished(cube.reshape(SIDE, SIDE, SIDE, 3).astype(np.float32))


def _groups(pictures: Pictures) -> list[Float[np.ndarray, "_ 3"]]:
    """Pictures, several together where there are many, each in parts where there are few; not all of their colours."""
    fewest, most = _GROUPS
    some = [x[:: max(1, len(x) * len(pictures) // SAMPLES)] for x in pictures]
    parts = [part for x in some for part in np.array_split(x, max(1, -(-fewest // len(some))))]
    return [np.concatenate(parts[k::most]) for k in range(min(most, len(parts)))]


def _statistics(colours: Colours) -> Float[np.ndarray, " s"]:
    """Quantiles along the axes; mean and spread of colour in lights of every strength."""
    ranked = np.sort(colours @ _AXES, axis=0)
    at = _RANKS * (len(ranked) - 1)
    low = at.astype(int)
    ranks = ranked[low] + (at - low)[:, None] * (ranked[np.minimum(low + 1, len(ranked) - 1)] - ranked[low])
    luma = colours @ np.array(LUMA)
    hue = (colours - luma[:, None])[np.argsort(luma)] @ _COLOUR
    lights = np.array_split(hue, _LIGHTS)
    told = [[light.mean(0), np.abs(light).mean(0)] for light in lights]
    return np.concatenate([ranks.ravel(), _AS_RANKS * np.ravel(told)])


def _varies(groups: Pictures) -> Float[np.ndarray, "s s"]:
    """The covariance of the statistics of all, by leaving out each in turn."""
    n = len(groups)
    without = [_statistics(np.concatenate([x for k, x in enumerate(groups) if k != left])) for left in range(n)]
    off = np.array(without) - np.mean(without, axis=0)
    return (n - 1) / n * off.T @ off


def _partly(covariance: Float[np.ndarray, "s s"]) -> Float[np.ndarray, "s s"]:
    """With less in common: few pictures cannot tell how hundreds of numbers vary together."""
    return (1 - _APART) * covariance + _APART * np.diag(np.diag(covariance))
