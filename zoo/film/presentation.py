"""What a film says of showing its pictures, beside colour tags and the display matrix: hidden edges, where chroma lies,
the screen that it was graded on.

PyAV shows little of the first and takes none of it. Matroska has a place for it all, so a header in memory stands
between: FFmpeg writes into it what it knows of a stream, and reads from it what a new stream is to say.
"""

import dataclasses
import io
import struct
from pathlib import Path
from typing import Any

from zoo.film import matroska, pyav

_EDGES = ("at the top", "at the bottom", "left", "right")
_CROPS = (0x54BB, 0x54AA, 0x54CC, 0x54DD)  # Matroska's elements: the top, bottom, left and right
_COLOUR, _ACROSS, _DOWN, _LIGHTS, _MASTERING = 0x55B0, 0x55B7, 0x55B8, (0x55BC, 0x55BD), 0x55D0
_PLACES = {(1, 2): "left", (2, 2): "center", (1, 1): "topleft", (2, 1): "top"}  # its places of chroma: across, down


@dataclasses.dataclass(frozen=True)
class Presentation:
    """None: what the film does not say."""

    crop: tuple[int, ...] | None = None  # pixels that are not shown: at the top, bottom, left, right
    siting: str | None = None  # of zoo.color.SITINGS
    mastering: tuple[float, ...] | None = None  # x, y of the screen's red, green, blue, white; most, least cd/m2
    light: tuple[int, int] | None = None  # cd/m2 of the brightest pixel, of the brightest frame's mean

    @property
    def in_header(self) -> bool:
        """Whether it says what a stream's header alone can: an encoder can be told the siting."""
        return (self.crop, self.mastering, self.light) != (None, None, None)

    def shown(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what is shown of pictures."""
        top, bottom, left, right = self.crop or (0, 0, 0, 0)
        return height - top - bottom, width - left - right

    def words(self) -> list[str]:
        """What a file without a place for it loses."""
        edges = ", ".join(f"{n} px {where}" for n, where in zip(self.crop or (), _EDGES, strict=False))
        found = {f"its hidden edges ({edges})": self.crop, "the screen that it was graded on": self.mastering}
        return [word for word, said in (found | {"its light levels": self.light}).items() if said]


def of(stream: Any, frame: Any) -> Presentation:
    """What a stream's header and one of its frames say."""
    said = matroska.described(stream)
    colour = matroska.contents(said.get(_COLOUR, b""))
    number = lambda ident, where=said: int.from_bytes(where.get(ident, b""), "big")
    crop = tuple(map(number, _CROPS))
    mastering, light = map(pyav.side_data(frame).get, ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"))
    return Presentation(
        crop=crop if any(crop) else None,
        siting=_PLACES.get((number(_ACROSS, colour), number(_DOWN, colour))),
        mastering=None if mastering is None else _screen(mastering),
        light=None if light is None else struct.unpack("=2I", light),
    )


def _screen(data: bytes) -> tuple[float, ...]:
    """FFmpeg's structure: ten fractions, the least luminance before the most; whether it knows colours, luminances."""
    numbers = struct.unpack("=22i", data)
    *colours, least, most = (a / b if b else 0.0 for a, b in zip(numbers[:20:2], numbers[1:20:2], strict=True))
    knows_colours, knows_luminances = numbers[20:]
    return (*(c * bool(knows_colours) for c in colours), *((most, least) if knows_luminances else (0.0, 0.0)))


def template(segment: Path, presentation: Presentation) -> io.BytesIO:
    """The beginning of a film that was encoded, which says of its pictures all that `presentation` does."""
    number = lambda ident, value: matroska.element(ident, value.to_bytes(4, "big"))
    crop = zip(_CROPS, presentation.crop or (), strict=False)
    lights = zip(_LIGHTS, presentation.light or (), strict=False)
    screen = [matroska.element(0x55D1 + k, struct.pack(">d", x)) for k, x in enumerate(presentation.mastering or ())]
    colour = b"".join(number(*light) for light in lights)
    colour += matroska.element(_MASTERING, b"".join(screen)) if screen else b""
    return matroska.with_more(segment, b"".join(number(*edge) for edge in crop), {_COLOUR: colour} if colour else {})
