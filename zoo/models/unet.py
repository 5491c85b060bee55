"""Residual dense U-Net as a denoiser (Gurrola-Ramos et al. 2021, "A residual dense U-Net neural network for image
denoising"): dense blocks with a residual path at every scale, on the way down and on the way up.
"""

import dataclasses

from flax import nnx
from jaxtyping import Array, Float

from zoo.models.densenet import DenseBlock
from zoo.models.layers import Conv, Denoiser, DenoiserConfig, denoiser_halo, fold, unfold


@dataclasses.dataclass(frozen=True)
class UNetConfig(DenoiserConfig):
    """A dense block of `layers` layers at each scale, down and up again; channels double as the sides halve, `levels`
    times."""

    width: int = 32  # channels at the first scale
    growth: int = 16  # channels that a dense layer adds there
    levels: int = 2
    layers: int = 3

    @property
    def multiple(self) -> int:
        return self.fold * 2**self.levels

    @property
    def halo(self) -> int:
        radius = self.layers
        for _ in range(self.levels):  # a coarse sample reaches twice as far, and to the other end of its block
            radius = 2 * radius + 1 + 2 * self.layers
        return denoiser_halo(self, radius)

    def build(self, rngs: nnx.Rngs) -> Denoiser:
        return Denoiser(self, UNet(self, rngs=rngs), self.width, rngs=rngs)


class UNet(nnx.Module):
    """[n h w width] -> [n h w width]; h and w multiples of 2^levels."""

    def __init__(self, config: UNetConfig, *, rngs: nnx.Rngs):
        widths = [config.width * 2**k for k in range(config.levels + 1)]
        block = lambda k: DenseBlock(widths[k], config.growth * 2**k, config.layers, config.norm, rngs=rngs)
        scales, conv = range(config.levels), lambda i, o: Conv(i, o, 1, rngs=rngs)
        self.encoders = nnx.List([block(k) for k in scales])
        self.downs = nnx.List([conv(4 * widths[k], widths[k + 1]) for k in scales])  # on 2x2 blocks: a strided 2x2
        self.bottom = block(config.levels)
        self.ups = nnx.List([conv(widths[k + 1], 4 * widths[k]) for k in scales])  # a transposed 2x2, as products
        self.skips = nnx.List([conv(widths[k], widths[k]) for k in scales])
        self.decoders = nnx.List([block(k) for k in scales])

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        skips = []
        for encode, down in zip(self.encoders, self.downs, strict=True):
            x = encode(x)
            skips.append(x)
            x = down(fold(x, 2))
        x = self.bottom(x)
        for up, skip, decode in reversed(list(zip(self.ups, self.skips, self.decoders, strict=True))):
            x = decode(unfold(up(x), 2) + skip(skips.pop()))
        return x
