"""Jaggies of film that was badly deinterlaced: every second line of such a frame is only the mean of its neighbours.

Those lines are taken out, and what is left is a field, of which the network that deinterlaces makes a frame. Lines that
are means are told from others by how little they differ from their neighbours (`zoo.survey`), frame by frame; that a
film has them is told by all frames around, so that none of a film without them is changed.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from zoo import registry
from zoo.fields import REACH, cubic
from zoo.steps.deinterlace import even, filled
from zoo.steps.step import Aside, Kind, Moment, Planes, Window, successors_on_planes
from zoo.survey import Survey, lines

_FAR = 12  # frames before and after, by which it is told whether lines were made up
# The middle of the log ratios from which they were: means come to 2.5, after x264 at crf 24 to 0.44; film to 0.03, and
# what is well deinterlaced to 0.34.
_MADE_UP = 0.38
_OWN = {"top": 0, "bottom": 1}
_PLAIN = 0.5  # as a share of the middle: a frame whose own ratio is less is taken for what the frames around it are


@dataclasses.dataclass(frozen=True)
class Antialias:
    """Takes off the jaggies of badly deinterlaced film: lines that are their neighbours' mean are made anew."""

    own: Annotated[
        Literal["auto", "top", "bottom"],
        "the lines that are the film's own, in all of its frames; auto: as the pictures show, frame by frame",
    ] = "auto"
    model: Annotated[str, "a model of `zoo models`, or a training run's folder"] = "deinterlace"

    on: ClassVar[str] = "planes"
    reach: ClassVar[tuple[int, int]] = (REACH, REACH)
    surveyed: ClassVar[int] = _FAR + REACH
    rate: ClassVar[int] = 1
    gives: ClassVar[frozenset[str]] = frozenset()
    together: ClassVar[bool] = False
    unsurveyed: ClassVar[str] = "say which lines are the film's own: antialias=own=top or bottom"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"network", "survey"} if self.own == "auto" else {"network"})

    def kind(self, kind: Kind) -> Kind:
        registry.card(self.model)  # an unknown one, before any work
        return kind

    def __call__(self, windows: Sequence[Window], aside: Aside) -> list[list[Moment]]:
        return [successors_on_planes(w.now, [self._picture(w, aside)]) for w in windows]

    def _picture(self, window: Window, aside: Aside) -> Planes:
        now, parity = window.now, self._parity(window.now, aside.survey)
        if parity is None:
            return now.planes
        top = aside.kind.layout.top if aside.kind and aside.kind.layout else 1
        near = dict(enumerate([*window.before, now, *window.after], -len(window.before)))
        kept = {step: self._parity(moment, aside.survey) for step, moment in near.items()}
        return tuple(
            self._made({step: (moment.planes[k], kept[step]) for step, moment in near.items()}, parity, top, aside)
            if not k or _is_made_up(plane, parity, top)
            else plane
            for k, plane in enumerate(now.planes)
        )

    def _parity(self, moment: Moment, survey: Survey | None) -> int | None:
        """Of the lines that are a frame's own; None where all are."""
        if self.own != "auto":
            return _OWN[self.own]
        assert survey
        shot = survey.shot(moment.number)
        return own_lines(shot["lines"].astype(np.float64), moment.number - int(shot["number"][0]))

    def _made(self, near: dict[int, tuple[Array, int | None]], parity: int, top: int, aside: Aside) -> Array:
        """A plane of which the lines of `parity` stay."""
        assert aside.network
        fields = []
        for step in range(-REACH, REACH + 1):
            plane, kept = near.get(step) or near.get(-step) or near[0]  # beyond a shot's end time turns back
            fields.append(_field(plane, parity ^ step % 2, kept, upside_down=bool(parity), top=top))
        made = aside.network(self.model).on_device(jnp.stack(fields, -1)[None])
        return filled(near[0][0][None], made, parity=parity, top=top)[0]

    def identity(self) -> dict[str, Any]:
        return {"own": self.own, "weights": {self.model: registry.card(self.model)["sha256"]}}


def own_lines(ratios: Float[np.ndarray, " n"], at: int) -> int | None:
    """The parity of the lines that are one frame's own, by the `lines` of its shot's survey; None where all are."""
    first = max(0, at - _FAR)
    near = ratios[first : at + _FAR + 1]
    middle = float(np.median(np.abs(near)))
    if middle < _MADE_UP:
        return None
    own = float(ratios[at])
    if abs(own) < _PLAIN * middle:
        turns = (-1.0) ** (np.arange(first, first + len(near)) - at)  # every second frame has the other lines
        own = max((near.sum(), (near * turns).sum()), key=abs)
    return 0 if own > 0 else 1


def _is_made_up(plane: Shaped[Array, "h w"], parity: int, top: int) -> bool:
    """Whether the lines of the other parity of a plane are their neighbours' mean: colour may have been made apart."""
    ratio = float(lines(plane.astype(jnp.float32) / top))
    return (-ratio if parity else ratio) > _MADE_UP


@partial(jax.jit, static_argnames=("parity", "kept", "upside_down", "top"))
def _field(
    plane: Shaped[Array, "h w"], parity: int, kept: int | None, *, upside_down: bool, top: int
) -> Float[Array, "r w"]:
    """The lines of `parity`, where these are not kept from between those that are."""
    x = even((plane.astype(jnp.float32) / top)[None])[0]
    found = x[parity::2]
    if kept is not None and kept != parity:
        own = x[kept::2]
        found = cubic(own[::-1])[::-1] if kept else cubic(own)
    return found[::-1] if upside_down else found
