"""The GAN of the paper: a generator of convolutions, batch norm and activations against a discriminator of
convolutions and pooling that tells real from fake (Goodfellow et al. 2014, "Generative adversarial nets"; as a
generator of pictures from a vector it follows DCGAN, Radford et al. 2016; conditioned on a degraded picture, pix2pix,
Isola et al. 2017).
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo.errors import FlagError
from zoo.models.layers import Conv, Denoiser, DenoiserConfig, denoiser_halo, leaky, like_kernel
from zoo.models.network import OneToOne
from zoo.models.norms import norm


@dataclasses.dataclass(frozen=True)
class PlainConfig(DenoiserConfig):
    """The generator as a denoiser: `depth` times convolution, batch norm, ReLU on `width` channels."""

    width: int = 64
    depth: int = 8
    norm: str = "batch"

    @property
    def halo(self) -> int:
        return denoiser_halo(self, self.depth)

    def build(self, rngs: nnx.Rngs) -> Denoiser:
        layers = [PlainLayer(self, rngs=rngs) for _ in range(self.depth)]
        return Denoiser(self, nnx.Sequential(*layers), self.width, rngs=rngs)


class PlainLayer(nnx.Module):
    """Convolution, norm, ReLU: [n h w c] -> [n h w c]."""

    def __init__(self, config: PlainConfig, *, rngs: nnx.Rngs):
        self.conv = Conv(config.width, config.width, bias=config.norm == "none", rngs=rngs)
        self.norm = norm(config.norm, config.width)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        return nnx.relu(self.norm(self.conv(x)))


@dataclasses.dataclass(frozen=True)
class LatentConfig(OneToOne):
    """The generator of pictures from a random vector: `size` pixels square, halved `steps` times down to its first
    map."""

    size: int = 64
    width: int = 32  # channels at full size; doubled at each halving, up to 8 x
    steps: int = 4
    latent: int = 128  # length of the random vector
    task: str = "generate"
    multiple: int = 1
    halo: None = None

    def __post_init__(self):
        if self.size % 2**self.steps:
            raise FlagError(
                f"a picture of {self.size} px cannot be halved {self.steps} times; choose a multiple of {2**self.steps}"
            )

    def build(self, rngs: nnx.Rngs) -> "LatentGenerator":
        return LatentGenerator(self, rngs=rngs)


class LatentGenerator(nnx.Module):
    """[n latent], standard normal -> [n size size 3] in [0, 1].

    Maps grow by repeating their samples before a convolution. A transposed one reaches some samples more often than
    others, and draws a checkerboard (Odena et al. 2016, "Deconvolution and checkerboard artifacts"). They are mirrored
    at their edges: zeros there become a frame around every picture.
    """

    def __init__(self, config: LatentConfig, *, rngs: nnx.Rngs):
        self.config = config
        widths = [config.width * min(2**k, 8) for k in range(config.steps, -1, -1)]
        first = config.size // 2**config.steps
        self.project = nnx.Linear(config.latent, first * first * widths[0], use_bias=False, rngs=rngs)
        self.convs = nnx.List(
            [Conv(a, b, pad="reflect", bias=False, rngs=rngs) for a, b in zip(widths, widths[1:], strict=False)]
        )
        self.norms = nnx.List([norm("batch", w) for w in widths])
        self.exit = Conv(widths[-1], 3, pad="reflect", scale=0.5, rngs=rngs)
        self.shape = (first, first, widths[0])

    def __call__(self, z: Float[Array, "n latent"]) -> Float[Array, "n size size 3"]:
        x = nnx.relu(self.norms[0](like_kernel(self.project(z).reshape(-1, *self.shape), self.exit)))
        for conv, normed in zip(self.convs, self.norms[1:], strict=True):
            x = nnx.relu(normed(conv(x.repeat(2, 1).repeat(2, 2))))
        return jax.nn.sigmoid(self.exit(x).astype(jnp.float32))


@dataclasses.dataclass(frozen=True)
class DiscriminatorConfig:
    """Convolutions and pooling down to one score a picture."""

    width: int = 32  # channels of the first layer; doubled after each pooling
    depth: int = 4  # convolution and pooling, so many times
    norm: str = "batch"
    dropout: float = 0.5
    channels: int = 3  # 6 where the judge also sees the degraded picture

    @property
    def least(self) -> int:
        """Side of a picture, px: of a smaller one the poolings leave nothing."""
        return 2**self.depth

    def build(self, rngs: nnx.Rngs) -> "Discriminator":
        return Discriminator(self, rngs=rngs)


class Discriminator(nnx.Module):
    """[n h w c] in [0, 1] -> [n 1]: a score, the logit of "real"."""

    def __init__(self, config: DiscriminatorConfig, *, rngs: nnx.Rngs):
        self.config = config
        widths = [config.channels, *(config.width * 2**k for k in range(config.depth))]
        pairs = list(zip(widths, widths[1:], strict=False))
        self.convs = nnx.List([Conv(a, b, bias=k == 0, rngs=rngs) for k, (a, b) in enumerate(pairs)])
        # No norm on the first layer, as DCGAN: it would hide the level of the noise from the judge.
        self.norms = nnx.List([norm(config.norm if k else "none", b) for k, (_, b) in enumerate(pairs)])
        self.dropout = nnx.Dropout(config.dropout)
        self.head = nnx.Linear(widths[-1], 1, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"], rngs: nnx.Rngs | None = None) -> Float[Array, "n 1"]:
        x = 2 * x - 1
        for conv, normed in zip(self.convs, self.norms, strict=True):
            x = nnx.avg_pool(leaky(normed(like_kernel(conv(x), conv))), (2, 2), strides=(2, 2))
        return self.head(self.dropout(jnp.mean(x, (1, 2)), rngs=rngs))
