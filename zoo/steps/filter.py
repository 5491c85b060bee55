"""The classical filters of `zoo.filters` as steps: those that take noise off, and those that enhance."""

import dataclasses
import inspect
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from jaxtyping import Array, Float

from zoo import color
from zoo.errors import FlagError
from zoo.filters import FILTERS
from zoo.steps.step import Aside, Kind, Moment, Window, successors

TAKE_OFF = tuple(name for name, filter in FILTERS.items() if filter.noises)
ENHANCE = tuple(name for name, filter in FILTERS.items() if not filter.noises)


@dataclasses.dataclass(frozen=True)
class _Classical:
    """What both have: `filter` names it, its options are those of its signature; None: as the filter has it."""

    filter: str
    luma: Annotated[bool, "filter the luma alone; colours keep their hue"] = False

    on: ClassVar[str] = "rgb"
    reach: ClassVar[tuple[int, int]] = (0, 0)
    rate: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset()
    gives: ClassVar[frozenset[str]] = frozenset()
    together: ClassVar[bool] = False

    def __post_init__(self):
        name, given, known = type(self).__name__.lower(), self._given(), self._known()
        if unknown := sorted(given.keys() - known):
            raise FlagError(f"{name}={self.filter} has no {unknown[0]}; its options are: {', '.join(known) or 'none'}")
        if missing := [key for key, p in known.items() if p.default is p.empty and key not in given]:
            raise FlagError(f"{name}={self.filter} needs {missing[0]}; write {name}={self.filter}:{missing[0]}=NUMBER")
        if wrong := [key for key, value in given.items() if not value > 0]:
            raise FlagError(f"{name}={self.filter}: {wrong[0]}={given[wrong[0]]:g} must be above 0")

    def _given(self) -> dict[str, int | float]:
        others = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {key: value for key, value in others.items() if value is not None and key not in ("filter", "luma")}

    def _known(self) -> dict[str, inspect.Parameter]:
        parameters = inspect.signature(FILTERS[self.filter].function).parameters
        return {key: p for key, p in parameters.items() if key != "image"}

    def kind(self, kind: Kind) -> Kind:
        return kind

    def __call__(self, windows: Sequence[Window], aside: Aside) -> list[list[Moment]]:
        return [successors(window.now, [self._filtered(window.now.rgb)]) for window in windows]

    def _filtered(self, rgb: Float[Array, "h w 3"]) -> Float[Array, "h w 3"]:
        apply = FILTERS[self.filter].function
        if not self.luma:
            return apply(rgb, **self._given())
        grey = color.grey(rgb)
        return (rgb + apply(grey, **self._given()) - grey).clip(0, 1)

    def identity(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Filter(_Classical):
    """Takes off noise with a classical filter."""

    filter: Annotated[str, "which", TAKE_OFF]
    luma: Annotated[bool, "filter the luma alone; colours keep their hue"] = False
    sigma: Annotated[float | None, "bilateral: of the distance of colours; nlm: of the noise; on the [0, 1] scale"] = (
        None
    )
    sigma_px: Annotated[float | None, "gaussian, bilateral: of the distance in pixels"] = None
    h: Annotated[float | None, "nlm: how far patches may differ beyond the noise, on the [0, 1] scale"] = None
    radius_px: Annotated[int | None, "median, nlm: how far the square, or the search, reaches"] = None
    patch_radius_px: Annotated[int | None, "nlm: how far a patch reaches"] = None


@dataclasses.dataclass(frozen=True)
class Enhance(_Classical):
    """Makes pictures clearer; no denoiser, for noise becomes clearer too."""

    filter: Annotated[str, "which", ENHANCE]
    luma: Annotated[bool, "filter the luma alone; colours keep their hue"] = False
    amount: Annotated[float | None, "sharpen: how many times the Laplacian is subtracted"] = None
