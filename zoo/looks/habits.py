"""Looks that depend on the picture, as colourists make them: each shot is balanced its own way, then all get one look.

A balance is a slope and a power of each channel. How a colourist sets them follows from what a picture shows: its
means, its casts, how its light is spread. That is learned by ridge regression from pictures before and after; how much
it may bend is chosen by leaving each picture out in turn.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zoo.looks import paired
from zoo.looks.look import LUMA, Cdl, Cube, Look, lattice
from zoo.looks.space import Colours, Pictures

FEWEST = 8  # pairs from which habits can be told
_SEEN = 256  # colours of a picture that count for its balance
_ROUNDS, _STEPS = 4, 8  # of balances and look in turn; of Levenberg and Marquardt's
_EVEN = 1e-4  # what a balance costs
_LEAST = 1e-4  # light of which a power is taken
_SIDE = 17  # of the cube while it is learned
_QUANTILES = (0.5, 0.05, 0.25, 0.75, 0.95)
_LESS = 0.3  # weight of what shows beside the means and the middle
_DARK = 0.01  # that is added to light before its logarithm
_STIFF = np.geomspace(0.03, 300, 13)

Balance = Float[Array, "6"]  # logarithms of slopes, then of powers


class Habits(NamedTuple):
    """What a colourist does: `look` to all; `usual` balance, and `weights` of what a picture shows beside the `mean`
    one in each, in `spread`s."""

    look: Look
    usual: Float[np.ndarray, "6"]
    mean: Float[np.ndarray, " f"]
    spread: Float[np.ndarray, " f"]
    weights: Float[np.ndarray, "f 6"]

    def __call__(self, colours: Colours) -> Look:
        """The look of a picture or a shot that shows such colours [n 3] in [0, 1]."""
        balance = self.usual + (_shown(colours) - self.mean) / self.spread @ self.weights
        slope, power = (tuple(np.exp(part).tolist()) for part in np.split(balance, 2))
        return Look(cdl=Cdl(slope=slope, power=power), cube=self.look.cube)


def learned(before: Pictures, after: Pictures) -> Habits:
    """The habits that make pictures, each [n 3] in [0, 1], those `after` them; there are FEWEST or more."""
    places = [np.random.default_rng(k).choice(len(x), _SEEN, len(x) < _SEEN) for k, x in enumerate(before)]
    here, there = (np.stack([x[at] for x, at in zip(xs, places, strict=True)]) for xs in (before, after))
    flat, cube = np.random.default_rng(0).permutation(here.shape[0] * _SEEN)[: paired.SAMPLES], lattice(_SIDE)
    balances = jnp.zeros((len(here), 6))
    for _ in range(_ROUNDS):
        balances = _balances(here, there, jnp.asarray(cube), balances)
        made = np.asarray(jax.vmap(_balanced)(balances, jnp.asarray(here))).reshape(-1, 3)[flat]
        look = paired.learned(made, there.reshape(-1, 3)[flat], side=_SIDE).cube
        assert look
        cube = look.table
    shown = np.stack([_shown(x) for x in before])
    mean, spread = shown.mean(0), shown.std(0) + 1e-6
    usual, weights = _regressed((shown - mean) / spread, np.asarray(balances, np.float64))
    return Habits(Look(cube=Cube(cube)), usual, mean, spread, weights)


@jax.jit
def _balances(here: Array, there: Array, cube: Array, first: Float[Array, "n 6"]) -> Float[Array, "n 6"]:
    """The balance of each picture that is best under a look."""

    def one(here, there, balance):
        def rest(balance):
            made = Cube(cube)(_balanced(balance, here), "trilinear")
            return jnp.append(((made - there) / made.size**0.5).ravel(), _EVEN**0.5 * balance)

        def step(state, _):
            balance, damping = state
            now, towards = rest(balance), jax.jacfwd(rest)(balance)
            normal = towards.T @ towards
            new = balance - jnp.linalg.solve(normal + damping * jnp.diag(jnp.diag(normal)), towards.T @ now)
            better = (rest(new) ** 2).sum() < (now**2).sum()
            return (jnp.where(better, new, balance), jnp.where(better, damping / 3, damping * 4)), None

        return jax.lax.scan(step, (balance, 1e-2), None, length=_STEPS)[0][0]

    return jax.vmap(one)(here, there, first)


def _balanced(balance: Balance, colours: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
    light = jnp.clip(colours * jnp.exp(balance[:3]), _LEAST, 1)
    return light ** jnp.exp(balance[3:])


def _shown(colours: Colours) -> Float[np.ndarray, " f"]:
    """What a balance is told by."""
    luma, means = colours @ np.array(LUMA), colours.mean(0)
    middle, *around = np.log(-np.log(np.quantile(luma, _QUANTILES).clip(_DARK, 1 - _DARK)))
    grey = np.abs(colours - luma[:, None]).mean()
    casts = [(colours[part] + _DARK).mean(0) for part in np.array_split(np.argsort(luma), 3)]
    turns = np.log([cast[k] / cast[1] for cast in casts for k in (0, 2)])
    light = [*np.log(means + _DARK), middle]
    return np.concatenate([light, _LESS * np.concatenate([around, [np.log(grey + _DARK)], turns])])


def _regressed(shown: Float[np.ndarray, "n f"], balances: Float[np.ndarray, "n 6"]):
    """(the usual balance, the weights of what is shown): those that tell best each balance that was left out."""
    n, usual = len(shown), balances.mean(0)
    kernel, best = shown @ shown.T, (np.inf, np.zeros((shown.shape[1], 6)))
    for stiff in _STIFF:
        solved = np.linalg.inv(kernel + stiff * np.eye(n))
        hat = kernel @ solved + 1 / n
        off = ((balances - usual - (hat - 1 / n) @ (balances - usual)) / (1 - np.diag(hat))[:, None]) ** 2
        if off.mean() < best[0]:
            best = off.mean(), shown.T @ solved @ (balances - usual)
    return usual, best[1]
