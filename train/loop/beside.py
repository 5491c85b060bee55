"""What two frames in a row of a film tell: one scene, under two grains that have nothing in common.

The frame beside, laid over a frame by motion, says what the frame shows, where the two fit. How far grain alone makes
them differ is measured over the whole film first, by shade: what differs more is another thing, or its motion was not
found; what differs much less is the same frame once more.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from train.loop import data
from train.loop.sources import Source
from zoo import color
from zoo.errors import InputError
from zoo.motion.blocks import blurred, compensated

_GUIDE_PX, AROUND_PX = 5, 9  # sides of the squares that calm the grain, and over which two frames are compared
_SEEN_PX, _PLACES = 128, 32  # of a film, what is looked at
_SHADES, _CALM = 8, 0.3  # parts by luma; the share of places in each whose difference is taken for grain alone
_FITS = 0.25, 4.0  # of that difference: below it came twice, above it something else lies there
_LEAST = (0.2 / 255) ** 2  # of a difference: what rounding leaves
_DARK = 2 / 255  # the most that a frame of nothing differs from its mean

# What a network must foretell the frame beside better by. Where noise is removed well already, what is left to foretell
# is how motion blurs it, and how a film's own codec changed the scene.
LEAST_GAIN_DB = 0.1
PROTOCOL = "psnr_rgb against the frame beside, laid over it with its own noise, where it fits"

Frame = Float[Array, "h w 3"]
Frames = Float[np.ndarray, "n t h w 3"]


class Grain(NamedTuple):
    """How unlike grain alone makes two frames in a row, as `compared` measures it, at each of some shades."""

    shades: Float[np.ndarray, " s"]
    unlike: Float[np.ndarray, "s 3"]


def looked_at(source: Source, frames: int) -> Frames:
    """So many frames in a row from places spread over a film, in [0, 1]. Raises InputError where they show nothing."""
    count = min(len(source), _PLACES)
    held = data.View(source, [len(source) * k // count for k in range(count)])
    found = data.middles(held, side=_SEEN_PX, frames=frames) / np.float32(255)
    if not (found.std((2, 3)) > _DARK).any():
        raise InputError(f"{source.name.partition(':')[2]} shows nothing to learn from: its frames are of one shade")
    return found


def grain_of(frames: Frames) -> Grain:
    """From frames in a row, of which the first two are compared."""
    _, unlike = _compared_all(frames[:, 0], frames[:, 1])
    luma = shades_of(frames[:, 0])
    step = slice(AROUND_PX // 2, None, AROUND_PX)
    unlike, luma = np.asarray(unlike)[:, step, step].reshape(-1, 3), luma[:, step, step].ravel()
    fresh = unlike.mean(-1) > _LEAST
    unlike, luma = (unlike[fresh], luma[fresh]) if fresh.any() else (np.full_like(unlike, _LEAST), luma)
    parts = [part for part in np.array_split(np.argsort(luma), _SHADES) if len(part)]
    return Grain(
        np.stack([luma[part].mean() for part in parts]),
        np.stack([np.quantile(unlike[part], _CALM, axis=0) for part in parts]),
    )


def shown_and_told(grain: Grain, clips: Float[Array, "n t h w 3"]) -> tuple[Float[Array, "n t-1 h w 3"], Array]:
    """(what a network is shown, what the frame beside the middle one tells of that): of an even number of frames that
    one is not among those shown."""
    after = clips.shape[1] // 2
    seen = jnp.delete(clips, after, axis=1, assume_unique_indices=True)
    return seen, jax.vmap(partial(told, grain))(clips[:, after - 1], clips[:, after])


def told(grain: Grain, now: Frame, beside: Frame) -> Frame:
    """The frame beside laid over a frame, nan where the two do not fit."""
    laid, unlike = compared(now, beside)
    luma = shade(now)
    expected = jnp.stack([jnp.interp(luma, grain.shades, grain.unlike[:, c]) for c in range(3)], -1)
    share = (unlike / expected).mean(-1, keepdims=True)
    return jnp.where((share > _FITS[0]) & (share < _FITS[1]), laid, jnp.nan)


def compared(now: Frame, beside: Frame) -> tuple[Frame, Frame]:
    """(The frame beside laid over a frame, how unlike they are around each pixel: the mean square of what calmer ones
    differ by.) Motion is looked for in the calmer ones, for grain must not say where it fits best."""
    calmer, other = blurred(now, _GUIDE_PX), blurred(beside, _GUIDE_PX)
    both = compensated(calmer, other, jnp.concatenate([beside, other], -1))
    return both[..., :3], blurred(jnp.square(both[..., 3:] - calmer), AROUND_PX)


_compared_all = jax.jit(jax.vmap(compared))


def shade(frame: Frame) -> Float[Array, "h w"]:
    """The luma beneath the grain."""
    return blurred(color.grey(frame), _GUIDE_PX)[..., 0]


def shades_of(frames: Float[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n h w"]:
    return np.asarray(jax.vmap(shade)(jnp.asarray(frames)))


def against_what_is_told(restored: Array, wanted: Array) -> Float[Array, " n"]:
    """PSNR, dB, where `wanted` is known."""
    known = ~jnp.isnan(wanted)
    square = jnp.where(known, jnp.square(restored - jnp.where(known, wanted, 0)), 0)
    mean = square.sum((1, 2, 3)) / jnp.maximum(known.sum((1, 2, 3)), 1)
    return -10 * jnp.log10(mean + 1e-8)
