"""Planes of integers through a chain: on the device as moments, given back as planes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from zoo import color
from zoo.budget import Budget
from zoo.chain import Chain
from zoo.color import Layout
from zoo.cuts import is_cut
from zoo.film.read.source import Frame
from zoo.motion import blurred
from zoo.steps.step import Aside, Moment

T = TypeVar("T")
Own = tuple[Shaped[Array, "_ _"], ...]  # a film's planes
_FLAT_PX = 5  # side of the square in which flatness is judged
_FLAT_LEVEL = 0.02  # deviation of restored luma at which half the grain comes back


class Restored(NamedTuple):
    number: int  # of the frame in the film
    source: Frame
    planes: tuple[np.ndarray, ...]


class Smaller(Exception):
    """The device ran out of memory: what is not finished is restored from its beginning in smaller tiles."""


class Engine:
    """Restores frames of one layout into another by a chain.

    `strength`: how much of the chain's change is applied, 0 to 1. `keep_grain`: the share of what it took off that flat
    areas get back, 0 to 1. `masks(number of a frame)`: float32 [h w] in [0, 1]; where it is 0 no code changes. `anew`:
    where the device runs out of memory, Smaller is raised once it is known which tiles fit; else the work goes on with
    these, and the frames before keep what larger ones made of them.
    """

    def __init__(
        self,
        chain: Chain,
        budget: Budget,
        source: Layout,
        target: Layout,
        *,
        strength: float = 1.0,
        keep_grain: float = 0.0,
        masks: Callable[[int], np.ndarray] | None = None,
        anew: bool = False,
    ):
        self.chain, self.source, self.target = chain, source, target
        self.strength, self.keep_grain = strength, keep_grain
        self.tile = budget.tile
        self._budget, self._shrunk, self._masks, self._anew = budget, budget.shrunk, masks, anew

    def run(self, frames: Iterable[tuple[int, Frame]]) -> Iterator[Restored]:
        """Restores frames, which come with their numbers in the film."""
        waiting: deque[tuple[int, Frame]] = deque()  # in the chain

        def moments() -> Iterator[Moment]:
            for number, frame in frames:
                waiting.append((number, frame))
                yield self.retried(partial(self._up, number, frame))

        def finished(moment: Moment) -> Restored:
            while waiting[0][0] != moment.number:
                waiting.popleft()
            return Restored(*waiting[0], self.retried(partial(self._down, moment)))

        yield from map(finished, self.chain.run(moments(), Aside(network=self._budget.network), self.retried))

    def retried(self, work: Callable[[], T]) -> T:
        """What `work` gives; see `Budget.retried`."""
        done = self._budget.retried(work)
        if self._anew and self._budget.shrunk > self._shrunk:
            raise Smaller
        return done

    def _up(self, number: int, frame: Frame) -> Moment:
        """Integers go to the device once."""
        planes = tuple(jnp.asarray(plane) for plane in frame.planes)
        return Moment(number, is_cut(frame.new), planes, _rgb(planes, layout=self.source))

    def _down(self, moment: Moment) -> tuple[np.ndarray, ...]:
        """The moment's planes, which come back from the device once."""
        mask = self._masks and jnp.asarray(self._masks(moment.number))
        control = {"strength": self.strength, "keep_grain": self.keep_grain}
        before = _rgb(moment.planes, layout=self.source)
        out = _changed(moment.planes, before, moment.rgb, mask, source=self.source, target=self.target, **control)
        return jax.device_get(out)


@partial(jax.jit, static_argnames="layout")
def _rgb(planes: Own, *, layout: Layout) -> Float[Array, "h w 3"]:
    return jnp.clip(color.to_rgb(tuple(plane[None] for plane in planes), layout=layout)[0], 0, 1)


@partial(jax.jit, static_argnames=("source", "target", "strength", "keep_grain"))
def _changed(planes, rgb, restored, mask, *, source, target, strength, keep_grain) -> Own:
    """The planes plus the network's change of their RGB, less the grain that comes back."""
    delta = restored - rgb
    if (strength, keep_grain) != (1, 0):
        delta = delta * strength * (1 - keep_grain * _flatness(restored))
    alone = lambda x: None if x is None else x[None]
    out = color.changed(tuple(map(alone, planes)), alone(delta), alone(mask), source=source, target=target)
    return tuple(plane[0] for plane in out)


def _flatness(rgb: Float[Array, "h w 3"]) -> Float[Array, "h w 1"]:
    """1 where the picture is flat, 0 where it has edges or texture, by the deviation of luma around each pixel."""
    luma = rgb.mean(axis=-1)
    variance = jnp.maximum(blurred(luma**2, _FLAT_PX) - blurred(luma, _FLAT_PX) ** 2, 0)
    return (_FLAT_LEVEL**2 / (_FLAT_LEVEL**2 + variance))[..., None]
