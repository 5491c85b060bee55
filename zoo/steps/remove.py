"""What a mask hides, such as a wire, filled in from other frames of the shot.

A frame is laid over another by the camera's movement between them, chained from frame to frame (`zoo.motion.camera`),
and by what is left of the movement (`zoo.motion.flow`). `zoo.filling` then takes samples of it.
"""

import dataclasses
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from zoo import color, masks
from zoo.color import Layout
from zoo.errors import FlagError, InputError
from zoo.filling import Other, filled, hidden
from zoo.motion import camera
from zoo.motion.flow import Pyramid, finest, flow, pyramid
from zoo.steps.step import Aside, Kind, Moment, Planes, Window, successors_on_planes

_DISTANCES = 1, 2, 3, 5, 8, 12, 16, 20  # of the frames that are looked at, before and after
_GRID_PX, _MOST_PLACES = 8, 64  # apart, and along a side: where the camera's movement is told
_SURE = 1e-3  # energy of the gradient from which places count alike there


class _Known(NamedTuple):
    """What is known of a frame. `mask`: packed bits. `to_next`: (the next frame's planes, the camera's movement to it),
    once that was asked for."""

    planes: Planes
    mask: np.ndarray
    to_next: dict[int, tuple[Planes, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Remove:
    """Takes out wires, rigs and whatever a mask hides: fills it from other frames of the shot."""

    mask: Annotated[Path, "white where something is to go: a picture, a folder, numbered pictures or a film"]

    on: ClassVar[str] = "planes"
    reach: ClassVar[tuple[int, int]] = (_DISTANCES[-1], _DISTANCES[-1])
    rate: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"mask"})
    gives: ClassVar[frozenset[str]] = frozenset({"confidence"})
    together: ClassVar[bool] = False

    def kind(self, kind: Kind) -> Kind:
        if kind.fields != "none":
            raise FlagError("remove fills whole frames, and the film is interlaced; let deinterlace come first")
        return kind

    def __call__(self, windows: Sequence[Window], aside: Aside) -> list[list[Moment]]:
        return [self._removed(window, aside) for window in windows]

    def _removed(self, window: Window, aside: Aside) -> list[Moment]:
        assert aside.kind
        assert aside.kind.layout
        known, now, layout = self._known(window, aside), window.now, aside.kind.layout
        mask = _unpacked(known[now.place].mask, aside.kind)
        if mask.all():
            raise InputError(f"the mask {self.mask} is all white at frame {now.number}; leave black what is to stay")
        if not mask.any():
            return successors_on_planes(now, [now.planes], confidence=jnp.ones((*mask.shape, 1)))
        others = self._laid_over([*known.values()], len(window.before), aside.kind)
        planes, sure = filled(now.planes, jnp.asarray(mask), others, 2 * len(_DISTANCES), layout)
        return successors_on_planes(now, [planes], confidence=sure[..., None])

    @cached_property
    def _kept(self) -> dict[int, _Known]:
        """What is known of the frames of the last window, by their places: the next has most of them again."""
        return {}

    def _known(self, window: Window, aside: Aside) -> dict[int, _Known]:
        assert aside.mask
        found = {}
        for moment in (*window.before, window.now, *window.after):
            known = self._kept.get(moment.place)
            if known is None or known.planes is not moment.planes:
                mask = np.asarray(aside.mask(moment.number))[..., 0] >= 0.5
                known = _Known(moment.planes, np.packbits(mask), {})
            found[moment.place] = known
        self._kept.clear()
        self._kept.update(found)
        return found

    def _laid_over(self, shot: list[_Known], own: int, kind: Kind) -> list[Other]:
        """The frames of a row that lie around frame `own`."""
        assert kind.layout
        pyramids = _Pyramids(shot, kind)
        steps = [pyramids.camera(k) for k in range(len(shot) - 1)]
        cameras = camera.chained(steps, own)
        shape, laid = (kind.height, kind.width), []
        for distance in _DISTANCES:
            for k in (k for k in (own - distance, own + distance) if 0 <= k < len(shot)):
                planes, seen = shot[k].planes, jnp.asarray(cameras[k], jnp.float32)
                move, _ = flow(pyramids[own], pyramids[k], seen, shape=shape)
                covered = hidden(planes, jnp.asarray(_unpacked(shot[k].mask, kind)))
                laid.append(Other(planes, covered, seen, move, 2 ** finest(*shape), distance))
        return laid

    def identity(self) -> dict[str, Any]:
        return {"mask": masks.sum_of(self.mask)}


class _Pyramids(dict):
    """Of the frames of a row, made as they are asked for."""

    def __init__(self, shot: list[_Known], kind: Kind):
        super().__init__()
        self._shot, self._kind = shot, kind

    def __missing__(self, k: int) -> Pyramid:
        known = self._shot[k]
        mask = jnp.asarray(_unpacked(known.mask, self._kind))
        self[k] = _pyramid(known.planes, mask, layout=self._kind.layout)
        return self[k]

    def camera(self, k: int) -> np.ndarray:
        """The camera's movement from a frame to the next."""
        known, after = self._shot[k], self._shot[k + 1]
        found = known.to_next.get(0)
        if found is None or found[0] is not after.planes:
            mask = _unpacked(known.mask, self._kind)
            found = known.to_next[0] = after.planes, _moved(self[k], self[k + 1], mask)
        return found[1]


@partial(jax.jit, static_argnames="layout")
def _pyramid(planes: Planes, mask: Bool[Array, "h w"], *, layout: Layout) -> Pyramid:
    luma = color.luma(tuple(plane[None] for plane in planes), layout=layout)[0]
    return pyramid(luma, 1 - mask.astype(jnp.float32))


def _moved(now: Pyramid, other: Pyramid, mask: Bool[np.ndarray, "h w"]) -> np.ndarray:
    """The camera's movement from one frame to another, by places that no mask hides."""
    size = 2 ** finest(*mask.shape)
    move, known = flow(now, other, jnp.eye(3), shape=mask.shape)
    every = max(_GRID_PX, max(known.shape) // _MOST_PLACES)
    at = np.mgrid[every // 2 : known.shape[0] : every, every // 2 : known.shape[1] : every].reshape(2, -1).T
    move, known = (np.asarray(x[at[:, 0], at[:, 1]]) for x in (move, known))
    at = (at + 0.5) * size - 0.5
    rows, columns = at.astype(int).clip(0, np.array(mask.shape) - 1).T
    return camera.fitted(at, size * move, np.minimum(known, _SURE) * ~mask[rows, columns])


def _unpacked(bits: np.ndarray, kind: Kind) -> Bool[np.ndarray, "h w"]:
    count = kind.height * kind.width
    return np.unpackbits(bits, count=count).reshape(kind.height, kind.width).astype(bool)
