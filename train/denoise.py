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
from train.loop.settings import Settings
from zoo import color
from zoo.damage.noise import grey_share, noise
from zoo.damage.pair import Pair
from zoo.errors import FlagError
from zoo.flags import Levels, among
from zoo.metrics import PROTOCOL, psnr
from zoo.models.cyclegan import NoiseModelConfig, ResidualConfig
from zoo.models.densenet import DenseNetConfig
from zoo.models.gan import PlainConfig
from zoo.models.resnet import ResNetConfig
from zoo.models.unet import UNetConfig
from zoo.noise import NOISES, degrade, estimate_sigma

RISE = 0.5  # share of the run over which --rising reaches the highest level
NETWORKS: dict[str, Any] = {
    "resnet": ResNetConfig(),
    "unet": UNetConfig(),
    "densenet": DenseNetConfig(),
    "plain": PlainConfig(width=32),
    "published": ResidualConfig(),
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

    def check(self) -> None:
        low, high = self.levels
        if not 0 <= low <= high <= 1:
            raise FlagError(f"--levels={low},{high} must be two numbers in [0, 1], the lower first")
        self.shares("grey", "white")
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

    @property
    def variant(self) -> str:
        return self.settings.noise

    def network(self, name: str) -> Any:
        """Salt and pepper hides pixels, which a network may fill and copy all others."""
        config, hits = super().network(name), self.settings.noise == "salt_and_pepper"
        return dataclasses.replace(config, impulse=True) if hits and name in ("resnet", "unet", "densenet") else config

    def pairs(self, key: Key[Array, ""], clips: Clips, progress: Float[Array, ""], **aside: Array) -> Pair:
        return self._noise(key, clips, progress, self.settings.grey)

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
        noisy = lambda k, level: degrade(jax.random.fold_in(key, k), clips, noise=self.settings.noise, level=level)
        return [({"level": level}, Pair(noisy(k, level), clips, {})) for k, level in enumerate(levels)]

    def law(self) -> NoiseModelConfig:
        return NoiseModelConfig(law=LAWS.get(self.settings.noise, "both"))

    def levels(self, seen: Array) -> Float[Array, " n"]:
        return estimate_sigma(seen)

    def alike(self, key: Key[Array, ""], *pictures: Array) -> tuple[Array, ...]:
        if not self.settings.grey:
            return pictures
        grey = grey_share(key, pictures[0], self.settings.grey)
        return tuple(jnp.where(grey, color.grey(x), x) for x in pictures)


COMMAND = Command("denoise", Denoise, __doc__)
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
