"""What is hidden in one frame, filled in from others that are laid over it.

Samples are taken once, from the film's own planes. What another frame differs by in a ring around what is hidden is
carried on within, so that there is no seam where the light changes. Several frames vote, by how well they fit in that
ring and how near they are. What none shows is filled smoothly from around it.

All is done in windows of the picture, with more around them than one pixel reaches: memory does not grow with the film.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from zoo.color import SITINGS, Layout, rounded
from zoo.motion.flow import Camera, Field, around, cubic, inside, linear, moved, smoothed

_CELL = 4  # pixels: a multiple of the side of every cell of chroma
_WINDOW_PX, _MARGIN_PX = 256, 32  # multiples of it
_RING_PX = 9  # side of the square about a hidden pixel in which the ring lies
_LIGHT_PX, _ERROR_PX = 15, 21  # sides of what is carried on from the ring, each applied twice
_MOST_LIGHT = 30 / 255  # that is carried on
_OUTLIER = 40 / 255  # a difference that is not one of light
_MOST_ERROR = 60 / 255
_UNKNOWN = 12 / 255  # the error where no ring is near
_FADES = 3 / 255  # error at which a frame's weight falls to 1/e
_AGE = 0.08  # by which it falls for each frame of distance
_UNLIKE = 12 / 255  # difference from the best frame, likewise
_ENOUGH = 0.2  # weight from which a sample is not mixed with the smooth fill
_HIDDEN = 0.02  # the most of a sample that may be
_TINY = 1e-9

Plane = Float[Array, "h w"]
Codes = tuple[Shaped[Array, "_ _"], ...]


class Other(NamedTuple):
    """A frame that is laid over another. `hidden`: of each sample of its planes. `camera`, `move`: where a pixel of the
    other lies in it (see `zoo.motion.flow`). `distance`: in frames."""

    planes: Codes
    hidden: tuple[Bool[Array, "h w"], ...]
    camera: Camera
    move: Field  # in steps of `size` pixels
    size: int
    distance: int


class _Whole(NamedTuple):
    """The frame to fill, continued to whole windows. Of each plane: the codes, the same in [0, 1], these filled
    smoothly, what may be changed, and the ring around what is hidden."""

    own: Codes
    codes: tuple[Plane, ...]
    smooth: tuple[Plane, ...]
    change: tuple[Bool[Array, "h w"], ...]
    ring: tuple[Bool[Array, "h w"], ...]


def filled(
    planes: Codes, mask: Bool[Array, "h w"], others: Sequence[Other], most: int, layout: Layout
) -> tuple[Codes, Plane]:
    """(the planes, filled where all pixels of a sample are masked; confidence of each pixel, 0 to 1).

    `most`: so many others there are at most. Alpha stays as it is."""
    whole = _prepared(planes, mask, layout=layout)
    out = tuple(map(partial(_rounded, layout=layout), whole.smooth, whole.own, whole.change))
    confidence = jnp.zeros(out[0].shape)
    if others:
        for corner, inner in _windows(np.asarray(whole.change[0])):
            part = _cut(whole, corner, window=_sides(mask.shape), layout=layout)
            seen = [_seen(part, corner, *other, layout=layout) for other in others]
            seen += [jax.tree.map(jnp.zeros_like, seen[0])] * (most - len(seen))
            made = _voted(part, *(tuple(zip(*x, strict=True)) for x in zip(*seen, strict=True)), layout=layout)
            out, confidence = _pasted(out, confidence, *made, corner, inner, layout=layout)
    out = tuple(new[: own.shape[0], : own.shape[1]] for new, own in zip(out, planes, strict=False))
    assert not _strayed(out, planes, mask), "what is not masked stays as it is"
    return (*out, *planes[len(out) :]), jnp.where(mask, confidence[: mask.shape[0], : mask.shape[1]], 1)


def hidden(planes: Codes, mask: Bool[Array, "h w"]) -> tuple[Bool[Array, "_ _"], ...]:
    """Of each sample, whether any of its pixels is masked."""
    return tuple(_in_cells(mask, plane.shape, jnp.max) for plane in planes)


@jax.jit
def _strayed(out: Codes, planes: Codes, mask: Bool[Array, "h w"]) -> Bool[Array, ""]:
    """Whether samples changed that are not masked."""
    own = [_in_cells(mask, plane.shape, jnp.max) for plane in out]
    return jnp.any(jnp.stack([jnp.any((x != y) & ~hit) for x, y, hit in zip(out, planes, own, strict=False)]))


@partial(jax.jit, static_argnames="layout")
def _prepared(planes: Codes, mask: Bool[Array, "h w"], *, layout: Layout) -> _Whole:
    planes = planes[: len(planes) - layout.alpha]
    sides = [-side % _CELL for side in mask.shape]
    mask = jnp.pad(mask, [(0, side) for side in sides])
    shapes = [tuple(-(-a // c) for a, c in zip(mask.shape, layout.cells[k], strict=True)) for k in range(len(planes))]
    own = tuple(
        jnp.pad(plane, [(0, b - a) for a, b in zip(plane.shape, shape, strict=True)], mode="edge")
        for plane, shape in zip(planes, shapes, strict=True)
    )
    codes = tuple(plane.astype(jnp.float32) / layout.top for plane in own)
    any_of, all_of = (tuple(_in_cells(mask, shape, how) for shape in shapes) for how in (jnp.max, jnp.min))
    smooth = tuple(smoothed(x, 1 - hit.astype(jnp.float32)) for x, hit in zip(codes, any_of, strict=True))
    near = around(mask.astype(jnp.float32), _RING_PX) > 0
    ring = tuple(_in_cells(near, shape, jnp.max) & ~hit for shape, hit in zip(shapes, any_of, strict=True))
    return _Whole(own, codes, smooth, all_of, ring)


def _sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of a window."""
    return tuple(min(_WINDOW_PX, side + -side % _CELL) for side in shape)


def _windows(change: Bool[np.ndarray, "h w"]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(corner, the rows and columns that it decides: first and last of each, from the corner) of each window in which
    something is to be changed."""
    spans = []
    for side, window in zip(change.shape, _sides(change.shape), strict=True):
        step = window - 2 * _MARGIN_PX
        firsts = [*range(0, side - window, step), side - window]
        cuts = [0, *(first + _MARGIN_PX for first in firsts[1:]), side]
        spans.append([(a, b - a, c - a) for a, b, c in zip(firsts, cuts, cuts[1:], strict=False)])
    for y, top, bottom in spans[0]:
        for x, left, right in spans[1]:
            if change[y + top : y + bottom, x + left : x + right].any():
                yield np.array([y, x], np.int32), np.array([[top, bottom], [left, right]], np.int32)


@partial(jax.jit, static_argnames=("window", "layout"))
def _cut(whole: _Whole, corner: Array, *, window: tuple[int, int], layout: Layout) -> _Whole:
    def cut(k: int, plane: Array) -> Array:
        cell = layout.cells[k]
        at = [corner[axis] // cell[axis] for axis in range(2)]
        return jax.lax.dynamic_slice(plane, at, [side // c for side, c in zip(window, cell, strict=True)])

    return _Whole(*(tuple(cut(k, plane) for k, plane in enumerate(planes)) for planes in whole))


@partial(jax.jit, static_argnames="layout")
def _seen(part: _Whole, corner, planes, hidden, camera, move, size, distance, *, layout: Layout):
    """(samples of each plane, their weights): another frame laid over the window, lit as around the mask."""
    samples, shown = [], []
    error = known = jnp.zeros(part.codes[0].shape)
    for k, codes in enumerate(part.codes):
        at = corner + _places(k, codes.shape, layout)
        at = moved(camera, at) + size * linear(move, (at + 0.5) / size - 0.5)
        at = (at - _first(k, layout)) / jnp.array(layout.cells[k], jnp.float32)
        covered = linear(hidden[k].astype(jnp.float32)[..., None], at)[..., 0]
        visible = (covered < _HIDDEN) & (inside(at, planes[k].shape) > 0)
        sample = cubic(planes[k], at) / layout.top
        off, fits = codes - sample, part.ring[k] & visible
        like = (fits & (jnp.abs(off) < _OUTLIER)).astype(jnp.float32)
        light = _spread(off * like, _LIGHT_PX) / (_spread(like, _LIGHT_PX) + _TINY)
        samples.append(sample + jnp.clip(light, -_MOST_LIGHT, _MOST_LIGHT))
        shown.append(visible)
        if codes.shape == part.codes[0].shape:
            known = known + fits.astype(jnp.float32)
            error = error + fits * jnp.minimum(jnp.abs(off - light), _MOST_ERROR)
    near = _spread(known, _ERROR_PX)
    error = jnp.where(near > 1e-4, _spread(error, _ERROR_PX) / (near + _TINY), _UNKNOWN)
    weight = jnp.exp(-error / _FADES) / (1 + _AGE * distance)
    at_samples = lambda k, x: linear(weight[..., None], _places(k, x.shape, layout))[..., 0] * x
    return tuple(samples), tuple(at_samples(k, x) for k, x in enumerate(shown))


def _spread(x: Plane, side: int) -> Plane:
    return around(around(x, side), side)


@partial(jax.jit, static_argnames="layout")
def _voted(part: _Whole, samples, weights, *, layout: Layout) -> tuple[Codes, Plane]:
    """(the window's codes, the confidence of its pixels). `samples`, `weights`: of each plane those of each frame."""
    out, confidence = [], None
    for k, smooth in enumerate(part.smooth):
        values, votes = jnp.stack(samples[k]), jnp.stack(weights[k])
        best = jnp.take_along_axis(values, jnp.argmax(votes, 0)[None], 0)
        share = votes**3 * jnp.exp(-jnp.abs(values - best) / _UNLIKE)
        sure = jnp.clip(votes.max(0) / _ENOUGH, 0, 1)
        fill = sure * (values * share).sum(0) / (share.sum(0) + _TINY) + (1 - sure) * smooth
        out.append(_rounded(fill, part.own[k], part.change[k], layout=layout))
        confidence = sure if confidence is None else confidence
    assert confidence is not None
    return tuple(out), confidence


@partial(jax.jit, static_argnames="layout")
def _rounded(fill: Plane, own, change: Bool[Array, "h w"], *, layout: Layout):
    return jnp.where(change, rounded(fill * layout.top, layout), own)


@partial(jax.jit, static_argnames="layout")
def _pasted(out: Codes, confidence, made: Codes, sure, corner, inner, *, layout: Layout):
    """With a window's part in its place, as far as the window decides it."""

    def paste(k: int, whole: Array, window: Array) -> Array:
        cell = layout.cells[k]
        at = [corner[axis] // cell[axis] for axis in range(2)]
        grid = jnp.mgrid[: window.shape[0], : window.shape[1]] * jnp.array(cell)[:, None, None]
        decided = ((grid >= inner[:, :1, None]) & (grid < inner[:, 1:, None])).all(0)
        before = jax.lax.dynamic_slice(whole, at, window.shape)
        return jax.lax.dynamic_update_slice(whole, jnp.where(decided, window, before), at)

    planes = tuple(paste(k, whole, window) for k, (whole, window) in enumerate(zip(out, made, strict=True)))
    return planes, paste(0, confidence, sure)


def _first(k: int, layout: Layout) -> Float[np.ndarray, "2"]:
    """Where the first sample of a plane lies in the picture."""
    pairs = zip(layout.cells[k], SITINGS[layout.siting], strict=True)
    return np.array([0 if on else (cell - 1) / 2 for cell, on in pairs], np.float32)


def _places(k: int, shape: tuple[int, ...], layout: Layout) -> Float[Array, "h w 2"]:
    """Where samples of a plane, or of a window of it, lie in the picture or the window."""
    at = jnp.stack(jnp.mgrid[: shape[0], : shape[1]], -1).astype(jnp.float32)
    return at * jnp.array(layout.cells[k], jnp.float32) + _first(k, layout)


def _in_cells(hit: Bool[Array, "h w"], shape: tuple[int, ...], how) -> Bool[Array, "hh ww"]:
    """Of each sample of a plane, whether any of its pixels, or all of them, are hit."""
    if hit.shape == shape:
        return hit
    cell = [-(-a // b) for a, b in zip(hit.shape, shape, strict=True)]
    hit = jnp.pad(hit, [(0, c * n - side) for c, n, side in zip(cell, shape, hit.shape, strict=True)], mode="edge")
    return how(hit.reshape(shape[0], cell[0], shape[1], cell[1]), axis=(1, 3))
