"""What is measured of every frame of a film before the work, for steps that must know more than a window shows.

Of each frame and the one before it: how new it is, where its luma lies, how much its fields are combed and repeated,
how its light changes, and its grain. The combing tells kinds of film apart: fields of one moment fit each other, fields
of two do not.
"""

import functools
import hashlib
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from zoo.cuts import cut_score, is_cut
from zoo.flicker import means
from zoo.light import GRID, brightened

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
COMBS = ("own", "top first", "bottom first")
# 117 bytes a frame. `number`: of the film's frame. `context`: whether it is there for its neighbours' sake alone.
# `new`: see `zoo.cuts`. `luma`: its QUANTILES, 0 at black and 1 at white. `comb`: the share of combed pixels where two
# fields are woven, one for each of COMBS: the frame's own two; the later field of the frame before and the earlier of
# this one, if the top field is the first; the same if the bottom one is. `repeat`: the mean absolute difference of
# the top and of the bottom field from that of the frame before. `grain`: its deviation. Both in 8-bit codes. `lines`:
# the log ratio of how much the even and the odd lines differ from the mean of their neighbours; far from 0 where one of
# them were made so. `light`: see `zoo.light`.
ROW = np.dtype(
    [
        ("number", "<i8"),
        ("context", "?"),
        ("new", "<f4"),
        ("luma", "<f4", (len(QUANTILES),)),
        ("comb", "<f4", (len(COMBS),)),
        ("repeat", "<f4", (2,)),
        ("grain", "<f4"),
        ("lines", "<f4"),
        ("light", "<f2", GRID),
    ]
)
_COMBED = 6.5 / 255  # a line that differs by more from the lines above and below, in one direction, is combed
_ROUNDING = 0.1 / 255  # of a pixel, that keeps lines without detail apart from none
_SAMPLES = 2**16  # pixels of a frame of which the quantiles are taken, about
_BLOCK_PX = 16
_FLATTEST = 0.1  # of the blocks, in which the grain is measured
_ENDS = 0.02, 0.98  # pixels outside are black, as bars are, or burnt out
_MOST_OUTSIDE = 0.05  # of a block that counts


Luma = Float32[Array | np.ndarray, "h w"]


class Survey:
    """`rows` [n] of ROW: consecutive frames of a film, all of it or those around a stretch."""

    def __init__(self, rows: np.ndarray):
        self.rows = rows
        cuts = [k for k, new in enumerate(rows["new"].tolist()) if k == 0 or is_cut(new)]
        self._begins = np.array([*cuts, len(rows)])

    @property
    def frames(self) -> int:
        """How many will come out of the work, exactly."""
        return int((~self.rows["context"]).sum())

    @functools.cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.rows.tobytes()).hexdigest()

    def of(self, number: int) -> np.void:
        """The row of a frame of the film."""
        return self.rows[number - int(self.rows["number"][0])]

    def shot(self, number: int) -> np.ndarray:
        """The rows of the shot in which a frame of the film lies, as far as it was surveyed."""
        at = np.searchsorted(self._begins, number - int(self.rows["number"][0]), side="right")
        return self.rows[self._begins[at - 1] : self._begins[at]]

    def links(self, order: Literal["top first", "bottom first"]) -> tuple[np.ndarray, np.ndarray]:
        """(comb [2n - 1], repeat [2n - 2]) of the fields in time's order: how much field k is combed where it is woven
        with the next, and how much it differs from the next of its parity."""
        combs = np.stack([self.rows["comb"][:, COMBS.index(order)], self.rows["comb"][:, 0]], axis=1)
        repeats = self.rows["repeat"][1:, :: 1 if order == "top first" else -1]
        return combs.ravel()[1:], repeats.ravel()


@jax.jit
def measured(lumas: Float[Array, "m h w"]) -> dict[str, Float[Array, "n ..."]]:
    """What ROW holds beside `number` and `context`, of all frames [h w] but the first, each after the one before."""
    return jax.lax.map(lambda pair: _measured(*pair), (lumas[:-1], lumas[1:]))


def _measured(before: Float[Array, "h w"], now: Float[Array, "h w"]) -> dict[str, Array]:
    change = 255 * jnp.abs(now - before).mean(axis=1)
    return {
        "new": cut_score(before, now),
        "luma": _quantiles(now),
        "comb": jnp.stack(combs(before, now)),
        "repeat": jnp.stack([change[::2].mean(), change[1::2].mean() if len(change) > 1 else change[0]]),
        "grain": 255 * _grain(now),
        "lines": lines(now),
        "light": brightened(before, now),
    }


def _quantiles(luma: Float[Array, "h w"]) -> Float[Array, " q"]:
    step = int((luma.size / _SAMPLES) ** 0.5) | 1  # odd: of both fields
    return jnp.quantile(luma[::step, ::step], jnp.array(QUANTILES))


def combs(before: Luma, now: Luma) -> list[Any]:
    """How much two frames in a row are combed, of arrays of NumPy or of JAX: see ROW."""
    xp = jnp if isinstance(now, jax.Array) else np
    top = (xp.arange(now.shape[0]) % 2 == 0)[:, None]
    return [_combed(woven, xp) for woven in (now, xp.where(top, now, before), xp.where(top, before, now))]


def _combed(woven: Luma, xp: Any) -> Any:
    """The share of pixels that stick out of the lines above and below."""
    if woven.shape[0] < 3:
        return xp.float32(0)
    above, here, below = woven[:-2], woven[1:-1], woven[2:]
    out = xp.maximum(xp.minimum(here - above, here - below), xp.minimum(above - here, below - here))
    return (out > _COMBED).mean()


def lines(plane: Luma) -> Any:
    """How much more the even lines differ from their neighbours' mean than the odd ones: the log of the ratio, of
    NumPy or of JAX."""
    if plane.shape[0] < 4:
        return np.float32(0)
    xp = jnp if isinstance(plane, jax.Array) else np
    off = xp.abs(plane[1:-1] - (plane[:-2] + plane[2:]) / 2).mean(axis=1)
    return xp.log((off[1::2].mean() + _ROUNDING) / (off[::2].mean() + _ROUNDING))


def _grain(luma: Float[Array, "h w"]) -> Float[Array, ""]:
    """The deviation of grain, if white, by the Laplacian of the flattest blocks (after Immerkaer 1996); 0 where the
    picture is too small, or all of it black or white."""
    if min(luma.shape) < 3:
        return jnp.float32(0)
    across = luma[:, :-2] - 2 * luma[:, 1:-1] + luma[:, 2:]
    laplacian = across[:-2] - 2 * across[1:-1] + across[2:]
    side = min(_BLOCK_PX, *laplacian.shape)
    outside = ((luma < _ENDS[0]) | (luma > _ENDS[1])).astype(jnp.float32)
    seen = means(outside[1:-1, 1:-1], side) < _MOST_OUTSIDE
    rough = jnp.where(seen, means(jnp.abs(laplacian), side), jnp.nan)
    flattest = jnp.nanquantile(rough, _FLATTEST)
    return jnp.nan_to_num(flattest) * (np.pi / 2) ** 0.5 / 6
