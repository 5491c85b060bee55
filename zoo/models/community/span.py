"""SPAN (Wan et al. 2024, "Swift parameter-free attention network for efficient super-resolution"): what a block finds
says by itself where it counts.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from zoo.models.community.family import Arrays, Family, Foreign, conv, kernel, side_of
from zoo.models.layers import Conv, like_kernel, unfold

BLOCKS = 6
MEAN, RANGE = (0.4488, 0.4371, 0.4040), 255.0  # of the pictures that it learned from: no file says them


@dataclasses.dataclass(frozen=True)
class SpanConfig(Foreign):
    """`width` channels. `centred`: whether it sees 255 times what differs from the mean of its pictures."""

    width: int = 48
    scale: int = 4
    centred: bool = True

    @property
    def halo(self) -> int:
        return 3 * BLOCKS + 3

    def build(self, rngs: nnx.Rngs) -> "Span":
        return Span(self, rngs=rngs)


class Attending(nnx.Module):
    """Three convolutions; what they make is weighted by how strong it is: [n h w c] -> (the same, the first's)."""

    def __init__(self, width: int, *, rngs: nnx.Rngs):
        self.convs = nnx.List([Conv(width, width, rngs=rngs) for _ in range(3)])

    def __call__(self, x: Float[Array, "n h w c"]) -> tuple[Float[Array, "n h w c"], Float[Array, "n h w c"]]:
        first, second, third = self.convs
        begun = jax.nn.silu(first(x))
        y = third(jax.nn.silu(second(begun)))
        return (y + x) * (jax.nn.sigmoid(y) - 0.5), begun


class Span(nnx.Module):
    """[n h w 3] in [0, 1] -> [n scale*h scale*w 3], not clipped."""

    def __init__(self, config: SpanConfig, *, rngs: nnx.Rngs):
        self.config, w = config, config.width
        self.entry = Conv(3, w, rngs=rngs)
        self.blocks = nnx.List([Attending(w, rngs=rngs) for _ in range(BLOCKS)])
        self.deep = Conv(w, w, rngs=rngs)
        self.merged = Conv(4 * w, w, 1, rngs=rngs)
        self.exit = Conv(w, 3 * config.scale**2, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w 3"]) -> Float[Array, "n _ _ 3"]:
        seen = RANGE * (x - jnp.asarray(MEAN)) if self.config.centred else x
        made = [self.entry(like_kernel(seen, self.entry))]
        begun = made[0]
        for block in self.blocks:
            y, begun = block(made[-1])
            made.append(y)
        y = jnp.concatenate([made[0], self.deep(made[-1]), made[1], begun], -1)
        return unfold(self.exit(self.merged(y)).astype(x.dtype), self.config.scale)


def _config(arrays: Arrays) -> SpanConfig:
    width = arrays["conv_1.sk.weight"].shape[0]
    scale = side_of(arrays["upsampler.0.weight"].shape[0])
    return SpanConfig(width, scale, centred="no_norm" not in arrays)


def _weights(arrays: Arrays, config: SpanConfig) -> Arrays:
    found = conv(arrays, "conv_cat", "merged") | conv(arrays, "upsampler.0", "exit", unfolds=config.scale)
    found |= _one(arrays, "conv_1", "entry") | _one(arrays, "conv_2", "deep")
    for block in range(BLOCKS):
        for k in range(3):
            found |= _one(arrays, f"block_{block + 1}.c{k + 1}_r", f"blocks.{block}.convs.{k}")
    return found


def _one(arrays: Arrays, name: str, own: str) -> Arrays:
    """The one convolution that a row of three and a shortcut, between which nothing stands, are together."""
    part = lambda which: [arrays[f"{name}.{which}.{kind}"].astype(np.float64) for kind in ("weight", "bias")]
    (w1, b1), (w2, b2), (w3, b3), (direct, shift) = map(part, ("conv.0", "conv.1", "conv.2", "sk"))
    w1, w3, direct = (w[..., 0, 0] for w in (w1, w3, direct))
    whole = np.einsum("on,nmkl,mi->oikl", w3, w2, w1, optimize=True)
    whole[:, :, 1, 1] += direct
    bias = w3 @ (w2.sum((2, 3)) @ b1 + b2) + b3 + shift
    return {f"{own}.kernel": kernel(whole).astype(np.float32), f"{own}.bias": bias.astype(np.float32)}


SPAN = Family(
    "SPAN",
    (("conv_1.sk.weight", "block_1.c1_r.sk.weight", "conv_cat.weight", "conv_2.sk.weight", "upsampler.0.weight"),),
    _config,
    _weights,
    unused=("eval_conv", "no_norm"),  # the first are what `_one` makes, perhaps of older weights
)
