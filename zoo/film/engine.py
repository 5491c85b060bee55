"""Planes of integers through a restorer: converted on the device, restored as RGB, given back as planes.

Frame n stands at place n % batch of a batch, whatever was done before: a compiled program may round one place otherwise
than another, and a batch otherwise than a smaller one. So a film comes out the same to the bit in one run or in many.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from zoo import color
from zoo.color import Layout, Planes
from zoo.film import temporal
from zoo.film.motion import blurred
from zoo.film.source import Frame
from zoo.film.temporal import Seen
from zoo.restorer import Restorer

T = TypeVar("T")
Numbered = tuple[int, Frame]
Batch = list[Numbered | None]  # None: a place whose frame is not wanted
_FLAT_PX = 5  # side of the square in which flatness is judged
_FLAT_LEVEL = 0.02  # deviation of restored luma at which half the grain comes back


class Restored(NamedTuple):
    number: int  # of the frame in the film
    source: Frame
    planes: tuple[np.ndarray, ...]


class Smaller(Exception):
    """The device ran out of memory: what is not finished is restored from its beginning in smaller tiles."""


class Engine:
    """Restores frames of one layout into another.

    `batch`: how many of them go through a device at once. `strength`: how much of the network's change is applied, 0 to
    1. `keep_grain`: the share of what it took off that flat areas get back, 0 to 1. `masks(number of a frame)`: float32
    [h w] in [0, 1]; where it is 0 no code changes. `fuse`: whether a frame is fused with its neighbours (see
    `zoo.film.temporal`). `anew`: where the device runs out of memory, Smaller is raised once it is known which tiles
    fit; else the work goes on with these, and the frames before keep what larger ones made of them.
    """

    def __init__(
        self,
        restorer: Restorer,
        source: Layout,
        target: Layout,
        *,
        batch: int = 1,
        strength: float = 1.0,
        keep_grain: float = 0.0,
        masks: Callable[[int], np.ndarray] | None = None,
        fuse: bool = False,
        anew: bool = False,
    ):
        self.restorer, self.source, self.target = restorer, source, target
        self.strength, self.keep_grain = strength, keep_grain
        self.tile, self._batch, self._anew = restorer.tile, batch, anew
        self._masks, self._fuse = masks, fuse

    def run(self, frames: Iterable[Numbered]) -> Iterator[Restored]:
        """Restores frames, which come with their numbers in the film."""
        seen = (one for batches in self._batches(frames) for one in self._seen(batches))
        windows = temporal.windows(seen) if self._fuse else ((None, one, None) for one in seen)
        yield from itertools.starmap(self._finished, windows)  # which holds no frame while the next is made

    def _batches(self, frames: Iterable[Numbered]) -> Iterator[list[Batch]]:
        """As many batches as there are devices, at the film's end and before a gap in it fewer."""
        batches: list[Batch] = []
        last, devices = None, jax.local_device_count()
        for numbered in frames:
            which, place = divmod(numbered[0], self._batch)
            if which != last and len(batches) == devices:
                yield batches
                batches = []
            if which != last:
                batches.append([None] * self._batch)
            batches[-1][place], last = numbered, which
            if place == self._batch - 1 and len(batches) == devices:
                yield batches
                batches, last = [], None
        if batches:
            yield batches

    def retried(self, work: Callable[[], T], count: int, frame: Frame) -> T:
        """What `work` gives with so many frames like `frame`; see `Restorer.retried`."""
        done = self.restorer.retried(work, count, *frame.planes[0].shape)
        if self._anew and self.restorer.tile < self.tile:
            raise Smaller
        return done

    def _seen(self, batches: list[Batch]) -> list[Seen]:
        """The batches' frames, restored; where the device runs out of memory the same frames again, in smaller tiles
        and fewer at once."""
        devices = jax.local_device_count()
        places = list(itertools.chain(*batches, [None] * self._batch * (devices - len(batches))))
        _, like = next(filter(None, places))
        return self.retried(lambda: list(self._through_the_network(places, like, devices)), len(places), like)

    def _through_the_network(self, places: Batch, like: Frame, devices: int) -> Iterator[Seen]:
        fit = self.restorer.at_once(*like.planes[0].shape)
        at_once = max(k for k in range(1, min(fit, self._batch) + 1) if self._batch % k == 0)
        for k in range(0, len(places), devices * at_once):
            part = places[k : k + devices * at_once]
            if any(part):
                yield from self._on_device(part, like, at_once)

    def _on_device(self, places: Batch, like: Frame, at_once: int) -> Iterator[Seen]:
        """Integers go to the device once. Empty places are filled up: one shape, one program."""
        frames = [place[1] if place else like for place in places]
        parts = [_planes(frames[k : k + at_once]) for k in range(0, len(frames), at_once)]
        rgb = [_rgb(planes, layout=self.source) for planes in parts]
        rgb = rgb[0] if len(rgb) == 1 else jnp.concatenate(rgb)
        restored = self.restorer.on_device(rgb)
        for k, place in enumerate(places):
            if place:
                planes = tuple(p[k % at_once] for p in parts[k // at_once])
                yield Seen(*place, planes, rgb[k], restored[k])

    def _finished(self, before: Array | None, now: Seen, after: Array | None) -> Restored:
        planes = self.retried(partial(self._given_back, before, now, after), 1, now.source)
        return Restored(now.number, now.source, planes)

    def _given_back(self, before: Array | None, now: Seen, after: Array | None) -> tuple[np.ndarray, ...]:
        """The frame's planes, which come back from the device once. `before`, `after`: what was restored there."""
        restored = now.restored
        if before is not None and after is not None:
            restored = temporal.fused(now.rgb, before, restored, after)
        mask = self._masks and jnp.asarray(self._masks(now.number))
        control = {"strength": self.strength, "keep_grain": self.keep_grain}
        out = _changed(now.planes, now.rgb, restored, mask, source=self.source, target=self.target, **control)
        return jax.device_get(out)


def _planes(frames: list[Frame]) -> Planes:
    return tuple(jnp.asarray(np.stack(planes)) for planes in zip(*(frame.planes for frame in frames), strict=True))


@partial(jax.jit, static_argnames="layout")
def _rgb(planes: Planes, *, layout: Layout) -> Float[Array, "n h w 3"]:
    return jnp.clip(color.to_rgb(planes, layout=layout), 0, 1)


@partial(jax.jit, static_argnames=("source", "target", "strength", "keep_grain"))
def _changed(planes, rgb, restored, mask, *, source, target, strength, keep_grain) -> tuple[Shaped[Array, "_ _"], ...]:
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
