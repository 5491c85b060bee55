"""Planes of integers through a chain: on the device as moments, given back as planes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zoo import color
from zoo.budget import Budget
from zoo.chain import Chain
from zoo.color import Layout
from zoo.cuts import is_cut
from zoo.film.read.source import Frame
from zoo.motion.blocks import blurred
from zoo.steps.step import ALPHA, BEYOND, Aside, Kind, Moment, Planes

T = TypeVar("T")
_FLAT_PX = 5  # side of the square in which flatness is judged
_FLAT_LEVEL = 0.02  # deviation of restored luma at which half the grain comes back


class Given(NamedTuple):
    """A frame of the film, whose planes are on the device too."""

    number: int  # in the film
    source: Frame
    planes: Planes


class Restored(NamedTuple):
    """A picture that came of a frame. `part`: which of those that did. `given`: planes of what steps laid aside.
    `luma`: before and after, on the device."""

    number: int
    source: Frame
    part: int
    planes: tuple[np.ndarray, ...]
    given: tuple[tuple[np.ndarray, ...], ...]
    luma: tuple[Array, Array]


class Smaller(Exception):
    """The device ran out of memory: what is not finished is restored from its beginning in smaller tiles."""


class Engine:
    """Restores frames of a kind by a chain, into pictures of the layout `target`.

    `strength`: how much is applied of what the steps on RGB change, 0 to 1. `keep_grain`: the share of what they took
    off that flat areas get back, 0 to 1. `masks(number of a frame)`: float32 [h w] in [0, 1]; where it is 0 they change
    no code. What steps on planes make is the film's own from there on. `beside`: what lies beside the film for its
    steps. `give`: what comes back of all that steps lay aside, each as planes of a layout. `anew`: where the device
    runs out of memory, Smaller is raised once it is known which tiles fit; else the work goes on with these, and the
    frames before keep what larger ones made of them.
    """

    def __init__(
        self,
        chain: Chain,
        budget: Budget,
        kind: Kind,
        target: Layout,
        *,
        strength: float = 1.0,
        keep_grain: float = 0.0,
        masks: Callable[[int], np.ndarray] | None = None,
        beside: Aside = Aside(),  # noqa: B008
        give: Mapping[str, Layout] = {},
        anew: bool = False,
    ):
        assert kind.layout
        self.chain, self.source, self.target = chain, kind.layout, target
        self._kind, self._own = kind, chain.kinds(kind)[-1].own
        self.strength, self.keep_grain = strength, keep_grain
        self.tile = budget.tile
        self._budget, self._shrunk, self._masks, self._anew = budget, budget.shrunk, masks, anew
        self._give = give
        self._beside = beside._replace(network=budget.network, kind=kind)

    def run(self, frames: Iterable[Given]) -> Iterator[Restored]:
        """Restores frames: of each come as many pictures as the chain makes of one."""
        waiting: deque[Given] = deque()  # in the chain

        def moments() -> Iterator[Moment]:
            for given in frames:
                waiting.append(given)
                yield Moment(given.number, is_cut(given.source.new), given.planes)
                del given  # large, and not to be held while the next is made

        def finished(moment: Moment) -> Restored:
            while waiting[0].number != moment.number:
                waiting.popleft()
            number, source, planes = waiting[0]
            return Restored(number, source, moment.part, *self.retried(partial(self._down, moment, planes)))

        yield from map(finished, self.chain.run(moments(), self._beside, self.retried))

    def retried(self, work: Callable[[], T]) -> T:
        """What `work` gives; see `Budget.retried`."""
        done = self._budget.retried(work)
        if self._anew and self._budget.shrunk > self._shrunk:
            raise Smaller
        return done

    def up(self, frame: Frame) -> Planes:
        """The frame's integers, which go to the device once."""
        return tuple(jnp.asarray(plane) for plane in frame.planes)

    def luma(self, planes: Planes, layout: Layout) -> Array:
        luma = color.luma(tuple(plane[None] for plane in planes), layout=layout)[0]
        return jax.block_until_ready(luma)  # else what goes wrong shows only where it is used

    def _down(self, moment: Moment, own: Planes) -> tuple[Any, Any, tuple[Array, Array]]:
        """The moment's planes and those of what is given, which come back from the device once; luma before and after
        of what was its `own`."""
        if self._own == "none":
            out = _made(moment.rgb, moment.aside.get(BEYOND), moment.aside.get(ALPHA), target=self.target)
        else:
            mask = self._masks and jnp.asarray(self._masks(moment.number))
            control = {"strength": self.strength, "keep_grain": self.keep_grain}
            before = color.picture(moment.planes, layout=self.source)
            after = before if moment.rgb is None else moment.rgb
            out = _changed(moment.planes, before, after, mask, source=self.source, target=self.target, **control)
        lumas = self.luma(own, self.source), self.luma(out, self.target)
        given = tuple(_grey(moment.aside[name], layout=layout) for name, layout in self._give.items())
        assert all(planes[0].shape == out[0].shape for planes in given), "what is aside has its picture's size"
        return *jax.device_get((out, given)), lumas


@partial(jax.jit, static_argnames=("source", "target", "strength", "keep_grain"))
def _changed(planes, rgb, restored, mask, *, source, target, strength, keep_grain) -> Planes:
    """The planes plus the change of their RGB, less the grain that comes back."""
    delta = restored - rgb
    if (strength, keep_grain) != (1, 0):
        delta = delta * strength * (1 - keep_grain * _flatness(restored))
    alone = lambda x: None if x is None else x[None]
    out = color.changed(tuple(map(alone, planes)), alone(delta), alone(mask), source=source, target=target)
    return tuple(plane[0] for plane in out)


@partial(jax.jit, static_argnames="target")
def _made(rgb, beyond, alpha, *, target) -> Planes:
    """Planes made anew: of RGB of another size than the film's, and of what came along aside."""
    rgb = rgb if beyond is None else rgb + beyond
    out = tuple(plane[0] for plane in color.from_rgb(rgb[None], layout=target))
    if not target.alpha:
        return out
    alpha = jnp.ones(rgb.shape[:2]) if alpha is None else alpha[..., 0]
    return (*out, color.rounded(alpha * target.top, target))


@partial(jax.jit, static_argnames="layout")
def _grey(aside: Float[Array, "h w 1"], *, layout: Layout) -> Planes:
    """Planes of what lies in [0, 1], as grey."""
    return tuple(plane[0] for plane in color.from_rgb(jnp.repeat(aside, 3, axis=-1)[None], layout=layout))


def _flatness(rgb: Float[Array, "h w 3"]) -> Float[Array, "h w 1"]:
    """1 where the picture is flat, 0 where it has edges or texture, by the deviation of luma around each pixel."""
    luma = rgb.mean(axis=-1)
    variance = jnp.maximum(blurred(luma**2, _FLAT_PX) - blurred(luma, _FLAT_PX) ** 2, 0)
    return (_FLAT_LEVEL**2 / (_FLAT_LEVEL**2 + variance))[..., None]
