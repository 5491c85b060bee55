"""CycleGAN as published (Zhu et al. 2017), on UNPAIRED damaged and clean pictures.

Domain a is damaged, b is clean; g_ab restores, g_ba damages; d_a judges pictures of a, d_b pictures of b. The two
domains are made of disjoint halves of the data. A loss sees the damaged pictures of one half and the clean ones of the
other, and nothing else.
"""

import dataclasses
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from train.loop import state as st
from train.loop.lesson import Lesson
from train.loop.losses import OBJECTIVES, PIXEL_LOSSES, discriminator_loss, generator_loss, gradient_penalty
from train.loop.method import Batch, Method
from train.loop.settings import Settings, overridden
from train.methods.judges import DISCRIMINATORS, NOT_FILLED, from_pool
from zoo.errors import FlagError
from zoo.flags import among

# Of the learning rate, for a g_ba that is right from the beginning but for what its judge teaches: faster, it follows
# the judge's mistakes.
DEGRADER_RATE = 0.03
DEGRADERS = ("noise", "same")  # a learned law of noise with a random input, or the same network as g_ab


@dataclasses.dataclass(frozen=True)
class CycleGanSettings(Settings):
    """The defaults are the paper's."""

    generator: str = "published"
    dropout: float = 0.5
    degrader: Annotated[str, among(DEGRADERS)] = "same"
    """g_ba: a learned law of noise with a random input, or the same network as g_ab"""
    discriminator: Annotated[str, among(DISCRIMINATORS)] = "patch"
    """d_a (and d_b): the GAN's, dense blocks, 70x70 PatchGAN, or a judge of what lies above a blur"""
    judge: str | None = None
    """override fields of the discriminator's config, as width=16"""
    objective: Annotated[str, among(OBJECTIVES)] = "least_squares"
    cycle_loss: Annotated[str, among(PIXEL_LOSSES)] = "l1"
    lambda_cycle: float = 10.0
    lambda_identity: float = 5.0
    """weight of the identity losses; published: half of lambda_cycle"""
    lambda_penalty: float = 0.0
    """R1 on the discriminators"""
    lambda_low: float = 0.0
    """what g_ba may not change: the mean of 8x8 blocks, squared"""
    pool: int = 50
    """earlier fakes that the discriminators also see (50 as published)"""
    degrader_rate: float | None = None
    """of the learning rate, for g_ba; default: 0.03 where it begins as white noise of measured levels, else 1"""
    b1: float = 0.5
    """Adam's first decay for g_ab; the adversaries have 0.5"""

    def check(self) -> None:
        self.at_least(pool=0)
        if not self.lambda_cycle:
            raise FlagError("--lambda-cycle=0 would leave nothing that says which picture to restore; make it more")
        super().check()


class CycleGan(Method):
    flags, unpaired, in_clips = CycleGanSettings, True, False
    judges: tuple[str, ...] = ("d_a", "d_b")
    b2 = 0.999  # of the adversaries' Adam
    ships, averaged = "g_ab", ("g_ab",)

    def __init__(self, settings: Any, lesson: Lesson, steps: int):
        super().__init__(settings, lesson, steps)
        restorer = self.network()
        if settings.degrader == "noise":
            degrader = lesson.law()
        else:  # clean pictures have no hits to rewrite
            degrader = dataclasses.replace(restorer, impulse=False) if hasattr(restorer, "impulse") else restorer
        judge = DISCRIMINATORS[settings.discriminator](dropout=settings.dropout)
        judge = overridden(judge, settings.judge, "--judge")
        configs = {"g_ab": restorer, "g_ba": degrader, **dict.fromkeys(self.judges, judge)}
        self.nets = {name: st.Net(config, settings.precision) for name, config in configs.items()}
        adversary = st.Adam(b1=0.5, b2=self.b2, l2=settings.l2)
        self.optimisers = dict.fromkeys(self.nets, adversary) | {"g_ab": self.optimiser(settings.b1)}
        default = DEGRADER_RATE if getattr(degrader, "law", None) in ("additive", "film") else 1.0
        self.degrader_rate = default if settings.degrader_rate is None else settings.degrader_rate
        self._refuse_ignored()

    def _refuse_ignored(self) -> None:
        self.refuse_ignored(self.lesson.pairs_only, "a CycleGAN as published")

    def init(self, key: Key[Array, ""]) -> st.TrainState:
        """The law of the damage begins as it was measured, where it was."""
        state, begun = super().init(key), self.lesson.begun()
        if begun is None or self.settings.degrader != "noise":
            return state
        average = {n: {**kept, "params": begun} if n == "g_ba" else kept for n, kept in state.average.items()}
        average = jax.tree.map(jnp.copy, average)
        return state._replace(params={**state.params, "g_ba": begun}, average=average)

    def pools(self) -> dict[str, Array]:
        s = self.settings
        return {name: jnp.full((s.pool, s.crop, s.crop, 3), NOT_FILLED) for name in self.judges if s.pool}

    def update(self, step: int):
        return self.joint

    def joint(self, state: st.TrainState, batch: Batch, key: Key[Array, ""]):
        """One step of the full objective, in the paper's letters: G is g_ab, F is g_ba, X is a, Y is b.

        (1)  L_GAN(G, D_Y) = log D_Y(y) + log(1 - D_Y(G(x))), its logarithms as squares (section 4)
        (2)  L_cyc(G, F)   = |F(G(x)) - x| + |G(F(y)) - y|
        (3)  L(G, F, D_X, D_Y) = L_GAN(G, D_Y) + L_GAN(F, D_X) + lambda L_cyc(G, F)
             L_identity(G, F) = |G(y) - y| + |F(x) - x| (section 5.2)
        """
        s, keys = self.settings, jax.random.split(key, 7)
        a, b = self.domains(batch, keys[0], state.step)
        pixel = PIXEL_LOSSES[s.cycle_loss]

        def generators(params):
            stats, levels = dict(state.stats), self.lesson.levels(a)

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
                "g_ab": self.fooling(state, "d_b", fake_b, keys[2]),  # (1), what G minimises of it
                "g_ba": self.fooling(state, "d_a", fake_a, keys[3]),
                "cycle": pixel(back_a, a) + pixel(back_b, b),  # (2)
            }
            weights = {"cycle": s.lambda_cycle}
            if identity:
                terms["identity"] = pixel(same_b[0], b) + pixel(same_a[0], a)
                weights["identity"] = s.lambda_identity
            total = sum(weights.get(name, 1.0) * term for name, term in terms.items())  # (3)
            return total + s.lambda_low * low(fake_a - b), (terms, fake_a, fake_b, stats)

        both = {name: state.params[name] for name in ("g_ab", "g_ba")}
        (_, (terms, fake_a, fake_b, stats)), gradient = jax.value_and_grad(generators, has_aux=True)(both)
        rate = self.rate(state.step)
        state, terms["d_a"] = self.train_judge(state, "d_a", a, fake_a, rate, keys[5])
        state, terms["d_b"] = self.train_judge(state, "d_b", b, fake_b, rate, keys[6])
        state = state._replace(stats={**state.stats, "g_ab": stats["g_ab"], "g_ba": stats["g_ba"]})
        for name, share in (("g_ab", 1.0), ("g_ba", self.degrader_rate)):
            state = self.apply(state, name, gradient[name], share * rate)
        return state._replace(step=state.step + 1), terms

    # Parts of a step.

    def domains(self, batch: Batch, key: Key[Array, ""], step: Array) -> tuple[Array, Array]:
        """(damaged pictures of one half of the data, clean ones of the other): all that a loss may see."""
        return self.lesson.degraded(key, batch["degraded"], self.progress(step)), batch["clean"]

    def generate(self, name: str, params: Any, stats: Any, x: Array, noise: Any = (), *, train: bool):
        """(pictures, stats) of a generator; `noise`: the (key, measured levels) of a g_ba that draws its noise from a
        random input."""
        draws = name == "g_ba" and self.settings.degrader == "noise"
        return self.nets[name](params, stats, x, *(noise if draws else ()), train=train)

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


def low(residual: Float[Array, "n h w c"]) -> Float[Array, ""]:
    """The means of 8x8 blocks, squared: grain has next to none there."""
    return jnp.mean(jnp.square(nnx.avg_pool(residual, (8, 8), strides=(8, 8))))
