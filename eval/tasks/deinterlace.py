"""Fields made frames: what is compared, with whom, on which films.

A film's frames are taken for moments of television: of the even ones the even lines are seen, of the odd ones the odd
lines. A frame is made of each field, and compared with the film's own at that moment.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eval.comparison.datasets import CLIPS, Data
from eval.comparison.deinterlacers import RIVALS, by_network, weave
from eval.comparison.task import Claim, Metric, Rival, Task, Trial
from zoo import metrics
from zoo.errors import InputError
from zoo.film.read import source
from zoo.tiles import Tiled

FRAMES = 28  # of a film, at most
ENDS = 4  # frames at either end that do not count: some methods look so far
STILL_CODES, STILL_FRAMES = 6, 5  # what varies by at most so much over so many frames stands still

Clip = Float[np.ndarray, "t h w 3"]


@dataclasses.dataclass(frozen=True)
class Woven:
    """Two frames become one: the even lines of the first, the odd ones of the second."""

    name: str = "top-first"
    level: float = 0

    def degrade(self, clean: Clip, *, seed: int, index: int) -> Float[np.ndarray, "m h w 3"]:
        even = np.arange(clean.shape[1])[:, None, None] % 2 == 0
        return np.where(even, clean[: len(clean) // 2 * 2 : 2], clean[1::2])


def open_films(data: str) -> Data:
    """`data`: `clips:` and films or folders of them, with commas between. Of each the luma of the first FRAMES: the
    film's own codes, as grey. Raises InputError for what is no film, and for less than three frames beside the ENDS."""
    parts = [Path(part) for part in data.removeprefix(CLIPS).split(",") if part]
    files = [file for part in parts for file in (sorted(part.iterdir()) if part.is_dir() else [part])]
    if not files:
        raise InputError(f"{data} names no film; write {CLIPS}FILM,FILM or {CLIPS}FOLDER")
    return Data([file.stem for file in files], [functools.partial(_luma, file) for file in files])


def _luma(path: Path) -> Clip:
    film = source.describe(path)
    frames = itertools.islice(source.read(film, source.Losses()), FRAMES)
    luma = np.stack([frame.planes[0] for frame in frames]).astype(np.float32) / film.layout.top
    luma = luma[: len(luma) // 2 * 2, : luma.shape[1] // 2 * 2]
    if len(luma) < 2 * ENDS + 3:
        raise InputError(f"{path} has {len(luma)} frames; {2 * ENDS + 3} or more are compared")
    return luma[..., None].repeat(3, axis=-1)


def _inner(*clips: Array) -> list[Array]:
    """One channel of the frames that count, in whole codes."""
    return [jnp.round(255 * clip[ENDS:-ENDS, ..., :1]) / 255 for clip in clips]


def _psnr(clean: Array, restored: Array) -> Array:
    a, b = _inner(clean, restored)
    return -10 * jnp.log10(jnp.square(a - b).mean())


def _ssim(clean: Array, restored: Array) -> Array:
    return metrics.ssim(*_inner(clean, restored)).mean()


def _restless(clean: Array, restored: Array) -> Array:
    """How much more or less than the truth what stands still changes from frame to frame, in codes."""
    a, b = _inner(clean, restored)
    runs = jnp.stack([a[k : len(a) - STILL_FRAMES + 1 + k] for k in range(STILL_FRAMES)])
    still = (jnp.ptp(runs, axis=0) <= (STILL_CODES + 0.5) / 255)[:, ..., 0]
    changes = [jnp.abs(jnp.diff(x, axis=0))[: len(still), ..., 0] for x in (a, b)]
    mean = lambda x: 255 * (x * still).sum() / jnp.maximum(still.sum(), 1)
    return jnp.abs(mean(changes[1]) - mean(changes[0]))


def _network(model: str) -> Callable[[Array], Array]:
    return functools.partial(by_network, Tiled(model))


def _peer(method: str, tennis: float, cockatoo: float, onepiece: float, damaged: float, ssim: float) -> Claim:
    """What ran elsewhere: PSNR by clip, the mean of SSIM."""
    where = f"tennis {tennis:.2f}, cockatoo {cockatoo:.2f}, onepiece {onepiece:.2f}, damaged {damaged:.2f} dB"
    mean = round((tennis + cockatoo + onepiece + damaged) / 4, 2)
    return Claim(method, where, {"psnr": mean, "ssim": ssim}, how="measured elsewhere")


PEERS = (
    _peer("FFmpeg's yadif", 33.48, 48.40, 44.45, 44.07, 0.9766),
    _peer("FFmpeg's w3fdif", 34.03, 49.10, 42.47, 45.38, 0.9768),
    _peer("FFmpeg's estdif", 34.24, 49.33, 37.40, 43.95, 0.9754),
    _peer("bwdif", 34.09, 49.47, 46.72, 45.76, 0.9793),
    _peer("nnedi3, a frame of each field", 35.30, 50.73, 40.95, 46.78, 0.9808),
    _peer("bwdif on what nnedi3 makes", 34.47, 50.19, 47.47, 46.12, 0.9807),
    _peer("eedi3", 35.09, 50.70, 39.31, 46.57, 0.9808),
    _peer(
        "QTGMC (vsjetpack 2.2.6; source_match_mode=TWICE_REFINED, lossless_mode=POSTSMOOTH)",
        *(37.63, 49.43, 49.33, 45.62),
        ssim=0.9879,
    ),
)
AT = Woven()
TRIALS = {"double": Trial("a frame of each field", {AT.name: AT}, AT.name, networks=(), by_item=True, claims=PEERS)}

TASK = Task(
    name="deinterlace",
    trials=TRIALS,
    rivals={name: Rival(function, tuple(TRIALS), title=title) for name, (function, title) in RIVALS.items()},
    metrics={
        "psnr": Metric(_psnr, "PSNR of luma, dB", 2),
        "ssim": Metric(_ssim, "SSIM of luma", 4),
        "flicker": Metric(_restless, "flicker of still areas, codes off the truth's", 3, higher=False),
    },
    open=open_films,
    restorer=_network,
    compared=lambda config: config.task == "deinterlace",
    protocol=f"psnr, ssim of luma in 8 bits, range 255, whole frames, all but {ENDS} at either end; flicker: mean "
    f"absolute change of frames where the truth varies by at most {STILL_CODES} codes over {STILL_FRAMES} frames",
    heading="Fields made frames",
    about="takes the frames of {count} films ({data}) for moments of television, top field first, and measures every "
    "method on the frames that it makes of the fields. PSNR of luma in dB by film, SSIM of luma over all, and "
    "milliseconds a megapixel of the frames that are made, on {machine}. What was measured elsewhere was measured on "
    "the films that it names by the same protocol.",
    told="Every method knows which field comes first.",
    by="film",
    pages="SSIM of every film, and what is gained over the best filter",
    headline="",
    untouched=weave,
    untouched_title="weave",
    seeded="the intervals",
    section=("docs/quality.md", "deinterlacing"),
)
