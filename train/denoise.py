"""Teaches networks to take noise out of pictures: python -m train.denoise --method=gan --network=resnet:width=64

--method says how they learn (pairs, against a judge, unpaired), --network which network and how large. train.unet,
train.resnet, train.densenet, train.gan and train.cyclegan are this lesson with one of the two fixed.
"""

import dataclasses
import sys
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from train.command import Command
from train.loop.lesson import Clips, Lesson
from train.loop.settings import Settings, network_config
from zoo import color
from zoo.damage.noise import by_frame, grey_share, noise
from zoo.damage.pair import Pair
from zoo.errors import FlagError
from zoo.flags import Levels, among
from zoo.metrics import PROTOCOL, psnr
from zoo.models.cyclegan import NoiseModelConfig, ResidualConfig
from zoo.models.densenet import DenseNetConfig
from zoo.models.film import FilmConfig
from zoo.models.gan import PlainConfig
from zoo.models.resnet import ResNetConfig
from zoo.models.unet import UNetConfig
from zoo.noise import NOISES, estimate_sigma

REPEATS = 0.3  # share of the clips in which some frames come twice: at a shot's ends, on twos, by a pulldown
RISE = 0.5  # share of the run over which --rising reaches the highest level
NETWORKS: dict[str, Any] = {
    "resnet": ResNetConfig(),
    "unet": UNetConfig(),
    "densenet": DenseNetConfig(),
    "plain": PlainConfig(width=32),
    "published": ResidualConfig(),
    "film": FilmConfig(),
}
# How a learned law of each noise begins.
LAWS = dict.fromkeys(("gaussian", "poisson", "speckle", "grain", "scan"), "additive") | {"salt_and_pepper": "impulse"}


@dataclasses.dataclass(frozen=True)
class DenoiseSettings(Settings):
    generator: str = "resnet"
    """what restores: resnet, unet and densenet have no norm over the picture and may be tiled; plain is the GAN's as
    published (convolutions, batch norm, activations), published the CycleGAN's"""
    noise: Annotated[str, among(NOISES)] = "gaussian"
    levels: Levels = (0.01, 0.05)
    """lowest and highest level drawn: standard deviation or share of pixels, on the [0, 1] scale"""
    rising: bool = False
    """let the highest level rise from the lowest over the first half of the run"""
    grey: float = 0.1
    """share of crops turned grey, noise and all: film is black and white too"""
    white: float = 0.0
    """share of crops with white Gaussian noise instead: a network for grain should know that too"""
    frames: int = 0
    """how many frames before and after its own the network looks at; film does so, at 2 where this is not given"""

    def check(self) -> None:
        low, high = self.levels
        if not 0 <= low <= high <= 1:
            raise FlagError(f"--levels={low},{high} must be two numbers in [0, 1], the lower first")
        self.shares("grey", "white")
        if self.frames and self.generator != "film":
            raise FlagError(f"--frames={self.frames}: a {self.generator} looks at one frame; give --network=film")
        super().check()


class Denoise(Lesson):
    flags = DenoiseSettings
    settings: DenoiseSettings
    presets: ClassVar = {"paper": {"rising": True, "grey": 0.0}}
    networks = NETWORKS
    sizes: ClassVar = {
        "small": {
            "resnet": "width=32",
            "unet": "width=24,growth=12",
            "densenet": "width=32,growth=16,blocks=2",
            "plain": "width=32",
            "published": "width=16",
        }
    }
    methods = ("paired", "gan", "cyclegan", "unpaired")
    metrics: ClassVar = {"dB": psnr}
    protocol = PROTOCOL
    pairs_only = ("grey",)
    implied: ClassVar = {"--frames": "film"}

    def __init__(self, settings: Any):
        super().__init__(settings)
        if settings.generator == "film":
            self.frames = 1 + sum(network_config(self.network("film"), settings).frames)

    @property
    def variant(self) -> str:
        return self.settings.noise

    def network(self, name: str) -> Any:
        """Salt and pepper hides pixels, which a network may fill and copy all others."""
        config, hits = super().network(name), self.settings.noise == "salt_and_pepper"
        if name == "film" and self.settings.frames:
            return dataclasses.replace(config, around=self.settings.frames)
        return dataclasses.replace(config, impulse=True) if hits and name in ("resnet", "unet", "densenet") else config

    def pairs(self, key: Key[Array, ""], clips: Clips, progress: Float[Array, ""], **aside: Array) -> Pair:
        pair = self._noise(key, clips, progress, self.settings.grey)
        return in_channels(pair._replace(seen=repeated(jax.random.fold_in(key, 1), pair.seen)))

    def degraded(self, key: Key[Array, ""], clips: Clips, progress: Float[Array, ""]) -> Array:
        """In colour: `alike` turns a share grey, after the method has made noise of its own."""
        return self._noise(key, clips, progress, 0.0).seen

    def _noise(self, key: Key[Array, ""], clips: Clips, progress: Float[Array, ""], grey: float) -> Pair:
        s, (low, high) = self.settings, self.settings.levels
        if s.rising:
            high = low + (high - low) * jnp.clip(progress / RISE, 0, 1)
        return noise(key, clips, kind=s.noise, levels=(low, high), grey=grey, white=s.white)

    def trials(self, key: Key[Array, ""], clips: Clips) -> list[tuple[dict[str, Any], Pair]]:
        """At the middles of the levels' thirds: PSNR at the lowest level would outweigh all else in the mean."""
        low, high = self.settings.levels
        levels = sorted({low + (high - low) * share / 6 for share in (1, 3, 5)})
        noisy = lambda k, level: by_frame(jax.random.fold_in(key, k), clips, kind=self.settings.noise, level=level)
        return [({"level": level}, in_channels(Pair(noisy(k, level), clips, {}))) for k, level in enumerate(levels)]

    def shown(self, key: Key[Array, ""], clips: Clips) -> Array:
        return stacked(repeated(key, clips))

    def untouched(self, seen: Array) -> Array:
        return middle_frame(seen)

    def judges_see(self, seen: Array, picture: Array) -> Array:
        return super().judges_see(middle_frame(seen), picture)

    def law(self) -> NoiseModelConfig:
        return NoiseModelConfig(law=LAWS.get(self.settings.noise, "both"))

    def levels(self, seen: Array) -> Float[Array, " n"]:
        return estimate_sigma(seen)

    def alike(self, key: Key[Array, ""], *pictures: Array) -> tuple[Array, ...]:
        if not self.settings.grey:
            return pictures
        grey = grey_share(key, pictures[0], self.settings.grey)
        return tuple(jnp.where(grey, color.grey(x), x) for x in pictures)


def repeated(key: Key[Array, ""], seen: Clips) -> Clips:
    """In REPEATS of the clips, frames beside the middle one that are the one before them once more, noise and all."""
    if seen.ndim == 4 or seen.shape[1] == 1:
        return seen
    n, middle = seen.shape[0], seen.shape[1] // 2
    some, steps = jax.random.split(key)
    moves = jax.random.bernoulli(steps, 0.5, (2, n, middle)) | ~jax.random.bernoulli(some, REPEATS, (n, 1))
    before, after = jnp.cumsum(moves, axis=-1)
    order = jnp.concatenate([middle - before[:, ::-1], jnp.full((n, 1), middle), middle + after], axis=1)
    return jax.vmap(lambda clip, own: clip[own])(seen, order)


def in_channels(pair: Pair) -> Pair:
    """Of clips: their frames in channels, and the middle one alone is wanted."""
    if pair.seen.ndim == 4:
        return pair
    return pair._replace(seen=stacked(pair.seen), wanted=pair.wanted[:, pair.wanted.shape[1] // 2])


def stacked(clips: Clips) -> Float[Array, "n h w c"]:
    """Their frames in channels."""
    if clips.ndim == 4:
        return clips
    clips = jnp.moveaxis(clips, 1, 3)
    return clips.reshape(*clips.shape[:3], -1)


def middle_frame(seen: Array) -> Array:
    """Of frames in channels, that which is to be restored."""
    first = (seen.shape[-1] - 3) // 2
    return seen[..., first : first + 3]


COMMAND = Command("denoise", Denoise, __doc__)
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
