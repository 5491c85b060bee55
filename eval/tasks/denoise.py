"""Noise taken off pictures, or off single frames of clips: what is compared, with whom, under which noise."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eval.comparison.datasets import open_pictures
from eval.comparison.statistics import BANDS, BANDS_ARE, TEXTURE_IS, detail, fine_texture
from eval.comparison.task import Claim, Goal, Metric, Rival, Task, Trial
from eval.run import noise_key
from zoo import metrics, noise
from zoo.filters import FILTERS
from zoo.pictures import jpeg
from zoo.restorer import Restorer

LEVELS = (0.01, 0.02, 0.03, 0.04, 0.05)
GRAIN_LEVELS = (0.02, 0.03, 0.05, 0.08, 0.12)
JPEG_QUALITY = 75
# Of film stock, where the noise kind of the same name draws both anew for each picture.
CORRELATION_PX, MONOCHROME = 0.8, 0.85
NOISES = noise.NOISES | {
    name: lambda key, image, level, px=px: noise.grain(key, image, sigma=level, correlation=px, monochrome=MONOCHROME)
    for name, px in (("grain", CORRELATION_PX), ("sharp grain", 0.0), ("soft grain", noise.CORRELATION_PX[1]))
}


@dataclass(frozen=True)
class Noise:
    """A noise of one level and, where `jpeg` is given, JPEG of that quality then."""

    noise: str  # of NOISES
    level: float
    jpeg: int | None = None

    @property
    def name(self) -> str:
        return f"{self.noise} {self.level:g}" + (f" jpeg {self.jpeg}" if self.jpeg else "")

    def degrade(self, clean: Float[np.ndarray, "h w 3"], *, seed: int, index: int) -> Float[np.ndarray, "h w 3"]:
        """With the noise that eval.run gives the picture at `index`."""
        key = noise_key(seed, self.level, index)
        noisy = np.asarray(_degrade(key, jnp.asarray(clean, jnp.float32), self.level, noise=self.noise))
        if not self.jpeg:
            return noisy
        return jpeg(np.rint(noisy * 255).astype(np.uint8), quality=self.jpeg).astype(np.float32) / 255


@partial(jax.jit, static_argnames="noise")
def _degrade(key: Array, image: Array, level: float, *, noise: str) -> Array:
    return NOISES[noise](key, image, level)


def _trial(kind: str, title: str, axis: str, *, levels=LEVELS, shown=0.03, most=0.1, others=(), **more) -> Trial:
    """One noise: its levels, and what no network was trained for: more of it, other noises, JPEG after it."""
    at = f"{shown:g}"
    unseen = {f"{most:g}": Noise(kind, most)}
    unseen |= {noise.name: noise for noise in (*others, Noise("poisson", 0.03), Noise("mixed", 0.03))}
    unseen |= {f"{at}, then JPEG": Noise(kind, shown, JPEG_QUALITY)}
    told = f"Filters are told {title} and the nearest level they were tuned for."
    note = f"{told} JPEG: Pillow's, at quality {JPEG_QUALITY}."
    columns = {f"{level:g}": Noise(kind, level) for level in levels}
    return Trial(title, columns, at, axis=axis, unseen=unseen, unseen_note=note, **more)


def _paper(**values: float) -> Claim:
    """Of its Table 2."""
    return Claim("the paper's CycleGAN", "at a level that it does not give", values, line="claimed by the paper")


def _peer(method: str, settings: str, psnr: float, ssim: float) -> Claim:
    where = f"on 42 frames of three other clips with this grain of 0.05, told the level; {settings}"
    return Claim(method, where, {"psnr": psnr, "ssim": ssim}, how="measured elsewhere")


_OF = "standard deviation of the noise"
# Goals were set before anything was trained: above FFDNet (Zhang et al. 2018), which is told the level, where networks
# learn from pairs; above the best filter for salt-and-pepper; and for what learns without pairs, as near as it was
# thought to get.
TRIALS = {
    "gaussian": _trial(
        "gaussian",
        "Gaussian noise",
        _OF,
        networks=("gaussian", "grain"),
        claims=(_paper(psnr=30.1, ssim=0.88, mae=0.038),),
        goals=(
            Goal("paired", ("densenet", "resnet", "unet"), (44.9, 40.4, 37.9, 36.2, 34.9), most_parameters=1e6),
            Goal("GAN", ("gan",), (44.5, 40.1, 37.6, 35.9, 34.6)),
            Goal("CycleGAN, unpaired", ("cyclegan",), (44.2, 39.6, 37.0, 35.2, 33.8)),
        ),
    ),
    "salt_and_pepper": _trial(
        "salt_and_pepper",
        "salt-and-pepper noise",
        "share of the pixels that are hit",
        networks=("salt_and_pepper",),
        claims=(_paper(psnr=29.5, ssim=0.85),),
        goals=(
            Goal("paired, or a GAN", ("densenet", "resnet", "unet", "gan"), (50.0, 47.0, 45.3, 44.0, 43.1)),
            Goal("CycleGAN, unpaired", ("cyclegan",), (47.5, 44.5, 42.7, 41.3, 40.3)),
        ),
    ),
    "grain": _trial(
        "grain",
        "film grain",
        "level of the grain",
        levels=GRAIN_LEVELS,
        shown=0.05,
        most=0.2,
        others=(Noise("sharp grain", 0.05), Noise("soft grain", 0.05)),
        unseen_title="Grain of other softness, and what no network was trained for",
        networks=("grain",),
        claims=(
            _peer("FFmpeg's nlmeans", "one frame", 32.61, 0.8922),
            _peer("BM3D", "one frame, 1.4 times the level", 31.47, 0.8491),
            _peer("V-BM3D", "radius 2, with aggregation, 1.4 times the level", 31.87, 0.8519),
            _peer("DFTTest", "three frames", 32.40, 0.8766),
            _peer("MVTools' degrain", "three frames either side, thsad 1200, prefilter DFTTest", 33.33, 0.8617),
            _peer("MVTools' degrain, then a light DFTTest", "three frames either side", 34.67, 0.9270),
        ),
    ),
}
TITLES = {
    "gaussian": "Gaussian blur",
    "nlm": "non-local means",
    "equalise": "histogram equalisation",
    "sharpen": "Laplacian sharpening",
}

TASK = Task(
    name="denoise",
    trials=TRIALS,
    rivals={
        name: Rival(row.function, row.noises, row.option, row.grid, row.level_option, TITLES.get(name, ""))
        for name, row in FILTERS.items()
    },
    metrics={
        "psnr": Metric(metrics.psnr, "PSNR, dB", 2),
        "ssim": Metric(metrics.ssim, "SSIM", 4),
        "mae": Metric(metrics.mae, "MAE", 4, higher=False),
    },
    open=open_pictures,
    restorer=Restorer,
    compared=lambda config: config.task == "denoise" and config.frames == (0, 0),
    protocol=metrics.PROTOCOL,
    heading="Every filter and every network",
    about="measures every filter and every network on the same {count} pictures ({data}) with the same noise, and "
    "writes this section. Filters are told the noise and its level, with options tuned for both on other pictures "
    "(`eval.tune`). Networks are told nothing: one file of weights for all levels; `NAME-photos` learned from "
    "photographs too (for research only). PSNR in dB by level of noise, SSIM at {at}, milliseconds a megapixel on "
    "{machine}.",
    told="Filters are told noise and level, networks nothing.",
    by="level of noise",
    pages="SSIM and MAE of every level, conditions that no network was trained for, and where fine detail is lost",
    headline="* **{value} dB** of PSNR: {count} photographs ({data}) with {trial} of level {shown}, restored by "
    "`{name}`. Untouched: {before} dB; the best classical filter: {classical} dB.",
    detail=detail,
    detail_is=BANDS_ARE,
    detail_tables=(
        ({f"PSNR of band {k}, dB": f"band_{k}" for k in range(BANDS)}, 2),
        ({f"band {k} kept": f"kept_{k}" for k in range(BANDS)}, 3),
    ),
    detail_note="PSNR of a band: all that is wrong in it. Kept: the share of the clean picture's band that is still "
    "there, whatever noise lies upon it: <band of the restored picture, band of the clean one> / <band of the clean "
    "one, itself>.",
    subsets={"fine texture": (TEXTURE_IS, fine_texture)},
    goals_for="4e276e6183aeb09b",  # CBSD68
    section=("docs/quality.md", "comparison"),
    headline_section=("README.md", "quality"),
)
