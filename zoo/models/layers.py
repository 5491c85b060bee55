"""What several families of networks share: convolution, upsampling, and the shell of a denoiser.

Pictures are [n h w c]. A network is an `nnx.Module` with a frozen dataclass `config`, which says all that a caller must
know (see `zoo.models.network`). It takes and gives float32; between its first layer and its last it computes in the
type of its kernels (see `narrowed`).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, get_args

import dm_pix as pix
import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo import draws
from zoo.errors import FlagError, choose
from zoo.filters import directional_fill, find_impulses
from zoo.flags import Precision
from zoo.models import convolution
from zoo.models.network import OneToOne
from zoo.models.norms import biased

PRECISIONS: tuple[str, ...] = get_args(Precision)


class Conv(nnx.Module):
    """A square convolution that owns its padding: [n h w i] -> [n ceil(h/stride) ceil(w/stride) o].

    `pad` is "zero" or "reflect", `size // 2` samples on each side (as PyTorch's `padding=size // 2`). `scale`
    multiplies He's initial weights; 0 makes a residual branch start as the identity.
    """

    def __init__(self, i: int, o: int, size=3, *, stride=1, pad="zero", bias=True, scale: float = 1.0, rngs: nnx.Rngs):
        std = scale * (2 / (i * size * size)) ** 0.5
        self.kernel = nnx.Param(std * draws.normal(rngs.params(), (size, size, i, o)))
        self.bias = nnx.Param(jnp.zeros(o)) if bias else None
        self.stride, self.pad = stride, pad

    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n hh ww o"]:
        kernel = self.kernel[...].astype(x.dtype)
        p = kernel.shape[0] // 2
        if self.pad == "zero" or not p:
            y = convolution.same(x, kernel, self.stride)
        else:
            x = jnp.pad(x, ((0, 0), (p, p), (p, p), (0, 0)), mode="reflect")
            y = convolution.valid(x, kernel, self.stride)
        return biased(y, self.bias)


class Upsample(nnx.Module):
    """The transposed 3x3 convolution of stride 2: [n h w i] -> [n 2h 2w o].

    Written in phases, a convolution for even and odd rows and columns each: the same sums over the same 3x3 weights as
    PyTorch's ConvTranspose2d(i, o, 3, stride=2, padding=1, output_padding=1), whose weight gradient XLA does slowly on
    CPU.
    """

    # The weights that an output reads, here and on the next sample: an even one, an odd one.
    TAPS = ((1,), (2, 0))

    def __init__(self, i: int, o: int, *, bias=True, rngs: nnx.Rngs):
        self.kernel = nnx.Param((2 / (i * 9)) ** 0.5 * draws.normal(rngs.params(), (3, 3, i, o)))
        self.bias = nnx.Param(jnp.zeros(o)) if bias else None

    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n hh ww o"]:
        kernel = self.kernel[...].astype(x.dtype)
        part = lambda rows, columns: kernel[jnp.asarray(rows)][:, jnp.asarray(columns)]
        edges = lambda rows, columns: ((0, len(rows) - 1), (0, len(columns) - 1))
        phase = lambda rows, columns: convolution.direct(x, part(rows, columns), edges(rows, columns))
        y = jnp.stack([jnp.stack([phase(r, c) for c in self.TAPS], 3) for r in self.TAPS], 2)  # [n h 2 w 2 o]
        y = y.reshape(x.shape[0], 2 * x.shape[1], 2 * x.shape[2], -1)
        return biased(y, self.bias)


def narrowed(arrays: Any, precision: str) -> Any:
    """A network's arrays with the kernels of its convolutions in `precision`, one of PRECISIONS: the type in which it
    then computes. The picture enters in float32 and a denoiser's estimate is added to it in float32; norms sum in
    float32, and what is no kernel stays."""
    choose("precision", precision, PRECISIONS)
    is_kernel = lambda leaf: leaf.ndim == 4 and jnp.issubdtype(leaf.dtype, jnp.floating)
    return jax.tree.map(lambda leaf: leaf.astype(precision) if is_kernel(leaf) else leaf, arrays)


def like_kernel(y: Array, layer: Any) -> Array:
    """`y`, which came from `layer`, in the type of its kernel."""
    return y.astype(layer.kernel[...].dtype)


def chain(blocks: Sequence[nnx.Module], x: Array) -> Array:
    """`x` through blocks that differ in their arrays alone, one after the other; each gives back the shape it gets.

    XLA on a CPU compiles every operation of a program by itself, and as often as it stands there: on one such device
    the blocks are the rounds of a loop, and compiled once. Several devices would sum gradients in every round, not once
    a step; and an accelerator's compiler fuses over the borders of blocks.
    """
    if not _loops() or len(blocks) < 2:
        for block in blocks:
            x = block(x)
        return x
    graphs, arrays, others = zip(*(nnx.split(block, nnx.Param, ...) for block in blocks), strict=True)

    def one(x, state):
        block = nnx.merge(graphs[0], *state)
        y = block(x)
        return y, nnx.split(block, nnx.Param, ...)[2]

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *zip(arrays, others, strict=True))
    x, others = jax.lax.scan(one, x, stacked)
    for k, block in enumerate(blocks):  # what is no parameter: a norm's averages
        nnx.update(block, jax.tree.map(lambda leaf, k=k: leaf[k], others))
    return x


def _loops() -> bool:
    return jax.default_backend() == "cpu" and jax.device_count() == 1


def fold(x: Float[Array, "n h w c"], side: int) -> Float[Array, "n hh ww cc"]:
    """Blocks of side x side pixels into channels."""
    return jnp.asarray(pix.space_to_depth(x, side)) if side > 1 else x


def unfold(x: Float[Array, "n h w c"], side: int) -> Float[Array, "n hh ww cc"]:
    """The way back."""
    return jnp.asarray(pix.depth_to_space(x, side)) if side > 1 else x


def leaky(x: Array) -> Array:
    """Leaky ReLU of slope 0.2, the discriminators' activation."""
    return jnp.where(x > 0, x, 0.2 * x)


# How far `directional_fill` sees: hits are found in 5x5, a first filling blurs over 5x5, and each direction's error is
# summed over 5x5 of differences that reach 2 more.
IMPULSE_HALO = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class DenoiserConfig(OneToOne):
    """What every residual denoiser's config has."""

    width: int  # channels of the body
    fold: int = 2  # side of the pixel block folded into channels at the entry: 1, 2 or 4
    norm: str = "none"  # "batch" or "none"
    impulse: bool = False  # sees and fills salt-and-pepper hits, copies every other pixel through
    task: str = "denoise"

    def __post_init__(self):
        choose("norm of a network that can be tiled", self.norm, ("batch", "none"))
        if self.fold not in (1, 2, 4):
            raise FlagError(f"fold={self.fold} must be 1, 2 or 4")

    @property
    def multiple(self) -> int:
        return self.fold


class Denoiser(nnx.Module):
    """The shell of every residual denoiser: [n h w 3] in [0, 1] -> [n h w 3], not clipped.

    Folds `config.fold` x `config.fold` pixels into channels (a wide view at low cost), runs `body` on `config.width`
    channels, unfolds, and adds the result to the picture. With `config.impulse` it sees where salt-and-pepper hit,
    starts from what the best classical filter makes of those pixels, and copies every other pixel through untouched.
    """

    def __init__(self, config: DenoiserConfig, body: Callable[[Array], Array], features: int, *, rngs: nnx.Rngs):
        self.config = config
        channels = 3 * config.fold**2
        entry = channels + config.fold**2 if config.impulse else channels
        self.entry = Conv(entry, config.width, rngs=rngs)
        self.body = body
        # Small, not zero: a zero layer gives the body no gradient at the first step.
        self.exit = Conv(features, channels, scale=0.01, rngs=rngs)

    def __call__(self, x: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
        if not self.config.impulse:
            return x + self.residual(x)
        hit, filled = find_impulses(x), directional_fill(x)
        restored = filled + self.residual(jnp.concatenate([filled, hit.astype(x.dtype)], -1))
        return jnp.where(hit, restored, x)

    def residual(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w 3"]:
        side = self.config.fold
        features = like_kernel(self.entry(fold(x, side)), self.entry)
        return unfold(self.exit(self.body(features)).astype(x.dtype), side)


def denoiser_halo(config: DenoiserConfig, body_radius: int) -> int:
    """The radius in pixels that a Denoiser sees whose body sees `body_radius` folded samples."""
    folded = body_radius + 2  # the entry's and the exit's 3x3
    return config.fold * folded + config.fold - 1 + (IMPULSE_HALO if config.impulse else 0)
