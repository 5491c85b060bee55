"""Dirt and scratches taken off: only what lies under the mask is written, all else stays to the bit.

A network looks at each frame twice: first beside its neighbours as they are, then beside these as they were repaired
the first time. What both find is damage.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from zoo import color, dirt, masks, registry
from zoo.errors import FlagError
from zoo.models.network import check_task
from zoo.steps.step import Aside, Kind, Moment, Picture, Window, successors
from zoo.windows import spans

_AT_ONCE_PX, _ROWS, _MARGIN_PX = 2**22, 32, 96  # of a band of rows; so many more above and below
_MOST_SENSITIVE = 4
_AROUND = 2  # frames on either side of one
_SURE = 0.3, 0.5  # from which chance on there is damage: at the first look, and at the second
NONE = "none"


class _Look(NamedTuple):
    """What the network made of a frame. `chance`: of dirt and of scratches. `repaired`: the frame with both filled."""

    chance: Float[Array, "h w 2"]
    repaired: Picture


@dataclasses.dataclass(frozen=True)
class Repair:
    """Takes off dirt, blotches, hairs and scratches, by the frames before and after."""

    dark: Annotated[bool, "look for dirt that is darker than the picture"] = True
    bright: Annotated[bool, "look for dirt that is brighter"] = True
    scratches: Annotated[bool, "look for upright lines that stay where they are while the picture moves"] = True
    sensitivity: Annotated[float, "how much is taken for dirt; 2 finds more, and more that only moves"] = 1.0
    strength: Annotated[float, "share of the repair that is applied, 0 to 1"] = 1.0
    mask: Annotated[Path | None, "where the damage is: white, instead of looking for it"] = None
    model: Annotated[str, "a model of `zoo models`, or a training run's folder; none: by rules, without a network"] = (
        "repair"
    )

    on: ClassVar[str] = "rgb"
    rate: ClassVar[int] = 1
    gives: ClassVar[frozenset[str]] = frozenset({"mask"})
    together: ClassVar[bool] = False

    def __post_init__(self):
        if not (self.dark or self.bright or self.scratches or self.mask):
            raise FlagError("repair: dark, bright and scratches are all off; leave repair out")
        if not 0 < self.sensitivity <= _MOST_SENSITIVE:
            raise FlagError(f"repair: sensitivity={self.sensitivity:g} must be above 0 and at most {_MOST_SENSITIVE}")
        if not 0 <= self.strength <= 1:
            raise FlagError(f"repair: strength={self.strength:g} must be from 0 to 1")

    @property
    def reach(self) -> tuple[int, int]:
        """The second look is at what the first made of the neighbours."""
        looks = 1 if self.model == NONE else 2
        return looks * _AROUND, looks * _AROUND

    @property
    def needs(self) -> frozenset[str]:
        return frozenset() if self.model == NONE else frozenset({"network"})

    def kind(self, kind: Kind) -> Kind:
        if kind.still:
            raise FlagError("repair looks at the frames before and after, and a still has none; leave repair out")
        if self.model != NONE:
            registry.card(self.model)  # an unknown one, before any work
            check_task(self.model, registry.config_of(self.model), "repair")
        return kind

    def __call__(self, windows: Sequence[Window], aside: Aside) -> list[list[Moment]]:
        return [self._repaired(window, aside) for window in windows]

    def _repaired(self, window: Window, aside: Aside) -> list[Moment]:
        now, near = window.now, Window(window.before[-_AROUND:], window.now, window.after[:_AROUND])
        if self.model == NONE or not (near.before and near.after):  # with one side in time, rules are more careful
            hit, fill = self._by_rules(near, aside)
        else:
            hit, fill = self._by_network(window, aside)
        if self.strength < 1:
            fill = now.rgb + self.strength * (fill - now.rgb)
        return successors(now, [jnp.where(hit[..., None], fill, now.rgb)], mask=_with_earlier(hit, now))

    def _by_network(self, window: Window, aside: Aside) -> tuple[Bool[Array, "h w"], Picture]:
        now, firsts = window.now, self._firsts(window, aside)
        own = firsts[now.place]
        looked = lambda moments: [firsts[moment.place].repaired for moment in moments]
        around = _around(looked(window.before[-_AROUND:]), looked(window.after[:_AROUND]))
        assert around
        fill, chance = self._seen(now.rgb, own.repaired, around, aside)
        painted = aside.mask(now.number) if self.mask and aside.mask else None
        return _agreed(now.rgb, fill, own.chance, chance, painted, self._wanted, self._limits)

    def _firsts(self, window: Window, aside: Aside) -> dict[int, _Look]:
        """The first look at each frame on which the second depends, by its place."""
        shot = [*window.before, window.now, *window.after]
        own, found = len(window.before), {}
        for k in range(max(0, own - _AROUND), min(len(shot), own + _AROUND + 1)):
            moment = shot[k]
            kept = self._kept.get(moment.place)
            if kept is None or kept[0] is not moment.rgb:
                kept = (
                    moment.rgb,
                    self._first(moment, shot[max(0, k - _AROUND) : k], shot[k + 1 : k + 1 + _AROUND], aside),
                )
            found[moment.place] = kept
        self._kept.clear()
        self._kept.update(found)
        return {place: look for place, (_, look) in found.items()}

    @cached_property
    def _kept(self) -> dict[int, tuple[Picture, _Look]]:
        """The looks of the last window, by their places, with what they are of: the next has most of them again."""
        return {}

    def _first(self, now: Moment, before: Sequence[Moment], after: Sequence[Moment], aside: Aside) -> _Look:
        if not (before and after):
            hit, fill = self._by_rules(Window(tuple(before), now, tuple(after)), aside)
            return _Look(jnp.zeros((*now.rgb.shape[:2], 2)), jnp.where(hit[..., None], fill, now.rgb))
        around = _around([moment.rgb for moment in before], [moment.rgb for moment in after])
        assert around
        fill, chance = self._seen(now.rgb, now.rgb, around, aside)
        painted = aside.mask(now.number) if self.mask and aside.mask else None
        hit, fill = _agreed(now.rgb, fill, chance, chance, painted, (True, True, True), self._limits)
        return _Look(chance, jnp.where(hit[..., None], fill, now.rgb))

    def _seen(self, now: Picture, guide: Picture, around: dirt.Four, aside: Aside) -> tuple[Picture, Array]:
        """What fills the frame, and the chances of damage, where the neighbours are laid over `guide`."""
        assert aside.network
        laid = _in_bands(lambda *band: tuple(dirt.laid(*band)), guide, around)
        given = aside.network(self.model).on_device(_in_channels(now, laid))[0]
        return given[..., :3], given[..., 3:]

    @property
    def _wanted(self) -> tuple[bool, bool, bool]:
        return self.dark, self.bright, self.scratches

    @property
    def _limits(self) -> tuple[float, float]:
        """The chances from which on there is damage, at the first and at the second look."""
        odds = self.sensitivity**-2
        first, second = (odds * sure / (odds * sure + 1 - sure) for sure in _SURE)
        return first, second

    def _by_rules(self, window: Window, aside: Aside) -> tuple[Bool[Array, "h w"], Picture]:
        now = window.now
        around = _around(*([moment.rgb for moment in moments] for moments in (window.before, window.after)))
        hit, fill = jnp.zeros(now.rgb.shape[:2], bool), now.rgb
        if around and self.mask:
            assert aside.mask
            hit, fill = aside.mask(now.number)[..., 0] > 0.5, *_in_bands(dirt.shown, now.rgb, around)
        elif around:
            how = jnp.float32(self.sensitivity), jnp.bool_(not (window.before and window.after))
            found = dirt.Found(*_in_bands(lambda *band: dirt.found(*band, *how), now.rgb, around))
            kinds = (self.dark, found.dark), (self.bright, found.bright), (self.scratches, found.scratches)
            hit, fill = sum((kind for wanted, kind in kinds if wanted), hit), found.fill
        return hit, fill

    def identity(self) -> dict[str, Any]:
        names = () if self.mask else ("dark", "bright", "scratches", "sensitivity")
        found = {name: getattr(self, name) for name in (*names, "strength")}
        found |= {"mask": masks.sum_of(self.mask)} if self.mask else {}
        return found | ({} if self.model == NONE else {"weights": {self.model: registry.card(self.model)["sha256"]}})


@partial(jax.jit, static_argnames=("wanted", "limits"))
def _agreed(
    now: Picture,
    fill: Picture,
    first: Float[Array, "h w 2"],
    second: Float[Array, "h w 2"],
    painted: Float[Array, "h w 1"] | None,
    wanted: tuple[bool, bool, bool],
    limits: tuple[float, float],
) -> tuple[Bool[Array, "h w"], Picture]:
    """Where a frame is to be written, and with what: the damage that both looks find, or that was painted, and a rim
    around it as far as the second is sure of that. `wanted`: dark, bright, scratches."""
    if painted is not None:
        return painted[..., 0] > 0.5, fill
    dark, bright, scratches = wanted
    darker = color.grey(now)[..., 0] < color.grey(fill)[..., 0]
    both = (first > limits[0]) & (second > limits[1])
    of_kind = jnp.where(darker, dark, bright)
    spots, lines = both[..., 0] & of_kind, both[..., 1] & scratches
    sure = jnp.where(spots | lines, 1, second.max(-1))
    return (dirt.most(spots, 1) & of_kind) | dirt.most(lines, 1), now + sure[..., None] * (fill - now)


@jax.jit
def _in_channels(now: Picture, laid: list[Picture]) -> Float[Array, "1 h w 15"]:
    return jnp.concatenate([*laid[:_AROUND], now, *laid[_AROUND:]], -1)[None]


def _around(before: list[Picture], after: list[Picture]) -> dirt.Four | None:
    """Two frames before and two after. Where a shot ends, the nearest stands in; None where there are less than two."""
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
