"""What changes within a film beside its pictures: the shape of its samples, its colour tags, the order of its fields.

A recording of television goes from 4:3 to 16:9 in the middle, a joined film from one matrix to another. One file says
one of each for all its frames.
"""

import dataclasses
from fractions import Fraction
from typing import Any

from zoo.film import formats, pyav
from zoo.film.read import carried

_TAGS = {"matrix": "colorspace", "primaries": "color_primaries", "transfer": "color_trc"}  # and PyAV's names
_RANGES = {1: "limited", 2: "full"}
_SHAPE, _FIELDS = "shape of samples", "order of fields"
TOP, BOTTOM = "top first", "bottom first"  # fields, as they are shown
_SWAPPED = (4, 5)
ORDERS = {2: TOP, 3: BOTTOM, 4: BOTTOM, 5: TOP}  # by FFmpeg's AVFieldOrder


@dataclasses.dataclass
class Watch:
    """Looks at a film's frames in their order. `said`: what holds at the last frame; what a frame leaves unsaid goes
    on as before. `carried`: what lay in the frames so far and is not written again."""

    said: dict[str, str] = dataclasses.field(default_factory=dict)
    carried: set[str] = dataclasses.field(default_factory=set)
    frames: int = 0

    def changed(self, frame: Any, context: Any) -> list[str]:
        """What is another at this frame than at the one before: `range from limited to full`. `context`: the
        decoder's, which may know a frame more. A damaged frame says nothing."""
        if frame.is_corrupt:
            return []
        now, shape = _tags(frame), context.sample_aspect_ratio
        shape = str(pyav.exact(shape)) if shape else None
        if shape and (shape == self.said.get(_SHAPE) or _has_shape(frame, Fraction(shape))):
            now[_SHAPE] = shape
        if frame.interlaced_frame:
            now[_FIELDS] = TOP if _is_top_first(frame) else BOTTOM
        before, self.said = self.said, self.said | now
        return [f"{k} from {before[k]} to {v}" for k, v in now.items() if before.get(k, v) != v]

    @property
    def shape(self) -> Fraction | None:
        """Of the samples."""
        return Fraction(self.said[_SHAPE]) if _SHAPE in self.said else None

    @property
    def order(self) -> str | None:
        """Of the fields."""
        return self.said.get(_FIELDS)

    def begun(self, frame: Any) -> list[str]:
        """What this frame is the first to carry; of the frames that are looked at before the work it was said then."""
        words = carried.of(frame)
        new, self.carried = sorted(words - self.carried), self.carried | words
        self.frames += 1
        return [f"{word}, not written again" for word in new] if self.frames > carried.FIRST else []


def _tags(frame: Any) -> dict[str, str]:
    """The colour tags that a frame has."""
    numbers = {name: int(getattr(frame, attribute)) for name, attribute in _TAGS.items()}
    found = {name: str(number) for name, number in numbers.items() if number not in (0, formats.UNTAGGED)}
    if "matrix" in found:
        found["matrix"] = formats.matrix_name(numbers["matrix"])
    if (range_ := int(frame.color_range)) in _RANGES:
        found["range"] = _RANGES[range_]
    return found


def _has_shape(frame: Any, shape: Fraction) -> bool:
    """Whether a frame's samples have this shape. PyAV does not tell; FFmpeg's scaler does, in the width it makes."""
    made = pyav.filtered(frame, "scale", w="max(1,round(1000*sar))", h="1", eval="frame", flags="neighbor")
    return made is not None and made.width == max(1, round(1000 * float(shape)))


def order_of(context: Any, frame: Any) -> str | None:
    """The order of the fields by a film's header and its first frame. Of fields that are stored in another order than
    they are shown FFmpeg's programs write the contrary of what its library reads; a frame that says it knows better."""
    if context.field_order in _SWAPPED and frame.interlaced_frame:
        return TOP if _is_top_first(frame) else BOTTOM
    return ORDERS.get(context.field_order)


def _is_top_first(frame: Any) -> bool:
    return pyav.filtered(frame, "select", expr="eq(interlace_type,TOPFIRST)") is not None
