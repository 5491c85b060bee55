"""Teaches networks to make pictures larger: python -m train.upscale --scale=2

Low resolution is what bicubic resampling makes of the pictures, rounded to 8 bits, or what television of standard
definition leaves of them; what a network gives is compared with the pictures themselves.
"""

import dataclasses
import sys
from typing import Annotated, Any, ClassVar

from jaxtyping import Array, Float, Key

from train.command import Command
from train.loop.lesson import Clips, Lesson
from train.loop.settings import Settings
from zoo.damage.downscale import downscale
from zoo.damage.pair import Pair
from zoo.damage.television import SCALE, television
from zoo.errors import FlagError
from zoo.flags import among
from zoo.metrics import PROTOCOL, psnr
from zoo.models.upscale import BASE, UpscaleConfig
from zoo.resize import resized

PICTURES, TELEVISION = "pictures", "television"
MULTIPLE = 64  # by which the side of what television is made of divides


@dataclasses.dataclass(frozen=True)
class UpscaleSettings(Settings):
    scale: int = 2
    """how many times as high and as wide pictures become: 2, 3 or 4"""
    source: Annotated[str, among((PICTURES, TELEVISION))] = PICTURES
    """what is to be made larger. pictures: clean ones; television: of standard definition, which is noisy and coded"""

    def check(self) -> None:
        super().check()
        if self.source == TELEVISION and self.scale != SCALE:
            raise FlagError(f"--scale={self.scale} is for pictures; television is made {SCALE} times as large")
        if self.source == TELEVISION and self.crop % MULTIPLE:
            raise FlagError(f"--crop={self.crop} must divide by {MULTIPLE} where --source={TELEVISION}")


class Upscale(Lesson):
    flags = UpscaleSettings
    settings: UpscaleSettings
    presets: ClassVar = {"small": {"crop": 64, "images": 40_000}}
    networks: ClassVar = {"upscale": UpscaleConfig()}
    sizes: ClassVar = {"full": {"upscale": "width=64"}}
    methods = ("paired", "gan")
    metrics: ClassVar = {"dB": psnr}
    protocol = PROTOCOL

    @property
    def variant(self) -> str:
        return "tv" if self.settings.source == TELEVISION else f"x{self.settings.scale}"

    def network(self, name: str) -> Any:
        return dataclasses.replace(super().network(name), scale=self.settings.scale)

    def pairs(self, key: Key[Array, ""], clips: Clips, progress: Float[Array, ""], **aside: Array) -> Pair:
        if self.settings.source == TELEVISION:
            return television(key, clips)
        return downscale(clips, scale=self.settings.scale)

    def untouched(self, seen: Array) -> Array:
        return self._larger(seen)

    def judges_see(self, seen: Array, picture: Array) -> Array:
        return super().judges_see(self._larger(seen), picture)

    def _larger(self, seen: Array) -> Array:
        height, width = (self.settings.scale * side for side in seen.shape[-3:-1])
        return resized(seen, height, width, kernel=BASE)


COMMAND = Command("upscale", Upscale, __doc__)
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
