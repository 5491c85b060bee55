"""What a family of other people's networks says of itself: by which keys its weights are known, what the network is
that they make, and under which names it has them.

In their files kernels are [o i h w], and pixels fold into channels in the order channel, row, column; ours are
[h w i o] and row, column, channel.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zoo.models.network import ModelConfig, OneToOne

Arrays = dict[str, np.ndarray]  # by the names that the file, or the network, has for them


class Family(NamedTuple):
    """`keys`: by which a file is known, those of each way in which it may be written. `config`: the network of a file's
    arrays; KeyError or ValueError where they do not make one. `weights`: the arrays as it has them. `unused`: parts of
    the names of arrays that the network does without."""

    name: str
    keys: tuple[tuple[str, ...], ...]
    config: Callable[[Arrays], ModelConfig]
    weights: Callable[[Arrays, Any], Arrays]
    unused: tuple[str, ...] = ()


class Foreign(OneToOne):
    """What every such config has: pictures that become larger are a matter of upscaling, others of denoising."""

    multiple = 1

    @property
    def task(self) -> str:
        return "denoise" if self.scale == 1 else "upscale"


def kernel(array: np.ndarray) -> np.ndarray:
    return array.transpose(2, 3, 1, 0)


def folded(array: np.ndarray, axis: int, side: int) -> np.ndarray:
    """An axis of channels in our order of pixels, where theirs have come of blocks of side x side."""
    shape = (*array.shape[:axis], -1, side**2, *array.shape[axis + 1 :])
    return np.moveaxis(array.reshape(shape), axis + 1, axis).reshape(array.shape)


def conv(arrays: Arrays, name: str, own: str, *, folds: int = 1, unfolds: int = 1) -> Arrays:
    """A convolution `name` of the file under the name `own`. `folds`, `unfolds`: the side of the blocks that its input
    and its output have in their channels."""
    found = {f"{own}.kernel": folded(folded(kernel(arrays[f"{name}.weight"]), 2, folds), 3, unfolds)}
    if f"{name}.bias" in arrays:
        found[f"{own}.bias"] = folded(arrays[f"{name}.bias"], 0, unfolds)
    return found


def count(arrays: Arrays, name: Callable[[int], str]) -> int:
    """How many arrays there are, from `name(0)` on without a gap."""
    return next(k for k in range(len(arrays) + 1) if name(k) not in arrays)


def side_of(channels: int) -> int:
    """The side of the blocks of RGB pixels that so many channels hold. Raises ValueError where they are no RGB."""
    side = math.isqrt(channels // 3)
    if not side or 3 * side**2 != channels:
        raise ValueError(f"{channels} channels are no RGB")
    return side


def larger(x: Float[Array, "n h w c"], scale: int) -> Float[Array, "n _ _ c"]:
    """Every sample `scale` times along both sides."""
    return jnp.repeat(jnp.repeat(x, scale, 1), scale, 2) if scale > 1 else x
