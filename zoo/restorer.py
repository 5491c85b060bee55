"""Any picture through any model: `restore = Restorer(network); clean = restore(picture)`.

Pads by mirroring, cuts what is too large for memory into overlapping tiles, batches what is small, shares the work
among the local devices, and gives back what came in: the same shape, dtype and kind of array.
"""

import logging
import math
from collections.abc import Callable
from os import PathLike
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec, SingleDeviceSharding
from jaxtyping import Array, Shaped

from zoo import registry
from zoo.errors import FlagError, InputError, OutOfMemory, ZooError, is_out_of_memory
from zoo.models.convolution import compiler_options
from zoo.models.layers import narrowed
from zoo.windows import OnDevice, OnHost, Piece, spans

T = TypeVar("T")
log = logging.getLogger(__name__)

DTYPES = ("uint8", "uint16", "float16", "bfloat16", "float32", "float64")
TILE_PX, ACCELERATOR_TILE_PX = 1024, 2048  # tile * tile pixels go through a device at once, unless told otherwise
WHOLE_PX = 4096 * 4096  # the most that a network which cannot be tiled is given
SMALLEST_SIDE_PX = 16  # no network sees less
SLACK = 1e-3  # how far a float picture may overshoot [0, 1]: rounding, not another scale


class Restorer:
    """Restores pictures with one denoising network, loaded once and compiled once for each size of window.

    `network`: an `nnx.Module` with a `.config` (task, multiple, halo), or what `registry.load` takes: a model's name
    or a run's folder. `tile`: the side, in pixels, of the largest square that goes through a device at once (default
    1024, on an accelerator 2048); it is halved when the device runs out of memory, and stays so. `precision`:
    "float32", all of whose bits count on accelerators too, or "bfloat16" for their speed (a CPU is slower in it); what
    comes back then differs by less than a fiftieth of what the network changes, on average.

    Raises FlagError for a network of another task, for a tile that cannot be and for an unknown precision.
    """

    def __init__(
        self, network: nnx.Module | str | PathLike[str], *, tile: int | None = None, precision: str = "float32"
    ):
        if isinstance(network, nnx.Module):
            self.name, module = type(network).__name__, network
        else:
            self.name, module = str(network), registry.load(str(network))
        self.config: Any = getattr(module, "config", None)
        task = getattr(self.config, "task", None)
        if task != "denoise":
            raise FlagError(f"{self.name} is a network for the task {task!r}; give one whose task is 'denoise'")
        multiple, halo = self.config.multiple, self.config.halo
        self._margin = _round_up(halo or 0, multiple)
        self._smallest = max(_round_up(64, multiple), 2 * multiple) + 2 * self._margin
        self.tile = self._checked(tile)
        module = nnx.clone(module)  # the caller's stays in its mode
        module.eval()
        graphdef, state = nnx.split(module)
        self.precision, self._state = precision, narrowed(state, precision)
        # (state, pictures) -> (restored, all finite?); tests put theirs here
        self._forward = _compiled(graphdef, precision, compiler_options())
        self._placed: dict[int, tuple[Any, NamedSharding]] = {}
        self._tried: _Plan | None = None  # the last

    def __call__(self, picture: Any, *, progress: Callable[[int, int], None] | None = None) -> Any:
        """Restores one picture [h w c] or several [n h w c], NumPy or JAX; what comes back is of the same kind.

        Floats are in [0, 1] and come back clipped, uint8 and uint16 are at full scale and come back rounded;
        c is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha), and alpha comes back untouched.
        `progress(done, total)` is called after each group of tiles.

        Raises FlagError for another rank, dtype or number of channels, InputError for samples that are not finite
        or not in [0, 1], OutOfMemory when even the smallest tile is too large for the device.
        """
        if not isinstance(picture, np.ndarray | jax.Array):
            raise FlagError(f"a picture must be a NumPy or JAX array, not {type(picture).__name__}")
        _check(picture)
        if isinstance(picture, jax.Array):
            first = min(picture.devices(), key=lambda device: device.id)
            picture = jax.device_put(picture, SingleDeviceSharding(first))
            frames = _frames_of_colour(picture)
            restored = self.retried(lambda: self.on_device(frames, progress, bands=True))
            colour = restored.astype(picture.dtype).reshape(*picture.shape[:-1], -1)
            return jnp.concatenate([colour, picture[..., colour.shape[-1] :]], axis=-1)
        has_alpha = picture.shape[-1] in (2, 4)
        out = picture.copy() if has_alpha else np.empty_like(picture)  # alpha is then in its place
        frames, restored = (_frames_of_colour(a) for a in (picture, out))
        held, size = OnHost(frames, restored), frames.shape[:3]
        self.retried(lambda: self._run(self._plan(*size, bands=True), held, progress))
        return out

    def on_device(
        self,
        frames: Shaped[Array, "n h w c"],
        progress: Callable[[int, int], None] | None = None,
        *,
        bands: bool = False,
    ) -> Shaped[Array, "n h w c"]:
        """Frames of 1 or 3 channels that lie on one device and are known to be good, restored and left there. To be
        called within `retried`, with whatever else needs the device's memory.

        `bands`: cut frames that are fewer than the devices, so that all have work. A band is the whole to rounding
        only; without them the result is the same to the bit on any number of devices."""
        plan = self._plan(*frames.shape[:3], bands=bands)
        held = OnDevice(frames, plan.pieces, plan.window)
        self._run(plan, held, progress)
        return held.out

    def at_once(self, height: int, width: int) -> int:
        """How many pictures of a size the tile lets through a device at once: 1 where one is cut into several."""
        plan = self._plan(1, height, width, bands=False)
        return 1 if len(plan.pieces) > 1 else max(1, self.tile**2 // math.prod(plan.window))

    def retried(self, work: Callable[[], T]) -> T:
        """What `work` gives, which restores pictures; where it runs out of memory the tile is halved and it is done
        again. Raises OutOfMemory when even the smallest tile is too large."""
        return retried(work, self.shrink)

    def shrink_to(self, tile: int):
        """Goes on in tiles of at most so many pixels, as one does that ran out of memory."""
        if tile < self.tile:
            self.tile = max(_round_up(tile, self.config.multiple), self._smallest)

    def _checked(self, tile: int | None) -> int:
        if tile is None:
            default = TILE_PX if jax.default_backend() == "cpu" else ACCELERATOR_TILE_PX
            return _round_up(max(default, 4 * self._margin, self._smallest), self.config.multiple)
        if self.config.halo is None:
            raise FlagError(f"{self.name} looks at the whole picture and cannot be tiled; leave the tile out")
        if tile < self._smallest:
            raise FlagError(f"a tile of {tile} px is too small for {self.name}; give {self._smallest} or more")
        return _round_up(tile, self.config.multiple)

    def _plan(self, count: int, height: int, width: int, *, bands: bool) -> "_Plan":
        """Which windows to cut, and how many at once. A window is a whole picture where one fits; with `bands`, where
        there are fewer pictures than devices, a band of one, so that all have work."""
        multiple, margin, area = self.config.multiple, self._margin, self.tile**2
        devices = jax.local_device_count()
        padded = [_round_up(max(side, SMALLEST_SIDE_PX), multiple) for side in (height, width)]
        window = [*padded]
        if math.prod(padded) > area and self.config.halo is not None:
            window = [_window_side(side, self.tile, margin, multiple) for side in padded]
        elif math.prod(padded) > max(area, WHOLE_PX):
            raise OutOfMemory(self._too_large(height, width))
        rows, columns = (spans(side, part, margin) for side, part in zip(padded, window, strict=True))
        most = devices // (count * len(columns))
        if bands and self.config.halo is not None and most > len(rows):
            band = _round_up(math.ceil((padded[0] - 2 * margin) / most) + 2 * margin, multiple)
            window[0] = min(window[0], max(band, self._smallest))
            rows = spans(padded[0], window[0], margin)
        pieces = [Piece(i, y, x) for i in range(count) for y in rows for x in columns]
        devices = min(devices, len(pieces))
        # Without bands a program is the same on any number of devices, so tiles of a picture go one by one.
        fit = 1 if len(pieces) > count and not bands else max(1, area // math.prod(window))
        return _Plan((window[0], window[1]), pieces, devices, _even_share(math.ceil(len(pieces) / devices), fit))

    def _run(self, plan: "_Plan", held: OnHost | OnDevice, progress: Callable[[int, int], None] | None):
        """Restores the frames that are held, one group of windows after another."""
        self._tried = plan
        state, sharding = self._on(plan.devices)
        group = plan.devices * plan.per_device
        for start in range(0, len(plan.pieces), group):
            pieces = plan.pieces[start : start + group]
            filled = pieces + pieces[-1:] * (group - len(pieces))  # one shape for all groups, one compile
            # Waited for: else XLA on a CPU runs the network in the thread that copies, whose memory is not kept.
            batch = jax.block_until_ready(jax.device_put(held.cut(filled, plan.window), sharding))
            restored, finite = self._forward(state, batch)
            if not finite:
                raise ZooError(f"{self.name} gave samples that are not finite; its weights are damaged")
            held.paste(filled, restored)
            if progress:
                progress(start + len(pieces), len(plan.pieces))

    def _on(self, devices: int) -> tuple[Any, NamedSharding]:
        """The weights on so many devices, and how to share a batch among them."""
        if devices not in self._placed:
            mesh = jax.make_mesh(
                (devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.local_devices()[:devices]
            )
            state = jax.device_put(self._state, NamedSharding(mesh, PartitionSpec()))
            self._placed[devices] = state, NamedSharding(mesh, PartitionSpec("data"))
        return self._placed[devices]

    def shrink(self):
        """Halves what goes through a device at once, after memory ran out. Raises OutOfMemory where it cannot."""
        used = self.tile  # less where the pictures are small
        if self._tried:
            height, width = self._tried.window
            used = math.isqrt(self._tried.per_device * height * width)
        if self.config.halo is None:
            if self._tried and self._tried.per_device == 1:
                raise OutOfMemory(self._too_large(*self._tried.window))
            self.tile = used // 2
        else:
            if self.tile == self._smallest:
                raise OutOfMemory(
                    f"out of memory for {self.name} even in tiles of {self.tile} px; free some or use a smaller model"
                )
            self.tile = max(_round_up(used // 2, self.config.multiple), self._smallest)
        log.warning("out of memory: %s goes on in tiles of %d px", self.name, self.tile)

    def _too_large(self, height: int, width: int) -> str:
        others = [name for name, spec in registry.SPECS.items() if _tileable(spec.config)]
        return (
            f"{height}x{width} px is more than the memory holds for {self.name}, which cannot work in tiles; "
            f"use a model that can: {', '.join(others)}"
        )


def restored(picture: Any, restore: Callable[[Array], Array]) -> Any:
    """What `restore` makes of a picture's colour, RGB float32 [h w 3] in [0, 1], as the picture was: of its type, grey
    where it is, its alpha untouched. Raises as `Restorer` does."""
    if not isinstance(picture, np.ndarray | jax.Array):
        raise FlagError(f"a picture must be a NumPy or JAX array, not {type(picture).__name__}")
    _check(picture)
    if picture.ndim != 3:
        raise FlagError(f"steps take one picture [h w c] at a time, not {list(picture.shape)}")
    colour = jnp.asarray(_frames_of_colour(picture)[0])
    top = jnp.iinfo(colour.dtype).max if jnp.issubdtype(colour.dtype, jnp.integer) else None
    x = colour.astype(jnp.float32) / (top or 1)
    y = restore(jnp.broadcast_to(x, (*x.shape[:2], 3)))
    y = y.mean(axis=-1, keepdims=True) if colour.shape[-1] == 1 else y
    clipped = jnp.clip(y, 0, 1)
    out = (jnp.round(clipped * top) if top else clipped).astype(picture.dtype)
    if picture.shape[-1] > colour.shape[-1]:
        out = jnp.concatenate([out, jnp.asarray(picture[..., colour.shape[-1] :])], axis=-1)
    return out if isinstance(picture, jax.Array) else np.asarray(out)


def retried(work: Callable[[], T], shrink: Callable[[], None]) -> T:
    """What `work` gives; where it runs out of memory, `shrink` is called and it is done again."""
    while True:
        try:
            return work()
        except OutOfMemory:  # nothing smaller is left to try
            raise
        except (jax.errors.JaxRuntimeError, MemoryError) as e:
            if not is_out_of_memory(e):
                raise
        shrink()  # what was tried is let go of first


class Budget:
    """The networks of a run, each loaded once, and the memory that they share.

    `tile`, `precision`: as `Restorer` has them. `shrunk`: how often memory ran out.
    """

    def __init__(self, *networks: Restorer, tile: int | None = None, precision: str = "float32"):
        self._networks = {network.name: network for network in networks}
        self._tile, self.precision, self.shrunk = tile, precision, 0

    def network(self, name: str) -> Restorer:
        """A model of the zoo or a run's folder, ready to restore."""
        if name not in self._networks:
            self._networks[name] = Restorer(name, tile=self._tile, precision=self.precision)
        return self._networks[name]

    @property
    def tile(self) -> int:
        """The smallest of its networks'; 1 where there are none."""
        return min(self.tiles.values(), default=1)

    def shrink_to(self, tile: int):
        """Goes on in tiles of at most so many pixels, as after memory ran out."""
        for network in self._networks.values():
            network.shrink_to(tile)

    @property
    def tiles(self) -> dict[str, int]:
        return {name: network.tile for name, network in self._networks.items()}

    def retried(self, work: Callable[[], T]) -> T:
        """What `work` gives, again with smaller tiles where memory runs out. Raises OutOfMemory after the smallest."""
        return retried(work, self._shrink)

    def _shrink(self):
        refused = []
        for network in self._networks.values():
            try:
                network.shrink()
            except OutOfMemory as e:
                refused.append(e)
        if len(refused) == len(self._networks):
            raise refused[0] if refused else OutOfMemory("out of memory; free some, or restore a smaller picture")
        self.shrunk += 1


class _Plan(NamedTuple):
    window: tuple[int, int]  # height and width of every window
    pieces: list[Piece]
    devices: int
    per_device: int  # windows at once


def _compiled(
    graphdef: Any, precision: str, options: dict[str, str] | None
) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """(state, pictures [n h w c] of any accepted dtype) -> (restored, of the same dtype; whether all is finite)."""
    # By default accelerators round the factors of float32's products: to TF32, or bfloat16.
    factors = "highest" if precision == "float32" else None

    def forward(state, pictures):
        top = jnp.iinfo(pictures.dtype).max if jnp.issubdtype(pictures.dtype, jnp.integer) else None
        grey = pictures.shape[-1] == 1
        x = pictures.astype(jnp.float32) / (top or 1)
        with jax.default_matmul_precision(factors):
            y = nnx.merge(graphdef, state)(jnp.repeat(x, 3, axis=-1) if grey else x).astype(jnp.float32)
        y = y.mean(axis=-1, keepdims=True) if grey else y
        clipped = jnp.clip(y, 0, 1)
        return (jnp.round(clipped * top) if top else clipped).astype(pictures.dtype), jnp.isfinite(y).all()

    return jax.jit(forward, compiler_options=options)


def _check(picture: np.ndarray | jax.Array):
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


def _window_side(length: int, tile: int, margin: int, multiple: int) -> int:
    """Along one axis: as few windows as the tile allows, and those no larger than so many must be."""
    if length <= tile:
        return length
    return _round_up(_even_share(length - 2 * margin, tile - 2 * margin) + 2 * margin, multiple)


def _tileable(config: Any) -> bool:
    return config.task == "denoise" and config.halo is not None


def _even_share(total: int, most: int) -> int:
    """The size of the parts when `total` is divided into the fewest equal parts of at most `most`."""
    return math.ceil(total / math.ceil(total / most))


def _round_up(value: int, multiple: int) -> int:
    return math.ceil(value / multiple) * multiple
