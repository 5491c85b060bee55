"""ResNet as a denoiser: residual blocks (He et al. 2016, "Deep residual learning for image recognition") that estimate
the noise, which is taken off the picture (DnCNN: Zhang et al. 2017, "Beyond a Gaussian denoiser"). The film variant of
the CycleGAN has it for its generator.
"""

import dataclasses

from flax import nnx
from jaxtyping import Array, Float

from zoo.models.layers import Conv, Denoiser, DenoiserConfig, denoiser_halo
from zoo.models.norms import norm


class ResidualBlock(nnx.Module):
    """x + conv(relu(conv(x))), each convolution followed by the norm: [n h w c] -> [n h w c]."""

    def __init__(self, width: int, kind: str, *, pad: str, scale: float = 1.0, rngs: nnx.Rngs):
        conv = lambda s: Conv(width, width, pad=pad, bias=kind == "none", scale=s, rngs=rngs)
        self.first, self.second = conv(1.0), conv(scale)
        self.first_norm, self.second_norm = norm(kind, width), norm(kind, width)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        return x + self.second_norm(self.second(nnx.relu(self.first_norm(self.first(x)))))


@dataclasses.dataclass(frozen=True)
class ResNetConfig(DenoiserConfig):
    """`blocks` residual blocks of `width` channels on folded pixels, at one resolution."""

    width: int = 64
    blocks: int = 6

    @property
    def halo(self) -> int:
        return denoiser_halo(self, 2 * self.blocks)

    def build(self, rngs: nnx.Rngs) -> Denoiser:
        blocks = [ResidualBlock(self.width, self.norm, pad="zero", scale=0.1, rngs=rngs) for _ in range(self.blocks)]
        return Denoiser(self, nnx.Sequential(*blocks), self.width, rngs=rngs)
