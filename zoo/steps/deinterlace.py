"""Whole frames made of fields, one for each: known lines stay to the bit, the others are made by a network of the zoo.

Film that was only split into fields comes back woven: each field with the one beside it in time that is of its moment.
"""

import dataclasses
import enum
import functools
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from zoo import registry
from zoo.cadence import Cadence, order_of
from zoo.fields import REACH, cubic
from zoo.steps.step import Aside, Kind, Moment, Planes, Window, successors_on_planes

Plane = Shaped[Array, "h w"]


class Rate(enum.IntEnum):
    """Pictures for each frame."""

    single = 1
    double = 2


class Way(NamedTuple):
    """How a frame becomes whole. `first`: the parity of the lines of its earlier field. `partners`: of each of its
    fields in time's order, the one of the same moment: the field before (-1) or after (1); 0 where there is none."""

    first: int
    partners: tuple[int, int]


_FIRST = {"top first": 0, "bottom first": 1}
_WAYS = {"top": Way(0, (0, 0)), "bottom": Way(1, (0, 0)), "progressive": Way(0, (1, -1))}


@dataclasses.dataclass(frozen=True)
class Deinterlace:
    """Makes whole frames of fields, and puts film together again that was split into them."""

    fields: Annotated[
        Literal["auto", "top", "bottom", "progressive", "telecine"],
        "which lines come first in time; progressive: both are of one moment; telecine: film of which fields are "
        "repeated, 2:3, all through; auto: as the pictures show, by stretches",
    ] = "auto"
    rate: Annotated[Rate, "a picture for each field, or for each frame"] = Rate.double
    model: Annotated[str, "a model of `zoo models`, or a training run's folder"] = "deinterlace"

    on: ClassVar[str] = "planes"
    reach: ClassVar[tuple[int, int]] = (1, 1)  # frames: two fields before and after each
    gives: ClassVar[frozenset[str]] = frozenset()
    together: ClassVar[bool] = False
    unsurveyed: ClassVar[str] = "say what its fields are: deinterlace=fields=top, bottom or progressive"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"network"} if self.fields in _WAYS else {"network", "survey"})

    def kind(self, kind: Kind) -> Kind:
        registry.card(self.model)  # an unknown one, before any work
        return dataclasses.replace(kind, fields="none")

    def __call__(self, windows: Sequence[Window], aside: Aside) -> list[list[Moment]]:
        return [successors_on_planes(w.now, self._pictures(w, self._way(w.now, aside), aside)) for w in windows]

    def _way(self, now: Moment, aside: Aside) -> Way:
        if self.fields in _WAYS:
            return _WAYS[self.fields]
        said = aside.kind.fields if aside.kind and aside.kind.fields != "none" else None
        cadence = _cadence(aside.survey, said, self.fields)
        return Way(_FIRST[cadence.order], cadence.partners(now.number))

    def _pictures(self, window: Window, way: Way, aside: Aside) -> list[Planes]:
        top = aside.kind.layout.top if aside.kind and aside.kind.layout else 1
        seen = [tuple(m.planes for m in moments[-1:]) for moments in (window.before, (window.now,), window.after[:1])]
        pictures = []
        for which in range(self.rate):
            partner = way.partners[which]
            beside = seen[1 + (which + partner) // 2] if partner else ()
            if beside:
                woven = partial(_woven, parity=way.first ^ which)
                pictures.append(tuple(map(woven, window.now.planes, beside[0])))
            else:
                pictures.append(self._made(seen, way.first, which, top, aside))
        return pictures

    def _made(self, seen, first: int, which: int, top: int, aside: Aside) -> Planes:
        """The picture of one field. Planes of one shape go through the network together."""
        assert aside.network
        network, own = aside.network(self.model), seen[1][0]
        around = [frames[0] if frames else None for frames in seen]
        made: dict[int, Array] = {}
        for shape in dict.fromkeys(plane.shape for plane in own):
            places = [k for k, plane in enumerate(own) if plane.shape == shape]
            frames = [None if planes is None else jnp.stack([planes[k] for k in places]) for planes in around]
            lines = network.on_device(_around(*frames, first=first, which=which, top=top))
            whole = filled(frames[1], lines, parity=first ^ which, top=top)
            made |= dict(zip(places, whole, strict=True))
        return tuple(made[k] for k in range(len(own)))

    def identity(self) -> dict[str, Any]:
        return {
            "fields": self.fields,
            "rate": self.rate.name,
            "weights": {self.model: registry.card(self.model)["sha256"]},
        }


@functools.lru_cache(maxsize=1)
def _cadence(survey: Any, said: Any, fields: str) -> Cadence:
    """`said`: the order of the fields where the pictures do not show it. `fields`: as the option has it."""
    return Cadence(survey, order_of(survey) or said, () if fields == "auto" else (fields,))


@partial(jax.jit, static_argnames=("first", "which", "top"))
def _around(before, now, after, *, first: int, which: int, top: int) -> Float[Array, "n r w 5"]:
    """The fields around field `which` of a frame, in normal position (see `zoo.fields`).

    Beyond a shot's end time turns back. A frame alone in its shot shows nothing of motion: its own lines are all."""
    frames = [None if x is None else even(x.astype(jnp.float32) / top) for x in (before, now, after)]
    upside_down = first ^ which

    def lines(step: int) -> Array | None:
        at = which + step
        frame = frames[1 + at // 2]
        if frame is None:
            return None
        found = frame[:, (first ^ at % 2) :: 2]
        return found[:, ::-1] if upside_down else found

    own = lines(0)
    assert own is not None
    if before is None and after is None:
        return jnp.stack([own, cubic(own), own, cubic(own), own], -1)
    found = []
    for step in range(-REACH, REACH + 1):
        here, back = lines(step), lines(-step)
        found.append(own if here is None and back is None else back if here is None else here)
    return jnp.stack(found, -1)


def even(x: Shaped[Array, "n h w"]) -> Shaped[Array, "n hh w"]:
    """With a line more where their number is odd."""
    height = x.shape[1]
    return jnp.pad(x, ((0, 0), (0, height % 2), (0, 0)), mode="reflect" if height > 1 else "edge")


@partial(jax.jit, static_argnames=("parity", "top"))
def filled(now, lines: Float[Array, "n r w 1"], *, parity: int, top: int) -> Array:
    """The frames, whose lines of the other parity are made anew."""
    lines = lines[:, ::-1, :, 0] if parity else lines[..., 0]
    codes = lines if jnp.issubdtype(now.dtype, jnp.floating) else jnp.round(lines * top)
    own = even(now)[:, parity::2]
    both = (codes.astype(now.dtype), own) if parity else (own, codes.astype(now.dtype))
    return jnp.stack(both, 2).reshape(now.shape[0], -1, now.shape[2])[:, : now.shape[1]]


@partial(jax.jit, static_argnames="parity")
def _woven(now: Plane, other: Plane, *, parity: int) -> Plane:
    """The lines of `parity` of one frame between the others of another."""
    own = (jnp.arange(now.shape[0]) % 2 == parity)[:, None]
    return jnp.where(own, now, other)
