"""The CycleGAN's variant for film, on unpaired pictures.

It keeps the clean cycle b -> a -> b, d_a and the identity loss.

Its g_ba draws noise from a random input: a deterministic one hides the picture in the noise. Its levels are those
measured in damaged pictures. g_ba learns against d_a, and g_ab on what g_ba makes, in turn: the cycle's gradient stops
at g_ba.
"""

import dataclasses
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from train.loop import state as st
from train.loop.lesson import Lesson
from train.loop.losses import PIXEL_LOSSES
from train.loop.method import Batch
from train.methods.cyclegan import DEGRADERS, CycleGan, CycleGanSettings, low
from train.methods.judges import DISCRIMINATORS
from zoo.errors import FlagError
from zoo.flags import among
from zoo.models.cyclegan import NoiseModelConfig

LEVELS = "levels"  # beside the pools: those of the noise in the adversaries' last damaged pictures
JUDGE_RATE = 0.4  # of the learning rate


@dataclasses.dataclass(frozen=True)
class UnpairedSettings(CycleGanSettings):
    generator: str = "resnet"
    dropout: float = 0.0
    degrader: Annotated[str, among(DEGRADERS)] = "noise"
    discriminator: Annotated[str, among(DISCRIMINATORS)] = "noise"
    cycle_loss: Annotated[str, among(PIXEL_LOSSES)] = "psnr"
    lambda_identity: float = 0.1
    lambda_penalty: float = 2e-5
    lambda_low: float = 200.0
    pool: int = 0
    b1: float = 0.9
    head_start: float = 0.15
    """share of the run in which g_ba and d_a train alone, where not joint"""
    adversary_every: int = 3
    """after it, one step in so many is theirs; 2 or more"""

    def check(self) -> None:
        self.at_least(adversary_every=2)
        if self.head_start >= 1:
            raise FlagError(f"--head-start={self.head_start} leaves no step to g_ab; make it less than 1")
        super().check()


class Unpaired(CycleGan):
    flags, in_clips = UnpairedSettings, True
    judges = ("d_a",)
    b2 = 0.99
    averaged = ("g_ab", "g_ba")

    def __init__(self, settings: Any, lesson: Lesson, steps: int):
        super().__init__(settings, lesson, steps)
        self.first_cycle = round(settings.head_start * steps)
        film = getattr(self.nets["g_ba"].config, "law", None) == "film"
        self.lambda_low = 0.0 if film else settings.lambda_low  # soft noise has some there, and this law cannot cheat

    def _refuse_ignored(self) -> None:
        """What `pairs` looks at, `cycle` does too."""

    def pools(self) -> dict[str, Array]:
        return {**super().pools(), LEVELS: jnp.full(self.settings.batch, NoiseModelConfig.level)}

    def update(self, step: int):
        theirs = step < self.first_cycle or step % self.settings.adversary_every == 0
        return self.adversaries if theirs else self.cycle

    def begun(self, done: int) -> bool:
        return any(self.update(step) != self.adversaries for step in range(self.first_cycle, done))

    def adversaries(self, state: st.TrainState, batch: Batch, key: Key[Array, ""]):
        """g_ba learns to damage as the real pictures are damaged; d_a learns to tell."""
        data_key, noise_key, fool_key, judge_key = jax.random.split(key, 4)
        damaged, clean = map(_middle, self.domains(batch, data_key, state.step))
        rate, levels = self.rate(state.step), self.lesson.levels(damaged)

        def degrader(params):
            noise = (noise_key, levels)
            fake, stats = self.generate("g_ba", params, state.stats["g_ba"], clean, noise, train=True)
            fooling = self.fooling(state, "d_a", fake, fool_key)
            return fooling + self.lambda_low * low(fake - clean), (fooling, fake, stats)

        (_, (fooling, fake, stats)), gradient = jax.value_and_grad(degrader, has_aux=True)(state.params["g_ba"])
        state, judging = self.train_judge(state, "d_a", damaged, fake, JUDGE_RATE * rate, judge_key)
        state = state._replace(stats={**state.stats, "g_ba": stats}, pool={**state.pool, LEVELS: levels})
        state = self.apply(state, "g_ba", gradient, self.degrader_rate * rate)
        return state._replace(step=state.step + 1), {"g_ba": fooling, "d_a": judging}

    def cycle(self, state: st.TrainState, batch: Batch, key: Key[Array, ""]):
        """b -> a -> b: g_ab learns to undo what the averaged g_ba does, whose own gradient stops here."""
        s = self.settings
        noise_key, alike_key = jax.random.split(key)
        shown_key = jax.random.fold_in(key, 2)
        clean, average = batch["clean"], state.average["g_ba"]
        noise = (noise_key, state.pool[LEVELS])
        fake, _ = self.generate("g_ba", average["params"], average["stats"], clean, noise, train=False)
        fake = jnp.clip(fake, 0, 1)
        clean, fake = self.lesson.alike(alike_key, clean, fake)
        few = max(clean.shape[0] // 4, 1) if s.lambda_identity else 0

        seen, same = self.lesson.shown(shown_key, fake), self.lesson.shown(shown_key, clean[:few])
        clean = _middle(clean)

        def restorer(params):
            inputs = jnp.concatenate([seen, same])
            outputs, stats = self.generate("g_ab", params, state.stats["g_ab"], inputs, train=True)
            pixel, n = PIXEL_LOSSES[s.cycle_loss], clean.shape[0]
            terms = {"cycle": pixel(outputs[:n], clean)}
            total = terms["cycle"]
            if few:
                terms["identity"] = pixel(outputs[n:], clean[:few])
                total += s.lambda_identity / s.lambda_cycle * terms["identity"]
            return total, (terms, stats)

        (_, (terms, stats)), gradient = jax.value_and_grad(restorer, has_aux=True)(state.params["g_ab"])
        state = state._replace(stats={**state.stats, "g_ab": stats})
        state = self.apply(state, "g_ab", gradient, self.rate(state.step, self.first_cycle))
        return state._replace(step=state.step + 1), terms


def _middle(clips: Array) -> Array:
    """Of clips the frame in the middle; stills are that."""
    return clips if clips.ndim == 4 else clips[:, clips.shape[1] // 2]
