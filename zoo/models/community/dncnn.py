"""DnCNN (Zhang et al. 2017, "Beyond a Gaussian denoiser"): convolutions that estimate the noise, which is taken off."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from zoo.models.community.family import Arrays, Family, Foreign, conv, count
from zoo.models.layers import Conv, like_kernel

_EPSILON = 1e-4  # of its norms, which stand in the convolutions here


@dataclasses.dataclass(frozen=True)
class DnCNNConfig(Foreign):
    """`depth` convolutions of `width` channels. `channels`: 3, or 1, and then each colour is restored by itself."""

    width: int = 64
    depth: int = 20
    channels: int = 3

    def __post_init__(self):
        if self.channels not in (1, 3) or self.depth < 2:
            raise ValueError("it sees other than grey or RGB")

    @property
    def halo(self) -> int:
        return self.depth

    def build(self, rngs: nnx.Rngs) -> "DnCNN":
        return DnCNN(self, rngs=rngs)


class DnCNN(nnx.Module):
    """[n h w 3] in [0, 1] -> [n h w 3], not clipped."""

    def __init__(self, config: DnCNNConfig, *, rngs: nnx.Rngs):
        self.config = config
        widths = [config.channels, *[config.width] * (config.depth - 1), config.channels]
        self.convs = nnx.List([Conv(a, b, rngs=rngs) for a, b in zip(widths, widths[1:], strict=False)])

    def __call__(self, x: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
        n, h, w, _ = x.shape
        seen = x if self.config.channels == 3 else jnp.moveaxis(x, 3, 1).reshape(3 * n, h, w, 1)
        *others, last = self.convs
        y = like_kernel(seen, last)
        for layer in others:
            y = nnx.relu(layer(y))
        noise = last(y).astype(x.dtype)
        return x - (noise if self.config.channels == 3 else jnp.moveaxis(noise.reshape(n, 3, h, w), 1, 3))


def _is_normed(arrays: Arrays) -> bool:
    return "model.3.running_var" in arrays


def _config(arrays: Arrays) -> DnCNNConfig:
    width, channels = arrays["model.0.weight"].shape[:2]
    if _is_normed(arrays):
        depth = 2 + count(arrays, lambda k: f"model.{3 * k + 3}.running_var")
    else:
        depth = count(arrays, lambda k: f"model.{2 * k}.weight")
    config = DnCNNConfig(width, depth, channels)
    if arrays[f"{_name(arrays, depth - 1)}.weight"].shape[0] != channels:
        raise ValueError("it must be told the level of the noise")
    return config


def _name(arrays: Arrays, k: int) -> str:
    return f"model.{3 * k - 1 if k and _is_normed(arrays) else 2 * k}"


def _weights(arrays: Arrays, config: DnCNNConfig) -> Arrays:
    found = {}
    for k in range(config.depth):
        found |= conv(arrays, _name(arrays, k), f"convs.{k}")
        if _is_normed(arrays) and 0 < k < config.depth - 1:
            norm = lambda part, k=k: arrays[f"model.{3 * k}.{part}"]
            times = norm("weight") / np.sqrt(norm("running_var") + _EPSILON)
            bias = found[f"convs.{k}.bias"] - norm("running_mean")
            found[f"convs.{k}.kernel"] = found[f"convs.{k}.kernel"] * times
            found[f"convs.{k}.bias"] = bias * times + norm("bias")
    return found


DNCNN = Family(
    "DnCNN",
    (
        tuple(f"model.{k}.weight" for k in (0, 2, 4, 6, 8)),
        ("model.0.weight", "model.2.weight", "model.3.running_var", "model.5.weight"),
    ),
    _config,
    _weights,
)
