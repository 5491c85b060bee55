"""Noise taken off clips, by networks of one frame and of several: what is compared, with whom, under which noise.

The protocol is that of film denoising as it is measured elsewhere: 20 frames, noise anew in each, and of what comes out
the frames that have neighbours on both sides.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eval.comparison.datasets import FRAMES, INNER, open_clips
from eval.comparison.task import Claim, Metric, Rival, Task, Trial
from eval.tasks.denoise import Noise
from zoo import color, metrics
from zoo.chain import Chain
from zoo.models.film import FilmConfig
from zoo.models.network import NetworkConfig
from zoo.models.resnet import ResNetConfig
from zoo.steps.step import Aside, Moment
from zoo.tiles import Tiled

Clip = Float[Array, "t h w 3"]
STILL = 6 / 255  # the most that a place changes over STILL_FRAMES which counts as still
STILL_FRAMES = 5


@dataclasses.dataclass(frozen=True)
class Grainy:
    """A noise of one level, drawn anew for each frame."""

    of: Noise

    @property
    def name(self) -> str:
        return self.of.name

    @property
    def level(self) -> float:
        return self.of.level

    def degrade(self, clean: Float[np.ndarray, "t h w 3"], *, seed: int, index: int) -> np.ndarray:
        frames = range(len(clean))
        return np.stack([self.of.degrade(clean[k], seed=seed, index=FRAMES * index + k) for k in frames])


def _inner(metric: Callable, of: Callable[[Array], Array] = lambda x: x) -> Callable[[Clip, Clip], Array]:
    """The mean of a metric over the frames that count, or over what `of` makes of them."""
    return lambda clean, restored: metric(of(clean[slice(*INNER)]), of(restored[slice(*INNER)])).mean()


def flicker(clean: Clip, restored: Clip) -> Array:
    """How much the error changes from frame to frame where the clip stands still, in codes of 255 of luma."""
    error = color.grey(restored - clean)[slice(*INNER)]
    first = INNER[0] - STILL_FRAMES // 2
    around = jnp.stack([clean[first + k : first + k + len(error)] for k in range(STILL_FRAMES)])
    still = (around.max(0) - around.min(0)).max(-1) <= STILL
    still = (still[1:] & still[:-1])[..., None]
    change = jnp.abs(error[1:] - error[:-1]) * still
    return 255 * change.sum() / jnp.maximum(still.sum(), 1)


def temporal_median(clip: Clip) -> Array:
    """Of each sample the median of its own frame, the one before and the one after."""
    wide = jnp.pad(clip, ((1, 1), (0, 0), (0, 0), (0, 0)), mode="edge")
    return jnp.median(jnp.stack([wide[:-2], wide[1:-1], wide[2:]]), axis=0)


def chain(steps: str) -> Callable[[Clip], np.ndarray]:
    """A clip through steps as a film goes through them, a shot of its own."""
    networks: dict[str, Tiled] = {}

    def restored(clip: Clip) -> np.ndarray:
        moments = [Moment(k, not k, (), jnp.asarray(frame)) for k, frame in enumerate(clip)]
        aside = Aside(network=lambda name: networks.setdefault(name, Tiled(name)))
        return np.stack([np.asarray(moment.rgb) for moment in Chain(steps).run(moments, aside)])

    return restored


def _compared(config: NetworkConfig) -> bool:
    return isinstance(config, FilmConfig) or (isinstance(config, ResNetConfig) and not config.impulse)


def _peer(method: str, settings: str, psnr: float, ssim: float) -> Claim:
    where = f"mean of tennis, cockatoo and onepiece; {settings}"
    return Claim(method, where, {"psnr": psnr, "ssim": ssim}, how="measured elsewhere")


TRIALS = {
    "grain": Trial(
        "film grain",
        {"0.05": Grainy(Noise("grain", 0.05))},
        "0.05",
        networks=("grain",),
        by_item=True,
        claims=(
            _peer("FFmpeg's nlmeans", "one frame", 32.61, 0.8922),
            _peer("V-BM3D", "two frames either side, told the level", 31.87, 0.8519),
            _peer("DFTTest", "three frames, told the level", 32.40, 0.8766),
            _peer("MVTools' degrain", "three frames either side", 33.33, 0.8617),
            _peer("MVTools' degrain, then a light DFTTest", "three frames either side", 34.67, 0.9270),
        ),
    ),
    "gaussian": Trial(
        "white noise",
        {f"{level:g}": Grainy(Noise("gaussian", level)) for level in (0.03,)},
        "0.03",
        networks=("gaussian", "grain"),
        by_item=True,
        claims=(
            _peer("BM3D", "one frame, told the level", 40.30, 0.9748),
            _peer("MVTools' degrain", "three frames either side", 37.16, 0.9535),
            _peer("V-BM3D", "one frame either side, told the level", 40.94, 0.9768),
            _peer("V-BM3D", "two frames either side, told the level", 41.32, 0.9776),
        ),
    ),
}

TASK = Task(
    name="film",
    trials=TRIALS,
    rivals={
        "temporal_median": Rival(jax.jit(temporal_median), tuple(TRIALS), title="median of three frames"),
    },
    metrics={
        "psnr": Metric(_inner(metrics.psnr), "PSNR, dB", 2),
        "ssim": Metric(_inner(metrics.ssim, color.grey), "SSIM of luma", 4),
        "flicker": Metric(flicker, "flicker of what stands still, codes of 255", 2, higher=False, beside=True),
    },
    open=open_clips,
    restorer=lambda name: chain(f"denoise={name}"),
    compared=_compared,
    protocol=f"psnr_rgb, ssim_gauss11 of Rec. 601's luma; float32, range 1, no border crop, noise clipped and not "
    f"re-quantised; frames {INNER[0]} to {INNER[1] - 1} of {FRAMES}, noise anew in each; flicker: the "
    f"mean absolute change of the luma's error where {STILL_FRAMES} frames differ by 6 codes at most",
    heading="Clips, by one frame and by several",
    about="measures networks of one frame and of several on the same {count} clips ({data}), told nothing. PSNR in dB "
    "clip by clip, SSIM and flicker over all, milliseconds a megapixel of film on {machine}. What was measured "
    "elsewhere was measured on the same clips by the same protocol.",
    told="Networks are told nothing.",
    by="clip",
    pages="SSIM and flicker of every clip",
    headline="",
    section=("docs/quality.md", "film"),
)
