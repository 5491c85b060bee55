"""Planes of integers through a restorer: converted on the device, restored as RGB, given back as planes."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zoo import color
from zoo.color import Layout
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
        self._batch = 1
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
        filled = batch + batch[-1:] * (self._batch - len(batch))  # a batch that ends early is filled up: one shape
        planes = tuple(jnp.asarray(np.stack(p)) for p in zip(*(frame.planes for _, frame in filled), strict=True))
        rgb = jnp.clip(color.to_rgb(planes, layout=self.source), 0, 1)
        restored = jnp.asarray(self.restorer(np.asarray(rgb)))
        delta = restored - rgb
        if (self.strength, self.keep_grain) != (1, 0):
            delta = _change(rgb, restored, self.strength, self.keep_grain)
        mask = self._masks and jnp.asarray(np.stack([self._masks(number) for number, _ in filled]))
        out = color.changed(planes, delta, mask, source=self.source, target=self.target)
        restored_planes = zip(*map(np.asarray, out), strict=True)
        return [Restored(index, frame, p) for (index, frame), p in zip(batch, restored_planes, strict=False)]


@jax.jit
def _change(rgb: Float[Array, "n h w 3"], restored: Float[Array, "n h w 3"], strength, keep_grain):
    """What is added to the picture: the network's change, less the grain that comes back."""
    return (restored - rgb) * strength * (1 - keep_grain * _flatness(restored))


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
