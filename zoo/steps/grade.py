"""A colourist's look, the same for every picture or for every picture of a shot."""

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.errors import FlagError
from zoo.looks import files
from zoo.looks.look import LUMA, Cube, Interpolation, Look
from zoo.looks.shots import Shots
from zoo.steps.step import Aside, Kind, Moment, Window, successors

# Skin of every kind lies about one hue: that of the vectorscope's line, in radians from Cb (of Rec. 709).
_SKIN_HUE, _SKIN_WIDTH, _MOST_TURN = 2.15, 0.35, jnp.pi / 90
_SKIN_CHROMA = 0.02, 0.06  # below the first nothing has a hue, above the second all counts


@dataclasses.dataclass(frozen=True)
class Grade:
    """Gives pictures a look: a .cube, or a colour decision list (.cc, .ccc, .cdl); or one for each shot."""

    look: Annotated[Path, "its file, or a folder of .cube, each named by the frame from which it holds"]
    strength: Annotated[float, "share of the look that is applied, 0 to 1"] = 1.0
    protect: Annotated[Literal["off", "skin"], "skin: hues of skin turn by 2 degrees at most"] = "off"
    interpolation: Annotated[Interpolation, "between a cube's colours"] = "tetrahedral"

    on: ClassVar[str] = "rgb"
    reach: ClassVar[tuple[int, int]] = (0, 0)
    rate: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset()
    gives: ClassVar[frozenset[str]] = frozenset()
    together: ClassVar[bool] = False

    def __post_init__(self):
        if not 0 <= self.strength <= 1:
            raise FlagError(f"grade: strength={self.strength:g} must be from 0 to 1")

    @cached_property
    def _look(self) -> Look:
        return files.read(self.look)

    @cached_property
    def _shots(self) -> Shots | None:
        return Shots(self.look) if self.look.is_dir() else None

    def kind(self, kind: Kind) -> Kind:
        _ = self._shots or self._look  # what is wrong with them is said before any work
        if kind.colour == "grey":
            raise FlagError("grade gives a look to colours, and the film has none; colour it first, or leave grade out")
        return kind

    def __call__(self, windows: Sequence[Window], aside: Aside) -> list[list[Moment]]:
        return [successors(window.now, [self._graded(window.now)]) for window in windows]

    def _graded(self, now: Moment) -> Float[Array, "h w 3"]:
        if not self.strength:
            return now.rgb
        return self._compiled(now.rgb, self._shots.at(now.number) if self._shots else None)

    @cached_property
    def _compiled(self):
        """One program for the looks of all shots."""
        look = lambda table: self._look if table is None else Look(cube=Cube(table))
        return jax.jit(lambda rgb, table: graded(rgb, look=look(table), **self._controls()))

    def _controls(self) -> dict[str, Any]:
        return {"strength": self.strength, "skin": self.protect == "skin", "interpolation": self.interpolation}

    def identity(self) -> dict[str, Any]:
        looks = self._shots.sums() if self._shots else {self.look.name: files.sha256(self.look)}
        return {"look": looks, **self._controls()}


def graded(
    rgb: Float[Array, "h w 3"], *, look: Look, strength: float, skin: bool, interpolation: Interpolation
) -> Float[Array, "h w 3"]:
    """A picture in [0, 1] with a look, in [0, 1]."""
    out = look(rgb, interpolation)
    out = _hues_of_skin(rgb, out) if skin else out
    return jnp.clip(rgb + strength * (out - rgb), 0, 1)


def _hues_of_skin(rgb: Float[Array, "h w 3"], out: Float[Array, "h w 3"]) -> Float[Array, "h w 3"]:
    """`out` with the hues that were skin's turned back, until they differ by no more than the least that is seen."""
    (cb, cr), (cb_out, cr_out) = _chroma(rgb), _chroma(out)
    hue, chroma = jnp.arctan2(cr, cb), jnp.hypot(cb, cr)
    away = (hue - _SKIN_HUE) / _SKIN_WIDTH
    low, high = _SKIN_CHROMA
    share = jnp.clip(2 - jnp.abs(away), 0, 1) * jnp.clip((chroma - low) / (high - low), 0, 1)
    turn = jnp.angle(jnp.exp(1j * (jnp.arctan2(cr_out, cb_out) - hue)))
    back = -share * (turn - jnp.clip(turn, -_MOST_TURN, _MOST_TURN))
    cos, sin = jnp.cos(back), jnp.sin(back)
    luma = (out * jnp.asarray(LUMA)).sum(-1)
    return _of_chroma(luma, cos * cb_out - sin * cr_out, sin * cb_out + cos * cr_out)


def _chroma(rgb: Float[Array, "h w 3"]) -> tuple[Array, Array]:
    """Cb and Cr of Rec. 709."""
    luma = (rgb * jnp.asarray(LUMA)).sum(-1)
    return (rgb[..., 2] - luma) / (2 - 2 * LUMA[2]), (rgb[..., 0] - luma) / (2 - 2 * LUMA[0])


def _of_chroma(luma: Array, cb: Array, cr: Array) -> Float[Array, "h w 3"]:
    red, blue = luma + (2 - 2 * LUMA[0]) * cr, luma + (2 - 2 * LUMA[2]) * cb
    return jnp.stack([red, (luma - LUMA[0] * red - LUMA[2] * blue) / LUMA[1], blue], -1)
