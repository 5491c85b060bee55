"""Planes of integers through a restorer: converted on the device, restored as RGB, given back as planes."""

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
_MOST_A_DEVICE = 16  # frames: more of them only wait for one another
_FLAT_PX = 5  # side of the square in which flatness is judged
_FLAT_LEVEL = 0.02  # deviation of restored luma at which half the grain comes back


class Restored(NamedTuple):
    number: int  # of the frame in the film
    source: Frame
    planes: tuple[np.ndarray, ...]


class Engine:
    """Restores frames of one layout into another.

    `strength`: how much of the network's change is applied, 0 to 1. `keep_grain`: the share of what it took off that
    flat areas get back, 0 to 1. `masks(number of a frame)`: float32 [h w] in [0, 1]; where it is 0 no
    code changes. `fuse`: whether a frame is fused with its neighbours (see `zoo.film.temporal`).
    """

    def __init__(
        self,
        restorer: Restorer,
        source: Layout,
        target: Layout,
        *,
        strength: float = 1.0,
        keep_grain: float = 0.0,
        masks: Callable[[int], np.ndarray] | None = None,
        fuse: bool = False,
    ):
        self.restorer, self.source, self.target = restorer, source, target
        self.strength, self.keep_grain = strength, keep_grain
        self._batch, self._tile = 1, restorer.tile
        self._masks, self._fuse = masks, fuse

    def run(self, frames: Iterable[tuple[int, Frame]], size: int, length: int) -> Iterator[Restored]:
        """Restores numbered frames, `size` at a time (0: as many as fill the devices). A batch ends where a segment of
        `length` frames does, so that a run that was broken off there goes on with the same batches."""
        seen = (one for batch in self._batches(frames, size, length) for one in self._seen(batch))
        windows = temporal.windows(seen) if self._fuse else ((None, one, None) for one in seen)
        yield from itertools.starmap(self._finished, windows)  # which holds no frame while the next is made

    def _batches(
        self, frames: Iterable[tuple[int, Frame]], size: int, length: int
    ) -> Iterator[list[tuple[int, Frame]]]:
        batch: list[tuple[int, Frame]] = []
        for index, frame in frames:
            if batch and index // length != batch[0][0] // length:
                yield batch
                batch = []
            batch.append((index, frame))
            self._batch = min(size or self._fitting(frame), length)  # more would only be filled up
            if len(batch) == self._batch:
                yield batch
                batch = []
        if batch:
            yield batch

    def _fitting(self, frame: Frame) -> int:
        """How many frames fill the devices."""
        fit = self.restorer.tile**2 // frame.planes[0].size
        return jax.local_device_count() * min(max(1, fit), _MOST_A_DEVICE)

    def retried(self, work: Callable[[], T], count: int, frame: Frame) -> T:
        """What `work` gives with so many frames like `frame`; see `Restorer.retried`."""
        return self.restorer.retried(work, count, *frame.planes[0].shape)

    def _seen(self, batch: list[tuple[int, Frame]]) -> list[Seen]:
        """The batch, restored; where the device runs out of memory the same frames again, in smaller tiles and fewer
        at once."""
        filled = batch + batch[-1:] * (self._batch - len(batch))  # a batch that ends early is filled up: one shape
        return self.retried(lambda: self._through_the_network(filled), len(filled), batch[0][1])[: len(batch)]

    def _through_the_network(self, frames: list[tuple[int, Frame]]) -> list[Seen]:
        at_once = len(frames)
        if self.restorer.tile < self._tile:  # not all of them would fit
            at_once = min(at_once, self._fitting(frames[0][1]))
        parts = [frames[k : k + at_once] for k in range(0, len(frames), at_once)]
        return [one for part in parts for one in self._on_device(part)]

    def _on_device(self, frames: list[tuple[int, Frame]]) -> Iterator[Seen]:
        """Integers go to the device once."""
        planes = tuple(jnp.asarray(np.stack(p)) for p in zip(*(frame.planes for _, frame in frames), strict=True))
        rgb = _rgb(planes, layout=self.source)
        restored = self.restorer.on_device(rgb)
        for k, (number, frame) in enumerate(frames):
            yield Seen(number, frame, tuple(p[k] for p in planes), rgb[k], restored[k])

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
