"""Classical ways to make frames of fields, each in a few lines: what a network that deinterlaces is compared with.

Film comes woven, [m h w c] of equal channels, top field first; [2m h w c] comes back, a frame for each field. All are
in normal position (see `zoo.fields`). Beyond the ends time turns back. Yadif (Niedermayer) and bwdif (Mudge, after the
BBC's filters of Weston) are written after their descriptions in FFmpeg; borders and rounding are not the same.
"""

from collections.abc import Callable
from functools import wraps

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zoo.fields import REACH, Fields, Rows, above, below, cubic, normal

_CODE = 1 / 255
_STILL = 0.75 * _CODE  # fields that differ by less are woven by bwdif: by a code at most, in whole codes

Woven = Float[Array, "m h w c"]
Lines = Callable[[Fields], Rows]  # that the field in the middle lacks
_WIDEST = 2  # columns of half the slant of an edge
_SPATIAL = 0.6197, 0.1197  # bwdif's weights of the near and the far lines: alone,
_LOW = 0.5260, 0.0260  # with high frequencies from the fields around,
_HIGH = 0.17, 0.116, 0.031  # whose weights these are, of the same, the near and the far lines


def windows(woven: Woven, parity: int) -> tuple[Fields, Rows]:
    """The fields around each frame's field of one parity."""
    count = 2 * len(woven)
    times = np.arange(parity, count, 2)[:, None] + np.arange(-REACH, REACH + 1)
    times = np.abs(times)
    times = np.where(times >= count, 2 * (count - 1) - times, times)  # as even or odd as they were
    return normal(jnp.asarray(woven[..., 0])[times // 2], parity)


def deinterlaced(woven: Woven, lines: Lines) -> Float[Array, "_ h w c"]:
    """Frames of the known lines and of those that `lines` makes."""
    frames = []
    for parity in range(2):
        fields, _ = windows(woven, parity)
        whole = jnp.stack([fields[:, REACH], lines(fields)], axis=2).reshape(len(woven), *woven.shape[1:3])
        frames.append(whole[:, ::-1] if parity else whole)
    pictures = jnp.stack(frames, 1).reshape(-1, *woven.shape[1:3], 1)
    return jnp.repeat(pictures, woven.shape[-1], -1)


def _by(lines: Lines) -> Callable[[Woven], Float[Array, "_ h w c"]]:
    return wraps(lines)(jax.jit(lambda woven: deinterlaced(woven, lines)))


def weave(woven: Woven) -> Float[Array, "_ h w c"]:
    """Each frame twice, as it is."""
    return woven.repeat(2, axis=0)


@_by
def bob(fields: Fields) -> Rows:
    """The mean of the lines above and below."""
    now = fields[..., REACH, :, :]
    return (now + below(now)) / 2


@_by
def bob_cubic(fields: Fields) -> Rows:
    """The same by the cubic kernel."""
    return cubic(fields[..., REACH, :, :])


def _edge(now: Rows) -> Rows:
    """The mean along the slant on which the lines above and below differ least over three columns, as yadif looks for
    it: a steeper one only where the one before was better than none."""
    wide = lambda x: jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(_WIDEST + 1, _WIDEST + 1)], mode="edge")
    shifted = lambda x, k: jnp.roll(x, -k, -1)
    upper, lower = wide(now), wide(below(now))

    def along(slant: int) -> tuple[Rows, Rows]:
        one, other = shifted(upper, slant), shifted(lower, -slant)
        off = jnp.abs(one - other)
        return off + shifted(off, 1) + shifted(off, -1), (one + other) / 2

    least, mean = along(0)
    least = least - _CODE
    for side in (-1, 1):
        going = True
        for slant in range(side, side * (_WIDEST + 1), side):
            off, other = along(slant)
            going = going & (off < least - _CODE / 2)
            least, mean = jnp.where(going, off, least), jnp.where(going, other, mean)
    return mean[..., _WIDEST + 1 : -_WIDEST - 1]


@_by
def edge_directed(fields: Fields) -> Rows:
    return _edge(fields[..., REACH, :, :])


def _bounded(spatial: Rows, fields: Fields) -> tuple[Rows, Rows]:
    """What lies within as much of the mean of the fields around as these differ, or as that mean stands out of the
    lines above and below more than the fields around do; and how much they differ."""
    first, before, now, after, last = (fields[..., k, :, :] for k in range(5))
    mean, (upper, lower) = (before + after) / 2, (now, below(now))
    changes = [(jnp.abs(x - now) + jnp.abs(below(x) - lower)) / 2 for x in (first, last)]
    differ = jnp.maximum(jnp.abs(before - after) / 2, jnp.maximum(*changes))
    out = (above(before) + above(after)) / 2 - upper, (below(before) + below(after)) / 2 - lower
    most = jnp.maximum(jnp.maximum(mean - lower, mean - upper), jnp.minimum(*out))
    least = jnp.minimum(jnp.minimum(mean - lower, mean - upper), jnp.maximum(*out))
    bound = jnp.maximum(differ, jnp.maximum(least, -most))
    return jnp.clip(spatial, mean - bound, mean + bound), differ


@_by
def yadif(fields: Fields) -> Rows:
    """Along edges, but no farther from the fields around than these differ."""
    return _bounded(_edge(fields[..., REACH, :, :]), fields)[0]


@_by
def bwdif(fields: Fields) -> Rows:
    """As yadif, but by long filters, with high frequencies from the fields around where something moves."""
    _, before, now, after, _ = (fields[..., k, :, :] for k in range(5))
    near, far = now + below(now), above(now) + below(below(now))
    around = before + after
    beside, beyond = above(around) + below(around), above(above(around)) + below(below(around))
    high = _HIGH[0] * around - _HIGH[1] * beside + _HIGH[2] * beyond
    sharp = jnp.abs(now - below(now)) > jnp.abs(before - after) + _CODE / 2
    spatial = jnp.where(sharp, _LOW[0] * near - _LOW[1] * far + high, _SPATIAL[0] * near - _SPATIAL[1] * far)
    made, differ = _bounded(spatial, fields)
    return jnp.where(differ < _STILL, around / 2, made)


def by_network(network: Callable[[Float[np.ndarray, "n r w 5"]], Float[np.ndarray, "n r w 1"]], woven: Woven):
    """Frames of whose missing lines a network makes each."""
    lines = lambda fields: jnp.asarray(network(np.moveaxis(np.asarray(fields), -3, -1)))[..., 0]
    codes = lambda fields: jnp.round(255 * lines(fields).clip(0, 1)) / 255
    return deinterlaced(jnp.asarray(woven), codes)


RIVALS = {
    "bob": (bob, "bob, linear"),
    "bob_cubic": (bob_cubic, "bob, cubic"),
    "edge_directed": (edge_directed, "bob, along edges"),
    "yadif": (yadif, "as yadif"),
    "bwdif": (bwdif, "as bwdif"),
}
