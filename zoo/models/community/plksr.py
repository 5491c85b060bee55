"""RealPLKSR (after Lee et al. 2024, "Partial large kernel CNNs for efficient super-resolution"): in each block some of
the channels see far, by one large kernel.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo.models.community.family import Arrays, Family, Foreign, conv, count, larger, side_of
from zoo.models.layers import Conv, like_kernel, unfold

GROUPS, EPSILON = 4, 1e-5  # of the norm over the picture


@dataclasses.dataclass(frozen=True)
class PlksrConfig(Foreign):
    """`blocks` blocks of `width` channels, of which `far` go through a kernel of `side`. `attends`: whether a block
    weights what it found. `norm`: "channels", of each pixel, or "groups", over the whole picture."""

    width: int = 64
    blocks: int = 28
    far: int = 16
    side: int = 17
    attends: bool = True
    norm: str = "groups"
    scale: int = 4

    @property
    def halo(self) -> int | None:
        return None if self.norm == "groups" else 2 + self.blocks * (2 + self.side // 2 + self.attends)

    def build(self, rngs: nnx.Rngs) -> "Plksr":
        return Plksr(self, rngs=rngs)


class FarBlock(nnx.Module):
    """[n h w c] -> [n h w c]."""

    def __init__(self, config: PlksrConfig, *, rngs: nnx.Rngs):
        self.config, w = config, config.width
        self.mixing = nnx.List([Conv(w, 2 * w, rngs=rngs), Conv(2 * w, w, rngs=rngs)])
        self.far = Conv(config.far, config.far, config.side, rngs=rngs)
        self.attention = Conv(w, w, rngs=rngs) if config.attends else None
        self.refined = Conv(w, w, 1, rngs=rngs)
        if config.norm == "groups":
            self.norm = nnx.GroupNorm(w, GROUPS, epsilon=EPSILON, use_fast_variance=False, rngs=rngs)
        else:
            self.norm = nnx.LayerNorm(w, epsilon=1e-6, use_fast_variance=False, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        first, second = self.mixing
        y = x if self.config.norm == "groups" else self.norm(x).astype(x.dtype)
        y = second(jax.nn.mish(first(y)))
        y = jnp.concatenate([self.far(y[..., : self.config.far]), y[..., self.config.far :]], -1)
        if self.attention:
            y = y * jax.nn.sigmoid(self.attention(y))
        y = self.refined(y)
        return x + (self.norm(y).astype(x.dtype) if self.config.norm == "groups" else y)


class Plksr(nnx.Module):
    """[n h w 3] in [0, 1] -> [n scale*h scale*w 3], not clipped."""

    def __init__(self, config: PlksrConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.entry = Conv(3, config.width, rngs=rngs)
        self.blocks = nnx.List([FarBlock(config, rngs=rngs) for _ in range(config.blocks)])
        self.exit = Conv(config.width, 3 * config.scale**2, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w 3"]) -> Float[Array, "n _ _ 3"]:
        y = self.entry(like_kernel(x, self.entry))
        for block in self.blocks:
            y = block(y)
        return unfold(self.exit(y).astype(x.dtype), self.config.scale) + larger(x, self.config.scale)


def _config(arrays: Arrays) -> PlksrConfig:
    blocks = count(arrays, lambda k: f"feats.{k + 1}.refine.weight")
    far, _, side, _ = arrays["feats.1.lk.conv.weight"].shape
    return PlksrConfig(
        width=arrays["feats.0.weight"].shape[0],
        blocks=blocks,
        far=far,
        side=side,
        attends="feats.1.attn.f.0.weight" in arrays,
        norm="channels" if "feats.1.layer_norm.weight" in arrays else "groups",
        scale=side_of(arrays[f"feats.{blocks + 2}.weight"].shape[0]),
    )


def _weights(arrays: Arrays, config: PlksrConfig) -> Arrays:
    found = conv(arrays, "feats.0", "entry")
    found |= conv(arrays, f"feats.{config.blocks + 2}", "exit", unfolds=config.scale)
    norm = "norm" if config.norm == "groups" else "layer_norm"
    for k in range(config.blocks):
        name, own = f"feats.{k + 1}", f"blocks.{k}"
        found |= conv(arrays, f"{name}.channel_mixer.0", f"{own}.mixing.0")
        found |= conv(arrays, f"{name}.channel_mixer.2", f"{own}.mixing.1")
        found |= conv(arrays, f"{name}.lk.conv", f"{own}.far") | conv(arrays, f"{name}.refine", f"{own}.refined")
        if config.attends:
            found |= conv(arrays, f"{name}.attn.f.0", f"{own}.attention")
        found[f"{own}.norm.scale"], found[f"{own}.norm.bias"] = (
            arrays[f"{name}.{norm}.{part}"] for part in ("weight", "bias")
        )
    return found


PLKSR = Family(
    "RealPLKSR",
    (("feats.0.weight", "feats.1.lk.conv.weight", "feats.1.channel_mixer.0.weight", "feats.1.refine.weight"),),
    _config,
    _weights,
)
