"""Goes on learning from a film itself, without a clean frame: python -m train.adapt reel.mkv -m film-grain

Two frames in a row show one scene under two grains that have nothing in common. What can be foretold of the second
from the first, laid over it, is the scene (Noise2Noise, Lehtinen et al. 2018; Frame2Frame, Ehret et al. 2019). So the
frame beside is what the network is to give; one that looks at several frames is not shown it, but those around
(MF2F, Dewil et al. 2021). Where the two do not fit, since something moved out of sight or the motion was not found,
nothing is learned; neither is it where the grain is the same, since the frame came twice.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import jax
import jax.numpy as jnp
import tyro
from jaxtyping import Array, Float, Key

from train.command import Command
from train.denoise import NETWORKS, middle_frame, repeated, stacked
from train.loop import beside
from train.loop.lesson import Clips, Lesson
from train.loop.settings import Settings
from train.loop.sources import Source
from zoo import registry
from zoo.damage.pair import Pair
from zoo.errors import FlagError
from zoo.motion.blocks import BLOCK_PX

# What is known already is not to be lost; and the median of what may be seen is right where a mean is not: where noise
# is cut off at black, and where something else was taken for the scene.
_SHORT = {"learning_rate": 6e-4, "hold": 0.0, "crop": 128, "loss": "charbonnier"}


@dataclasses.dataclass(frozen=True)
class AdaptSettings(Settings):
    reel: Annotated[str, tyro.conf.Positional] = ""
    """the film, or a folder of numbered pictures"""
    model: Annotated[str, tyro.conf.arg(aliases=["-m"], metavar="NAME|RUN")] = ""
    """whose weights it goes on from: a model of the zoo that takes noise off, or a training run's folder"""
    data: Annotated[str, tyro.conf.Suppress] = ""
    weights: Annotated[str | None, tyro.conf.Suppress] = None

    def settled(self) -> Self:
        if not self.reel or not self.model:
            raise FlagError("name a film and a model: python -m train.adapt reel.mkv -m film-grain")
        return dataclasses.replace(self, data=f"clips:{self.reel}", weights=self.model)

    def check(self) -> None:
        config = registry.config_of(self.model)
        if config.task != "denoise" or config.halo is None:
            raise FlagError(f"{self.model} cannot learn from a film; give a model that takes noise off films")
        if self.preset == "paper":
            raise FlagError("--preset=paper: no paper has this form; choose small or full")
        if self.crop % BLOCK_PX:
            raise FlagError(f"--crop={self.crop} must divide by {BLOCK_PX}: motion is looked for in such blocks")
        super().check()


class Adapt(Lesson):
    flags = AdaptSettings
    settings: AdaptSettings
    presets: ClassVar = {
        "small": {**_SHORT, "images": 1600, "checkpoints": 4},
        "full": {**_SHORT, "images": 64_000, "checkpoints": 8},
    }
    networks = NETWORKS
    metrics: ClassVar = {"dB": beside.against_what_is_told}
    protocol = beside.PROTOCOL
    least_gain = beside.LEAST_GAIN_DB

    def __init__(self, settings: Any):
        super().__init__(settings)
        self.frames = 2 * self.around + 2

    @property
    def around(self) -> int:
        return self.network("").frames[0]

    @property
    def variant(self) -> str:
        return f"{Path(self.settings.reel).stem}-{Path(self.settings.model).name}"

    def network(self, name: str) -> Any:
        """The model's own."""
        return registry.config_of(self.settings.model)

    def look(self, source: Source) -> None:
        self.grain = beside.grain_of(beside.looked_at(source, 2))

    def pairs(self, key: Key[Array, ""], clips: Clips, progress: Float[Array, ""], **aside: Array) -> Pair:
        turned = jax.random.bernoulli(key, 0.5, (len(clips), 1, 1, 1, 1))
        clips = jnp.where(turned, clips[:, ::-1], clips)
        seen, told = beside.shown_and_told(self.grain, clips)
        return Pair(stacked(repeated(jax.random.fold_in(key, 1), seen)), told, {})

    def untouched(self, seen: Array) -> Array:
        return middle_frame(seen)


COMMAND = Command("adapt", Adapt, __doc__, method="paired", network="resnet")
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
