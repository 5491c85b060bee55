"""What lies on a frame of old film and is no picture, and what the picture is there.

The frames around come laid over the frame and in its light (`zoo.dirt.laid`). What may fill a place is at hand
already: each of them, their median, and the median of a few places along the row, in which upright lines are not. The
network weighs these and adds a little of its own; it says how sure it is of dirt and of scratches, which the frame
alone, what its neighbours make of it, and long columns of both tell it.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from zoo import color
from zoo.models.layers import Conv, chain, fold, leaky, like_kernel, unfold
from zoo.models.network import OneToOne, channels
from zoo.models.resnet import ResidualBlock

_FOLD = 2  # side of the block of pixels folded into channels
_AROUND = 2  # frames on either side
_GAIN, _MOST = 4.0, 0.3  # of differences that go in; the most by which the frame counts as another
_TRUST = 3.0  # in the median of the neighbours, at first
_SHARE, _SURE = 0.3, 4.0  # of the network's own part in the fill; of its opinions
_RARE = -2.0  # log odds of damage, at first
_APART = 2, 4  # px between the places along a row of which the median is taken
_COLUMN, _COLUMNS_PX = 24 / 255, (12, 32)  # the most that a pixel of a column counts; rows before and after
_BESIDE_PX = 4  # columns before and after, from whose mean a line stands out
_FILLS = 2 * _AROUND + 1 + len(_APART)


@dataclasses.dataclass(frozen=True)
class RepairConfig(OneToOne):
    """Blocks of `width` channels at half the size, `deep` of them with twice the reach between."""

    width: int = 48
    below: int = 48
    deep: int = 2
    task: str = "repair"

    multiple = 2 * _FOLD
    frames = (_AROUND, _AROUND)
    gives = ("dirt", "scratches")

    @property
    def halo(self) -> int:
        half = 1 + 2 + 1 + 2 * (2 * self.deep) + 1 + 2 + 1  # entry, block, down, deep blocks, up, block, exit
        return max(_COLUMNS_PX) + _FOLD * half + _FOLD - 1

    def build(self, rngs: nnx.Rngs) -> "Repairer":
        return Repairer(self, rngs=rngs)


class Repairer(nnx.Module):
    """Frames t-2 .. t+2 in channels, all laid over frame t: [n h w 15] in [0, 1] -> [n h w 5], what the picture is
    everywhere, not clipped, and the chances of dirt and of scratches."""

    def __init__(self, config: RepairConfig, *, rngs: nnx.Rngs):
        self.config = config
        square, wide, deep = _FOLD**2, config.width, config.below
        conv = lambda i, o, size=3, scale=1.0, **how: Conv(i, o, size, scale=scale, rngs=rngs, **how)
        block = lambda width: ResidualBlock(width, "none", pad="zero", scale=0.2, rngs=rngs)
        seen = channels(config) + 3 * (1 + len(_APART)) + 2 + 2 * len(_COLUMNS_PX)
        self.entry = conv(seen * square, wide)
        self.before, self.after = block(wide), block(wide)
        self.down = conv(wide, deep, stride=2)
        self.body = nnx.List([block(deep) for _ in range(config.deep)])
        self.up = conv(deep, wide * 4, 1)
        self.exit = conv(wide, (2 + _FILLS + 3) * square, scale=0.1)

    def __call__(self, x: Float[Array, "n h w 15"]) -> Float[Array, "n h w 5"]:
        now, others = x[..., 3 * _AROUND : 3 * _AROUND + 3], _others(x)
        fills = [*others, _middle(others), *(_along_row(now, apart) for apart in _APART)]
        f = leaky(self.entry(like_kernel(fold(_seen(now, fills), _FOLD), self.entry)))
        f = self.before(f)
        g = chain(list(self.body), leaky(self.down(f)))
        f = self.after(leaky(f + unfold(self.up(g), 2)))
        out = unfold(self.exit(f).astype(jnp.float32), _FOLD)
        chance, weights, own = jnp.split(out, [2, 2 + _FILLS], -1)
        weights = jax.nn.softmax(_SURE * weights + jnp.zeros(_FILLS).at[len(others)].set(_TRUST), -1)
        fill = sum(weights[..., k, None] * fills[k] for k in range(_FILLS)) + _SHARE * own
        return jnp.concatenate([fill, jax.nn.sigmoid(_SURE * chance + _RARE)], -1)


def _seen(now: Float[Array, "n h w 3"], fills: list[Array]) -> Float[Array, "n h w c"]:
    """What the neighbours show; how far the frame and all that may fill it differ from that; how far it lies outside
    of them; and what stands out in long columns, of the frame and of what its neighbours lack of it."""
    middle, others = fills[2 * _AROUND], jnp.stack(fills[: 2 * _AROUND])
    differs = jnp.clip(now - middle, -_MOST, _MOST)
    out = [color.grey(jnp.clip(x - now, -_MOST, _MOST)) for x in (others.min(0), others.max(0))]
    rest = [x - middle for x in fills if x is not middle]
    columns = [_column(color.grey(x), reach) for x in (now, now - middle) for reach in _COLUMNS_PX]
    return jnp.concatenate([middle - 0.5, *(_GAIN * x for x in (differs, *rest, *out, *columns))], -1)


def _others(x: Float[Array, "n h w 15"]) -> list[Array]:
    return [x[..., 3 * k : 3 * k + 3] for k in range(2 * _AROUND + 1) if k != _AROUND]


def _middle(four: list[Array]) -> Array:
    """The mean of the middle two."""
    a, b, c, d = four
    low = jnp.maximum(jnp.minimum(a, b), jnp.minimum(c, d))
    high = jnp.minimum(jnp.maximum(a, b), jnp.maximum(c, d))
    return (low + high) / 2


def _along_row(x: Float[Array, "n h w 3"], apart: int) -> Float[Array, "n h w 3"]:
    """The median of five places."""
    wide = jnp.pad(x, ((0, 0), (0, 0), (2 * apart, 2 * apart), (0, 0)), mode="edge")
    a, b, c, d, e = (lax.slice_in_dim(wide, k * apart, k * apart + x.shape[2], axis=2) for k in range(5))
    f = jnp.maximum(jnp.minimum(a, b), jnp.minimum(c, d))
    g = jnp.minimum(jnp.maximum(a, b), jnp.maximum(c, d))
    return jnp.maximum(jnp.minimum(f, g), jnp.minimum(jnp.maximum(f, g), e))


def _column(x: Float[Array, "n h w 1"], reach: int) -> Float[Array, "n h w 1"]:
    """How far the rows around stand out from the columns beside, on average."""
    out = jnp.clip(x - _mean(x, 2, _BESIDE_PX), -_COLUMN, _COLUMN)
    return _mean(out, 1, reach)


def _mean(x: Float[Array, "n h w 1"], axis: int, reach: int) -> Float[Array, "n h w 1"]:
    wide = jnp.pad(x, [(reach, reach) if k == axis else (0, 0) for k in range(4)], mode="edge")
    window = [2 * reach + 1 if k == axis else 1 for k in range(4)]
    return lax.reduce_window(wide, 0.0, lax.add, window, (1, 1, 1, 1), "VALID") / (2 * reach + 1)
