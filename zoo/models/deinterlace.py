"""Missing lines of interlaced film: a small network weighs what they may be, and adds a little of its own.

The estimates of `zoo.fields` (from the lines above and below, from the fields before and after, from these along the
motion) are good already; which of them is right where is learnt. Ten estimates and no network are as good as a network
without them after a hundred times the training.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo import fields
from zoo.fields import Estimates
from zoo.models.layers import Conv, fold, leaky, like_kernel, unfold
from zoo.models.network import OneToOne

_FOLD = 2  # side of the block of pixels folded into channels
_TRUST = 3.0  # in the best estimate, at first
_GAIN, _SHARE = 16.0, 0.25  # of differences that go in; of the network's own part in what comes out


@dataclasses.dataclass(frozen=True)
class DeinterlacerConfig(OneToOne):
    """`layers` convolutions, the inner ones `width` wide. A frame is here a field of one plane: one channel each."""

    width: int = 48
    layers: int = 5
    task: str = "deinterlace"

    multiple = 8  # two blocks of motion high
    frames = (fields.REACH, fields.REACH)

    @property
    def halo(self) -> int:
        return fields.HALO_PX + _FOLD * self.layers + _FOLD - 1

    def build(self, rngs: nnx.Rngs) -> "Deinterlacer":
        return Deinterlacer(self, rngs=rngs)


class Deinterlacer(nnx.Module):
    """The fields t-2 .. t+2 of one plane, in normal position (see `zoo.fields`), to the lines that field t lacks:
    [n r w 5] in [0, 1] -> [n r w 1], not clipped."""

    def __init__(self, config: DeinterlacerConfig, *, rngs: nnx.Rngs):
        self.config = config
        seen, given = 1 + fields.ESTIMATES + fields.KNOWN, fields.ESTIMATES + 1
        widths = [_FOLD**2 * seen, *[config.width] * (config.layers - 1), _FOLD**2 * given]
        scales = [1.0] * (config.layers - 1) + [0.01]
        pairs = zip(widths, widths[1:], scales, strict=False)
        self.layers = nnx.List([Conv(i, o, pad="reflect", scale=scale, rngs=rngs) for i, o, scale in pairs])

    def __call__(self, x: Float[Array, "n r w 5"]) -> Float[Array, "n r w 1"]:
        x = jnp.moveaxis(x, -1, -3)
        return self.weighed(x[..., fields.REACH, :, :], fields.estimates(x))[..., None]

    def weighed(self, now: Float[Array, "n r w"], estimates: Estimates) -> Float[Array, "n r w"]:
        """The estimates' mean, as the network weighs them, and its own part. Rows and columns are even in number."""
        of, spatial = estimates.of, estimates.of[..., fields.SPATIAL, None]
        others = jnp.delete(of, fields.SPATIAL, axis=-1, assume_unique_indices=True) - spatial
        seen = [now[..., None] - 0.5, _GAIN * (spatial - now[..., None]), _GAIN * others, _GAIN * estimates.known]
        x = like_kernel(fold(jnp.concatenate(seen, -1), _FOLD), self.layers[0])
        for k, layer in enumerate(self.layers[:-1]):
            y = leaky(layer(x))
            x = x + y if k % 2 == 0 and k else y
        out = unfold(self.layers[-1](x), _FOLD).astype(jnp.float32)
        weights = jax.nn.softmax(out[..., :-1] + jnp.zeros(fields.ESTIMATES).at[fields.ADAPTIVE].set(_TRUST), -1)
        return (weights * of).sum(-1) + _SHARE * out[..., -1]
