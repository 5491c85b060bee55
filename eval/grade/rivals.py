"""Classical ways to make colours those of other pictures: each takes colours as shot and graded, [n 3] in [0, 1], and
gives what it would do to any."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from zoo.lab import of_lab, to_lab
from zoo.looks import paired
from zoo.looks.look import Cube, Look, lattice
from zoo.looks.space import SIDE, Colours

Change = Callable[[Colours], Colours]
_QUANTILES = np.linspace(0, 1, 201)
_NEARLY = 1e-6  # of a spread, where pictures have hardly any


def reinhard(before: Colours, after: Colours) -> Change:
    """Mean and spread of L*, a* and b* (Reinhard et al. 2001, in CIE's space)."""
    here, there = np.asarray(to_lab(jnp.asarray(before))), np.asarray(to_lab(jnp.asarray(after)))
    scale = there.std(0) / np.maximum(here.std(0), _NEARLY)
    return lambda x: np.asarray(of_lab((to_lab(jnp.asarray(x)) - here.mean(0)) * scale + there.mean(0)))


def histograms(before: Colours, after: Colours) -> Change:
    """The histogram of each channel."""
    here, there = np.quantile(before, _QUANTILES, axis=0), np.quantile(after, _QUANTILES, axis=0)
    here = here + 1e-9 * np.arange(len(_QUANTILES))[:, None]  # rising, for what is flat too
    return lambda x: np.stack([np.interp(x[:, c], here[:, c], there[:, c]) for c in range(3)], -1)


def sliced_quadratic(before: Colours, after: Colours) -> Change:
    """Sliced transport (Pitie et al. 2007), then the polynomial of degree 2 nearest to it."""
    moved = transported(before, after, np.random.default_rng(0), turns=30)
    weights, *_ = np.linalg.lstsq(_powers(before), moved, rcond=None)
    return lambda x: _powers(x) @ weights


def transported(seen: Colours, after: Colours, rng: np.random.Generator, turns: int) -> Colours:
    """`seen` with the distribution of `after` along each axis of random turns."""
    share = np.linspace(0, 1, 512)
    for _ in range(turns):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        here, there = seen @ turn, after @ turn
        for c in range(3):
            have, want = np.quantile(here[:, c], share), np.quantile(there[:, c], share)
            here[:, c] = np.interp(here[:, c], have + 1e-9 * np.arange(len(share)), want)
        seen = here @ turn.T
    return seen


def monge_kantorovich(before: Colours, after: Colours) -> Callable[[Colours], Colours]:
    """The linear map of one normal distribution to the other that moves least (Pitie and Kokaram 2007)."""
    here, there = (np.cov(x.T) + _NEARLY * np.eye(3) for x in (before, after))
    root, back = _power(here, 0.5), _power(here, -0.5)
    matrix = back @ _power(root @ there @ root, 0.5) @ back
    return lambda x: (x - before.mean(0)) @ matrix.T + after.mean(0)


def _power(matrix: np.ndarray, by: float) -> np.ndarray:
    size, turn = np.linalg.eigh(matrix)
    return turn * np.maximum(size, 1e-12) ** by @ turn.T


def decision_list(before: Colours, after: Colours) -> Change:
    """Slope, offset, power and saturation."""
    return change(paired.decision_list(before, after))


def smooth_cube(before: Colours, after: Colours) -> Change:
    """A cube that bends little, and knows nothing of looks."""
    return change(Look(cube=Cube(paired.smoothed(before, after, lattice(SIDE), smooth=1.0, pull=1e-6))))


def change(look: Look) -> Change:
    return lambda x: np.asarray(look(jnp.asarray(x)))


def _powers(x: Colours) -> np.ndarray:
    one = np.concatenate([np.ones((len(x), 1)), x], -1)
    return np.stack([one[:, i] * one[:, k] for i in range(4) for k in range(i, 4)], -1)


FROM_ANY: dict[str, Callable[[Colours, Colours], Change]] = {
    "Reinhard": reinhard,
    "Monge-Kantorovich": monge_kantorovich,
    "histograms": histograms,
    "sliced transport, degree 2": sliced_quadratic,
}
FROM_PAIRS: dict[str, Callable[[Colours, Colours], Change]] = {
    "ASC CDL": decision_list,
    "smooth cube": smooth_cube,
}
