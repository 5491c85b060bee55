"""An upscaler: residual blocks at the low resolution, the detail unfolded at the high one, added to what Lanczos makes.

EDSR without its norms (Lim et al. 2017, "Enhanced deep residual networks for single image super-resolution"), with
the sub-pixel convolution of Shi et al. 2016 ("Real-time single image and video super-resolution").
"""

import dataclasses

from flax import nnx
from jaxtyping import Array, Float

from zoo.errors import FlagError
from zoo.models.layers import Conv, like_kernel, unfold
from zoo.models.layers import chain as through
from zoo.models.network import OneToOne
from zoo.models.resnet import ResidualBlock
from zoo.resize import KERNELS, resized

BASE = "lanczos"  # what the network adds detail to
SCALES = (2, 3, 4)


@dataclasses.dataclass(frozen=True)
class UpscaleConfig(OneToOne):
    """`blocks` residual blocks of `width` channels at the low resolution; `scale` times as high and as wide comes
    out."""

    width: int = 32
    blocks: int = 5
    scale: int = 2
    task: str = "upscale"
    multiple: int = 1

    def __post_init__(self):
        if self.scale not in SCALES:
            raise FlagError(f"scale={self.scale} must be one of: {', '.join(map(str, SCALES))}")

    @property
    def halo(self) -> int:
        """In samples of the low resolution."""
        return max(2 * self.blocks + 2, KERNELS[BASE].reach)

    def build(self, rngs: nnx.Rngs) -> "Upscaler":
        return Upscaler(self, rngs=rngs)


class Upscaler(nnx.Module):
    """[n h w 3] in [0, 1] -> [n scale*h scale*w 3], not clipped."""

    def __init__(self, config: UpscaleConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.entry = Conv(3, config.width, rngs=rngs)
        self.blocks = nnx.List(
            ResidualBlock(config.width, "none", pad="zero", scale=0.1, rngs=rngs) for _ in range(config.blocks)
        )
        self.exit = Conv(config.width, 3 * config.scale**2, scale=0.01, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w 3"]) -> Float[Array, "n _ _ 3"]:
        scale = self.config.scale
        features = like_kernel(self.entry(x - 0.5), self.entry)
        features = features + through(list(self.blocks), features)
        detail = unfold(self.exit(features).astype(x.dtype), scale)
        return resized(x, scale * x.shape[1], scale * x.shape[2], kernel=BASE) + detail
