"""DenseNet (Huang et al. 2017, "Densely connected convolutional networks"): dense blocks of BN-ReLU-Conv layers, each
of which sees the features of all before it, with transition layers between; as a denoiser and as a discriminator.
"""

import dataclasses

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo.models import convolution
from zoo.models.layers import Conv, Denoiser, DenoiserConfig, denoiser_halo, leaky, like_kernel
from zoo.models.norms import biased, norm


@dataclasses.dataclass(frozen=True)
class DenseNetConfig(DenoiserConfig):
    """The denoiser: `blocks` dense blocks of `layers` layers that add `growth` channels each, at one resolution."""

    width: int = 64
    growth: int = 32
    blocks: int = 3
    layers: int = 4

    @property
    def halo(self) -> int:
        return denoiser_halo(self, self.blocks * self.layers)

    def build(self, rngs: nnx.Rngs) -> Denoiser:
        make = lambda: DenseBlock(self.width, self.growth, self.layers, self.norm, rngs=rngs)
        return Denoiser(self, nnx.Sequential(*(make() for _ in range(self.blocks))), self.width, rngs=rngs)


class DenseLayer(nnx.Module):
    """Norm, ReLU, convolution over the concatenation of features kept as a list; each source has its own part of the
    kernel, since others read it too."""

    def __init__(self, sources: list[int], o: int, size: int, kind: str, *, scale=1.0, rngs: nnx.Rngs):
        share = scale * (sources[0] / sum(sources)) ** 0.5  # He's variance counts all sources together
        self.norms = nnx.List([norm(kind, i) for i in sources])
        scales = [share * (i / sources[0]) ** 0.5 for i in sources]
        self.convs = nnx.List(
            [
                Conv(i, o, size, bias=k == 0, scale=s, rngs=rngs)
                for k, (i, s) in enumerate(zip(sources, scales, strict=True))
            ]
        )

    def __call__(self, features: list[Array]) -> Float[Array, "n h w o"]:
        x = jnp.concatenate([nnx.relu(normed(f)) for normed, f in zip(self.norms, features, strict=True)], -1)
        kernel = jnp.concatenate([conv.kernel[...] for conv in self.convs], 2).astype(x.dtype)
        return biased(convolution.same(x, kernel), self.convs[0].bias)


class DenseBlock(nnx.Module):
    """`layers` dense layers, a 1x1 transition back to `width` channels, and the block's own input added:
    [n h w width] -> [n h w width]."""

    def __init__(self, width: int, growth: int, layers: int, kind: str, *, rngs: nnx.Rngs):
        self.normed = kind != "none"
        sources = [[width] + [growth] * k for k in range(layers + 1)]
        self.layers = nnx.List([DenseLayer(s, growth, 3, kind, rngs=rngs) for s in sources[:-1]])
        self.transition = DenseLayer(sources[-1], width, 1, kind, scale=0.1, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        features = [x]
        if self.normed:
            for layer in self.layers:
                features.append(layer(features))
            return x + self.transition(features)
        # Without norms all later layers read a feature alike: one wide convolution for them all, where narrow ones
        # leave most of a processor idle. `wide[j]` holds what feature j gives to layer j and those after it.
        wide: list[Array] = []
        for k, layer in enumerate(self.layers):
            kernels = [later.convs[k].kernel[...] for later in self.layers[k:]]
            wide.append(convolution.same(nnx.relu(features[k]), jnp.concatenate(kernels, -1).astype(x.dtype)))
            growth = kernels[0].shape[-1]
            own = [part[..., (k - j) * growth : (k - j + 1) * growth] for j, part in enumerate(wide)]
            features.append(biased(sum(own[1:], start=own[0]), layer.convs[0].bias))
        return x + self.transition(features)


@dataclasses.dataclass(frozen=True)
class DenseDiscriminatorConfig:
    """Dense blocks with pooling transitions, down to one score a picture."""

    width: int = 32
    growth: int = 16
    blocks: int = 3
    layers: int = 3
    norm: str = "batch"
    dropout: float = 0.5
    channels: int = 3

    @property
    def least(self) -> int:
        """Side of a picture, px: of a smaller one the poolings leave nothing."""
        return 2**self.blocks

    def build(self, rngs: nnx.Rngs) -> "DenseDiscriminator":
        return DenseDiscriminator(self, rngs=rngs)


class DenseDiscriminator(nnx.Module):
    """[n h w c] in [0, 1] -> [n 1]: a score, the logit of "real"."""

    def __init__(self, config: DenseDiscriminatorConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.entry = Conv(config.channels, config.width, rngs=rngs)
        make = lambda: DenseBlock(config.width, config.growth, config.layers, config.norm, rngs=rngs)
        self.blocks = nnx.List([make() for _ in range(config.blocks)])
        self.dropout = nnx.Dropout(config.dropout)
        self.head = nnx.Linear(config.width, 1, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"], rngs: nnx.Rngs | None = None) -> Float[Array, "n 1"]:
        x = leaky(like_kernel(self.entry(2 * x - 1), self.entry))
        for block in self.blocks:
            x = nnx.avg_pool(block(x), (2, 2), strides=(2, 2))
        return self.head(self.dropout(jnp.mean(x, (1, 2)), rngs=rngs))
