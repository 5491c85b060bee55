"""A denoiser that looks at the frames before and after: what of them may be used is learnt, and so is the rest.

Each neighbour is laid over the frame (`zoo.motion.blocks`). A small network says how far it may be trusted, place by
place; the frame and what is trusted of its neighbours are averaged, which takes off grain and no detail. A ResNet
restores that mean, of which it is told what it is made of. Mean first, network then: the other way round, the network
has taken off detail before its neighbours could tell it from grain (as VNLM, Arias and Morel 2018, and FastDVDnet,
Tassano et al. 2020, have it too).
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo.errors import FlagError
from zoo.models.layers import Conv, fold, leaky, like_kernel, unfold
from zoo.models.network import OneToOne, channels
from zoo.models.resnet import ResidualBlock
from zoo.motion.blocks import BLOCK_PX, HALO_PX, compensated

_FOLD = 2  # side of the block of pixels folded into channels
_GAIN = 8.0  # of differences between frames, as the first network sees them: they are small
_DOUBTS = 3  # convolutions of the first network


@dataclasses.dataclass(frozen=True)
class FilmConfig(OneToOne):
    """`blocks` residual blocks of `width` channels restore the mean; `doubt` channels say what it is the mean of."""

    width: int = 64
    blocks: int = 6
    doubt: int = 24
    around: int = 2  # frames on either side
    task: str = "denoise"

    multiple = BLOCK_PX

    def __post_init__(self):
        if self.around < 1:
            raise FlagError(f"around={self.around} must be at least 1; one frame alone is what a resnet takes")

    @property
    def frames(self) -> tuple[int, int]:
        return self.around, self.around

    @property
    def halo(self) -> int:
        return HALO_PX + _FOLD * (_DOUBTS + 2 * self.blocks + 2) + _FOLD - 1

    def build(self, rngs: nnx.Rngs) -> "FilmDenoiser":
        return FilmDenoiser(self, rngs=rngs)


class FilmDenoiser(nnx.Module):
    """Frames in channels, in time's order, to the middle one restored: [n h w 3*(2*around + 1)] in [0, 1] ->
    [n h w 3], not clipped. The names are those of a ResNet's denoiser, whose weights it may begin with."""

    def __init__(self, config: FilmConfig, *, rngs: nnx.Rngs):
        self.config = config
        others, square = 2 * config.around, _FOLD**2
        seen, conv = channels(config) * square, lambda i, o, scale=1.0: Conv(i, o, scale=scale, rngs=rngs)
        self.doubts = nnx.List(
            [conv(seen, config.doubt), conv(config.doubt, config.doubt), conv(config.doubt, others, 0.1)]
        )
        self.entry = conv(2 * 3 * square + others, config.width)
        blocks = [ResidualBlock(config.width, "none", pad="zero", scale=0.1, rngs=rngs) for _ in range(config.blocks)]
        self.body = nnx.Sequential(*blocks)
        self.exit = conv(config.width, 3 * square, 0.01)

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w 3"]:
        frames = jnp.moveaxis(x.reshape(*x.shape[:3], -1, 3), 3, 1)  # [n t h w 3]
        middle = self.config.around
        now, others = frames[:, middle], jnp.delete(frames, middle, axis=1, assume_unique_indices=True)
        laid = jax.lax.stop_gradient(jax.vmap(jax.vmap(compensated, (None, 0)))(now, others))
        trust = self.trust(now, laid)  # [n h/2 w/2 others]
        whole = jnp.moveaxis(jnp.repeat(jnp.repeat(trust, _FOLD, 1), _FOLD, 2), 3, 1)[..., None]
        mean = (now + (whole * laid).sum(1)) / (1 + whole.sum(1))
        seen = jnp.concatenate([fold(mean, _FOLD), fold(_GAIN * (now - mean), _FOLD), trust], -1)
        features = self.body(like_kernel(self.entry(seen), self.entry))
        return mean + unfold(self.exit(features).astype(x.dtype), _FOLD)

    def trust(self, now: Float[Array, "n h w 3"], laid: Float[Array, "n t h w 3"]) -> Float[Array, "n hh ww t"]:
        """How much each neighbour counts beside the frame, 0 to 1, in each square of pixels."""
        differences = jnp.moveaxis(laid - now[:, None], 1, 3)
        parts = [now - 0.5, _GAIN * differences.reshape(*now.shape[:3], -1)]
        y = like_kernel(fold(jnp.concatenate(parts, -1), _FOLD), self.doubts[0])
        for layer in list(self.doubts)[:-1]:
            y = leaky(layer(y))
        return jax.nn.sigmoid(list(self.doubts)[-1](y).astype(jnp.float32))
