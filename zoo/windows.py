"""Pictures cut into overlapping windows and put together again, in the memory where they lie: the host's, from which
only one group of windows at a time goes to the devices, or a device's, which they never leave. What is put together may
be larger than what was cut, by a whole `scale`, and have other channels.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Shaped


class Span(NamedTuple):
    """Along one axis: where a window starts, and the part [first, stop) of the picture that it decides."""

    start: int
    first: int
    stop: int


class Piece(NamedTuple):
    frame: int
    rows: Span
    columns: Span


def spans(length: int, window: int, margin: int) -> list[Span]:
    """Windows over an axis, the last flush with its end. What lies within `margin` of a window's inner edge is left
    to its neighbour; the picture's own edges are kept."""
    starts = [*range(0, length - window, max(window - 2 * margin, 1)), length - window]
    return [
        Span(at, at + margin if at else 0, at + window - margin if at + window < length else length) for at in starts
    ]


class OnHost:
    """NumPy frames [n h w i], and `out` [n scale*h scale*w o], which is filled; left out, it is made."""

    def __init__(self, frames: np.ndarray, scale: int = 1, out: np.ndarray | None = None):
        self._frames, self._scale, self._out = frames, scale, out

    @property
    def out(self) -> np.ndarray:
        assert self._out is not None
        return self._out

    def cut(self, pieces: list[Piece], window: tuple[int, int]) -> np.ndarray:
        """The windows [g h w c], mirrored beyond the frames' ends."""
        parts = [self._cut(piece, window) for piece in pieces]
        windows = np.stack(parts) if len(parts) > 1 else parts[0][None]  # a frame that goes whole is not copied
        return windows.astype(self._sent, copy=False)

    @property
    def _sent(self) -> np.dtype:
        """What goes to the device: native byte order, and float32 for float64, which networks do not use."""
        dtype = self._frames.dtype
        return np.dtype(np.float32) if dtype.name == "float64" else dtype.newbyteorder("=")

    def _cut(self, piece: Piece, window: tuple[int, int]) -> np.ndarray:
        (y, *_), (x, *_) = piece.rows, piece.columns
        part = self._frames[piece.frame, y : y + window[0], x : x + window[1]]
        missing = [(0, side - have) for side, have in zip(window, part.shape, strict=False)]
        return np.pad(part, [*missing, (0, 0)], mode="symmetric") if any(m for _, m in missing) else part

    def paste(self, pieces: list[Piece], restored: jax.Array):
        """Writes the part of each restored window that it decides; what lies beyond the frame falls away."""
        count, height, width, _ = self._frames.shape
        if self._out is None:
            shape = (count, self._scale * height, self._scale * width, restored.shape[-1])
            self._out = np.empty(shape, restored.dtype)
        for piece, window in zip(pieces, np.asarray(restored), strict=True):
            (top, y, bottom), (left, x, right) = piece.rows, piece.columns
            bottom, right = min(bottom, height), min(right, width)
            top, y, bottom, left, x, right = (self._scale * at for at in (top, y, bottom, left, x, right))
            self._out[piece.frame, y:bottom, x:right] = window[y - top : bottom - top, x - left : right - left]


class OnDevice:
    """The same for JAX frames that lie on one device, as `out` does."""

    def __init__(self, frames: Shaped[Array, "n h w i"], pieces: list[Piece], window: tuple[int, int], scale: int = 1):
        (self._device,) = frames.devices()
        height, width = pieces[-1].rows.start + window[0], pieces[-1].columns.start + window[1]
        self._scale, self._size = scale, (scale * frames.shape[1], scale * frames.shape[2])
        self._frames = _mirrored(frames, height=height, width=width)
        self._out: Any = None

    @property
    def out(self) -> Shaped[Array, "n hh ww o"]:
        height, width = self._size
        return self._out if self._out.shape[1:3] == self._size else self._out[:, :height, :width]

    def cut(self, pieces: list[Piece], window: tuple[int, int]) -> Shaped[Array, "g hh ww i"]:
        if (len(pieces), *window) == self._frames.shape[:3]:  # every frame, whole
            return self._frames
        return _windows(self._frames, _places(pieces), window=window)

    def paste(self, pieces: list[Piece], restored: Shaped[Array, "g hh ww o"]):
        restored = jax.device_put(restored, self._device)
        count, height, width, _ = self._frames.shape
        whole = (count, self._scale * height, self._scale * width, restored.shape[-1])
        if restored.shape == whole:
            self._out = restored
            return
        if self._out is None:
            self._out = jnp.zeros(whole, restored.dtype, device=self._device)
        places = _places(pieces) * np.array([1, self._scale, self._scale], np.int32)
        self._out = _pasted(self._out, restored, places, self._scale * _decided(pieces))


def _places(pieces: list[Piece]) -> Int[np.ndarray, "g 3"]:
    return np.array([(p.frame, p.rows.start, p.columns.start) for p in pieces], np.int32)


def _decided(pieces: list[Piece]) -> Int[np.ndarray, "g 4"]:
    return np.array([(*p.rows[1:], *p.columns[1:]) for p in pieces], np.int32)


@partial(jax.jit, static_argnames=("height", "width"))
def _mirrored(frames, *, height, width):
    missing = [(0, 0), (0, height - frames.shape[1]), (0, width - frames.shape[2]), (0, 0)]
    return jnp.pad(frames, missing, mode="symmetric") if any(m for _, m in missing) else frames


@partial(jax.jit, static_argnames="window")
def _windows(frames, places, *, window):
    size = (1, *window, frames.shape[3])
    return jax.lax.map(lambda at: jax.lax.dynamic_slice(frames, (*at, 0), size)[0], places)


@partial(jax.jit, donate_argnums=0)
def _pasted(out, windows, places, decided):
    """The places and the decided parts are values, not shapes: one program for all groups."""
    _, height, width, c = windows.shape

    def paste(k, out):
        (frame, top, left), (y, bottom, x, right) = places[k], decided[k]
        rows, columns = top + jnp.arange(height)[:, None, None], left + jnp.arange(width)[:, None]
        inside = (rows >= y) & (rows < bottom) & (columns >= x) & (columns < right)
        at = (frame, top, left, 0)
        before = jax.lax.dynamic_slice(out, at, (1, height, width, c))
        return jax.lax.dynamic_update_slice(out, jnp.where(inside, windows[k], before), at)

    return jax.lax.fori_loop(0, len(windows), paste, out)
