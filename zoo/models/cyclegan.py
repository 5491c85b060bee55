"""Residual CycleGAN (Zhu et al. 2017, "Unpaired image-to-image translation using cycle-consistent adversarial
networks", with six residual blocks): domain a is degraded, b is clean; g_ab restores, g_ba degrades; d_a judges
pictures OF a, d_b of b. The film variant, which may be tiled, has a ResNet (resnet.py) for g_ab, a
law of noise for g_ba, and a judge of noise for d_a.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from zoo import draws
from zoo.models.layers import Conv, Upsample, chain, fold, leaky, like_kernel
from zoo.models.network import OneToOne
from zoo.models.norms import norm
from zoo.models.resnet import ResidualBlock


@dataclasses.dataclass(frozen=True)
class ResidualConfig(OneToOne):
    """The paper's generator: c7s1-64, d128, d256, `blocks` residual blocks, u128, u64, c7s1-3.

    CycleGAN's own norm is "instance", which hides brightness and contrast: it was made to change a picture's style.
    "batch" is what restoring papers name.
    """

    width: int = 64
    blocks: int = 6
    norm: str = "batch"
    task: str = "denoise"
    multiple: int = 4
    halo: None = None  # an instance norm looks at the whole picture

    def build(self, rngs: nnx.Rngs) -> "ResidualGenerator":
        return ResidualGenerator(self, rngs=rngs)


class ResidualGenerator(nnx.Module):
    """[n h w 3] in [0, 1] -> [n h w 3] in [0, 1]; h and w multiples of 4.

    With instance norm, pictures that differ in brightness and contrast alone come out the same.
    """

    def __init__(self, config: ResidualConfig, *, rngs: nnx.Rngs):
        self.config = config
        w, bias = config.width, config.norm == "none"
        self.entry = Conv(3, w, 7, pad="reflect", bias=bias, rngs=rngs)
        self.downs = nnx.List([Conv(c, 2 * c, stride=2, bias=bias, rngs=rngs) for c in (w, 2 * w)])
        block = lambda: ResidualBlock(4 * w, config.norm, pad="reflect", rngs=rngs)
        self.blocks = nnx.List([block() for _ in range(config.blocks)])
        self.ups = nnx.List([Upsample(c, c // 2, bias=bias, rngs=rngs) for c in (4 * w, 2 * w)])
        self.norms = nnx.List([norm(config.norm, c) for c in (w, 2 * w, 4 * w, 2 * w, w)])
        self.exit = Conv(w, 3, 7, pad="reflect", scale=0.5, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
        norms = iter(self.norms)
        x = nnx.relu(next(norms)(like_kernel(self.entry(2 * x - 1), self.entry)))
        for down in self.downs:
            x = nnx.relu(next(norms)(down(x)))
        x = chain(self.blocks, x)
        for up in self.ups:
            x = nnx.relu(next(norms)(up(x)))
        return (jnp.tanh(self.exit(x).astype(jnp.float32)) + 1) / 2


@dataclasses.dataclass(frozen=True)
class NoiseModelConfig:
    """g_ba as a law of noise to be learned: what degrading is, one-to-many, which a network without a random input
    cannot be."""

    law: str = "additive"  # "additive" (grain), "impulse" (replaced pixels) or "both"
    width: int = 24
    channels: int = 8  # of the random field
    level: float = 0.02  # where the learned middle of the levels starts, on the [0, 1] scale
    spread: float = 1.0  # drawn levels lie evenly, on a logarithmic scale, up to e^spread times above and below it

    def build(self, rngs: nnx.Rngs) -> "NoiseModel":
        return NoiseModel(self, rngs=rngs)


class NoiseModel(nnx.Module):
    """(clean [n h w 3], key, measured [n]) -> degraded [n h w 3], not clipped: a level for each picture, then a
    random field shaped by the picture (additive), or pixels replaced by black and white (impulse).

    Levels are not left to the discriminator, against which their spread shrinks to the middle: a network that
    restores blindly needs all of them. Additive noise gets the levels that were measured in degraded pictures of other
    scenes (`zoo.noise.estimate_sigma`), times a learned power of them; other laws draw theirs around a learned middle.
    """

    def __init__(self, config: NoiseModelConfig, *, rngs: nnx.Rngs):
        self.config = config
        c, w = config.channels, config.width
        self.middle = nnx.Param(jnp.full(2, jnp.log(config.level)))  # of the deviation and of the share of hits
        if config.law == "additive":
            self.power = nnx.Param(jnp.zeros(()))  # of measured levels, above 1
        if config.law != "impulse":
            # Orthogonal: white noise of unit variance (that of U(-1, 1) is 1/3), independent in each colour
            # until the discriminator says otherwise.
            self.white = nnx.Param(jax.nn.initializers.orthogonal(3**0.5)(rngs.params(), (c, 3)))
            self.shaping = nnx.List(
                [Conv(3 + c, w, rngs=rngs), Conv(w, w, rngs=rngs), Conv(w, 3, scale=0.0, rngs=rngs)]
            )
        if config.law != "additive":
            self.salt_share = nnx.Param(jnp.zeros(()))  # logit

    def __call__(
        self, clean: Float[Array, "n h w 3"], key: Key[Array, ""], measured: Float[Array, " n"]
    ) -> Float[Array, "n h w 3"]:
        level_key, field_key, hit_key, kind_key = jax.random.split(key, 4)
        u = draws.uniform(level_key, (clean.shape[0], 1, 1, 1), low=-1.0, high=1.0)
        sigma, density = (jnp.exp(middle + self.config.spread * u) for middle in self.middle[...])
        if self.config.law == "additive":
            sigma = self.corrected(measured)
        noisy = clean
        if self.config.law != "impulse":
            noisy = noisy + sigma * self.field(clean, field_key)
        if self.config.law != "additive":
            shape = (*clean.shape[:3], 1)
            hit = _bernoulli(draws.uniform(hit_key, shape), jnp.minimum(density, 0.9))
            salt = _bernoulli(draws.uniform(kind_key, shape), jax.nn.sigmoid(self.salt_share[...]))
            noisy = noisy + hit * (salt - noisy)
        return noisy

    def corrected(self, measured: Float[Array, " n"]) -> Float[Array, "n 1 1 1"]:
        """Measured levels as the discriminator taught to read them."""
        level = jnp.log(jnp.maximum(measured, 1e-3) / self.config.level)
        middle = self.middle[0] + (1 + self.power[...]) * level
        return jnp.exp(middle).reshape(-1, 1, 1, 1)

    def field(self, clean: Float[Array, "n h w 3"], key: Key[Array, ""]) -> Float[Array, "n h w 3"]:
        z = draws.uniform(key, (*clean.shape[:3], self.config.channels), low=-1.0, high=1.0)
        y = jnp.concatenate([clean, z], -1)
        for conv in self.shaping[:2]:
            y = leaky(like_kernel(conv(y), conv))
        return z @ self.white[...] + self.shaping[2](y).astype(z.dtype)


def _bernoulli(u: Array, p: Array) -> Array:
    """1 where u < p, with the gradient of a steep slope in log p, so that p can be learned."""
    soft = jax.nn.sigmoid((jnp.log(p) - jnp.log(u + 1e-6)) / 0.3)
    return soft + jax.lax.stop_gradient((u < p).astype(soft.dtype) - soft)


@dataclasses.dataclass(frozen=True)
class PatchConfig:
    """The 70x70 PatchGAN: C64-C128-C256-C512, 4x4 convolutions, one score a patch."""

    width: int = 64
    norm: str = "instance"
    dropout: float = 0.0
    channels: int = 3
    least: ClassVar[int] = 24  # side of a picture, px: of a smaller one there is no score

    def build(self, rngs: nnx.Rngs) -> "PatchDiscriminator":
        return PatchDiscriminator(self, rngs=rngs)


class PatchDiscriminator(nnx.Module):
    """[n h w c] in [0, 1] -> [n h/8-2 w/8-2 1]: a score for each 70x70 patch."""

    def __init__(self, config: PatchConfig, *, rngs: nnx.Rngs):
        self.config = config
        w = [config.channels, *(config.width * k for k in (1, 2, 4, 8))]
        conv = lambda i, o, stride: nnx.Conv(
            i,
            o,
            (4, 4),
            (stride, stride),
            padding=1,
            kernel_init=_published_weights,
            promote_dtype=_like_the_first,
            rngs=rngs,
        )
        self.convs = nnx.List([conv(w[k], w[k + 1], 2 if k < 3 else 1) for k in range(4)])
        self.norms = nnx.List([norm(config.norm if k else "none", w[k + 1]) for k in range(4)])
        self.dropout = nnx.Dropout(config.dropout)
        self.head = conv(w[4], 1, 1)

    def __call__(self, x: Float[Array, "n h w c"], rngs: nnx.Rngs | None = None) -> Float[Array, "n hh ww 1"]:
        x = 2 * x - 1
        for conv, normed in zip(self.convs, self.norms, strict=True):
            x = leaky(normed(like_kernel(conv(x), conv)))
        return self.head(self.dropout(x, rngs=rngs)).astype(jnp.float32)


def _like_the_first(arrays: Any, **_: Any) -> Any:
    """Kernel and bias in the type of what they meet, as `Conv` has it; Flax would take the widest of the three."""
    return tuple(a if a is None else a.astype(arrays[0].dtype) for a in arrays)


def _published_weights(key: Key[Array, ""], shape: tuple[int, ...], dtype: Any) -> Array:
    """N(0, 0.02) (Zhu et al. 2017, section 7.1)."""
    return 0.02 * draws.normal(key, shape, dtype)


@dataclasses.dataclass(frozen=True)
class NoiseCriticConfig:
    """A judge of grain: sees what is left above a 3x3 blur, amplified, and not the picture."""

    width: int = 32
    dropout: float = 0.0
    channels: int = 3
    multiple: ClassVar[int] = 2  # it folds 2x2 pixels

    def build(self, rngs: nnx.Rngs) -> "NoiseCritic":
        return NoiseCritic(self, rngs=rngs)


class NoiseCritic(nnx.Module):
    """[n h w c] in [0, 1] -> [n k]: a score for each 4x4 cell, and as many times one for the whole."""

    def __init__(self, config: NoiseCriticConfig, *, rngs: nnx.Rngs):
        self.config = config
        w = config.width
        self.convs = nnx.List([Conv(a, b, rngs=rngs) for a, b in ((4 * config.channels, w), (w, w), (w, 2 * w))])
        self.dropout = nnx.Dropout(config.dropout)
        self.patch = nnx.Linear(2 * w, 1, rngs=rngs)
        self.hidden, self.whole = nnx.Linear(4 * w, 64, rngs=rngs), nnx.Linear(64, 1, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"], rngs: nnx.Rngs | None = None) -> Float[Array, "n k"]:
        x = jnp.arcsinh((x - blur3(x)) / 0.02)  # 0.02: the middle of the levels; asinh keeps edges from shouting
        x = fold(x, 2)
        for k, conv in enumerate(self.convs):
            x = leaky(like_kernel(conv(x), conv))
            if k == 1:
                x = nnx.avg_pool(x, (2, 2), strides=(2, 2))
        cells = self.dropout(x.astype(jnp.float32), rngs=rngs)
        patch = self.patch(cells).reshape(x.shape[0], -1)
        # The quietest cell tells the level of the noise where texture hides it elsewhere.
        quiet = -jax.nn.logsumexp(-4 * cells, axis=(1, 2)) / 4
        whole = self.whole(leaky(self.hidden(jnp.concatenate([cells.mean((1, 2)), quiet], -1))))
        return jnp.concatenate([patch, jnp.broadcast_to(whole, patch.shape)], -1)


def blur3(x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """The binomial 3x3 blur, reflecting at the borders."""
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
    return (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4
