"""Trains the GAN: python -m train.gan --noise=gaussian

--goal=restore conditions the generator on a degraded picture (adversarial and pixel loss; the judge sees the degraded
picture beside the clean or restored one). --goal=generate makes pictures from a random vector, by the minimax game
alone.
"""

import dataclasses
import sys
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Key

from train.loop import degrade, loop
from train.loop import state as st
from train.loop.losses import PIXEL_LOSSES, discriminator_loss, generator_loss
from train.loop.method import Batch, Task
from train.loop.settings import Settings, overridden, refuse_ignored, shipped_config
from zoo import draws, registry
from zoo.errors import FlagError
from zoo.models.densenet import DenseDiscriminatorConfig
from zoo.models.gan import DiscriminatorConfig

DISCRIMINATORS = {"plain": DiscriminatorConfig, "densenet": DenseDiscriminatorConfig}

# What only a GAN that restores looks at.
RESTORING = ("generator", "pixel_loss", "lambda_adversarial", "noise", "levels", "rising", "grey", "white", "patience")

PRESETS = {
    "small": {"network": "width=32"},
    "paper": {
        "generator": "plain",
        "dropout": 0.5,
        "objective": "minimax",
        "pixel_loss": "l2",
        "lambda_adversarial": 1e-2,
        "network": "width=64",
    },
}


@dataclasses.dataclass(frozen=True)
class GanSettings(Settings):
    goal: Literal["restore", "generate"] = "restore"
    """restore degraded pictures, or generate pictures from a random vector"""
    generator: Literal["resnet", "plain", "densenet", "unet"] = "resnet"
    """what restores; plain is the published one: convolutions, batch norm, activations"""
    discriminator: Literal["plain", "densenet"] = "plain"
    """convolutions and pooling, or dense blocks and pooling"""
    judge: str | None = None
    """override fields of the discriminator's config, as width=16"""
    objective: Literal["minimax", "non_saturating", "least_squares"] = "non_saturating"
    pixel_loss: Literal["charbonnier", "l1", "l2"] = "charbonnier"
    lambda_adversarial: float = 1e-4
    """weight of the adversarial loss beside the pixel loss, which has 1"""


class Gan(Task):
    ships, averaged = "g", ("g",)
    settings: GanSettings

    def __init__(self, settings: GanSettings, steps: int):
        super().__init__(settings, steps)
        self.restores = settings.goal == "restore"
        if not self.restores:
            refuse_ignored(settings, PRESETS, RESTORING, "--goal=generate")
        channels = 6 if self.restores else 3
        judge = DISCRIMINATORS[settings.discriminator](dropout=settings.dropout, channels=channels)
        judge = overridden(judge, settings.judge, "--judge")
        self.nets = {name: st.Net(c, settings.precision) for name, c in (("g", _generator(settings)), ("d", judge))}
        b1 = 0.9 if self.restores else 0.5
        self.optimisers = {
            "g": self.optimiser(b1),
            "d": st.Adam(b1=0.5, b2=0.999, l2=settings.l2),
        }

    def update(self, step: int):
        return self.conditional if self.restores else self.minimax

    def conditional(self, state: st.TrainState, batch: Batch, key: Key[Array, ""]):
        """Degraded to restored: pixel loss, and a judge of (degraded, restored) against (degraded, clean)."""
        s, (data_key, fool_key, judge_key) = self.settings, jax.random.split(key, 3)
        clean, degraded = degrade.pairs(data_key, batch["clean"], settings=s, progress=self.progress(state.step))

        def generator(params):
            restored, stats = self.nets["g"](params, state.stats["g"], degraded, train=True)
            scores, _ = self.judge(state, state.params["d"], jnp.concatenate([degraded, restored], -1), fool_key)
            terms = {"pixel": PIXEL_LOSSES[s.pixel_loss](restored, clean), "g": generator_loss(s.objective, scores)}
            return terms["pixel"] + s.lambda_adversarial * terms["g"], (terms, restored, stats)

        (_, (terms, restored, stats)), gradient = jax.value_and_grad(generator, has_aux=True)(state.params["g"])
        pair = lambda x: jnp.concatenate([degraded, x], -1)
        return self.finish(state, gradient, stats, terms, pair(clean), pair(restored), judge_key)

    def minimax(self, state: st.TrainState, batch: Batch, key: Key[Array, ""]):
        """A random vector to a picture (Goodfellow et al. 2014, equation 1)."""
        latent_key, fool_key, judge_key = jax.random.split(key, 3)
        real, size = degrade.pictures(batch["clean"]), self.nets["g"].config.size
        real = real[:, :size, :size]
        z = draws.normal(latent_key, (real.shape[0], self.nets["g"].config.latent))

        def generator(params):
            fake, stats = self.nets["g"](params, state.stats["g"], z, train=True)
            scores, _ = self.judge(state, state.params["d"], fake, fool_key)
            value = generator_loss(self.settings.objective, scores)
            return value, ({"g": value}, fake, stats)

        (_, (terms, fake, stats)), gradient = jax.value_and_grad(generator, has_aux=True)(state.params["g"])
        return self.finish(state, gradient, stats, terms, real, fake, judge_key)

    def finish(self, state, gradient, stats, terms, real, fake, key):
        """The discriminator's update, then the generator's."""
        real_key, fake_key = jax.random.split(key)
        fake = jax.lax.stop_gradient(fake)

        def discriminator(params):
            on_real, stats = self.judge(state, params, real, real_key)
            on_fake, _ = self.judge(state, params, fake, fake_key)
            value = discriminator_loss(self.settings.objective, on_real, on_fake)
            middle = 0.5 if self.settings.objective == "least_squares" else 0.0  # between the scores of both
            told = (jnp.mean(on_real > middle) + jnp.mean(on_fake <= middle)) / 2
            return value, (stats, told)

        (value, (judged, told)), of_judge = jax.value_and_grad(discriminator, has_aux=True)(state.params["d"])
        rate = self.rate(state.step)
        state = state._replace(stats={"g": stats, "d": judged})
        state = self.apply(state, "d", of_judge, rate)
        state = self.apply(state, "g", gradient, rate)
        return state._replace(step=state.step + 1), {**terms, "d": value, "told": told}

    def judge(self, state: st.TrainState, params: Any, pictures: Array, key: Array) -> tuple[Array, Any]:
        return self.nets["d"](params, state.stats["d"], pictures, train=True, rngs=nnx.Rngs(dropout=key))

    def samples(self, state: st.TrainState) -> Array:
        """32 pictures from random vectors, always the same ones."""
        z = draws.normal(jax.random.key(0), (32, self.nets["g"].config.latent))
        average = state.average["g"]
        return self.nets["g"](average["params"], average["stats"], z, train=False)[0]


def _generator(settings: GanSettings) -> Any:
    if settings.goal == "generate":
        if settings.weights:
            raise FlagError("--weights begins with a network that restores; leave it out with --goal=generate")
        base = registry.SPECS["gan-pictures"].config
        return overridden(dataclasses.replace(base, size=settings.crop), settings.network)
    return shipped_config({"resnet": "gan", "plain": "gan-paper"}.get(settings.generator, settings.generator), settings)


main = loop.train_command("gan", GanSettings, PRESETS, Gan)

if __name__ == "__main__":
    sys.exit(main())
