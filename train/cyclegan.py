"""Trains the residual CycleGAN on UNPAIRED clean and degraded pictures: python -m train.cyclegan --noise=gaussian

Domain a is degraded, b is clean; g_ab restores, g_ba degrades; d_a judges pictures of a, d_b pictures of b. The two
domains are made of disjoint halves of the data. A loss sees the degraded pictures of one half and the clean ones of the
other, and nothing else.

--preset=paper is CycleGAN as published. The other presets keep its clean cycle b -> a -> b, d_a and the identity loss.
Their g_ba draws noise from a random input: a deterministic one hides the picture in the noise. Its levels are those
measured in degraded pictures. The cycle's gradient stops at g_ba.

With --degraded=reel.mkv domain a is a film as it is, and b is all of --data: no level is known, and no pair. g_ba is
then a law of film noise that begins as it was measured between frames in a row.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from train.command import Command
from train.denoise import Denoise, stacked
from train.loop import beside
from train.loop.film_noise import noise_of
from train.loop.lesson import Clips, own
from train.loop.sources import Source
from train.methods.cyclegan import CycleGanSettings
from train.methods.unpaired import UnpairedSettings
from zoo import color, flags
from zoo.damage.pair import Pair
from zoo.models import film_noise
from zoo.models.film_noise import FilmNoiseConfig

_GREY = 3 / 255  # the most that channels of a black-and-white film differ
PUBLISHED = {field.name: field.default for field in dataclasses.fields(CycleGanSettings)}
PUBLISHED = {name: PUBLISHED[name] for name in ("generator", "dropout", *sorted(own(CycleGanSettings)))}


@dataclasses.dataclass(frozen=True)
class CycleGanFlags(UnpairedSettings):
    joint: bool = False
    """train all at once as published, both cycles and both discriminators; else g_ba against d_a, and g_ab on
    what g_ba makes, in turn"""
    degraded: str | None = None
    """a film, or a folder of numbered pictures, that is degraded as it is; --data are then clean pictures of anything.
    Such a run has no --noise"""

    def check(self) -> None:
        if self.degraded is not None:
            flags.refuse(self, {"noise", "levels", "white"}, "--degraded, whose noise is its own")
        super().check()


class FromFilm(Denoise):
    """A film is the degraded domain, which nobody knows clean."""

    settings: Any
    metrics: ClassVar = {"dB": beside.against_what_is_told}
    protocol = beside.PROTOCOL
    least_gain = beside.LEAST_GAIN_DB

    @classmethod
    def of(cls, settings: Any) -> Denoise:
        """As Denoise where no film is given."""
        return Denoise(settings) if settings.degraded is None else cls(settings)

    def __init__(self, settings: Any):
        super().__init__(settings)
        self.degraded_data = f"clips:{settings.degraded}"

    @property
    def variant(self) -> str:
        return Path(self.settings.degraded).stem

    def look(self, source: Source) -> None:
        self.found = beside.looked_at(source, self.frames + 1)
        self.grey = bool((np.abs(self.found - self.found.mean(-1, keepdims=True)) < _GREY).all())

    def trials(self, key: Key[Array, ""], clips: Clips) -> list[tuple[dict[str, Any], Pair]]:
        """Of the film: a network that restores foretells the frame beside. No loss sees that."""
        seen, told = beside.shown_and_told(beside.grain_of(self.found), jnp.asarray(self.found))
        return [({}, Pair(stacked(seen), told, {}))]

    def degraded(self, key: Key[Array, ""], clips: Clips, progress: Float[Array, ""]) -> Array:
        return clips

    def law(self) -> Any:
        return FilmNoiseConfig()

    def begun(self) -> Any:
        noise = noise_of(self.found)
        strength, covariance = (jnp.asarray(part, jnp.float32) for part in (noise.strength, noise.covariance))
        return film_noise.measured(strength, covariance, noise.softness_px)

    def levels(self, seen: Array) -> Float[Array, " n"]:
        """The law knows its own."""
        return jnp.ones(len(seen))

    def alike(self, key: Key[Array, ""], *pictures: Array) -> tuple[Array, ...]:
        return tuple(color.grey(x).repeat(3, -1) for x in pictures) if self.grey else pictures


def method(settings: CycleGanFlags) -> str:
    """The published one where --joint says so."""
    if not settings.joint:
        return "unpaired"
    flags.refuse(settings, own(UnpairedSettings) - own(CycleGanSettings), "--joint")
    return "cyclegan"


COMMAND = Command(
    "cyclegan",
    FromFilm,
    __doc__,
    method="unpaired",
    flags=CycleGanFlags,
    presets={"paper": {"joint": True, **PUBLISHED}},
    instead=method,
)
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
