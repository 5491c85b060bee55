"""Pictures made larger: to a size, a number of lines or so many times, with square samples, and never stretched."""

import dataclasses
import re
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo import bounds, registry
from zoo.errors import FlagError
from zoo.models.network import check_task
from zoo.resize import Box, resized
from zoo.steps.step import Aside, Kind, Moment, Window, at_another_size, groups, successors

SIZES = {
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "1440p": (2560, 1440),
    "2160p": (3840, 2160),
    "4320p": (7680, 4320),
}
# Two families of television's sample aspects: the whole 720 samples are the picture, or, as ITU-R BT.601 means it, the
# middle of them (ISO/IEC 14496-2, table 6-12).
ITU_ASPECTS = {
    Fraction(16, 15): Fraction(12, 11),
    Fraction(64, 45): Fraction(16, 11),
    Fraction(8, 9): Fraction(10, 11),
    Fraction(32, 27): Fraction(40, 33),
}
BLANKING = 720, 704  # samples of a line of television, and those of them that hold the picture
_HELD_BYTES = 3 * 4 * 3  # of a pixel: RGB as float32, and what it is made of and becomes
NONE, AUTO, FILE, ITU = "none", "auto", "file", "itu"
NETWORKS = {2: "upscale-x2", 4: "upscale-x4"}  # by how many times larger they make pictures


class Frame(NamedTuple):
    """Where a picture goes: the part of it, at which size, and how many lines and columns of black lie before and
    after."""

    part: Box
    height: int
    width: int
    bars: tuple[tuple[int, int], tuple[int, int]]

    @property
    def size(self) -> tuple[int, int]:
        return self.height + sum(self.bars[0]), self.width + sum(self.bars[1])


@dataclasses.dataclass(frozen=True)
class Upscale:
    """Makes pictures larger, with square samples; a network fills in the detail."""

    to: Annotated[str, f"{', '.join(SIZES)}, WIDTHxHEIGHT, or so many times, such as 2x"]
    fit: Annotated[
        Literal["inside", "pad", "crop"],
        "where the shape is another than that of `to`: as large as fits, that with black bars, or filled and cut",
    ] = "inside"
    model: Annotated[
        str,
        f"a model of `zoo models`, a training run's folder, a file of weights, {NONE}: Lanczos alone, or {AUTO}: for "
        "clean pictures, as large as is asked for; upscale-tv is for television, which is noisy and coded",
    ] = AUTO
    sar: Annotated[
        str, "the samples' aspect: file, itu (that of ITU-R BT.601 nearest to the file's), or such as 64/45"
    ] = FILE
    crop: Annotated[Literal["off", "blanking"], "blanking: the middle 704 of television's 720 columns"] = "off"

    on: ClassVar[str] = "rgb"
    reach: ClassVar[tuple[int, int]] = (0, 0)
    rate: ClassVar[int] = 1
    gives: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self):
        if self.to not in SIZES and not re.fullmatch(r"\d+x\d+|\d+(\.\d+)?x", self.to):
            raise FlagError(
                f"upscale: to={self.to} is no size; write WIDTHxHEIGHT, so many times such as 2x, or one of: "
                f"{', '.join(SIZES)}"
            )
        if self.sar not in (FILE, ITU) and not re.fullmatch(r"0*[1-9]\d*/0*[1-9]\d*", self.sar):
            raise FlagError(f"upscale: sar={self.sar} must be {FILE}, {ITU} or the aspect of a sample, such as 64/45")

    @property
    def needs(self) -> frozenset[str]:
        return frozenset() if self.model == NONE else frozenset({"network"})

    @property
    def together(self) -> bool:
        return self.model != NONE

    def kind(self, kind: Kind) -> Kind:
        if kind.fields != "none":
            raise FlagError("upscale takes whole pictures, not fields; write deinterlace before it")
        if self.together:
            model = self.network(kind)
            registry.card(model)  # an unknown one, before any work
            check_task(model, registry.config_of(model), "upscale")
        height, width = self.frame(kind).size
        needed, free = height * width * _HELD_BYTES, bounds.free_memory()
        if free is not None and needed > free:
            raise FlagError(
                f"upscale: to={self.to} makes {width}x{height} px, which take {needed / 2**30:.1f} GiB of memory, and "
                f"{free / 2**30:.1f} GiB are free; choose a smaller size"
            )
        return dataclasses.replace(kind, height=height, width=width, aspect=Fraction(1), own="none")

    def __call__(self, windows: Sequence[Window], aside: Aside) -> list[list[Moment]]:
        assert aside.kind
        frame, made = self.frame(aside.kind), []
        for group in groups(windows, self.at_once(aside.kind, aside)) if self.together else [windows]:
            pictures, scale = jnp.stack([window.now.rgb for window in group]), 1
            if self.together:
                assert aside.network
                network = aside.network(self.network(aside.kind))
                pictures, scale = network.on_device(pictures), network.config.scale
            pictures = jnp.clip(_placed(pictures, frame=frame, scale=scale), 0, 1)
            made += [
                successors(at_another_size(window.now, lambda x: _placed(x[None], frame=frame, scale=1)[0]), [picture])
                for window, picture in zip(group, pictures, strict=True)
            ]
        return made

    def at_once(self, kind: Kind, aside: Aside) -> int:
        assert aside.network
        return aside.network(self.network(kind)).at_once(kind.height, kind.width)

    def network(self, kind: Kind) -> str:
        """The model that makes pictures of a kind larger: of the zoo's the smallest that makes them as large as they
        are to become, or the largest."""
        if self.model != AUTO:
            return self.model
        frame = self.frame(kind)
        part = frame.part
        times = max(frame.height / (part.bottom - part.top), frame.width / (part.right - part.left))
        return NETWORKS[min((scale for scale in NETWORKS if scale >= times), default=max(NETWORKS))]

    def identity(self) -> dict[str, Any]:
        models = {AUTO: list(NETWORKS.values()), NONE: []}.get(self.model, [self.model])
        weights = {"weights": {model: registry.card(model)["sha256"] for model in models}} if models else {}
        return weights | {"to": self.to, "fit": self.fit, "sar": self.sar, "crop": self.crop}

    def frame(self, kind: Kind) -> Frame:
        """Where pictures of a kind go. Raises FlagError where they would become smaller."""
        aspect, left, width = self._shape(kind)
        shown = width * aspect  # in units of a line
        wide, high = self._target(kind.height, shown)
        scales = Fraction(wide) / shown, Fraction(high) / kind.height
        scale = max(scales) if self.fit == "crop" else min(scales)
        if scale < 1:
            raise FlagError(
                f"upscale: to={self.to} is smaller than the picture, which has {float(shown):g}x{kind.height} square "
                "samples; choose a larger size"
            )
        if self.fit == "crop":
            out_width, out_height = int(wide), int(high)
        else:
            out_width, out_height = _whole(shown * scale, wide), _whole(kind.height * scale, high)
        # Of the picture as much as the new samples cover: centres aligned, one scale along both axes.
        rows, columns = Fraction(out_height) / scale, Fraction(out_width) / scale / aspect
        top, first = (kind.height - rows) / 2, left + (width - columns) / 2
        part = Box(*(float(x) for x in (top, first, top + rows, first + columns)))
        pad = self.fit == "pad"
        bars = _bars(int(high) - out_height if pad else 0), _bars(int(wide) - out_width if pad else 0)
        return Frame(part, out_height, out_width, bars)

    def _shape(self, kind: Kind) -> tuple[Fraction, int, int]:
        """The samples' aspect, and the first and the number of the columns that count."""
        aspect, all_columns, picture = kind.aspect, *BLANKING
        if self.sar not in (FILE, ITU):
            aspect = Fraction(self.sar)
        if self.sar == ITU:
            if aspect not in ITU_ASPECTS and aspect not in ITU_ASPECTS.values():
                known = ", ".join(f"{a.numerator}:{a.denominator}" for a in ITU_ASPECTS)
                raise FlagError(
                    f"upscale: sar=itu knows no like of {aspect.numerator}:{aspect.denominator}, only of {known}; "
                    "leave it out"
                )
            aspect = ITU_ASPECTS.get(aspect, aspect)
        if self.crop == "off":
            return aspect, 0, kind.width
        if kind.width != all_columns:
            raise FlagError(f"upscale: crop=blanking is for {all_columns} columns, not {kind.width}; leave it out")
        return aspect, (all_columns - picture) // 2, picture

    def _target(self, height: int, shown: Fraction) -> tuple[Fraction, Fraction]:
        """Width and height of what the picture must fit."""
        if self.to.endswith("x"):
            times = Fraction(self.to[:-1])
            return Fraction(round(shown * times)), Fraction(round(height * times))
        wide, high = SIZES.get(self.to) or map(int, self.to.split("x"))
        turned = self.to in SIZES and shown < height  # 1080p of what stands upright
        return (Fraction(high), Fraction(wide)) if turned else (Fraction(wide), Fraction(high))


def _whole(side: Fraction, most: Fraction) -> int:
    """The number of samples nearest to `side`: all there may be, or an even number, as half chroma wants."""
    return int(most) if side > most - Fraction(1, 2) else max(2, 2 * round(side / 2))


def _bars(left: int) -> tuple[int, int]:
    """Before and after, an even number before."""
    before = left // 4 * 2
    return before, left - before


@partial(jax.jit, static_argnames=("frame", "scale"))
def _placed(x: Float[Array, "n h w c"], *, frame: Frame, scale: int) -> Float[Array, "n _ _ c"]:
    """Pictures, which are `scale` times as large by now, at their size and between their bars."""
    part = Box(*(scale * side for side in frame.part))
    x = resized(x, frame.height, frame.width, box=part)
    return jnp.pad(x, ((0, 0), *frame.bars, (0, 0)))
