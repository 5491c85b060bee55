"""Flicker of old film taken off: each part of each frame as bright as the course of its shot has it.

The survey says how much brighter each cell of a frame is than the same part of the frame before. Summed up along the
shot these are its course, less a straight line through the frames around, which is what fades and the sun's clouds do.
Where light comes or goes at once, as lightning and lamps do, the course is parted: that is the scene's own.
"""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zoo.errors import FlagError
from zoo.resize import resized
from zoo.steps.step import Aside, Kind, Moment, Window, successors
from zoo.survey import Survey

_REACH = 7  # frames before and after, through which the line goes
_FAR = 24  # frames before and after, by which it is told whether there is flicker at all
_FEWEST = 4  # frames in one light
_SUDDEN, _TIMES = 0.08, 5.0  # log ratio to the frame before that is the scene's own: this, and so many times the usual
_STEADY = 0.002, 0.004  # deviation of log ratios up to which nothing flickers, and from which all of it counts
_STEADY_PARTS = 0.002, 0.004  # the same of a cell beside the frame's own
_MOST = 0.7  # log ratio


@dataclasses.dataclass(frozen=True)
class Deflicker:
    """Takes off flicker: light that changes from frame to frame, in the whole frame or in parts of it."""

    strength: Annotated[float, "share of the flicker that is taken off, 0 to 1"] = 1.0

    on: ClassVar[str] = "rgb"
    reach: ClassVar[tuple[int, int]] = (0, 0)
    surveyed: ClassVar[int] = _FAR
    rate: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"survey"})
    gives: ClassVar[frozenset[str]] = frozenset()
    together: ClassVar[bool] = False

    def __post_init__(self):
        if not 0 <= self.strength <= 1:
            raise FlagError(f"deflicker: strength={self.strength:g} must be from 0 to 1")

    def kind(self, kind: Kind) -> Kind:
        return kind

    def __call__(self, windows: Sequence[Window], aside: Aside) -> list[list[Moment]]:
        assert aside.survey
        return [successors(w.now, [self._steadied(w.now, aside.survey)]) for w in windows]

    def _steadied(self, now: Moment, survey: Survey) -> Float[Array, "h w 3"]:
        shot = survey.shot(now.number)
        change = self.strength * course(shot["light"].astype(np.float64), now.number - int(shot["number"][0]))
        return lit(now.rgb, jnp.asarray(change, jnp.float32)) if change.any() else now.rgb

    def identity(self) -> dict[str, Any]:
        return {"strength": self.strength}


def course(light: Float[np.ndarray, "n rows columns"], at: int) -> Float[np.ndarray, "rows columns"]:
    """The log ratio by which frame `at` of a shot must become brighter. `light`: how much brighter each frame is than
    the one before; of the first it does not count. Depends on the frames within _FAR alone; 0 where none flickers.
    """
    begin, end = max(0, at - _FAR), min(len(light), at + _FAR + 1)
    steps = light[begin + 1 : end]  # of frame begin + 1 + k
    whole = np.median(steps, axis=(1, 2), keepdims=True)
    sudden = np.abs(whole[:, 0, 0]) > max(_SUDDEN, _TIMES * float(np.median(np.abs(whole)))) if len(steps) else []
    parted = np.flatnonzero(sudden) + begin + 1  # frames with which another light begins
    first = max([begin, at - _REACH, *parted[parted <= at].tolist()])
    last = min([end, at + _REACH + 1, *parted[parted > at].tolist()])
    if last - first < _FEWEST:
        return np.zeros(light.shape[1:])
    change = np.zeros(light.shape[1:])
    for part, (low, high) in ((whole, _STEADY), (steps - whole, _STEADY_PARTS)):
        share = np.clip((_wavering(np.delete(part, parted - begin - 1, 0)) - low) / (high - low), 0, 1)
        level = np.concatenate([np.zeros_like(part[:1]), np.cumsum(part[first - begin : last - begin - 1], 0)])
        change = change - share * _from_line(level, at - first)
    return np.clip(change, -_MOST, _MOST)


def _wavering(steps: Float[np.ndarray, "n ..."]) -> float:
    """The deviation of what comes and goes from frame to frame: a step up is followed by one down, where what moves or
    fades goes on as it did and errors of measuring know nothing of one another."""
    if len(steps) < _FEWEST:
        return 0.0
    steps = steps - steps.mean(0)
    return float(max(0.0, -(steps[1:] * steps[:-1]).mean()) ** 0.5)


def _from_line(values: Float[np.ndarray, "n ..."], at: int) -> Float[np.ndarray, "..."]:
    """How far one of the values lies from a line through those around it, the nearer the heavier."""
    away = np.arange(len(values)) - at
    weights = np.cos(np.pi * away / (2 * (_REACH + 1))) ** 2
    mean = (weights * away).sum() / weights.sum()
    lever = weights * (away - mean)
    slope = np.tensordot(lever, values, 1) / (lever * away).sum()
    return values[at] - (np.tensordot(weights, values, 1) / weights.sum() - slope * mean)


@jax.jit
def lit(rgb: Float[Array, "h w 3"], change: Float[Array, "rows columns"]) -> Float[Array, "h w 3"]:
    """A picture, each part of it as much brighter as a log ratio says; what is black stays black."""
    gain = jnp.exp(resized(change[..., None], *rgb.shape[:2], kernel="linear"))
    return jnp.clip(rgb * gain, 0, 1)
