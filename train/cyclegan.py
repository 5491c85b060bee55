"""Trains the residual CycleGAN on UNPAIRED clean and degraded pictures: python -m train.cyclegan --noise=gaussian

Domain a is degraded, b is clean; g_ab restores, g_ba degrades; d_a judges pictures of a, d_b pictures of b. The two
domains are made of disjoint halves of the data. A loss sees the degraded pictures of one half and the clean ones of the
other, and nothing else.

--preset=paper is CycleGAN as published. The other presets keep its clean cycle b -> a -> b, d_a and the identity loss.
Their g_ba draws noise from a random input: a deterministic one hides the picture in the noise. Its levels are those
measured in degraded pictures. The cycle's gradient stops at g_ba.
"""

import dataclasses
import sys
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from train.loop import degrade, loop
from train.loop import state as st
from train.loop.losses import PIXEL_LOSSES, discriminator_loss, generator_loss, gradient_penalty
from train.loop.method import Batch, Task
from train.loop.settings import Settings, network_config, overridden, refuse_ignored, shipped_config
from zoo import color
from zoo.errors import FlagError
from zoo.models.cyclegan import NoiseCriticConfig, NoiseModelConfig, PatchConfig, ResidualConfig
from zoo.models.densenet import DenseDiscriminatorConfig
from zoo.models.gan import DiscriminatorConfig
from zoo.noise import estimate_sigma

DISCRIMINATORS = {
    "patch": PatchConfig,
    "noise": NoiseCriticConfig,
    "densenet": DenseDiscriminatorConfig,
    "plain": DiscriminatorConfig,
}
NOT_FILLED = -1.0  # in a history pool; no picture holds it
LEVELS = "levels"  # beside the pools: those of the noise in the adversaries' last degraded pictures
JUDGE_RATE = 0.4  # of the learning rate
# Of the learning rate, for a g_ba that is right from the beginning but for what its judge teaches: faster, it follows
# the judge's mistakes.
DEGRADER_RATE = 0.03
LAWS = {
    "gaussian": "additive",
    "poisson": "additive",
    "speckle": "additive",
    "grain": "additive",
    "scan": "additive",
    "salt_and_pepper": "impulse",
}

PRESETS = {
    "small": {"network": "width=32"},
    "paper": {
        "generator": "published",
        "degrader": "same",
        "discriminator": "patch",
        "joint": True,
        "dropout": 0.5,
        "cycle_loss": "l1",
        "lambda_identity": 5.0,
        "lambda_penalty": 0.0,
        "lambda_low": 0.0,
        "pool": 50,
        "b1": 0.5,
    },
}


@dataclasses.dataclass(frozen=True)
class CycleGanSettings(Settings):
    LEAST = Settings.LEAST | {"adversary_every": 2, "pool": 0}

    generator: Literal["resnet", "published", "densenet", "unet", "plain"] = "resnet"
    """g_ab: resnet (no norm over the picture, may be tiled), as published, densenet, unet or plain (the GAN's)"""
    degrader: Literal["noise", "same"] = "noise"
    """g_ba: a learned law of noise with a random input, or the same network as g_ab"""
    discriminator: Literal["patch", "noise", "densenet", "plain"] = "noise"
    """d_a (and d_b): 70x70 PatchGAN, a judge of what lies above a blur, dense blocks, or the GAN's"""
    joint: bool = False
    """train all at once as published, both cycles and both discriminators; else g_ba against d_a, and g_ab on
    what g_ba makes, in turn"""
    judge: str | None = None
    """override fields of the discriminator's config, as width=16"""
    objective: Literal["least_squares", "minimax", "non_saturating"] = "least_squares"
    cycle_loss: Literal["charbonnier", "l1", "l2", "psnr"] = "psnr"
    lambda_cycle: float = 10.0
    lambda_identity: float = 0.1
    """weight of the identity losses; published: half of lambda_cycle"""
    lambda_penalty: float = 2e-5
    """R1 on the discriminators"""
    lambda_low: float = 200.0
    """what g_ba may not change: the mean of 8x8 blocks, squared"""
    pool: int = 0
    """earlier fakes that the discriminators also see (50 as published)"""
    degrader_rate: float | None = None
    """of the learning rate, for g_ba; default: 0.03 where it begins as white noise of measured levels, else 1"""
    b1: float = 0.9
    """Adam's first decay for g_ab; the adversaries have 0.5"""
    head_start: float = 0.15
    """share of the run in which g_ba and d_a train alone, where not joint"""
    adversary_every: int = 3
    """after it, one step in so many is theirs; 2 or more"""


class CycleGan(Task):
    ships, unpaired = "g_ab", True
    settings: CycleGanSettings

    def __init__(self, settings: CycleGanSettings, steps: int):
        super().__init__(settings, steps)
        if not settings.lambda_cycle:
            raise FlagError("--lambda-cycle=0 would leave nothing that says which picture to restore; make it more")
        if settings.head_start >= 1:
            raise FlagError(f"--head-start={settings.head_start} leaves no step to g_ab; make it less than 1")
        if settings.joint:
            refuse_ignored(settings, PRESETS, ("grey", "head_start", "adversary_every"), "--joint")
        configs = _configs(settings)
        self.nets = {name: st.Net(config, settings.precision) for name, config in configs.items()}
        self.averaged = ("g_ab",) if settings.joint else ("g_ab", "g_ba")
        adversary = st.Adam(b1=0.5, b2=0.999 if settings.joint else 0.99, l2=settings.l2)
        self.optimisers = dict.fromkeys(self.nets, adversary)
        self.optimisers["g_ab"] = self.optimiser(settings.b1)
        self.first_cycle = 0 if settings.joint else round(settings.head_start * steps)
        law = getattr(configs["g_ba"], "law", None)
        default = DEGRADER_RATE if law == "additive" else 1.0
        self.degrader_rate = default if settings.degrader_rate is None else settings.degrader_rate

    def pools(self) -> dict[str, Array]:
        s = self.settings
        names = [n for n in ("d_a", "d_b") if n in self.nets] if s.pool else []
        pools = {n: jnp.full((s.pool, s.crop, s.crop, 3), NOT_FILLED) for n in names}
        return pools if s.joint else {**pools, LEVELS: jnp.full(s.batch, NoiseModelConfig.level)}

    def update(self, step: int):
        if self.settings.joint:
            return self.joint
        theirs = step < self.first_cycle or step % self.settings.adversary_every == 0
        return self.adversaries if theirs else self.cycle

    def begun(self, done: int) -> bool:
        return any(self.update(step) != self.adversaries for step in range(self.first_cycle, done))

    def domains(self, batch: Batch, key: Key[Array, ""], step: Array) -> tuple[Array, Array]:
        """(degraded pictures of one half of the data, clean ones of the other): all that a loss may see."""
        _, degraded = degrade.pairs(
            key, batch["degraded"], settings=dataclasses.replace(self.settings, grey=0), progress=self.progress(step)
        )
        return degraded, degrade.pictures(batch["clean"])

    # One step of each kind: (state, batch, key) -> (state, losses).

    def joint(self, state: st.TrainState, batch: Batch, key: Key[Array, ""]):
        """As published: both cycles, both identities, both discriminators."""
        s, keys = self.settings, jax.random.split(key, 7)
        a, b = self.domains(batch, keys[0], state.step)
        pixel = PIXEL_LOSSES[s.cycle_loss]

        def generators(params):
            stats, levels = dict(state.stats), estimate_sigma(a)

            def through(name, *domains, k=None):
                """Each domain's pictures through one network, at once: side by side, so that a device's stay there."""
                x = jnp.stack(domains, 1)
                noise = () if k is None else (k, jnp.repeat(levels, len(domains)))
                flat = x.reshape(-1, *x.shape[2:])
                y, stats[name] = self.generate(name, params[name], stats[name], flat, noise, train=True)
                y = y.reshape(x.shape)
                return [y[:, j] for j in range(len(domains))]

            identity = bool(s.lambda_identity)
            fake_b, *same_b = through("g_ab", a, *[b] * identity)
            fake_a, *same_a = through("g_ba", b, *[a] * identity, k=keys[1])
            (back_a,), (back_b,) = through("g_ba", fake_b, k=keys[4]), through("g_ab", fake_a)
            terms = {
                "g_ab": self.fooling(state, "d_b", fake_b, keys[2]),
                "g_ba": self.fooling(state, "d_a", fake_a, keys[3]),
                "cycle": pixel(back_a, a) + pixel(back_b, b),
            }
            weights = {"cycle": s.lambda_cycle}
            if identity:
                terms["identity"] = pixel(same_b[0], b) + pixel(same_a[0], a)
                weights["identity"] = s.lambda_identity
            total = sum(weights.get(name, 1.0) * term for name, term in terms.items())
            return total + s.lambda_low * _low(fake_a - b), (terms, fake_a, fake_b, stats)

        both = {name: state.params[name] for name in ("g_ab", "g_ba")}
        (_, (terms, fake_a, fake_b, stats)), gradient = jax.value_and_grad(generators, has_aux=True)(both)
        rate = self.rate(state.step)
        state, terms["d_a"] = self.train_judge(state, "d_a", a, fake_a, rate, keys[5])
        state, terms["d_b"] = self.train_judge(state, "d_b", b, fake_b, rate, keys[6])
        state = state._replace(stats={**state.stats, "g_ab": stats["g_ab"], "g_ba": stats["g_ba"]})
        for name, share in (("g_ab", 1.0), ("g_ba", self.degrader_rate)):
            state = self.apply(state, name, gradient[name], share * rate)
        return state._replace(step=state.step + 1), terms

    def adversaries(self, state: st.TrainState, batch: Batch, key: Key[Array, ""]):
        """g_ba learns to degrade as the real pictures are degraded; d_a learns to tell."""
        data_key, noise_key, fool_key, judge_key = jax.random.split(key, 4)
        degraded, clean = self.domains(batch, data_key, state.step)
        rate, levels = self.rate(state.step), estimate_sigma(degraded)

        def degrader(params):
            noise = (noise_key, levels)
            fake, stats = self.generate("g_ba", params, state.stats["g_ba"], clean, noise, train=True)
            fooling = self.fooling(state, "d_a", fake, fool_key)
            return fooling + self.settings.lambda_low * _low(fake - clean), (fooling, fake, stats)

        (_, (fooling, fake, stats)), gradient = jax.value_and_grad(degrader, has_aux=True)(state.params["g_ba"])
        state, judging = self.train_judge(state, "d_a", degraded, fake, JUDGE_RATE * rate, judge_key)
        state = state._replace(stats={**state.stats, "g_ba": stats}, pool={**state.pool, LEVELS: levels})
        state = self.apply(state, "g_ba", gradient, self.degrader_rate * rate)
        return state._replace(step=state.step + 1), {"g_ba": fooling, "d_a": judging}

    def cycle(self, state: st.TrainState, batch: Batch, key: Key[Array, ""]):
        """b -> a -> b: g_ab learns to undo what the averaged g_ba does, whose own gradient stops here."""
        s = self.settings
        noise_key, grey_key = jax.random.split(key)
        clean, average = degrade.pictures(batch["clean"]), state.average["g_ba"]
        noise = (noise_key, state.pool[LEVELS])
        fake, _ = self.generate("g_ba", average["params"], average["stats"], clean, noise, train=False)
        fake = jnp.clip(fake, 0, 1)
        if s.grey:
            grey = degrade.grey_share(grey_key, clean.shape[0], s.grey)
            clean, fake = (jnp.where(grey, color.grey(x), x) for x in (clean, fake))
        few = max(clean.shape[0] // 4, 1) if s.lambda_identity else 0

        def restorer(params):
            inputs = jnp.concatenate([fake, clean[:few]])
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

    # Parts of a step.

    def generate(self, name: str, params: Any, stats: Any, x: Array, noise: Any = (), *, train: bool):
        """(pictures, stats) of a generator; `noise`: the (key, measured levels) of a g_ba that draws its noise from a
        random input."""
        net = self.nets[name]
        noise = noise if isinstance(net.config, NoiseModelConfig) else ()
        return net(params, stats, x, *noise, train=train)

    def fooling(self, state: st.TrainState, judge: str, fake: Array, key: Array) -> Float[Array, ""]:
        scores, _ = self.judge(state, judge, state.params[judge], fake, key)
        return generator_loss(self.settings.objective, scores)

    def judge(self, state: st.TrainState, name: str, params: Any, pictures: Array, key: Array) -> tuple[Array, Any]:
        rngs = nnx.Rngs(dropout=key)
        return self.nets[name](params, state.stats[name], jnp.clip(pictures, 0, 1), train=True, rngs=rngs)

    def train_judge(self, state: st.TrainState, name: str, real: Array, fake: Array, rate: Array, key: Array):
        """(state, loss) after one update of a discriminator, on this step's fakes or earlier ones."""
        pool_key, real_key, fake_key = jax.random.split(key, 3)
        fake = jax.lax.stop_gradient(fake)
        if self.settings.pool:
            fake, pool = from_pool(pool_key, state.pool[name], fake)
            state = state._replace(pool={**state.pool, name: pool})

        def loss(params):
            on_real, stats = self.judge(state, name, params, real, real_key)
            on_fake, _ = self.judge(state, name, params, fake, fake_key)
            value = discriminator_loss(self.settings.objective, on_real, on_fake)
            penalty = 0.0
            if self.settings.lambda_penalty:
                few = real[: max(real.shape[0] // 4, 1)]  # a gradient of a gradient: the step's dearest part
                penalty = gradient_penalty(lambda x: self.judge(state, name, params, x, real_key)[0], few)
            return value + self.settings.lambda_penalty * penalty, (value, stats)

        (_, (value, stats)), gradient = jax.value_and_grad(loss, has_aux=True)(state.params[name])
        state = state._replace(stats={**state.stats, name: stats})
        return self.apply(state, name, gradient, rate), value


def from_pool(key: Key[Array, ""], pool: Array, fake: Array) -> tuple[Array, Array]:
    """(fakes to judge, pool): each fake is shown, or, half the time, goes into the pool in exchange for an earlier one
    (Shrivastava et al. 2017). pool: [p h w c], fake: [n h w c]."""
    slot_key, swap_key = jax.random.split(key)
    n = min(fake.shape[0], pool.shape[0])
    slots = jax.random.permutation(slot_key, pool.shape[0])[:n]
    old, new = pool[slots], fake[:n]
    filled = old[:, :1, :1, :1] != NOT_FILLED
    swap = filled & jax.random.bernoulli(swap_key, 0.5, filled.shape)
    pool = pool.at[slots].set(jnp.where(swap | ~filled, new, old))
    return jnp.concatenate([jnp.where(swap, old, new), fake[n:]]), pool


def _low(residual: Float[Array, "n h w 3"]) -> Float[Array, ""]:
    """The means of 8x8 blocks, squared: grain has next to none there."""
    return jnp.mean(jnp.square(nnx.avg_pool(residual, (8, 8), strides=(8, 8))))


def _configs(settings: CycleGanSettings) -> dict[str, Any]:
    """The config of each network."""
    if settings.generator == "published":
        restorer = network_config(ResidualConfig(), settings)
    else:
        restorer = shipped_config(
            {"resnet": "cyclegan", "plain": "gan-paper"}.get(settings.generator, settings.generator), settings
        )
    if settings.degrader == "noise":
        degrader: Any = NoiseModelConfig(law=LAWS.get(settings.noise, "both"))
    else:  # clean pictures have no hits to rewrite
        degrader = dataclasses.replace(restorer, impulse=False) if hasattr(restorer, "impulse") else restorer
    judge = DISCRIMINATORS[settings.discriminator](dropout=settings.dropout)
    judge = overridden(judge, settings.judge, "--judge")
    return {"g_ab": restorer, "g_ba": degrader, "d_a": judge, **({"d_b": judge} if settings.joint else {})}


main = loop.train_command("cyclegan", CycleGanSettings, PRESETS, CycleGan)

if __name__ == "__main__":
    sys.exit(main())
