"""The noise of a film, measured between frames in a row: what they differ by where they show the same."""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Shaped

from train.loop.beside import AROUND_PX, Frames, grain_of, shades_of, told
from zoo.models.film_noise import LEAST, SHADES

_LAGS = 1, 2, 3, 4  # px
_WIDTHS = np.arange(0.3, 2.525, 0.05)


class Noise(NamedTuple):
    """The deviation at each of the evenly spaced shades of `zoo.models.film_noise`, the covariance of the channels,
    whose trace is 3, and how soft it is: the deviation of a Gaussian upon white noise, in px."""

    strength: Float[np.ndarray, " s"]
    covariance: Float[np.ndarray, "3 3"]
    softness_px: float


def noise_of(frames: Frames) -> Noise:
    """Of frames in a row, of which the first two are compared."""
    now, lumas = frames[:, 0], shades_of(frames[:, 0])
    laid = jax.jit(jax.vmap(partial(told, grain_of(frames))))(now, frames[:, 1])
    rest = (np.asarray(laid) - now) / np.sqrt(2)  # nan where they do not fit
    variance, luma = _cells(np.square(rest).mean(-1)).ravel(), _cells(lumas).ravel()
    known = np.isfinite(variance)
    if not known.any():
        return Noise(np.full(SHADES, LEAST), np.eye(3), 0.0)
    variance, luma = variance[known], luma[known]
    parts = [part for part in np.array_split(np.argsort(luma), SHADES) if len(part)]
    shades, levels = [luma[part].mean() for part in parts], [np.sqrt(np.median(variance[part])) for part in parts]
    strength = np.maximum(np.interp(np.linspace(0, 1, SHADES), shades, levels), LEAST)
    even = rest / np.interp(lumas, np.linspace(0, 1, SHADES), strength)[..., None]
    sure = even[np.isfinite(even).all(-1)]
    covariance = sure.T @ sure / len(sure)
    return Noise(strength, 3 * covariance / max(np.trace(covariance), LEAST), _softness(even))


def _cells(x: Shaped[np.ndarray, "n h w"]) -> Shaped[np.ndarray, "n rows columns"]:
    """The means of squares; where a part is nan, so is the mean."""
    rows, columns = (side // AROUND_PX for side in x.shape[1:])
    x = x[:, : rows * AROUND_PX, : columns * AROUND_PX]
    return x.reshape(len(x), rows, AROUND_PX, columns, AROUND_PX).mean((2, 4))


def _softness(even: Float[np.ndarray, "n h w 3"]) -> float:
    """By how far noise is like itself some pixels away."""
    down = lambda lag: np.nanmean(even[:, lag:] * even[:, : even.shape[1] - lag])
    across = lambda lag: np.nanmean(even[:, :, lag:] * even[:, :, : even.shape[2] - lag])
    found = np.array([(down(lag) + across(lag)) / 2 for lag in (0, *_LAGS)])
    models = np.exp(-np.square(np.array(_LAGS))[None] / (4 * _WIDTHS[:, None] ** 2))
    return float(_WIDTHS[np.square(models - found[1:] / max(found[0], LEAST)).sum(1).argmin()])
