"""The original's samples put back, in a rectangle of some frames: what a step did there is undone without a new run."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
from jaxtyping import Array, Shaped

from zoo import masks
from zoo.errors import FlagError
from zoo.steps.step import Aside, Kind, Moment, Planes, Window, successors_on_planes


class Box(NamedTuple):
    """In pixels from the top left."""

    x: int
    y: int
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class Undo:
    """Puts back what another film shows: the original of this one, in a rectangle of some frames."""

    original: Annotated[Path, "the film as it was, with the same frames"]
    frames: Annotated[str | None, "a frame's number, or the first and the last, such as 100-120; all"] = None
    box: Annotated[str | None, "x,y,width,height in pixels from the top left; the whole frame"] = None

    on: ClassVar[str] = "planes"
    reach: ClassVar[tuple[int, int]] = (0, 0)
    rate: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"original"})
    gives: ClassVar[frozenset[str]] = frozenset()
    together: ClassVar[bool] = False

    def __post_init__(self):
        _ = self._span, self._box  # what is wrong is said now

    @property
    def _span(self) -> tuple[int, int] | None:
        """The first and the last frame."""
        if self.frames is None:
            return None
        found = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", self.frames.strip())
        if not found or int(found[2] or found[1]) < int(found[1]):
            raise FlagError(f"undo: frames={self.frames} must be a number, or two such as 100-120, the lower first")
        return int(found[1]), int(found[2] or found[1])

    @property
    def _box(self) -> Box | None:
        if self.box is None:
            return None
        sides = self.box.split(",")
        if len(sides) != 4 or not all(side.strip().isdecimal() for side in sides):
            raise FlagError(f"undo: box={self.box} must be x,y,width,height, such as 10,20,300,200")
        found = Box(*map(int, sides))
        if not (found.width and found.height):
            raise FlagError(f"undo: box={self.box} holds no pixel; make width and height 1 or more")
        return found

    def kind(self, kind: Kind) -> Kind:
        if kind.still:
            raise FlagError("undo puts back frames of a film; of a picture take the original")
        box = self._box
        if box and (box.x + box.width > kind.width or box.y + box.height > kind.height):
            raise FlagError(f"undo: box={self.box} lies outside of the film's {kind.width}x{kind.height} px")
        return kind

    def __call__(self, windows: Sequence[Window], aside: Aside) -> list[list[Moment]]:
        return [successors_on_planes(w.now, [self._undone(w.now, aside)]) for w in windows]

    def _undone(self, now: Moment, aside: Aside) -> Planes:
        assert aside.original
        if self._span and not self._span[0] <= now.number <= self._span[1]:
            return now.planes
        planes, box = aside.original(now.number), self._box
        if not box:
            return planes
        assert aside.kind
        assert aside.kind.layout
        parts = zip(now.planes, planes, aside.kind.layout.cells, strict=True)
        return tuple(_pasted(own, other, box, cell) for own, other, cell in parts)

    def identity(self) -> dict[str, Any]:
        return {"original": masks.sum_of(self.original), "frames": self.frames, "box": self.box}


def _pasted(own: Shaped[Array, "h w"], other: Shaped[Array, "h w"], box: Box, cell: tuple[int, int]) -> Array:
    """A plane with the other's samples in a box of the picture; of chroma all that lie in it at all."""
    rows, columns = cell
    top, left = box.y // rows, box.x // columns
    bottom, right = -(-(box.y + box.height) // rows), -(-(box.x + box.width) // columns)
    return jax.lax.dynamic_update_slice(own, other[top:bottom, left:right], (top, left))
