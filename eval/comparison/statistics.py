"""What a comparison computes beside the metrics: bands of spatial frequency, and intervals by the bootstrap."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

BANDS = 3
BANDS_ARE = (
    "band k of x: blur_k(x) - blur_k+1(x); blur_0(x) = x, blur_k+1 = blur_k and then taps 1 4 6 4 1 (/ 16) that stand "
    "2^k px apart, along rows and along columns, mirrored at the border. Wavelengths of about 2-4, 4-8 and 8-16 px"
)
TEXTURE_CYCLES = 0.25  # per pixel; half of what a picture can hold
TEXTURE_SHARE = 8  # one picture in so many
TEXTURE_IS = (
    f"the eighth of the pictures with the largest share of energy above {TEXTURE_CYCLES:g} cycles per pixel in the "
    "clean picture (mean of the channels less its mean, Hann window, squared modulus of the Fourier transform)"
)
RESAMPLES = 10_000
INTERVAL = 95  # per cent

_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def bands(x: Float[Array, "h w c"]) -> tuple[list[Float[Array, "h w c"]], Float[Array, "h w c"]]:
    """The BANDS of a picture, finest first, and what they leave: their sum is the picture."""
    found = []
    for k in range(BANDS):
        coarse = _blur(_blur(x, 2**k, axis=0), 2**k, axis=1)
        found.append(x - coarse)
        x = coarse
    return found, x


def detail(clean: Float[Array, "h w c"], picture: Float[Array, "h w c"]) -> dict[str, Float[Array, ""]]:
    """What became of fine detail, band by band.

    `band_K`: PSNR of band K in dB, what is lost and what is wrongly there together. `kept_K`: the share of the clean
    picture's band K that is in the picture, <band(picture), band(clean)> / <band(clean), band(clean)>: 1 where all
    of it is there, whatever noise lies upon it, and less where it was smoothed away.
    """
    values = {}
    true, wrong = bands(clean)[0], bands(picture - clean)[0]  # the bands are linear
    for k, (t, e) in enumerate(zip(true, wrong, strict=True)):
        values[f"band_{k}"] = -10 * jnp.log10(jnp.square(e).mean())
        values[f"kept_{k}"] = 1 + (t * e).sum() / jnp.square(t).sum()
    return values


def fineness(picture: Float[np.ndarray, "h w 3"]) -> float:
    """The share of a picture's energy that lies above TEXTURE_CYCLES; see TEXTURE_IS."""
    grey = picture.mean(axis=-1, dtype=np.float64)
    h, w = grey.shape
    energy = np.abs(np.fft.fft2((grey - grey.mean()) * np.hanning(h)[:, None] * np.hanning(w))) ** 2
    fine = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)) > TEXTURE_CYCLES
    total = energy.sum()
    return float(energy[fine].sum() / total) if total else 0.0


def fine_texture(pictures: Sequence[Float[np.ndarray, "h w 3"]]) -> list[int]:
    """The indices of the pictures of fine texture."""
    fine = [fineness(picture) for picture in pictures]
    finest = sorted(range(len(fine)), key=lambda index: (-fine[index], index))
    return sorted(finest[: math.ceil(len(fine) / TEXTURE_SHARE)])


class Bootstrap:
    """Resamples of `images` images, the same for whatever is asked of it: so differences of methods are paired."""

    def __init__(self, images: int, *, seed: int):
        draw = np.random.default_rng(seed)
        self.counts = draw.multinomial(images, np.full(images, 1 / images), size=RESAMPLES).astype(np.float64)

    def mean(self, values: Float[np.ndarray, "images columns"]) -> Float[np.ndarray, "columns 3"]:
        """The mean over images of each column, and the ends of its interval (percentiles of the resampled means).

        As in metrics.summarise, images without a value (nan) are left out, and one inf makes a mean inf.
        """
        known, endless = ~np.isnan(values), np.isinf(values)
        finite = np.where(known & ~endless, values, 0)
        everything = np.vstack([np.ones(len(values)), self.counts])
        with np.errstate(invalid="ignore"):  # 0 / 0 where no image of a resample has the value
            means = everything @ finite / (everything @ known)
        means[everything @ endless > 0] = np.inf
        ends = (50 - INTERVAL / 2, 50 + INTERVAL / 2)
        return np.stack([means[0], *(_percentile(means[1:], end) for end in ends)], axis=-1)


def _percentile(means: Float[np.ndarray, "resamples columns"], percent: float) -> Float[np.ndarray, " columns"]:
    """By the nearest rank, so that an inf among them spoils no other; nan columns stay nan."""
    rank = round(percent / 100 * (len(means) - 1))
    out = np.sort(means, axis=0)[rank]
    return np.where(np.isnan(means).all(axis=0), np.nan, out)


def _blur(x: Float[Array, "h w c"], step: int, *, axis: int) -> Float[Array, "h w c"]:
    size = x.shape[axis]
    mirrored = np.pad(np.arange(size), 2 * step, mode="symmetric")  # taken so, it compiles many times faster than a pad
    wide = jnp.take(x, mirrored, axis=axis)
    parts = [jax.lax.slice_in_dim(wide, i * step, i * step + size, axis=axis) for i in range(len(_BINOMIAL))]
    blurred = sum(tap * part for tap, part in zip(_BINOMIAL, parts, strict=True))
    return jax.lax.optimization_barrier(blurred)  # else each later use computes it anew
