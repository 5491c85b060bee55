"""Teaches a network the missing lines of interlaced film: python -m train.deinterlace"""

import dataclasses
import sys
from typing import Any, ClassVar

from jaxtyping import Array, Float, Key

from train.command import Command
from train.loop.lesson import Clips, Lesson
from train.loop.settings import Settings
from zoo.damage.interlace import FRAMES, interlace
from zoo.damage.pair import Pair
from zoo.errors import FlagError
from zoo.fields import cubic
from zoo.flags import Levels
from zoo.metrics import psnr
from zoo.models.deinterlace import DeinterlacerConfig


@dataclasses.dataclass(frozen=True)
class DeinterlaceSettings(Settings):
    grain: Levels = (0.001, 0.02)
    """lowest and highest deviation of grain, in half of the clips, on the [0, 1] scale"""
    chroma: float = 0.25
    """share of clips of which a plane of colour is taken, not that of luma"""

    def check(self) -> None:
        low, high = self.grain
        if not 0 < low <= high <= 1:
            raise FlagError(f"--grain={low},{high} must be two numbers above 0 and up to 1, the lower first")
        if self.crop % 16:
            raise FlagError(f"--crop={self.crop} must divide by 16, the lines of two blocks of motion")
        self.shares("chroma")
        super().check()


class Deinterlace(Lesson):
    flags = DeinterlaceSettings
    settings: DeinterlaceSettings
    frames = FRAMES
    networks: ClassVar = {"deinterlacer": DeinterlacerConfig()}
    metrics: ClassVar = {"dB": psnr}
    protocol = "PSNR of the missing lines of one plane, of each clip, then the mean"

    def pairs(self, key: Key[Array, ""], clips: Clips, progress: Float[Array, ""], **aside: Array) -> Pair:
        return interlace(key, clips, chroma=self.settings.chroma, grain=self.settings.grain)

    def trials(self, key: Key[Array, ""], clips: Clips) -> list[tuple[dict[str, Any], Pair]]:
        found = {}
        for plane, chroma in (("luma", 0.0), ("chroma", 1.0)):
            found[plane] = interlace(key, clips, chroma=chroma, grain=self.settings.grain)
        return [({"plane": plane}, pair) for plane, pair in found.items()]

    def untouched(self, seen: Array) -> Array:
        """The mean of the lines above and below, by the cubic kernel."""
        return cubic(seen[..., FRAMES // 2])[..., None]


COMMAND = Command("deinterlace", Deinterlace, __doc__, method="paired", network="deinterlacer")
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
