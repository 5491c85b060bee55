"""PSNR, SSIM and MAE of restored pictures: dm_pix under one protocol, which every result names.

Pictures are float in [0, 1], RGB, NHWC or HWC; whatever the float type, the arithmetic is float32. A batch
[n h w c] gives one value per image, [n]; a single picture [h w c] gives a scalar. All functions jit.
"""

import math
from collections.abc import Iterable
from typing import Any

import dm_pix
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from zoo.errors import FlagError

pix: Any = dm_pix  # its annotations name another kind of array
MEASURES = "psnr_rgb, ssim_gauss11, mae_rgb; float32, range 1, no border crop"
PROTOCOL = f"{MEASURES}, noise clipped and not re-quantised"  # where a clean picture is degraded first

_TAPS = 11
_SIGMA = 1.5
_STRIP = 48  # rows of windows that SSIM takes at once: what it makes of them on the way stays in a CPU's cache

Pictures = Shaped[Array | np.ndarray, "..."]  # [n h w c] or [h w c] of floats; `_matched` says what else is wrong


def psnr(a: Pictures, b: Pictures) -> Float[Array, "*n"]:
    """Peak signal-to-noise ratio in dB over all samples of all channels; identical pictures give inf."""
    return pix.psnr(*_matched(a, b))


def ssim(a: Pictures, b: Pictures) -> Float[Array, "*n"]:
    """Structural similarity: 11-tap Gaussian window of sigma 1.5, whole windows only, the mean over channels.

    A picture with a side under 11 px holds no whole window, and its SSIM is nan.
    """
    a, b = _matched(a, b)
    if min(a.shape[-3:-1]) < _TAPS:
        return jnp.full(a.shape[:-3], jnp.nan)
    if a.ndim == 4:
        return jax.lax.map(lambda pair: ssim(*pair), (a, b))
    windows = a.shape[0] - _TAPS + 1
    rows = math.ceil(windows / math.ceil(windows / _STRIP))

    def strip(first: Array) -> Array:
        """The sum over the rows of windows from `first` on; the last strip begins earlier, to be whole."""
        start = jnp.minimum(first, windows - rows)
        parts = (jax.lax.dynamic_slice_in_dim(x, start, rows + _TAPS - 1) for x in (a, b))
        means = pix.ssim(*parts, filter_fn=_window, return_map=True).mean((1, 2))
        return jnp.where(jnp.arange(rows) >= first - start, means, 0).sum()

    return jax.lax.map(strip, jnp.arange(0, windows, rows)).sum() / windows


def mae(a: Pictures, b: Pictures) -> Float[Array, "*n"]:
    """Mean absolute error on the [0, 1] scale."""
    return pix.mae(*_matched(a, b))


METRICS = {"psnr": psnr, "ssim": ssim, "mae": mae}


@jax.jit
def _measure(clean: Array, picture: Array) -> dict[str, Array]:
    return {name: metric(clean, picture) for name, metric in METRICS.items()}


def measure(clean: Pictures, picture: Pictures) -> dict[str, float]:
    """Every metric of one picture [h w c], in one compiled call per picture size."""
    clean, picture = _matched(clean, picture)
    if clean.ndim != 3:
        raise FlagError(
            f"measure takes one picture shaped [h w c], not {clean.shape}; give it those of a batch in turn"
        )
    return {name: float(value) for name, value in jax.device_get(_measure(clean, picture)).items()}


def summarise(values: Iterable[float]) -> float:
    """The mean over images. One inf (an identical pair) makes it inf; images without the metric (nan) are left
    out, and where none has it the mean is nan."""
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def _matched(a: Pictures, b: Pictures) -> tuple[Array, Array]:
    """Both as float32, or a FlagError where they cannot be compared."""
    for picture in (a, b):
        if not jnp.issubdtype(picture.dtype, jnp.floating):
            raise FlagError(
                f"metrics compare float pictures in [0, 1], not {picture.dtype}; divide by its largest value"
            )
    if a.shape != b.shape:
        raise FlagError(f"metrics compare pictures of one shape, not {a.shape} with {b.shape}")
    if a.ndim not in (3, 4):
        raise FlagError(f"metrics take pictures shaped [h w c] or [n h w c], not {a.shape}")
    return jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32)


def _window(z: Float[Array, "*n h w c"]) -> Float[Array, "*n i j c"]:
    """The Gaussian-weighted mean in every whole window. Two products with banded matrices: on CPU many times
    faster than dm_pix's own convolutions. At the highest precision, for SSIM subtracts nearly equal numbers."""
    rows, columns = _band(z.shape[-3]), _band(z.shape[-2])
    return jnp.einsum("ih,...hwc,jw->...ijc", rows, z, columns, precision="highest")


def _band(size: int) -> Float[np.ndarray, "windows size"]:
    """Row i holds the window's weights from column i on; all else is 0."""
    taps = np.exp(-0.5 * ((np.arange(_TAPS) - _TAPS // 2) / _SIGMA) ** 2)
    taps /= taps.sum()
    windows = size - _TAPS + 1
    return np.asarray(sum(np.eye(windows, size, k) * tap for k, tap in enumerate(taps)), np.float32)
