"""Dirt and scratches taken off: only what lies under the mask is written, all else stays to the bit."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool

from zoo import dirt, masks
from zoo.errors import FlagError
from zoo.steps.step import Aside, Kind, Moment, Picture, Window, successors
from zoo.windows import spans

_AT_ONCE_PX, _ROWS, _MARGIN_PX = 2**22, 32, 96  # of a band of rows; so many more above and below
_MOST_SENSITIVE = 4


@dataclasses.dataclass(frozen=True)
class Repair:
    """Takes off dirt, blotches, hairs and scratches, by the frames before and after."""

    dark: Annotated[bool, "look for dirt that is darker than the picture"] = True
    bright: Annotated[bool, "look for dirt that is brighter"] = True
    scratches: Annotated[bool, "look for upright lines that stay where they are while the picture moves"] = True
    sensitivity: Annotated[float, "how much is taken for dirt; 2 finds more, and more that only moves"] = 1.0
    mask: Annotated[Path | None, "where the damage is: white, instead of looking for it"] = None

    on: ClassVar[str] = "rgb"
    reach: ClassVar[tuple[int, int]] = (2, 2)
    rate: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset()
    gives: ClassVar[frozenset[str]] = frozenset({"mask"})
    together: ClassVar[bool] = False

    def __post_init__(self):
        if not (self.dark or self.bright or self.scratches or self.mask):
            raise FlagError("repair: dark, bright and scratches are all off; leave repair out")
        if not 0 < self.sensitivity <= _MOST_SENSITIVE:
            raise FlagError(f"repair: sensitivity={self.sensitivity:g} must be above 0 and at most {_MOST_SENSITIVE}")

    def kind(self, kind: Kind) -> Kind:
        if kind.still:
            raise FlagError("repair looks at the frames before and after, and a still has none; leave repair out")
        return kind

    def __call__(self, windows: Sequence[Window], aside: Aside) -> list[list[Moment]]:
        return [self._repaired(window, aside) for window in windows]

    def _repaired(self, window: Window, aside: Aside) -> list[Moment]:
        now, around = window.now, _around(window)
        hit, fill = jnp.zeros(now.rgb.shape[:2], bool), now.rgb
        if around and self.mask:
            assert aside.mask
            hit, fill = aside.mask(now.number)[..., 0] > 0.5, *_in_bands(dirt.shown, now.rgb, around)
        elif around:
            how = jnp.float32(self.sensitivity), jnp.bool_(not (window.before and window.after))
            found = dirt.Found(*_in_bands(lambda *band: dirt.found(*band, *how), now.rgb, around))
            kinds = (self.dark, found.dark), (self.bright, found.bright), (self.scratches, found.scratches)
            hit, fill = sum((kind for wanted, kind in kinds if wanted), hit), found.fill
        return successors(now, [jnp.where(hit[..., None], fill, now.rgb)], mask=_with_earlier(hit, now))

    def identity(self) -> dict[str, Any]:
        names = "dark", "bright", "scratches", "sensitivity"
        return {"mask": masks.sum_of(self.mask)} if self.mask else {name: getattr(self, name) for name in names}


def _around(window: Window) -> dirt.Four | None:
    """Two frames before and two after. Where a shot ends, the nearest stands in; None where there are less than two."""
    before, after = ([moment.rgb for moment in moments] for moments in (window.before, window.after))
    if len(before) + len(after) < 2:
        return None
    before, after = before or after[::-1], after or before[::-1]
    return (before[0], before[-1], after[0], after[-1])


def _with_earlier(hit: Bool[Array, "h w"], now: Moment) -> Picture:
    """The mask, with what a step before found."""
    mask = hit[..., None].astype(jnp.float32)
    return jnp.maximum(mask, now.aside["mask"]) if "mask" in now.aside else mask


def _in_bands(work: Callable[[Picture, dirt.Four], Any], now: Picture, around: dirt.Four) -> list[Array]:
    """The arrays that `work` makes of pictures; of large ones band by band, so that memory does not grow with them."""
    height, width = now.shape[:2]
    rows = min(height, max(_AT_ONCE_PX // width // _ROWS * _ROWS, 4 * _MARGIN_PX))
    parts = []
    for span in spans(height, rows, _MARGIN_PX):
        cut = lambda x, at=span.start: x[at : at + rows]
        made = work(cut(now), tuple(map(cut, around)))
        made = made if isinstance(made, tuple) else (made,)
        parts.append([x[span.first - span.start : span.stop - span.start] for x in made])
    return [jnp.concatenate(part) for part in zip(*parts, strict=True)]
