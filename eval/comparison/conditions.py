"""What methods are compared under: noises, levels, and what none of the networks was trained for.

The two noises of the comparison each have their levels, and four conditions more: twice the highest level, photon
noise, both noises at once, and JPEG after the noise. Pictures of fine texture are those that `fineness` picks.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from eval.comparison.datasets import fingerprint
from eval.run import degraded_picture
from zoo.pictures import jpeg

NOISES = ("gaussian", "salt_and_pepper")
LEVELS = (0.01, 0.02, 0.03, 0.04, 0.05)
QUICK_LEVELS = (0.01, 0.03, 0.05)
SHOWN = 0.03  # the level of whatever is shown at one level only
JPEG_QUALITY = 75
TEXTURE_CYCLES = 0.25  # per pixel; half of what a picture can hold
TEXTURE_SHARE = 8  # one picture in so many
TEXTURE_IS = (
    f"the eighth of the pictures with the largest share of energy above {TEXTURE_CYCLES:g} cycles per pixel in the "
    "clean picture (mean of the channels less its mean, Hann window, squared modulus of the Fourier transform)"
)


@dataclass(frozen=True)
class Condition:
    """How clean pictures are degraded: a noise of one level and, where `jpeg` is given, JPEG of that quality then."""

    noise: str
    level: float
    jpeg: int | None = None

    @property
    def name(self) -> str:
        return f"{self.noise} {self.level:g}" + (f" jpeg {self.jpeg}" if self.jpeg else "")

    @property
    def detailed(self) -> bool:
        """Whether the bands of spatial frequency are measured too."""
        return self in (Condition(noise, SHOWN) for noise in NOISES)

    def degrade(self, clean: Float[np.ndarray, "h w 3"], *, seed: int, index: int) -> Float[np.ndarray, "h w 3"]:
        """The picture at `index` of the data, with the noise that eval.run gives it."""
        noisy = np.asarray(degraded_picture(clean, noise=self.noise, level=self.level, seed=seed, index=index))
        if not self.jpeg:
            return noisy
        return jpeg(np.rint(noisy * 255).astype(np.uint8), quality=self.jpeg).astype(np.float32) / 255


def conditions(noise: str, *, quick: bool = False) -> list[Condition]:
    """What methods for `noise` are measured under; `quick`: some levels of it, and nothing unseen."""
    levels = [Condition(noise, level) for level in (QUICK_LEVELS if quick else LEVELS)]
    return levels if quick else levels + unseen(noise)


def unseen(noise: str) -> list[Condition]:
    """What no network for `noise` was trained on."""
    return [
        Condition(noise, 0.1),
        Condition("poisson", SHOWN),
        Condition("mixed", SHOWN),
        Condition(noise, SHOWN, JPEG_QUALITY),
    ]


def fineness(picture: Float[np.ndarray, "h w 3"]) -> float:
    """The share of a picture's energy that lies above TEXTURE_CYCLES; see TEXTURE_IS."""
    grey = picture.mean(axis=-1, dtype=np.float64)
    h, w = grey.shape
    energy = np.abs(np.fft.fft2((grey - grey.mean()) * np.hanning(h)[:, None] * np.hanning(w))) ** 2
    fine = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)) > TEXTURE_CYCLES
    total = energy.sum()
    return float(energy[fine].sum() / total) if total else 0.0


class Material:
    """The clean pictures, stacked by shape, and what must be known of them.

    `stacks`: {(h, w): (indices, pictures [n h w 3])}; `texture`: the indices of the pictures of fine texture, sorted;
    `sha256`: of all names and samples.
    """

    def __init__(self, pictures: Sequence[tuple[str, Float[np.ndarray, "h w 3"]]]):
        digest, self.names, by_shape, fine = hashlib.sha256(), [], {}, []
        for index in range(len(pictures)):
            name, picture = pictures[index]
            fingerprint(digest, name, picture)
            self.names.append(name)
            by_shape.setdefault(picture.shape[:2], []).append((index, picture))
            fine.append(fineness(picture))
        self.sha256 = digest.hexdigest()
        self.stacks = {
            shape: ([index for index, _ in group], np.stack([picture for _, picture in group]))
            for shape, group in by_shape.items()
        }
        finest = sorted(range(len(fine)), key=lambda index: (-fine[index], index))
        self.texture = sorted(finest[: math.ceil(len(fine) / TEXTURE_SHARE)])

    def __len__(self) -> int:
        return len(self.names)

    def degraded(self, condition: Condition, seed: int) -> dict[tuple[int, int], Float[np.ndarray, "n h w 3"]]:
        """Every picture under a condition, stacked as they are."""
        return {
            shape: np.stack([condition.degrade(x, seed=seed, index=i) for i, x in zip(indices, clean, strict=True)])
            for shape, (indices, clean) in self.stacks.items()
        }

    def picture(self, index: int) -> Float[np.ndarray, "h w 3"]:
        return next(clean[at.index(index)] for at, clean in self.stacks.values() if index in at)
