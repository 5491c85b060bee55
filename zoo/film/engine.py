"""Planes of integers through a restorer: converted on the device, restored as RGB, given back as planes."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zoo import color
from zoo.color import Layout, Planes
from zoo.film import temporal
from zoo.film.motion import blurred
from zoo.film.source import Frame
from zoo.film.temporal import Seen
from zoo.restorer import Restorer

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
        self._batch = 1
        self._masks, self._fuse = masks, fuse

    def run(self, frames: Iterable[tuple[int, Frame]], size: int, length: int) -> Iterator[Restored]:
        """Restores numbered frames, `size` at a time (0: as many as fill the devices). A batch ends where a segment of
        `length` frames does, so that a run that was broken off there goes on with the same batches."""
        batches = self._batches(frames, size, length)
        if self._fuse:
            seen = (one for batch in batches for one in self._seen(batch))
            for window in temporal.windows(seen):
                yield self._fused(*window)
        else:
            for batch in batches:
                yield from self._restored(batch)

    def _batches(self, frames, size: int, length: int) -> Iterator[list[tuple[int, Frame]]]:
        batch: list[tuple[int, Frame]] = []
        for index, frame in frames:
            if batch and index // length != batch[0][0] // length:
                yield batch
                batch = []
            batch.append((index, frame))
            self._batch = size or min(self._fitting(frame), length)
            if len(batch) == self._batch:
                yield batch
                batch = []
        if batch:
            yield batch

    def _fitting(self, frame: Frame) -> int:
        """How many frames fill the devices."""
        fit = self.restorer.tile**2 // frame.planes[0].size
        return jax.local_device_count() * min(max(1, fit), _MOST_A_DEVICE)

    def _network(self, batch: list[tuple[int, Frame]]) -> tuple[Planes, Array, Array]:
        """Planes, RGB, and restored RGB of a batch; one that ends early is filled up: one shape."""
        filled = batch + batch[-1:] * (self._batch - len(batch))
        planes = tuple(jnp.asarray(np.stack(p)) for p in zip(*(frame.planes for _, frame in filled), strict=True))
        rgb = jnp.clip(color.to_rgb(planes, layout=self.source), 0, 1)
        return planes, rgb, jnp.asarray(self.restorer(np.asarray(rgb)))

    def _restored(self, batch: list[tuple[int, Frame]]) -> list[Restored]:
        planes = self._planes([number for number, _ in batch], *self._network(batch))
        return [Restored(*one, p) for one, p in zip(batch, planes, strict=False)]

    def _seen(self, batch: list[tuple[int, Frame]]) -> list[Seen]:
        planes, rgb, restored = self._network(batch)
        return [
            Seen(number, frame, tuple(p[k : k + 1] for p in planes), rgb[k : k + 1], restored[k : k + 1])
            for k, (number, frame) in enumerate(batch)
        ]

    def _fused(self, before: Seen | None, now: Seen, after: Seen | None) -> Restored:
        rgb, restored = now.rgb, now.restored
        if before and after:
            restored = temporal.fused(rgb[0], before.restored[0], restored[0], after.restored[0])[None]
        return Restored(now.number, now.source, self._planes([now.number], now.planes, rgb, restored)[0])

    def _planes(self, numbers: list[int], planes: Planes, rgb: Array, restored: Array) -> list[tuple[np.ndarray, ...]]:
        """What is given back of each frame."""
        delta = restored - rgb
        if (self.strength, self.keep_grain) != (1, 0):
            delta = _change(rgb, restored, self.strength, self.keep_grain)
        mask = None
        if self._masks:
            masks = [self._masks(number) for number in numbers]
            mask = jnp.asarray(np.stack(masks + masks[-1:] * (len(rgb) - len(masks))))
        out = color.changed(planes, delta, mask, source=self.source, target=self.target)
        return list(zip(*map(np.asarray, out), strict=True))


@jax.jit
def _change(rgb: Float[Array, "n h w 3"], restored: Float[Array, "n h w 3"], strength, keep_grain):
    """What is added to the picture: the network's change, less the grain that comes back."""
    return (restored - rgb) * strength * (1 - keep_grain * _flatness(restored))


def _flatness(rgb: Float[Array, "n h w 3"]) -> Float[Array, "n h w 1"]:
    """1 where the picture is flat, 0 where it has edges or texture, by the deviation of luma around each pixel."""
    luma = rgb.mean(axis=-1)
    around = jax.vmap(partial(blurred, side=_FLAT_PX))
    variance = jnp.maximum(around(luma**2) - around(luma) ** 2, 0)
    return (_FLAT_LEVEL**2 / (_FLAT_LEVEL**2 + variance))[..., None]
