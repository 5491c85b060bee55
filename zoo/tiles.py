"""A network on arrays of any size: pads by mirroring, cuts what is too large for memory into overlapping tiles, batches
what is small, shares the work among the local devices, and puts what comes out together.
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
from zoo.errors import FlagError, OutOfMemory, ZooError, is_out_of_memory
from zoo.models.convolution import compiler_options
from zoo.models.layers import narrowed
from zoo.models.network import NetworkConfig
from zoo.windows import OnDevice, OnHost, Piece, spans

T = TypeVar("T")
Progress = Callable[[int, int], None]  # (done, total)
log = logging.getLogger(__name__)

TILE_PX, ACCELERATOR_TILE_PX = 1024, 2048  # tile * tile pixels go through a device at once, unless told otherwise
WHOLE_PX = 4096 * 4096  # the most that a network which cannot be tiled is given
SMALLEST_SIDE_PX = 16  # no network sees less


class Tiled:
    """A network on arrays of any size, loaded once and compiled once for each size of window.

    `network`: an `nnx.Module` with a `.config` (see `zoo.models.network`), or what `registry.load` takes. `tile`: the
    side, in pixels of what goes in, of the largest square that goes through a device at once (default 1024, on an
    accelerator 2048); it is halved when the device runs out of memory, and stays so. `precision`: "float32" or
    "bfloat16". `enter(x)`: what the network sees of a window; `leave(y, x)`: what comes back of what it gave.

    Raises FlagError for a module without a config, a tile that cannot be and an unknown precision.
    """

    def __init__(
        self,
        network: nnx.Module | str | PathLike[str],
        *,
        tile: int | None = None,
        precision: str = "float32",
        enter: Callable[[Array], Array] = lambda x: x.astype(jnp.float32),
        leave: Callable[[Array, Array], Array] = lambda y, x: jnp.clip(y, 0, 1),
    ):
        if isinstance(network, nnx.Module):
            self.name, module = type(network).__name__, network
        else:
            self.name, module = str(network), registry.load(str(network))
        config = getattr(module, "config", None)
        if not isinstance(config, NetworkConfig):
            raise FlagError(f"{self.name} lacks a config that says what it takes: see zoo.models.network.OneToOne")
        self.config = config
        self._margin = _round_up(config.halo or 0, config.multiple)
        self._smallest = max(_round_up(64, config.multiple), 2 * config.multiple) + 2 * self._margin
        self.tile = self._checked(tile)
        module = nnx.clone(module)  # the caller's stays in its mode
        module.eval()
        graphdef, state = nnx.split(module)
        self.precision, self._state = precision, narrowed(state, precision)
        # (state, windows) -> (what comes back, all finite?); tests put theirs here
        self._forward = _compiled(graphdef, precision, enter, leave, compiler_options())
        self._placed: dict[int, tuple[Any, NamedSharding]] = {}
        self._tried: _Plan | None = None  # the last

    def __call__(self, x: Any, *, out: np.ndarray | None = None, progress: Progress | None = None) -> Any:
        """What the network makes of arrays [n h w i], NumPy or JAX: [n scale*h scale*w o] of the same kind, by default
        float32 clipped to [0, 1]. `out`: where it is to be written, for NumPy. `progress(done, total)` is called after
        each group of tiles.

        Raises OutOfMemory when even the smallest tile is too large for the device, ZooError for samples that are not
        finite."""
        if isinstance(x, jax.Array):
            x = gathered(x)
            return self.retried(lambda: self.on_device(x, progress, bands=True))
        held, size = OnHost(x, self.config.scale, out), x.shape[:3]
        self.retried(lambda: self._run(self._plan(*size, bands=True), held, progress))
        return held.out

    def on_device(
        self,
        x: Shaped[Array, "n h w i"],
        progress: Progress | None = None,
        *,
        bands: bool = False,
    ) -> Shaped[Array, "n hh ww o"]:
        """The same for arrays that lie on one device, and left there. To be called within `retried`, with whatever
        else needs the device's memory.

        `bands`: cut arrays that are fewer than the devices, so that all have work. A band is the whole to rounding
        only; without them the result is the same to the bit on any number of devices."""
        plan = self._plan(*x.shape[:3], bands=bands)
        held = OnDevice(x, plan.pieces, plan.window, self.config.scale)
        self._run(plan, held, progress)
        return held.out

    def at_once(self, height: int, width: int) -> int:
        """How many arrays of a size the tile lets through a device at once: 1 where one is cut into several."""
        plan = self._plan(1, height, width, bands=False)
        return 1 if len(plan.pieces) > 1 else max(1, self.tile**2 // math.prod(plan.window))

    def retried(self, work: Callable[[], T]) -> T:
        """What `work` gives, which puts arrays through the network; where it runs out of memory the tile is halved and
        it is done again. Raises OutOfMemory when even the smallest tile is too large."""
        return retried(work, self.shrink)

    def shrink_to(self, tile: int):
        """Goes on in tiles of at most so many pixels, as one does that ran out of memory."""
        if tile < self.tile:
            self.tile = max(_round_up(tile, self.config.multiple), self._smallest)

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

    def _run(self, plan: "_Plan", held: OnHost | OnDevice, progress: Progress | None):
        """Puts what is held through the network, one group of windows after another."""
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

    def _too_large(self, height: int, width: int) -> str:
        others = [
            name
            for name, spec in registry.SPECS.items()
            if spec.config.task == self.config.task and spec.config.halo is not None
        ]
        mend = f"use a model that can: {', '.join(others)}" if others else "cut it into smaller ones"
        return f"{height}x{width} px is more than the memory holds for {self.name}, which cannot work in tiles; {mend}"


class _Plan(NamedTuple):
    window: tuple[int, int]  # height and width of every window
    pieces: list[Piece]
    devices: int
    per_device: int  # windows at once


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


def gathered(x: Array) -> Array:
    """The array on one device, the first of those on which it lies."""
    first = min(x.devices(), key=lambda device: device.id)
    return jax.device_put(x, SingleDeviceSharding(first))


def _compiled(
    graphdef: Any,
    precision: str,
    enter: Callable[[Array], Array],
    leave: Callable[[Array, Array], Array],
    options: dict[str, str] | None,
) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """(state, windows [n h w i]) -> (what comes back, whether all is finite)."""
    # By default accelerators round the factors of float32's products: to TF32, or bfloat16.
    factors = "highest" if precision == "float32" else None

    def forward(state, windows):
        x = enter(windows)
        with jax.default_matmul_precision(factors):
            y = nnx.merge(graphdef, state)(x).astype(jnp.float32)
        return leave(y, windows), jnp.isfinite(y).all()

    return jax.jit(forward, compiler_options=options)


def _window_side(length: int, tile: int, margin: int, multiple: int) -> int:
    """Along one axis: as few windows as the tile allows, and those no larger than so many must be."""
    if length <= tile:
        return length
    return _round_up(_even_share(length - 2 * margin, tile - 2 * margin) + 2 * margin, multiple)


def _even_share(total: int, most: int) -> int:
    """The size of the parts when `total` is divided into the fewest equal parts of at most `most`."""
    return math.ceil(total / math.ceil(total / most))


def _round_up(value: int, multiple: int) -> int:
    return math.ceil(value / multiple) * multiple
