"""Goes on learning from a film itself, without a clean frame: python -m train.adapt reel.mkv -m film-grain

Two frames in a row show one scene under two grains that have nothing in common. What can be foretold of the second
from the first, laid over it, is the scene (Noise2Noise, Lehtinen et al. 2018; Frame2Frame, Ehret et al. 2019). So the
frame beside is what the network is to give; one that looks at several frames is not shown it, but those around
(MF2F, Dewil et al. 2021). Where the two do not fit, since something moved out of sight or the motion was not found,
nothing is learned; neither is it where the grain is the same, since the frame came twice.
"""

import dataclasses
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array, Float, Key

from train.command import Command
from train.denoise import NETWORKS, in_channels, middle_frame, repeated
from train.loop import data
from train.loop.lesson import Clips, Lesson
from train.loop.settings import Settings
from train.loop.sources import Source
from zoo import color, registry
from zoo.damage.pair import Pair
from zoo.errors import FlagError, InputError
from zoo.motion.blocks import BLOCK_PX, blurred, compensated

_GUIDE_PX, _AROUND_PX = 5, 9  # sides of the squares that calm the grain, and over which two frames are compared
_SEEN_PX, _PLACES = 128, 32  # of the reel, what is looked at before the run
_SHADES, _CALM = 8, 0.3  # parts by luma; the share of places in each whose difference is taken for grain alone
_FITS = 0.25, 4.0  # of that difference: below it came twice, above it something else lies there
_LEAST = (0.2 / 255) ** 2  # of a difference: what rounding leaves
_DARK = 2 / 255  # the most that a frame of nothing differs from its mean

# What is known already is not to be lost; and the median of what may be seen is right where a mean is not: where noise
# is cut off at black, and where something else was taken for the scene.
_SHORT = {"learning_rate": 3e-4, "hold": 0.0, "crop": 128, "loss": "charbonnier"}

Frame = Float[Array, "h w 3"]
Grain = tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s 3"]]


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


def against_what_is_told(restored: Array, wanted: Array) -> Float[Array, " n"]:
    """PSNR, dB, where `wanted` is known."""
    known = ~jnp.isnan(wanted)
    square = jnp.where(known, jnp.square(restored - jnp.where(known, wanted, 0)), 0)
    mean = square.sum((1, 2, 3)) / jnp.maximum(known.sum((1, 2, 3)), 1)
    return -10 * jnp.log10(mean + 1e-8)


class Adapt(Lesson):
    flags = AdaptSettings
    settings: AdaptSettings
    presets: ClassVar = {
        "small": {**_SHORT, "images": 1600, "checkpoints": 4},
        "full": {**_SHORT, "images": 64_000, "checkpoints": 8},
    }
    networks = NETWORKS
    metrics: ClassVar = {"dB": against_what_is_told}
    protocol = "psnr_rgb against the frame beside, laid over it with its own noise, where it fits"

    def __init__(self, settings: Any):
        super().__init__(settings)
        self.frames = 2 * self.around + 2
        self.grain: Grain | None = None  # until the reel was looked at

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
        count = min(len(source), _PLACES)
        held = data.View(source, [len(source) * k // count for k in range(count)])
        pairs = data.middles(held, side=_SEEN_PX, frames=2) / np.float32(255)
        if not (pairs.std((2, 3)) > _DARK).any():
            raise InputError(f"{self.settings.reel} shows nothing to learn from: its frames are of one shade")
        self.grain = calm(pairs)

    def pairs(self, key: Key[Array, ""], clips: Clips, progress: Float[Array, ""], **aside: Array) -> Pair:
        turned = jax.random.bernoulli(key, 0.5, (len(clips), 1, 1, 1, 1))
        clips = jnp.where(turned, clips[:, ::-1], clips)
        now, beside = clips[:, self.around], clips[:, self.around + 1]
        seen = jnp.delete(clips, self.around + 1, axis=1, assume_unique_indices=True)
        wanted = jax.vmap(partial(told, self.grain))(now, beside)
        if not self.around:
            return Pair(seen[:, 0], wanted, {})
        seen = repeated(jax.random.fold_in(key, 1), seen)
        return in_channels(Pair(seen, jnp.repeat(wanted[:, None], seen.shape[1], 1), {}))

    def untouched(self, seen: Array) -> Array:
        return middle_frame(seen)


def told(grain: Grain, now: Frame, beside: Frame) -> Frame:
    """The frame beside laid over a frame, nan where the two do not fit."""
    laid, unlike = compared(now, beside)
    (shades, energy), luma = grain, shade(now)
    expected = jnp.stack([jnp.interp(luma, shades, energy[:, c]) for c in range(3)], -1)
    share = (unlike / expected).mean(-1, keepdims=True)
    return jnp.where((share > _FITS[0]) & (share < _FITS[1]), laid, jnp.nan)


def compared(now: Frame, beside: Frame) -> tuple[Frame, Frame]:
    """(The frame beside laid over a frame, how unlike they are around each pixel: the mean square of what calmer ones
    differ by.) Motion is looked for in the calmer ones, for grain must not say where it fits best."""
    calmer, other = blurred(now, _GUIDE_PX), blurred(beside, _GUIDE_PX)
    both = compensated(calmer, other, jnp.concatenate([beside, other], -1))
    return both[..., :3], blurred(jnp.square(both[..., 3:] - calmer), _AROUND_PX)


def shade(frame: Frame) -> Float[Array, "h w"]:
    """The luma beneath the grain."""
    return blurred(color.grey(frame), _GUIDE_PX)[..., 0]


def calm(pairs: Float[np.ndarray, "n 2 h w 3"]) -> Grain:
    """(shades, how unlike the grain alone makes two frames at each, by channel), from frames in a row of a reel."""
    _, unlike = jax.jit(jax.vmap(compared))(pairs[:, 0], pairs[:, 1])
    luma = jax.vmap(shade)(pairs[:, 0])
    step = slice(_AROUND_PX // 2, None, _AROUND_PX)
    unlike, luma = np.asarray(unlike)[:, step, step].reshape(-1, 3), np.asarray(luma)[:, step, step].ravel()
    fresh = unlike.mean(-1) > _LEAST
    unlike, luma = (unlike[fresh], luma[fresh]) if fresh.any() else (np.full_like(unlike, _LEAST), luma)
    parts = [part for part in np.array_split(np.argsort(luma), _SHADES) if len(part)]
    return np.stack([luma[p].mean() for p in parts]), np.stack([np.quantile(unlike[p], _CALM, axis=0) for p in parts])


COMMAND = Command("adapt", Adapt, __doc__, method="paired", network="resnet")
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
