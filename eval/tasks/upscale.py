"""Pictures made larger: what is compared, with whom, how many times larger.

Upscalers are measured on pairs everywhere: a picture, and what MATLAB's bicubic resampling makes of it in 8 bits.
"""

import dataclasses
import functools
import os
import re
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eval.comparison.datasets import Data, open_pictures, read
from eval.comparison.task import Claim, Condition, Goal, Metric, Rival, Task, Trial
from zoo import metrics, pictures
from zoo.damage.downscale import downscale
from zoo.errors import InputError
from zoo.resize import resized
from zoo.tiles import Tiled

LUMA = (65.481, 128.553, 24.966)  # of ITU-R BT.601: 16 and so many codes for full red, green and blue
PAIR = re.compile(r"(?P<folder>.*/)?x(?P<scale>\d)/(?P<name>[^/]+?)(_SRF_\d)?_HR(?P<suffix>\.\w+)")


@functools.partial(jax.tree_util.register_dataclass, data_fields=["picture"], meta_fields=["scale"])
@dataclasses.dataclass(frozen=True)
class Low:
    """A picture at the low resolution, and how many times larger it is to become."""

    picture: Float[Array | np.ndarray, "h w 3"]
    scale: int


@dataclasses.dataclass(frozen=True)
class Smaller:
    """Each side is `scale` times smaller; what does not divide is cut off at the right and at the bottom."""

    scale: int
    level: float = 0

    @property
    def name(self) -> str:
        return f"x{self.scale}"

    def degrade(self, clean: Float[np.ndarray, "h w 3"], *, seed: int, index: int) -> Low:
        return Low(np.asarray(downscale(jnp.asarray(clean[None]), scale=self.scale).seen[0]), self.scale)


def open_pairs(data: str) -> Data:
    """`data`: a folder of pairs, as in x2/NAME_HR.png beside x2/NAME_LR.png, the same names in x4, and folders of
    such folders; or pictures, which are made smaller here. Raises InputError for pairs that do not fit."""
    files = pictures.find(data)
    root = Path(data) if Path(data).is_dir() else Path(os.path.commonpath([file.parent for file in files]))
    found: dict[str, dict[int, tuple[Path, Path]]] = {}
    for file in files:
        if pair := PAIR.fullmatch(file.relative_to(root).as_posix()):
            scales = found.setdefault((pair["folder"] or "") + pair["name"], {})
            scales[int(pair["scale"])] = file, file.with_name(file.name.replace("_HR.", "_LR."))
    if not found:
        return open_pictures(data)
    pairs = [found[name] for name in found]
    clean = lambda scales: read(scales[min(scales)][0])  # the largest: cut to the multiple that is the least

    def given(index: int, condition: Condition) -> Low | None:
        scale = getattr(condition, "scale", None)
        return _low(clean(pairs[index]), *pairs[index][scale], scale) if scale in pairs[index] else None

    return Data(list(found), [functools.partial(clean, scales) for scales in pairs], given)


def _low(clean: Float[np.ndarray, "h w 3"], high: Path, low: Path, scale: int) -> Low:
    true, picture = read(high), read(low)
    height, width = true.shape[:2]
    if (height, width) != tuple(scale * side for side in picture.shape[:2]):
        raise InputError(f"{low} is not {scale} times smaller than {high.name}; give the pair that belongs together")
    if not np.array_equal(true, clean[:height, :width]):
        raise InputError(f"{high} is another picture than that of its name at the other scales; rename one")
    return Low(picture, scale)


def luma(x: Float[Array, "h w 3"]) -> Float[Array, "h w 1"]:
    """Y of a picture in 8 bits, 16/255 to 235/255; not rounded itself."""
    codes = jnp.round(255 * x) / 255
    return ((codes * jnp.array(LUMA)).sum(axis=-1, keepdims=True) + 16) / 255


def _of_luma(metric: Callable) -> Callable[[Array, Array], Array]:
    return lambda clean, restored: metric(luma(clean), luma(restored))


def _repeated(low: Low) -> Float[np.ndarray, "h w 3"]:
    return np.asarray(low.picture).repeat(low.scale, axis=0).repeat(low.scale, axis=1)


def _resizing(kernel: str) -> Callable[[Low], Array]:
    @functools.wraps(resized)  # whose code its values depend on
    def larger(low: Low) -> Array:
        height, width = (low.scale * side for side in low.picture.shape[:2])
        return resized(jnp.asarray(low.picture), height, width, kernel=kernel)

    return jax.jit(larger)


def _network(source: str) -> Callable[[Low], np.ndarray]:
    tiled = Tiled(source)
    return lambda low: tiled(np.asarray(low.picture)[None])[0]


def _peer(method: str, thousands: int, set5: tuple[float, float], set14: tuple[float, float] | None, more="") -> Claim:
    where = "on Set5" + ("; {:.2f} dB, SSIM {:.4f} on Set14".format(*set14) if set14 else "")
    where += f"; {thousands} k parameters" + (f"; {more}" if more else "")
    return Claim(method, where, dict(zip(("psnr", "ssim"), set5, strict=True)), how="measured elsewhere")


def _trial(scale: int, title: str, least: tuple[float, float], claims: tuple[Claim, ...]) -> Trial:
    goal = Goal("at most 0.4 M parameters", ("upscale",), least, most_parameters=4e5, leaves_db=0.3)
    at = Smaller(scale)
    more = {"by_folder": True, "scale": scale, "claims": claims, "goals": (goal,)}
    return Trial(title, {at.name: at}, at.name, networks=(), **more)


# Peers ran elsewhere, on the same pictures by the same protocol. The goals of Set5 and of Set14 were set before
# anything was trained.
TRIALS = {
    "x2": _trial(
        2,
        "twice as high and as wide",
        (37.2, 33.0),
        (
            _peer("waifu2x, upconv 7, photographs", 553, (37.15, 0.9568), (32.95, 0.9094)),
            _peer("waifu2x, CUnet, drawings", 1390, (37.33, 0.9575), None),
            _peer("SPAN, 48 channels", 412, (38.07, 0.9607), (33.69, 0.9188)),
        ),
    ),
    "x4": _trial(
        4,
        "four times as high and as wide",
        (31.4, 28.2),
        (
            _peer("SPAN, 28 channels", 151, (31.75, 0.8898), (28.40, 0.7768)),
            _peer("RLFN, pruned", 317, (32.10, 0.8939), (28.60, 0.7815)),
            _peer("RFDN", 433, (32.16, 0.8946), (28.65, 0.7825)),
            _peer("SAFMN", 237, (32.17, 0.8943), (28.64, 0.7815)),
            _peer("SPAN, 48 channels", 427, (32.20, 0.8952), (28.65, 0.7827)),
            _peer("IMDN", 894, (32.25, 0.8959), (28.70, 0.7840)),
            _peer("Real-ESRGAN, animevideov3", 624, (28.25, 0.8271), (26.12, 0.7135), "made for damaged pictures"),
            _peer("SPAN, ClearReality", 427, (27.67, 0.8324), (25.85, 0.7138), "made for the eye, not for PSNR"),
        ),
    ),
}

TASK = Task(
    name="upscale",
    trials=TRIALS,
    rivals={
        kernel: Rival(_resizing(kernel), tuple(TRIALS), title=title)
        for kernel, title in (("cubic", "bicubic"), ("lanczos3", "Lanczos, 3 lobes"), ("lanczos", "Lanczos, 4 lobes"))
    },
    metrics={
        "psnr": Metric(_of_luma(metrics.psnr), "PSNR of luma, dB", 2),
        "ssim": Metric(_of_luma(metrics.ssim), "SSIM of luma", 4),
    },
    open=open_pairs,
    restorer=_network,
    compared=lambda config: config.task == "upscale",
    protocol="psnr_y, ssim_gauss11_y; Y of BT.601 from 16 to 235 of pictures in 8 bits, range 255, as many px of "
    "border cropped as pictures become times larger; the small pictures of the data, MATLAB's bicubic in 8 bits",
    heading="Pictures made larger",
    about="measures every upscaler on the same {count} pairs ({data}): how near to the picture one comes from what "
    "bicubic resampling left of it. PSNR of luma in dB by folder, SSIM of luma over all pairs, milliseconds a "
    "megapixel of the larger picture on {machine}. What was measured elsewhere "
    "was measured on the same pictures by the same protocol.",
    told="Every method knows how many times larger the picture is to become.",
    by="folder",
    pages="SSIM of every folder, and what is gained over the best filter",
    headline="",
    untouched=_repeated,
    untouched_title="nearest neighbour",
    seeded="the intervals",
    goals_for="59951d009677504a",  # Set5 and Set14
    section=("docs/quality.md", "upscaling"),
)
