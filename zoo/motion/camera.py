"""How the camera moved from one frame to another: the homography that most of a picture follows,
of (column, row, 1)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

STILL = np.eye(3)
_FEWEST = 24  # places that are known
_ROUNDS = 5  # with each bound
_BOUNDS_PX = (2.0, 1.0, 0.5)  # what counts half: ever less that moves on its own takes part
_TRIES, _LEAST_AREA = 200, 0.05  # movements of three places, which do not lie in a row; half the picture's side is 1
_LEAST_ZOOM = 0.25  # of areas, from one frame to another


def fitted(
    at: Float[np.ndarray, "n 2"], move: Float[np.ndarray, "n 2"], weights: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "3 3"]:
    """The homography of (column, row, 1) that most of a movement follows, by reweighted least squares.

    `at`, `move`: places of pixels and how far they move, as (row, column). STILL where too little is known."""
    here = at[:, ::-1].astype(np.float64)
    there = here + move[:, ::-1]
    weights = weights.astype(np.float64)
    known = weights > 0
    if known.sum() < _FEWEST:
        return STILL
    middle, scale = here.mean(axis=0), max(1.0, np.ptp(here, axis=0).max() / 2)
    unit = np.array([[1 / scale, 0, -middle[0] / scale], [0, 1 / scale, -middle[1] / scale], [0, 0, 1]])
    a, b = ((x[known] - middle) / scale for x in (here, there))
    found = _robust(a, b, weights[known] / weights[known].max(), scale)
    found = np.linalg.inv(unit) @ found @ unit
    found = found / found[2, 2]
    return found if _LEAST_ZOOM < np.linalg.det(found) < 1 / _LEAST_ZOOM else STILL  # no camera does more


def _robust(a: np.ndarray, b: np.ndarray, weights: np.ndarray, scale: float) -> np.ndarray:
    camera = _agreed(a, b, weights, scale)
    for bound in _BOUNDS_PX:
        for _ in range(_ROUNDS):
            off = np.linalg.norm(moved(camera, a) - b, axis=1) * scale
            camera = _least_squares(a, b, weights / (1 + (off / bound) ** 2) ** 2)
    return camera


def _agreed(a: np.ndarray, b: np.ndarray, weights: np.ndarray, scale: float) -> np.ndarray:
    """Of the affine movements of three places each, the one that most others follow (Fischler and Bolles 1981)."""
    chosen = np.random.default_rng(0).integers(0, len(a), (_TRIES, 3))
    plain = np.concatenate([a, np.ones((len(a), 1))], 1)
    three = plain[chosen]
    wide = np.abs(np.linalg.det(three)) > _LEAST_AREA
    found = np.linalg.solve(three[wide], b[chosen][wide]) if wide.any() else np.eye(3)[None, :, :2]
    off = np.linalg.norm(plain @ found - b, axis=-1) * scale
    best = found[np.argmax((weights / (1 + (off / _BOUNDS_PX[0]) ** 2)).sum(1))]
    return np.vstack([best.T, [0, 0, 1]])


def _least_squares(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    one, nought = np.ones(len(a)), np.zeros((len(a), 3))
    plain = np.stack([a[:, 0], a[:, 1], one], 1)
    left = np.concatenate([np.hstack([plain, nought]), np.hstack([nought, plain])])
    left = np.hstack([left, np.concatenate([-a * b[:, :1], -a * b[:, 1:]])])
    right, root = b.T.ravel(), np.sqrt(np.tile(weights, 2))
    found = np.linalg.lstsq(left * root[:, None], right * root, rcond=None)[0]
    return np.append(found, 1).reshape(3, 3)


def moved(camera: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Where it takes places [n 2] of (column, row)."""
    out = at @ camera[:, :2].T + camera[:, 2]
    return out[:, :2] / out[:, 2:]


def chained(steps: Sequence[np.ndarray], own: int) -> list[np.ndarray]:
    """From frame `own` to each of a row; `steps`: from each to the next."""
    chains = [STILL] * (len(steps) + 1)
    for k in range(own, len(steps)):
        chains[k + 1] = steps[k] @ chains[k]
    for k in range(own, 0, -1):
        chains[k - 1] = np.linalg.inv(steps[k - 1]) @ chains[k]
    return [whole / whole[2, 2] for whole in chains]
