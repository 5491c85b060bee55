"""ESRGAN (Wang et al. 2018, "ESRGAN: Enhanced super-resolution generative adversarial networks", RRDBNet), and
Real-ESRGAN with the same network (Wang et al. 2021), which folds pixels into channels where it enlarges less.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo.models.community.family import Arrays, Family, Foreign, conv, count, larger, side_of
from zoo.models.layers import Conv, chain, fold, leaky, like_kernel

SHARE = 0.2  # of what a block finds, which is added to what it was given
_DENSE, _LAYERS = 3, 5  # dense parts of a block, and convolutions of each
_ROWS, _BESIDE = 64, 2  # that are enlarged at once, and how far beside them that sees


@dataclasses.dataclass(frozen=True)
class EsrganConfig(Foreign):
    """`blocks` blocks of `width` channels, whose dense layers add `growth` each, on squares of `fold` x `fold` pixels;
    then `ups` times as high and as wide again."""

    width: int = 64
    growth: int = 32
    blocks: int = 23
    ups: int = 2
    fold: int = 1

    def __post_init__(self):
        if 2**self.ups < self.fold:
            raise ValueError("it makes pictures smaller")

    @property
    def scale(self) -> int:
        return 2**self.ups // self.fold

    @property
    def multiple(self) -> int:
        return self.fold

    @property
    def halo(self) -> int:
        """Beyond the convolutions on squares, those on what became larger reach two of them."""
        return self.fold * (_DENSE * _LAYERS * self.blocks + 2 + 2)

    def build(self, rngs: nnx.Rngs) -> "Esrgan":
        return Esrgan(self, rngs=rngs)


class DensePart(nnx.Module):
    """Each convolution sees what all before it made; of the last a share is added: [n h w c] -> [n h w c]."""

    def __init__(self, config: EsrganConfig, *, rngs: nnx.Rngs):
        w, g = config.width, config.growth
        outs = [g] * (_LAYERS - 1) + [w]
        self.convs = nnx.List([Conv(w + k * g, o, rngs=rngs) for k, o in enumerate(outs)])

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        features, (*others, last) = [x], self.convs
        for layer in others:
            features.append(leaky(layer(jnp.concatenate(features, -1))))
        return x + SHARE * last(jnp.concatenate(features, -1))


class DenseParts(nnx.Module):
    """Three of them, of which a share is added: [n h w c] -> [n h w c]."""

    def __init__(self, config: EsrganConfig, *, rngs: nnx.Rngs):
        self.parts = nnx.List([DensePart(config, rngs=rngs) for _ in range(_DENSE)])

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        y = x
        for part in self.parts:
            y = part(y)
        return x + SHARE * y


class Esrgan(nnx.Module):
    """[n h w 3] in [0, 1] -> [n scale*h scale*w 3], not clipped; h and w multiples of `fold`."""

    def __init__(self, config: EsrganConfig, *, rngs: nnx.Rngs):
        self.config, w = config, config.width
        self.entry = Conv(3 * config.fold**2, w, rngs=rngs)
        self.blocks = nnx.List([DenseParts(config, rngs=rngs) for _ in range(config.blocks)])
        self.trunk = Conv(w, w, rngs=rngs)
        self.ups = nnx.List([Conv(w, w, rngs=rngs) for _ in range(config.ups)])
        self.last = Conv(w, w, rngs=rngs)
        self.exit = Conv(w, 3, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w 3"]) -> Float[Array, "n _ _ 3"]:
        y = self.entry(like_kernel(fold(x, self.config.fold), self.entry))
        y = y + self.trunk(chain(list(self.blocks), y))
        return self.enlarged(y).astype(jnp.float32)

    def enlarged(self, y: Float[Array, "n h w c"]) -> Float[Array, "n _ _ 3"]:
        """The pictures of features, some rows after the others: what became larger takes 4 kB a pixel."""
        n, height = y.shape[:2]
        if height <= _ROWS:
            return self._rows(y, 0, height)
        bands = -(-height // _ROWS)
        padded = jnp.pad(y, ((0, 0), (_BESIDE, _BESIDE + bands * _ROWS - height), (0, 0), (0, 0)))

        def band(k: Array) -> Array:
            rows = jax.lax.dynamic_slice_in_dim(padded, k * _ROWS, _ROWS + 2 * _BESIDE, axis=1)
            beside = 2**self.config.ups * _BESIDE
            return self._rows(rows, k * _ROWS - _BESIDE, height)[:, beside:-beside]

        made = jnp.moveaxis(jax.lax.map(band, jnp.arange(bands)), 0, 1)  # [n bands rows w 3]
        whole = made.reshape(n, -1, *made.shape[3:])
        return whole[:, : 2**self.config.ups * height]

    def _rows(self, y: Array, first: Array | int, height: int) -> Array:
        """`first`: which row of the picture the first is; rows beyond the picture are zeros to every convolution."""

        def inside(y: Array, scale: int) -> Array:
            at = jnp.arange(y.shape[1]) + first * scale
            return jnp.where(((at >= 0) & (at < height * scale))[:, None, None], y, 0)

        scale = 1
        for up in self.ups:
            scale *= 2
            y = inside(leaky(up(larger(y, 2))), scale)
        return self.exit(inside(leaky(self.last(y)), scale))


class _Names(NamedTuple):
    """What a file calls the layers; `dense`: of block, part and convolution."""

    entry: str
    dense: str
    trunk: str
    ups: list[str]
    last: str
    exit: str


def _names(arrays: Arrays) -> tuple[_Names, int]:
    """And the number of blocks."""
    if "model.0.weight" in arrays:  # of 2018: numbers of layers in a row
        dense = "model.1.sub.{}.RDB{}.conv{}.0"
        blocks = count(arrays, lambda k: f"{dense.format(k, 1, 1)}.weight")
        ups = count(arrays, lambda k: f"model.{3 * k + 3}.weight")
        at = [f"model.{3 * k + 3}" for k in range(ups)]
        last, end = f"model.{3 * ups + 2}", f"model.{3 * ups + 4}"
        return _Names("model.0", dense, f"model.1.sub.{blocks}", at, last, end), blocks
    if "trunk_conv.weight" in arrays:
        dense, up, trunk, last = "RRDB_trunk.{}.RDB{}.conv{}", "upconv{}", "trunk_conv", "HRconv"
    else:
        dense, up, trunk, last = "body.{}.rdb{}.conv{}", "conv_up{}", "conv_body", "conv_hr"
    blocks = count(arrays, lambda k: f"{dense.format(k, 1, 1)}.weight")
    ups = [up.format(k + 1) for k in range(count(arrays, lambda k: f"{up.format(k + 1)}.weight"))]
    return _Names("conv_first", dense, trunk, ups, last, "conv_last"), blocks


def _config(arrays: Arrays) -> EsrganConfig:
    names, blocks = _names(arrays)
    width, seen = arrays[f"{names.entry}.weight"].shape[:2]
    growth = arrays[f"{names.dense.format(0, 1, 1)}.weight"].shape[0]
    return EsrganConfig(width, growth, blocks, len(names.ups), side_of(seen))


def _weights(arrays: Arrays, config: EsrganConfig) -> Arrays:
    names, _ = _names(arrays)
    found = conv(arrays, names.entry, "entry", folds=config.fold) | conv(arrays, names.trunk, "trunk")
    found |= conv(arrays, names.last, "last") | conv(arrays, names.exit, "exit")
    for k, name in enumerate(names.ups):
        found |= conv(arrays, name, f"ups.{k}")
    for block in range(config.blocks):
        for part in range(_DENSE):
            for k in range(_LAYERS):
                own = f"blocks.{block}.parts.{part}.convs.{k}"
                found |= conv(arrays, names.dense.format(block, part + 1, k + 1), own)
    return found


ESRGAN = Family(
    "ESRGAN",
    (
        ("conv_first.weight", "body.0.rdb1.conv1.weight", "conv_body.weight", "conv_last.weight"),
        ("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight", "trunk_conv.weight", "conv_last.weight"),
        ("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"),
    ),
    _config,
    _weights,
)
