"""Any picture through any denoiser: `restore = Restorer(network); clean = restore(picture)`.

What comes back is what came in: the same shape, dtype and kind of array, grey where it was, its alpha untouched.
"""

import math
from collections.abc import Callable
from os import PathLike
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array

from zoo.errors import FlagError, InputError
from zoo.models.network import check_same_size, check_task
from zoo.tiles import Progress, Tiled, gathered

DTYPES = ("uint8", "uint16", "float16", "bfloat16", "float32", "float64")
SLACK = 1e-3  # how far a float picture may overshoot [0, 1]: rounding, not another scale


class Restorer:
    """Restores pictures with one denoising network, loaded once and compiled once for each size of window.

    `network`: an `nnx.Module` with a `.config` (`zoo.models.network`), or what `registry.load` takes: a model's name or
    a run's folder. `tile`: the side, in pixels, of the largest square that goes through a device at once (default 1024,
    on an accelerator 2048); it is halved when the device runs out of memory, and stays so. `precision`: "float32", all
    of whose bits count on accelerators too, or "bfloat16" for their speed (a CPU is slower in it); what comes back then
    differs by less than a fiftieth of what the network changes, on average.

    Raises FlagError for a network of another task or one that looks at several frames, for a tile that cannot be and
    for an unknown precision.
    """

    def __init__(
        self, network: nnx.Module | str | PathLike[str], *, tile: int | None = None, precision: str = "float32"
    ):
        self.tiled = Tiled(network, tile=tile, precision=precision, enter=_in_rgb, leave=_as_it_was)
        name, config = self.name, self.tiled.config
        check_task(name, config, "denoise")
        check_same_size(name, config)
        if sum(config.frames):
            frames = 1 + sum(config.frames)
            raise FlagError(f"{name} looks at {frames} frames: use it in a chain, zoo.Chain('denoise={name}')")

    @property
    def name(self) -> str:
        return self.tiled.name

    @property
    def tile(self) -> int:
        return self.tiled.tile

    def __call__(self, picture: Any, *, progress: Progress | None = None) -> Any:
        """Restores one picture [h w c] or several [n h w c], NumPy or JAX; what comes back is of the same kind.

        Floats are in [0, 1] and come back clipped, uint8 and uint16 are at full scale and come back rounded;
        c is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha), and alpha comes back untouched.
        `progress(done, total)` is called after each group of tiles.

        Raises FlagError for another rank, dtype or number of channels, InputError for samples that are not finite
        or not in [0, 1], OutOfMemory when even the smallest tile is too large for the device.
        """
        _check(picture)
        if isinstance(picture, jax.Array):
            picture = gathered(picture)
            restored = self.tiled(_frames_of_colour(picture), progress=progress)
            colour = restored.astype(picture.dtype).reshape(*picture.shape[:-1], -1)
            return jnp.concatenate([colour, picture[..., colour.shape[-1] :]], axis=-1)
        has_alpha = picture.shape[-1] in (2, 4)
        out = picture.copy() if has_alpha else np.empty_like(picture)  # alpha is then in its place
        self.tiled(_frames_of_colour(picture), out=_frames_of_colour(out), progress=progress)
        return out


def restored(picture: Any, restore: Callable[[Array, Array | None], tuple[Array, Array | None]]) -> Any:
    """What `restore` makes of a picture's colour, RGB float32 [h w 3] in [0, 1], and of its alpha [h w 1], as the
    picture was: of its type, grey where it is. Raises as `Restorer` does."""
    _check(picture)
    if picture.ndim != 3:
        raise FlagError(f"steps take one picture [h w c] at a time, not {list(picture.shape)}")
    colour = jnp.asarray(_frames_of_colour(picture)[0])
    alpha = jnp.asarray(picture[..., colour.shape[-1] :])
    rgb = jnp.broadcast_to(_in_rgb(colour), (*colour.shape[:2], 3))
    y, beside = restore(rgb, _scaled(alpha) if alpha.size else None)
    out = _as_it_was(y, colour).astype(picture.dtype)
    if beside is not None:
        same = beside.shape == alpha.shape  # then it is not touched
        beside = alpha if same else _as_it_was(beside, alpha).astype(picture.dtype)
        out = jnp.concatenate([out, beside], axis=-1)
    return out if isinstance(picture, jax.Array) else np.asarray(out)


def _scaled(samples: Array) -> Array:
    """Samples of any accepted dtype as float32 in [0, 1]."""
    return samples.astype(jnp.float32) / (_top(samples) or 1)


def _in_rgb(colour: Array) -> Array:
    """Grey or RGB of any accepted dtype as RGB float32 in [0, 1]."""
    x = _scaled(colour)
    return jnp.repeat(x, 3, axis=-1) if colour.shape[-1] == 1 else x


def _as_it_was(y: Array, colour: Array) -> Array:
    """RGB float32, clipped, of the dtype of `colour`, grey where that is."""
    y, top = y.mean(axis=-1, keepdims=True) if colour.shape[-1] == 1 else y, _top(colour)
    clipped = jnp.clip(y, 0, 1)
    return (jnp.round(clipped * top) if top else clipped).astype(colour.dtype)


def _top(colour: Array) -> int | None:
    """The largest code of an integer dtype."""
    return int(jnp.iinfo(colour.dtype).max) if jnp.issubdtype(colour.dtype, jnp.integer) else None


def _check(picture: Any):
    if not isinstance(picture, np.ndarray | jax.Array):
        raise FlagError(f"a picture must be a NumPy or JAX array, not {type(picture).__name__}")
    if picture.ndim == 2:
        raise FlagError("a grey picture needs a channel axis: give picture[..., None], of shape [h w 1]")
    if picture.ndim not in (3, 4):
        raise FlagError(f"a picture has the shape [h w c] or [n h w c], not {list(picture.shape)}")
    if picture.size == 0:
        raise FlagError(f"the picture is empty: its shape is {list(picture.shape)}")
    if picture.shape[-1] > 4:
        raise FlagError(f"a picture has 1 to 4 channels, last in its shape, not {list(picture.shape)}")
    if picture.dtype.name not in DTYPES:
        raise FlagError(f"a picture cannot be {picture.dtype.name}; convert it to one of: {', '.join(DTYPES)}")
    if jnp.issubdtype(picture.dtype, jnp.integer):
        return
    colour = _frames_of_colour(picture)
    with np.errstate(invalid="ignore"):  # bfloat16 warns where float32 does not
        low, high = float(colour.min()), float(colour.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError("the picture holds NaN or infinite samples; replace them first, as with np.nan_to_num")
    if low < -SLACK or high > 1 + SLACK:
        raise InputError(
            f"a float picture must lie in [0, 1], not in [{low:.4g}, {high:.4g}]: "
            "divide by 255 if it counts 8-bit levels, clip it if it overshoots"
        )


def _frames_of_colour(picture: Any) -> Any:
    """A view [n h w 1|3] of a picture's colour: without alpha, with a batch axis."""
    frames = picture if picture.ndim == 4 else picture[None]
    return frames[..., : 1 if picture.shape[-1] < 3 else 3]
