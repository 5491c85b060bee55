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
from zoo.film.source import Frame
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
    code changes.
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
    ):
        self.restorer, self.source, self.target = restorer, source, target
        self.strength, self.keep_grain = strength, keep_grain
        self._batch, self._tile = 1, restorer.tile
        self._masks = masks

    def run(self, frames: Iterable[tuple[int, Frame]], size: int, length: int) -> Iterator[Restored]:
        """Restores numbered frames, `size` at a time (0: as many as fill the devices). A batch ends where a segment of
        `length` frames does, so that a run that was broken off there goes on with the same batches."""
        batch: list[tuple[int, Frame]] = []
        for index, frame in frames:
            if batch and index // length != batch[0][0] // length:
                yield from self._restored(batch)
                batch = []
            batch.append((index, frame))
            self._batch = size or min(self._fitting(frame), length)
            if len(batch) == self._batch:
                yield from self._restored(batch)
                batch = []
        if batch:
            yield from self._restored(batch)

    def _fitting(self, frame: Frame) -> int:
        """How many frames fill the devices."""
        fit = self.restorer.tile**2 // frame.planes[0].size
        return jax.local_device_count() * min(max(1, fit), _MOST_A_DEVICE)

    def _restored(self, batch: list[tuple[int, Frame]]) -> list[Restored]:
        """The batch; where the device runs out of memory the same frames again, in smaller tiles and fewer at once."""
        filled = batch + batch[-1:] * (self._batch - len(batch))  # a batch that ends early is filled up: one shape
        out = self.restorer.retried(lambda: self._planes(filled), len(filled), *batch[0][1].planes[0].shape)
        return [Restored(index, frame, planes) for (index, frame), planes in zip(batch, out, strict=False)]

    def _planes(self, frames: list[tuple[int, Frame]]) -> list[tuple[np.ndarray, ...]]:
        """What the planes of frames become."""
        at_once = len(frames)
        if self.restorer.tile < self._tile:  # not all of them would fit
            at_once = min(at_once, self._fitting(frames[0][1]))
        parts = [frames[k : k + at_once] for k in range(0, len(frames), at_once)]
        return [planes for part in parts for planes in self._through_the_device(part)]

    def _through_the_device(self, frames: list[tuple[int, Frame]]) -> Iterator[tuple[np.ndarray, ...]]:
        """Integers go to the device once and come back once."""
        planes = tuple(jnp.asarray(np.stack(p)) for p in zip(*(frame.planes for _, frame in frames), strict=True))
        rgb = _rgb(planes, layout=self.source)
        restored = self.restorer.on_device(rgb)
        mask = self._masks and jnp.asarray(np.stack([self._masks(number) for number, _ in frames]))
        control = {"strength": self.strength, "keep_grain": self.keep_grain}
        out = _changed(planes, rgb, restored, mask, source=self.source, target=self.target, **control)
        return zip(*jax.device_get(out), strict=True)


@partial(jax.jit, static_argnames="layout")
def _rgb(planes: Planes, *, layout: Layout) -> Float[Array, "n h w 3"]:
    return jnp.clip(color.to_rgb(planes, layout=layout), 0, 1)


@partial(jax.jit, static_argnames=("source", "target", "strength", "keep_grain"))
def _changed(planes: Planes, rgb, restored, mask, *, source, target, strength, keep_grain) -> Planes:
    """The planes plus the network's change of their RGB, less the grain that comes back."""
    delta = restored - rgb
    if (strength, keep_grain) != (1, 0):
        delta = delta * strength * (1 - keep_grain * _flatness(restored))
    return color.changed(planes, delta, mask, source=source, target=target)


def _flatness(rgb: Float[Array, "n h w 3"]) -> Float[Array, "n h w 1"]:
    """1 where the picture is flat, 0 where it has edges or texture, by the deviation of luma around each pixel."""
    luma = rgb.mean(axis=-1)
    variance = jnp.maximum(_blurred(luma**2) - _blurred(luma) ** 2, 0)
    return (_FLAT_LEVEL**2 / (_FLAT_LEVEL**2 + variance))[..., None]


def _blurred(x: Float[Array, "n h w"]) -> Float[Array, "n h w"]:
    """The mean of a square around each pixel; the picture's edge is continued."""
    reach = _FLAT_PX // 2
    x = jnp.pad(x, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    for axis in (1, 2):
        side = x.shape[axis] - 2 * reach
        shifted = [jax.lax.slice_in_dim(x, k, k + side, axis=axis) for k in range(_FLAT_PX)]
        x = sum(shifted[1:], shifted[0]) / _FLAT_PX
    return x
