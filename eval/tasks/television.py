"""Television of standard definition made as large as that of high definition, after several codecs.

The data are a frame of 720x576 after each codec, as FOLDER/CODEC.png, and what it was made of, 1920x1080 as hd.png.
Both are mosaics of nine tiles, which fit each other to the sample: eight lines of one are fifteen of the other, three
columns eight. Four tiles count; the others are smooth, and would swamp the mean.
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eval.comparison.datasets import Data, read
from eval.comparison.task import Claim, Condition, Goal, Metric, Rival, Task, Trial
from eval.tasks.upscale import luma
from zoo import metrics
from zoo.errors import InputError
from zoo.resize import resized
from zoo.tiles import Tiled

HIGH, LOW, TILES = (1080, 1920), (576, 720), 3
TEXTURED = (2, 4, 5, 7)
SCALE = 2  # of the networks that take part
BORDER = 20 - SCALE, 24 - SCALE  # lines and columns that do not count, besides those that no larger picture counts


@functools.partial(jax.tree_util.register_dataclass, data_fields=["picture"], meta_fields=["height", "width"])
@dataclasses.dataclass(frozen=True)
class Small:
    """A picture of standard definition, and the size that it is to have."""

    picture: Float[Array | np.ndarray, "h w 3"]
    height: int
    width: int


@dataclasses.dataclass(frozen=True)
class Coded:
    """What a codec left of the picture, as the data hold it; where they do not, it is made smaller alone."""

    name: str
    level: float = 0

    def degrade(self, clean: Float[np.ndarray, "h w 3"], *, seed: int, index: int) -> Small:
        height, width = (side * low // high for side, low, high in zip(clean.shape, LOW, HIGH, strict=False))
        return Small(np.asarray(resized(jnp.asarray(clean), height, width, kernel="cubic")), *clean.shape[:2])


def open_frames(data: str) -> Data:
    """`data`: the folder. Raises InputError where a picture is missing or of another size."""
    high = _tiles(Path(data) / "hd.png", HIGH)

    @functools.lru_cache
    def after(codec: str) -> list[np.ndarray]:
        return _tiles(Path(data) / f"{codec}.png", LOW)

    def given(index: int, condition: Condition) -> Small:
        return Small(after(condition.name)[TEXTURED[index]], *high[TEXTURED[index]].shape[:2])

    names = [f"tile {k}" for k in TEXTURED]
    return Data(names, [functools.partial(high.__getitem__, k) for k in TEXTURED], given)


def _tiles(file: Path, size: tuple[int, int]) -> list[Float[np.ndarray, "h w 3"]]:
    if not file.is_file():
        raise InputError(f"{file} is missing; --data is a folder of hd.png and of that frame after each codec")
    picture = read(file)
    if picture.shape[:2] != size:
        raise InputError(f"{file} is not {size[1]}x{size[0]} px")
    height, width = (side // TILES for side in size)
    return [picture[y : y + height, x : x + width] for y in range(0, size[0], height) for x in range(0, size[1], width)]


def _of_middle(metric: Callable) -> Callable[[Array, Array], Array]:
    """Of luma, without what lies at a tile's border."""
    middle = lambda x: luma(x)[BORDER[0] : -BORDER[0], BORDER[1] : -BORDER[1]]
    return lambda clean, restored: metric(middle(clean), middle(restored))


def _resizing(kernel: str) -> Callable[[Small], Array]:
    @functools.wraps(resized)  # whose code its values depend on
    def larger(small: Small) -> Array:
        return resized(jnp.asarray(small.picture), small.height, small.width, kernel=kernel)

    return jax.jit(larger)


def _network(source: str) -> Callable[[Small], np.ndarray]:
    tiled = Tiled(source)

    def larger(small: Small) -> np.ndarray:
        made = tiled(np.asarray(small.picture)[None])[0]
        return np.asarray(resized(jnp.asarray(made), small.height, small.width).clip(0, 1))

    return larger


def _peer(method: str, thousands: int, mpeg2: tuple[float, float], more: str) -> Claim:
    where = f"after MPEG-2; {more}; {thousands} k parameters"
    return Claim(method, where, dict(zip(("psnr", "ssim"), mpeg2, strict=True)), how="measured elsewhere")


LEVELS = {
    "as squeezed": "clean",
    "blur and noise": "soft",
    "MPEG-2, 5.9 Mb/s": "mpeg2",
    "MPEG-2, 1.9 Mb/s": "mpeg2low",
    "H.264, crf 23": "h264",
    "DV": "dv",
}
TRIAL = Trial(
    "television of 576 lines made as large as that of 1080",
    {title: Coded(name) for title, name in LEVELS.items()},
    "MPEG-2, 5.9 Mb/s",
    networks=(),
    scale=SCALE,
    claims=(
        _peer("waifu2x, upconv 7, photographs", 553, (29.21, 0.8491), "32.87 dB as squeezed"),
        _peer("SPAN, 48 channels", 412, (29.39, 0.8519), "33.71 dB as squeezed, 28.59 dB after H.264"),
        _peer("SAFMN", 237, (29.33, 0.8503), "34.27 dB as squeezed, 28.56 dB after H.264"),
        _peer("Real-ESRGAN, animevideov3", 624, (29.96, 0.8615), "30.81 dB as squeezed, 29.29 dB after H.264"),
    ),
    goals=(
        # After MPEG-2 and H.264; of the rest nothing was asked.
        Goal("at most 0.4 M parameters", ("upscale",), (0.0, 0.0, 30.4, 0.0, 29.5, 0.0), most_parameters=4e5),
    ),
)

TASK = Task(
    name="television",
    trials={"tv": TRIAL},
    rivals={
        kernel: Rival(_resizing(kernel), ("tv",), title=title)
        for kernel, title in (("cubic", "bicubic"), ("lanczos", "Lanczos, 4 lobes"))
    },
    metrics={
        "psnr": Metric(_of_middle(metrics.psnr), "PSNR of luma, dB", 2),
        "ssim": Metric(_of_middle(metrics.ssim), "SSIM of luma", 4),
    },
    open=open_frames,
    restorer=_network,
    compared=lambda config: config.task == "upscale" and config.scale == SCALE,
    protocol="psnr_y, ssim_gauss11_y; Y of BT.601 from 16 to 235 of pictures in 8 bits, range 255; the four textured "
    "tiles of nine, each made larger by itself, 20 lines and 24 columns of border cropped",
    heading="Television made larger",
    about="measures every upscaler on the same {count} tiles of a frame of 720x576 after each codec ({data}), against "
    "the 1920x1080 that it was made of: PSNR of luma in dB, SSIM of luma {at}, milliseconds a megapixel of the larger "
    "picture on {machine}. Before they were coded, all but the first were blurred and had noise. What was measured "
    "elsewhere was measured on the same tiles by the same protocol.",
    told="Every method knows the size of the larger picture, not the codec.",
    by="codec",
    pages="SSIM after every codec, and what is gained over the best filter",
    headline="",
    untouched=lambda small: np.asarray(resized(jnp.asarray(small.picture), small.height, small.width, kernel="linear")),
    untouched_title="linear",
    seeded="the intervals",
    section=("docs/quality.md", "television"),
)
