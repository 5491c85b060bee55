"""Generative adversarial networks (Goodfellow et al. 2014).

--goal=restore conditions the generator on a damaged picture (adversarial and pixel loss; the judge sees the damaged
picture beside the clean or restored one). --goal=generate makes pictures from a random vector, by the minimax game
alone.
"""

import dataclasses
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Key

from train.loop import state as st
from train.loop.lesson import Lesson, own
from train.loop.losses import OBJECTIVES, PIXEL_LOSSES, discriminator_loss, generator_loss
from train.loop.method import Batch, Method
from train.loop.settings import Settings, overridden
from train.methods.judges import DISCRIMINATORS
from zoo import draws
from zoo.errors import FlagError
from zoo.flags import among
from zoo.models.gan import LatentConfig

# What only a GAN that restores looks at, beside the lesson's own settings.
RESTORING = {"generator", "pixel_loss", "lambda_adversarial", "patience"}


@dataclasses.dataclass(frozen=True)
class GanSettings(Settings):
    goal: Literal["restore", "generate"] = "restore"
    """restore degraded pictures, or generate pictures from a random vector"""
    discriminator: Annotated[str, among(DISCRIMINATORS)] = "plain"
    """convolutions and pooling, dense blocks and pooling, 70x70 PatchGAN, or a judge of what lies above a blur"""
    judge: str | None = None
    """override fields of the discriminator's config, as width=16"""
    objective: Annotated[str, among(OBJECTIVES)] = "non_saturating"
    pixel_loss: Annotated[str, among(PIXEL_LOSSES)] = "charbonnier"
    lambda_adversarial: float = 1e-4
    """weight of the adversarial loss beside the pixel loss, which has 1"""


class Gan(Method):
    flags = GanSettings
    settings: GanSettings
    presets: ClassVar = {
        "paper": {
            "generator": "plain",
            "dropout": 0.5,
            "objective": "minimax",
            "pixel_loss": "l2",
            "lambda_adversarial": 1e-2,
            "network": "width=64",
        }
    }

    def __init__(self, settings: Any, lesson: Lesson, steps: int):
        super().__init__(settings, lesson, steps)
        self.restores = settings.goal == "restore"
        if not self.restores:
            self.refuse_ignored(RESTORING | own(lesson.flags), "--goal=generate")
        channels = lesson.judged if self.restores else 3
        judge = DISCRIMINATORS[settings.discriminator](dropout=settings.dropout, channels=channels)
        judge = overridden(judge, settings.judge, "--judge")
        generator = self.network() if self.restores else _latent(settings)
        self.nets = {name: st.Net(config, settings.precision) for name, config in (("g", generator), ("d", judge))}
        b1 = 0.9 if self.restores else 0.5
        self.optimisers = {
            "g": self.optimiser(b1),
            "d": st.Adam(b1=0.5, b2=0.999, l2=settings.l2),
        }

    def update(self, step: int):
        return self.conditional if self.restores else self.minimax

    def conditional(self, state: st.TrainState, batch: Batch, key: Key[Array, ""]):
        """Seen to restored: pixel loss, and a judge of (seen, restored) against (seen, wanted)."""
        s, (data_key, fool_key, judge_key) = self.settings, jax.random.split(key, 3)
        seen, wanted, _ = self.pairs(data_key, batch, state.step)
        beside = lambda picture: self.lesson.judges_see(seen, picture)

        def generator(params):
            restored, stats = self.nets["g"](params, state.stats["g"], seen, train=True)
            scores, _ = self.judge(state, state.params["d"], beside(restored), fool_key)
            terms = {"pixel": PIXEL_LOSSES[s.pixel_loss](restored, wanted), "g": generator_loss(s.objective, scores)}
            return terms["pixel"] + s.lambda_adversarial * terms["g"], (terms, restored, stats)

        (_, (terms, restored, stats)), gradient = jax.value_and_grad(generator, has_aux=True)(state.params["g"])
        return self.finish(state, gradient, stats, terms, beside(wanted), beside(restored), judge_key)

    def minimax(self, state: st.TrainState, batch: Batch, key: Key[Array, ""]):
        """A random vector to a picture (Goodfellow et al. 2014, equation 1)."""
        latent_key, fool_key, judge_key = jax.random.split(key, 3)
        size = self.nets["g"].config.size
        real = batch["clean"][:, :size, :size]
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


def _latent(settings: Settings) -> Any:
    if settings.weights:
        raise FlagError("--weights begins with a network that restores; leave it out with --goal=generate")
    return overridden(dataclasses.replace(LatentConfig(), size=settings.crop), settings.network)
