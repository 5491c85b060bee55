"""The grain of pictures, measured where they are flat: how strong, how soft, and how far alike in all channels.

Pictures are cut into cells of 16x16 pixels, of which a plane is taken off; the quietest of all are flat. What is left
of them is grain, whose deviation, correlation with itself a few pixels away and correlation between the channels are
those of the model of `zoo.noise.grain`. Of two frames in a row one chooses the cells in which the other is measured:
their grain has nothing in common, so that no cell is taken for being quiet by chance. A still must choose for itself,
and what that and the plane take off the deviation is put back as the model says.
"""

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from zoo.noise import CORRELATION_PX

CELL_PX = 16
LAGS = (0, 1, 2, 3)  # px
_QUIETEST = 0.015  # of all cells
_LEAST_CELLS = 8
_INSIDE = 0.06, 0.94  # luma where grain is not cut off
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_STEP_PX = 0.05
_REACH_PX = 6  # of what softens grain
_OF_FLAT = -1.1  # deviations of the variance of a flat cell, by which the quieter third lies below the mean

Cells = Float[np.ndarray, "n cell cell 3"]


class Grain(NamedTuple):
    """As `zoo.noise.grain` takes it. White noise has correlation 0; its level is right in mid greys."""

    level: float
    correlation_px: float
    monochrome: float


def estimate(shots: Iterable[Float[np.ndarray, "n h w 3"]]) -> Grain | None:
    """The grain that frames have in common: of each shot one, as a still is, or two in a row, in [0, 1]. None where too
    few of their places are flat. Where there are frames in a row, those that are alone do not count."""
    cells: dict[bool, list[tuple[float, np.ndarray]]] = {False: [], True: []}  # by whether their frame is alone
    total = {False: 0, True: 0}
    for frames in shots:
        before, after = np.asarray(frames[0], np.float32), np.asarray(frames[-1], np.float32)
        alone = bool((before == after).all())
        (_, quiet, usable), (others, _, also) = _rests(before), _rests(after)
        quiet = np.where(usable & also, quiet, np.inf).ravel().tolist()
        order = np.argsort(quiet)[: max(_LEAST_CELLS, round(4 * _QUIETEST * usable.sum()))]
        cells[alone] += [(quiet[k], others.reshape(-1, *others.shape[2:])[k]) for k in order if np.isfinite(quiet[k])]
        total[alone] += int(usable.sum())
    alone = len(cells[False]) < _LEAST_CELLS
    chosen = sorted(cells[alone], key=lambda cell: cell[0])[: max(_LEAST_CELLS, round(_QUIETEST * total[alone]))]
    return _of(np.stack([rest for _, rest in chosen]), alone=alone) if len(chosen) >= _LEAST_CELLS else None


def strength(luma: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Of grain by the luma under it, 1 in mid greys; as `zoo.noise.grain` has it."""
    return 0.35 + 0.65 * 4 * luma * (1 - luma)


def _of(rests: Cells, *, alone: bool) -> Grain:
    """Grain that leaves this of flat cells. `alone`: they were chosen for being quiet."""
    variances = np.square(rests).mean((1, 2, 3))
    calm = variances <= 3 * np.median(variances)  # without those that an edge crosses
    rests, variance = rests[calm], np.median(variances[calm])
    lagged = _lagged(rests @ _LUMA)
    widths, shares, spreads, correlations = _model()
    best = int(np.square(correlations - lagged[1:] / max(lagged[0], 1e-12)).sum(1).argmin())
    covariance = np.einsum("nyxc,nyxd->cd", rests, rests)
    own = max(np.trace(covariance), 1e-12)
    alike = float(np.clip((covariance.sum() - own) / 2 / own, 0, 1))
    spread = spreads[best] * np.sqrt(alike**2 + (1 - alike**2) / 3)  # of three channels, that are partly alike
    chance = 1 + _OF_FLAT * spread if alone else 1 - spread**2 / 3  # of a skewed distribution the median is less
    return Grain(float(np.sqrt(variance / shares[best] / max(chance, 0.2))), float(widths[best]), alike)


def _rests(picture: Float[np.ndarray, "h w 3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(what a plane leaves of each cell, divided by the strength of grain there; its variance; whether the cell can be
    measured), by rows and columns."""
    rows, columns = (side // CELL_PX for side in picture.shape[:2])
    cells = picture[: rows * CELL_PX, : columns * CELL_PX].reshape(rows, CELL_PX, columns, CELL_PX, 3).swapaxes(1, 2)
    luma = (cells @ _LUMA).mean((2, 3))
    basis, flat = _plane(), cells.reshape(rows, columns, CELL_PX**2, 3)
    rests = flat - basis @ (basis.T @ flat)
    rests = rests.reshape(cells.shape) / strength(luma)[..., None, None, None]
    cut = ((cells <= 0) | (cells >= 1)).mean((2, 3, 4)) > 0.01
    return rests, np.square(rests).mean((2, 3, 4)), (luma > _INSIDE[0]) & (luma < _INSIDE[1]) & ~cut


def _lagged(rests: Float[np.ndarray, "n cell cell"]) -> Float[np.ndarray, " lags"]:
    """The mean product of pixels some way apart, along rows and columns."""
    products = lambda x, lag: (x[:, lag:] * x[:, : CELL_PX - lag]).mean()
    return np.array([products(rests, lag) + products(rests.swapaxes(1, 2), lag) for lag in LAGS]) / 2


@functools.cache
def _plane() -> Float[np.ndarray, "p 3"]:
    """Orthonormal: all planes over a cell."""
    at = np.arange(CELL_PX) - (CELL_PX - 1) / 2
    y, x = np.meshgrid(at, at, indexing="ij")
    return np.linalg.qr(np.stack([np.ones_like(y), y, x], -1).reshape(-1, 3))[0].astype(np.float32)


@functools.cache
def _model() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of grain of each softness in px: the share of its variance that a plane leaves; the deviation of that from cell
    to cell, over its mean; and its correlations at the LAGS."""
    widths = np.arange(CORRELATION_PX[0], CORRELATION_PX[1] + _STEP_PX / 2, _STEP_PX)
    plane, apart = np.float64(_plane()), np.abs(np.subtract.outer(*[np.arange(CELL_PX)] * 2))
    shares, spreads, correlations = [], [], []
    for width in widths:
        taps = np.exp(-((np.arange(-_REACH_PX, _REACH_PX + 1) / max(width, 1e-3)) ** 2) / 2)
        along = np.correlate(taps, taps, "full")[2 * _REACH_PX :] / np.square(taps).sum()
        table = np.pad(along, (0, CELL_PX))[apart]
        whole = np.kron(table, table)
        part = (whole @ plane) @ plane.T
        left = whole - part - part.T + plane @ (plane.T @ part)
        pairs = left.reshape([CELL_PX] * 4)
        own = [np.trace(np.einsum("yxyz->xz", pairs), lag) / CELL_PX / (CELL_PX - lag) for lag in LAGS]
        shares.append(own[0])
        spreads.append(np.sqrt(2 * np.square(left).sum()) / np.trace(left))
        correlations.append(np.divide(own[1:], own[0]))
    return widths, np.array(shares), np.array(spreads), np.array(correlations)
