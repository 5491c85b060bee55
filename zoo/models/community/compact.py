"""Real-ESRGAN's compact network (Wang et al. 2021, "Real-ESRGAN", SRVGGNetCompact): convolutions at the low resolution,
added to the pixels as they are.
"""

import dataclasses

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo.models.community.family import Arrays, Family, Foreign, conv, count, larger, side_of
from zoo.models.layers import Conv, like_kernel, unfold


@dataclasses.dataclass(frozen=True)
class CompactConfig(Foreign):
    """`convs` convolutions of `width` channels between the first and the last."""

    width: int = 64
    convs: int = 16
    scale: int = 4

    @property
    def halo(self) -> int:
        return self.convs + 2

    def build(self, rngs: nnx.Rngs) -> "Compact":
        return Compact(self, rngs=rngs)


class Compact(nnx.Module):
    """[n h w 3] in [0, 1] -> [n scale*h scale*w 3], not clipped."""

    def __init__(self, config: CompactConfig, *, rngs: nnx.Rngs):
        self.config = config
        widths = [3, *[config.width] * (config.convs + 1)]
        self.convs = nnx.List([Conv(a, b, rngs=rngs) for a, b in zip(widths, widths[1:], strict=False)])
        self.slopes = nnx.List([nnx.Param(jnp.full(config.width, 0.25)) for _ in self.convs])
        self.exit = Conv(config.width, 3 * config.scale**2, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w 3"]) -> Float[Array, "n _ _ 3"]:
        y = like_kernel(x, self.exit)
        for layer, slope in zip(self.convs, self.slopes, strict=True):
            y = layer(y)
            y = jnp.where(y > 0, y, slope[...].astype(y.dtype) * y)
        return unfold(self.exit(y).astype(x.dtype), self.config.scale) + larger(x, self.config.scale)


def _config(arrays: Arrays) -> CompactConfig:
    layers = count(arrays, "body.{}.weight".format)
    if arrays["body.1.weight"].ndim != 1:
        raise ValueError("its activations are others")
    width, convs = arrays["body.0.weight"].shape[0], (layers - 3) // 2
    return CompactConfig(width, convs, side_of(arrays[f"body.{layers - 1}.weight"].shape[0]))


def _weights(arrays: Arrays, config: CompactConfig) -> Arrays:
    found = conv(arrays, f"body.{2 * config.convs + 2}", "exit", unfolds=config.scale)
    for k in range(config.convs + 1):
        found |= conv(arrays, f"body.{2 * k}", f"convs.{k}") | {f"slopes.{k}": arrays[f"body.{2 * k + 1}.weight"]}
    return found


COMPACT = Family("Real-ESRGAN compact", (("body.0.weight", "body.1.weight", "body.2.weight"),), _config, _weights)
