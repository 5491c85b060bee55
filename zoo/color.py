"""YCbCr and RGB, in float on the device: Rec. 601, 709 and 2020, limited and full range, any subsampling of the chroma.

A film's picture lies in planes of integers [n h w]; a `Layout` says what they mean. `to_rgb` gives RGB float32 that is
1 at the nominal white and may lie outside [0, 1] (codes below black, colours beyond the gamut).

A restored film is its own planes plus what the network changed (`changed`): where nothing changed, nothing is converted
there and back, and every code stays the one it was, the subsampled chroma and the codes below black included.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

# Weights of red and blue in luma, by FFmpeg's names of the matrices.
MATRICES = {
    "bt709": (0.2126, 0.0722),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "bt2020nc": (0.2627, 0.0593),
    "smpte240m": (0.212, 0.087),
    "fcc": (0.30, 0.11),
}
# On a luma sample along y, x?
SITINGS = {"left": (False, True), "topleft": (True, True), "center": (False, False), "top": (True, False)}


@dataclasses.dataclass(frozen=True)
class Layout:
    """What planes of integers mean. Planes: yuv Y, Cb, Cr; rgb G, B, R; grey Y; then alpha where there is one."""

    family: str  # "yuv", "rgb" or "grey"
    depth: int  # bits a sample, 8 to 16; 32: float, 1 at white
    cell: tuple[int, int] = (1, 1)  # luma samples a chroma sample, along y and x: (2, 2) is 4:2:0
    alpha: bool = False
    matrix: str = "bt709"  # of MATRICES; rgb has none
    full: bool = False  # codes from 0 to the top, else 16 to 235 (240 chroma) of 255
    siting: str = "left"  # of SITINGS: where a chroma sample lies in its cell

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32 if self.depth == 32 else np.uint8 if self.depth <= 8 else np.uint16)

    @property
    def top(self) -> int:
        """The highest code."""
        return 1 if self.depth == 32 else 2**self.depth - 1

    @property
    def cells(self) -> list[tuple[int, int]]:
        """Pixels along y and x that a sample of each plane stands for."""
        colour = {"yuv": [(1, 1), self.cell, self.cell], "rgb": [(1, 1)] * 3, "grey": [(1, 1)]}
        return colour[self.family] + [(1, 1)] * self.alpha

    def shapes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Height and width of each plane of a picture."""
        return [(-(-height // y), -(-width // x)) for y, x in self.cells]

    def _limited(self) -> bool:
        return not self.full and self.family != "rgb"

    def luma_codes(self) -> tuple[float, float]:
        """(code of black, codes from black to white)."""
        return (
            (16 * 2.0 ** (self.depth - 8), 219 * 2.0 ** (self.depth - 8)) if self._limited() else (0.0, float(self.top))
        )

    def chroma_codes(self) -> tuple[float, float]:
        """(code of no colour, codes from -0.5 to 0.5)."""
        return 2.0 ** (self.depth - 1), 224 * 2.0 ** (self.depth - 8) if self._limited() else float(self.top)


Planes = tuple[Shaped[Array, "n _ _"], ...]


@partial(jax.jit, static_argnames="layout")
def to_rgb(planes: Planes, *, layout: Layout) -> Float[Array, "n h w 3"]:
    """RGB of planes of codes. Grey becomes three equal channels; alpha is left out."""
    black, span = layout.luma_codes()
    y = (planes[0].astype(jnp.float32) - black) / span
    if layout.family == "grey":
        return jnp.stack([y, y, y], axis=-1)
    if layout.family == "rgb":
        g, b, r = (p.astype(jnp.float32) / layout.top for p in planes[:3])
        return jnp.stack([r, g, b], axis=-1)
    middle, span = layout.chroma_codes()
    cb, cr = ((_up(c.astype(jnp.float32), layout, y.shape) - middle) / span for c in planes[1:3])
    kr, kb = MATRICES[layout.matrix]
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    return jnp.stack([r, (y - kr * r - kb * b) / (1 - kr - kb), b], axis=-1)


@partial(jax.jit, static_argnames="layout")
def picture(planes: tuple[Shaped[Array, "_ _"], ...], *, layout: Layout) -> Float[Array, "h w 3"]:
    """RGB in [0, 1] of the planes [h w] of one picture: what lies outside is cut off."""
    return jnp.clip(to_rgb(tuple(plane[None] for plane in planes), layout=layout)[0], 0, 1)


@partial(jax.jit, static_argnames="layout")
def beyond(planes: tuple[Shaped[Array, "_ _"], ...], *, layout: Layout) -> Float[Array, "h w 3"]:
    """What is cut off there: codes below black and above white, colours beyond the gamut."""
    rgb = to_rgb(tuple(plane[None] for plane in planes), layout=layout)[0]
    return rgb - jnp.clip(rgb, 0, 1)


@partial(jax.jit, static_argnames="layout")
def luma(planes: Planes, *, layout: Layout) -> Float[Array, "n h w"]:
    """Luma of planes of codes, 0 at black and 1 at white: the film's own, of RGB with the weights of Rec. 709."""
    if layout.family == "rgb":
        kr, kb = MATRICES["bt709"]
        g, b, r = (p.astype(jnp.float32) / layout.top for p in planes[:3])
        return kr * r + (1 - kr - kb) * g + kb * b
    black, span = layout.luma_codes()
    return (planes[0].astype(jnp.float32) - black) / span


def grey(rgb: Float[Array, "*n h w 3"]) -> Float[Array, "*n h w 1"]:
    """RGB as the luma of Rec. 601."""
    kr, kb = MATRICES["bt470bg"]
    return rgb @ jnp.array([[kr], [1 - kr - kb], [kb]])


@partial(jax.jit, static_argnames=("source", "target"))
def changed(
    planes: Planes,
    delta: Float[Array, "n h w 3"],
    mask: Float[Array, "n h w"] | None = None,
    *,
    source: Layout,
    target: Layout,
) -> Planes:
    """Planes of the layout `target`: those of `source` plus a change of their RGB, times `mask` where there is one.

    Where the delta is 0 and the layouts are equal the codes are equal; to more bits they are scaled, to other chroma
    resampled. A chroma sample changes only where all pixels that it stands for are within the mask.
    """
    if mask is not None:
        delta = delta * mask[..., None]
    alpha = [_scaled(planes[-1], source.top, target)] if target.alpha and source.alpha else []
    if target.alpha and not source.alpha:
        alpha = [jnp.full(delta.shape[:3], target.top, target.dtype)]
    if source.family != target.family:
        return (*from_rgb(to_rgb(planes, layout=source) + delta, layout=target), *alpha)
    steps = _components(delta, target)
    if mask is not None and target.family == "yuv":
        whole = _cells_within(mask, target)
        steps = [steps[0], *(step * whole for step in steps[1:])]
    bases = [_rescaled(p, k, source, target, delta.shape) for k, p in enumerate(planes[: len(steps)])]
    return (*(rounded(base + step, target) for base, step in zip(bases, steps, strict=True)), *alpha)


@partial(jax.jit, static_argnames="layout")
def from_rgb(rgb: Float[Array, "n h w 3"], *, layout: Layout) -> Planes:
    """RGB as planes of codes, without alpha."""
    offsets = [0.0, 0.0, 0.0] if layout.family == "rgb" else [layout.luma_codes()[0], *[layout.chroma_codes()[0]] * 2]
    return tuple(rounded(c + o, layout) for c, o in zip(_components(rgb, layout), offsets, strict=False))


def _components(rgb: Float[Array, "n h w 3"], layout: Layout) -> list[Float[Array, "n _ _"]]:
    """RGB, or a difference of RGB, in codes of each plane, without the codes' offsets: a linear map."""
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    if layout.family == "rgb":
        return [c * layout.top for c in (g, b, r)]
    kr, kb = MATRICES[layout.matrix]
    y = kr * r + (1 - kr - kb) * g + kb * b
    luma = y * layout.luma_codes()[1]
    if layout.family == "grey":
        return [luma]
    span = layout.chroma_codes()[1]
    return [luma, *(_down(c * span, layout) for c in ((b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))))]


def _rescaled(plane, index: int, source: Layout, target: Layout, shape) -> Float[Array, "n _ _"]:
    """The codes of a plane in another depth, range and subsampling, not rounded yet."""
    x = plane.astype(jnp.float32)
    if index and source.family == "yuv" and (source.cell, source.siting) != (target.cell, target.siting):
        x = _down(_up(x, source, shape), target)
    chroma = index > 0 and source.family == "yuv"
    (zero, span), (new_zero, new_span) = (q.chroma_codes() if chroma else q.luma_codes() for q in (source, target))
    return x if (zero, span) == (new_zero, new_span) else (x - zero) * (new_span / span) + new_zero


def _scaled(plane, top: int, target: Layout):
    return plane if top == target.top else rounded(plane.astype(jnp.float32) * (target.top / top), target)


def rounded(codes: Float[Array, "*n _ _"], layout: Layout) -> Shaped[Array, "*n _ _"]:
    return codes if layout.depth == 32 else jnp.clip(jnp.round(codes), 0, layout.top).astype(layout.dtype)


# ---- subsampled chroma: linear interpolation up; down its adjoint where co-sited, a mean of the cell where centred


def _up(chroma, layout: Layout, shape) -> Float[Array, "n h w"]:
    """Chroma at every luma sample of a picture of `shape` [n h w ...]."""
    for axis, factor, on in zip((1, 2), layout.cell, SITINGS[layout.siting], strict=True):
        if factor > 1:
            last = chroma.shape[axis] - 1
            at = (np.arange(shape[axis]) - (0 if on else (factor - 1) / 2)) / factor
            low = np.floor(at).astype(int)
            share = jnp.asarray((at - low)[:, None] if axis == 1 else at - low, jnp.float32)
            a, b = (jnp.take(chroma, np.clip(k, 0, last), axis=axis) for k in (low, low + 1))
            chroma = a + (b - a) * share
    return chroma


def _down(full, layout: Layout) -> Float[Array, "n _ _"]:
    """The mean of full-size chroma around each place of a chroma sample; the picture's edge is continued."""
    for axis, factor, on in zip((1, 2), layout.cell, SITINGS[layout.siting], strict=True):
        if factor > 1:
            reach = factor - 1 if on else 0
            weights = [factor - abs(k) for k in range(-reach, reach + 1)] if on else [1] * factor
            count = -(-full.shape[axis] // factor)
            missing = (count - 1) * factor + len(weights) - reach - full.shape[axis]
            full = jnp.pad(full, [(reach, max(missing, 0)) if k == axis else (0, 0) for k in range(3)], mode="edge")
            taps = [
                jax.lax.slice_in_dim(full, k, k + (count - 1) * factor + 1, factor, axis) * (w / sum(weights))
                for k, w in enumerate(weights)
            ]
            full = sum(taps[1:], taps[0])
    return full


def _cells_within(mask: Float[Array, "n h w"], layout: Layout) -> Float[Array, "n _ _"]:
    """1 for chroma samples whose cell lies within the mask, else 0."""
    within = (mask > 0).astype(jnp.float32)
    (n, height, width), (y, x) = mask.shape, layout.cell
    within = jnp.pad(within, ((0, 0), (0, -height % y), (0, -width % x)), mode="edge")
    return within.reshape(n, within.shape[1] // y, y, within.shape[2] // x, x).min(axis=(2, 4))
