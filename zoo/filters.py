"""Classical filters, the baselines of the networks: `(image, *, options) -> image`.

Images are float in [0, 1], HWC or NHWC, and so is what comes back; each picture is filtered by itself. Beyond its
border a picture goes on mirrored. Options are above 0. All functions are jitted; all but `find_impulses` have finite
gradients, with respect to the picture and to every option that is no length. FILTERS lists them for comparisons.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

Image = Float[Array, "*n h w c"]
Planes = Float[Array, "c *n h w"]  # how the work is done: the neighbours in a row lie side by side, as SIMD wants them
Number = float | Float[Array, ""]
Offset = tuple[int, int]  # rows down, columns right


@jax.jit(static_argnames="sigma_px")
def gaussian(image: Image, *, sigma_px: float) -> Image:
    """Blur with a Gaussian of standard deviation `sigma_px` in pixels, cut off at 4 of them.

    Takes any fine-grained noise away together with the detail.
    """
    return _image(_blur(_planes(image), sigma_px))


@jax.jit(static_argnames="sigma_px")
def bilateral(image: Image, *, sigma: Number, sigma_px: float = 2.0) -> Image:
    """The mean of the surroundings, in which near pixels of like colour count most (Tomasi and Manduchi 1998).

    `sigma`: standard deviation of the Gaussian of the colours' distance (Euclidean over the channels) on the [0, 1]
    scale, some times that of the noise; `sigma_px`: that of the distance in pixels, cut off at 3 of them. For Gaussian
    noise: smooths and keeps edges. An impulse is like nothing around it, and stays.
    """

    def unlike(distance: Array, dy: Array, dx: Array) -> Array:
        return distance / (2 * sigma**2) + (dy**2 + dx**2) / (2 * sigma_px**2)

    return _image(_mean_of_like(_planes(image), unlike, radius=math.ceil(3 * sigma_px)))


@jax.jit(static_argnames=("patch_radius_px", "radius_px"))
def nlm(image: Image, *, sigma: Number, h: Number, patch_radius_px: int = 1, radius_px: int = 5) -> Image:
    """Non-local means: the mean of the surroundings (Buades, Coll and Morel 2005). A pixel counts by how like the patch
    around it is to the patch around the pixel in question.

    Its weight is exp(-max(d - 2 sigma^2, 0) / h^2), with d the mean squared difference of the patches' samples.
    `sigma`: the noise's standard deviation, which alone makes d = 2 sigma^2; `h`: the difference allowed beyond that;
    both on the [0, 1] scale. Patches reach `patch_radius_px` to each side, the search `radius_px`. For Gaussian
    noise: keeps edges, and textures that repeat.
    """
    samples = image.shape[-1] * (2 * patch_radius_px + 1) ** 2

    def unlike(distance: Array, dy: Array, dx: Array) -> Array:
        return jnp.maximum(_box_sum(distance, patch_radius_px, "valid") / samples - 2 * sigma**2, 0) / h**2

    return _image(_mean_of_like(_planes(image), unlike, radius=radius_px, patch=patch_radius_px))


@jax.jit(static_argnames="radius_px")
def median(image: Image, *, radius_px: int) -> Image:
    """The median of the square that reaches `radius_px` to each side, channel by channel (Tukey 1977).

    For impulses, at the price of all that is smaller than half the square: it rewrites every pixel.
    """
    return _image(_middle(_around(_planes(image), _square(radius_px))))


@jax.jit
def find_impulses(image: Image) -> Bool[Array, "*n h w 1"]:
    """The pixels that salt-and-pepper noise replaced: those whose channels are all exactly 0 or all exactly 1, while
    at most 12 of their 24 neighbours are at that extreme too (more of them: a naturally black or burnt-out area)."""

    def lonely(extreme: Bool[Array, "*n h w"]) -> Bool[Array, "*n h w"]:
        return extreme & (_box_sum(extreme.astype(image.dtype), 2, "same") < 13.5)  # itself counts too

    return (lonely((image <= 0).all(-1)) | lonely((image >= 1).all(-1)))[..., None]


@jax.jit
def switching_median(image: Image) -> Image:
    """Each impulse becomes the median of those of its 3x3 neighbours that are none, one without such a neighbour
    that of those just filled; all other pixels stay (after Sun and Neuvo 1994).

    For salt-and-pepper noise of whole pixels at exactly 0 and 1.
    """

    def fill(z: Planes, hit: Bool[Array, "*n h w"]) -> tuple[Planes, Bool[Array, "*n h w"]]:
        ready = hit & (_box_sum((~hit).astype(z.dtype), 1, "same") > 0.5)
        return jnp.where(ready, _median_of_whole(z, hit), z), hit & ~ready

    z, hit = fill(_planes(image), find_impulses(image)[..., 0])
    z, _ = jax.lax.cond(hit.any(), fill, lambda z, hit: (z, hit), z, hit)  # hardly ever
    return _image(z)


@jax.jit
def directional_fill(image: Image) -> Image:
    """Each impulse is interpolated along rows, columns and diagonals, and the direction along which the picture
    changes most smoothly decides; all other pixels stay.

    In a direction the value follows from two neighbours on each side, exactly so for a cubic. It counts by the
    inverse square of the mean squared error that the same interpolation makes at the whole pixels of the 5x5 around.
    A diagonal, with its longer steps, counts a quarter of that. The strongest of these filters for salt-and-pepper
    noise of whole pixels at exactly 0 and 1.
    """
    z, hit = _planes(image), find_impulses(image)[..., 0]
    whole = (~hit).astype(z.dtype)
    *known, near = _blur(jnp.concatenate([z * whole, whole[None]]), 0.5)
    z = jnp.where(hit & (near > 0), jnp.stack(known) / jnp.maximum(near, 1e-12), z)  # roughly, to begin with
    total = weights = 0
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a, b, c, d = _around(z, [(k * dy, k * dx) for k in (-2, -1, 1, 2)])
        guess = (4 * (b + c) - a - d) / 6
        error = _box_sum(whole * jnp.square(guess - z).mean(0), 2, "same")  # a sum will do: each has the same divisor
        weight = (0.25 if dy and dx else 1) / jnp.square(error + 2e-4)
        total, weights = total + weight * guess, weights + weight
    return _image(jnp.where(hit, total / weights, z))


@jax.jit
def equalise(image: Image) -> Image:
    """Histogram equalisation, channel by channel: each sample becomes the share of samples up to it, in 256 bins
    (Hummel 1977).

    Spreads contrast; no denoiser, for the noise spreads with it.
    """

    def spread(samples: Float[Array, " n"]) -> Float[Array, " n"]:
        counts, edges = jnp.histogram(samples, 256)
        return jnp.interp(samples, (edges[:-1] + edges[1:]) / 2, counts.cumsum() / samples.size)

    z = _planes(image)
    return _image(jax.vmap(spread)(z.reshape(-1, math.prod(z.shape[-2:]))).reshape(z.shape))


@jax.jit
def sharpen(image: Image, *, amount: Number = 0.5) -> Image:
    """Subtracts `amount` times the Laplacian, the four neighbours less four times the pixel (Prewitt 1970).

    Steepens edges; no denoiser, for it multiplies pixel-fine noise by up to 1 + 8 `amount`.
    """
    z = _planes(image)
    return _image(z - amount * (sum(_around(z, [(-1, 0), (1, 0), (0, -1), (0, 1)])) - 4 * z))


def _planes(image: Image) -> Planes:
    return jnp.moveaxis(image, -1, 0)


def _image(planes: Planes) -> Image:
    return jnp.clip(jnp.moveaxis(planes, 0, -1), 0, 1)


def _mirrored(z: Array, radius: int) -> Array:
    return jnp.pad(z, [(0, 0)] * (z.ndim - 2) + [(radius, radius)] * 2, "symmetric")


def _square(radius: int) -> list[Offset]:
    steps = range(-radius, radius + 1)
    return [(dy, dx) for dy in steps for dx in steps]


def _around(z: Array, offsets: Sequence[Offset]) -> list[Array]:
    """For each offset the array moved, so that what stood there stands here."""
    (h, w), radius = z.shape[-2:], max(max(abs(dy), abs(dx)) for dy, dx in offsets)
    z = _mirrored(z, radius)
    return [z[..., radius + dy : radius + dy + h, radius + dx : radius + dx + w] for dy, dx in offsets]


def _blur(z: Array, sigma_px: float) -> Array:
    steps = range(-int(4 * sigma_px + 0.5), int(4 * sigma_px + 0.5) + 1)
    taps = np.array([math.exp(-0.5 * (k / sigma_px) ** 2) for k in steps])
    taps /= taps.sum()
    for line in ([(k, 0) for k in steps], [(0, k) for k in steps]):
        z = jnp.asarray(sum(float(tap) * part for tap, part in zip(taps, _around(z, line), strict=True)))
    return z


def _box_sum(z: Array, radius: int, padding: str) -> Array:
    """The sum of each square. `padding`: "same", with zeros beyond the border, or "valid", whole squares only."""
    for axis in (-2, -1):
        window = [1] * z.ndim
        window[axis] = 2 * radius + 1
        z = jax.lax.reduce_window(z, np.zeros((), z.dtype), jax.lax.add, window, [1] * z.ndim, padding)
    return z


@jax.custom_jvp
def _middle(samples: Sequence[Array]) -> Array:
    """The median of an odd number of arrays. Among more than half of them neither the least nor the largest is it:
    drop both, let the next one in, until one is left."""
    rest = list(samples)
    kept = [rest.pop() for _ in range(len(rest) // 2 + 1)]
    while rest:
        kept.append(rest.pop())
        for k in [*range(1, len(kept)), *range(len(kept) - 2, 0, -1)]:  # the largest to the end, the least to the front
            a, b = kept[k - 1], kept[k]
            kept[k - 1], kept[k] = jnp.minimum(a, b), jnp.maximum(a, b)
        kept = kept[1:-1]
    return kept[0]


@_middle.defjvp
def _middle_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """It moves with the sample that it is, or with the mean of those. (Through all comparisons it compiles slowly.)"""
    (samples,), (changes,) = primals, tangents
    middle = _middle(samples)
    same = [(sample == middle).astype(middle.dtype) for sample in samples]
    return middle, jnp.asarray(sum(s * change for s, change in zip(same, changes, strict=True)) / sum(same))


def _median_of_whole(z: Planes, hit: Bool[Array, "*n h w"]) -> Planes:
    """The median of the pixels of each 3x3 square that are no hits.

    Hits are put below and above all others in turn, which leaves the middle where it is; if their number is odd, once
    with one more below and once with one more above, which gives the lower and the upper middle.
    """
    below, samples = jnp.stack([jnp.zeros_like(hit), jnp.ones_like(hit)])[:, None], []
    for part, out in zip(_around(z, _square(1)), _around(hit, _square(1)), strict=True):
        samples.append(jnp.where(out, jnp.where(below, -1, 2).astype(z.dtype), part))
        below ^= out
    return _middle(samples).mean(0)


def _mean_of_like(z: Planes, unlike: Callable[[Array, Array, Array], Array], *, radius: int, patch: int = 0) -> Planes:
    """The mean of all samples within `radius`, weighted by exp(-unlike(distance, dy, dx)), the pixel itself by 1.

    `distance` is the squared distance of the colours of two pixels dy, dx apart, on an area larger by `patch` to each
    side than that for which `unlike` answers. Pairs are alike both ways: each serves its two pixels.
    """
    h, w = z.shape[-2:]
    wide = [_mirrored(channel, 2 * radius + patch) for channel in z]
    side = h + 2 * radius, w + 2 * radius  # where either pixel of a pair can lie

    def at(z: Array, y: Array | int, x: Array | int, size: Sequence[int]) -> Array:
        start = [*[0] * (z.ndim - 2), y, x]
        return jax.lax.dynamic_slice(z, start, (*z.shape[:-2], *size))

    def pair(wide: list[Array], dy: Array, dx: Array) -> list[Array]:
        size = [length + 2 * patch for length in side]
        here = [at(c, radius, radius, size) for c in wide]
        there = [at(c, radius + dy, radius + dx, size) for c in wide]
        distance = jnp.asarray(sum(jnp.square(a - b) for a, b in zip(here, there, strict=True)))
        # Below exp(-60) nothing counts, and numbers too small for float32's full precision are slow.
        weight = jnp.exp(-jnp.minimum(unlike(distance, dy, dx), 60))
        after, before = at(weight, radius, radius, (h, w)), at(weight, radius - dy, radius - dx, (h, w))
        middle = 2 * radius + patch
        sums = [
            after * at(c, middle + dy, middle + dx, (h, w)) + before * at(c, middle - dy, middle - dx, (h, w))
            for c in wide
        ]
        return [*sums, after + before]

    def add(sums: list[Array], offset: tuple[Array, Array]) -> tuple[list[Array], None]:
        # A gradient computes the weights anew: kept, they would be as many pictures as there are offsets.
        return [a + b for a, b in zip(sums, jax.checkpoint(pair)(wide, *offset), strict=True)], None

    half = jnp.array([offset for offset in _square(radius) if offset > (0, 0)], jnp.int32).reshape(-1, 2)
    start = [*z, jnp.ones_like(z[0])]
    (*sums, weights), _ = jax.lax.scan(add, start, (half[:, 0], half[:, 1]))
    return jnp.stack(sums) / weights


@dataclass(frozen=True)
class Filter:
    """A filter as comparisons use it, with every option but the two named here at its default."""

    function: Callable[..., Image]
    noises: tuple[str, ...] = ()  # what it is meant to remove
    option: str | None = None  # the one to choose for each noise and level, from
    grid: tuple[int | float, ...] = ()
    level_option: str | None = None  # the one that is told the noise's level


_FINE, _HITS = ("gaussian", "grain"), ("salt_and_pepper",)
_BLURS_PX = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 1.0, 1.3, 1.7, 2.2)
_COLOURS = (0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.075, 0.09, 0.11, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.55)
_PATCHES = (0.008, 0.01, 0.013, 0.016, 0.02, 0.025, 0.03, 0.036, 0.043, 0.05, 0.06, 0.07, 0.08, 0.1, 0.13, 0.16)

FILTERS: dict[str, Filter] = {
    "gaussian": Filter(gaussian, _FINE + _HITS, "sigma_px", _BLURS_PX),
    "bilateral": Filter(bilateral, _FINE, "sigma", _COLOURS),
    "median": Filter(median, _FINE + _HITS, "radius_px", (1, 2)),
    "switching_median": Filter(switching_median, _HITS),
    "directional_fill": Filter(directional_fill, _HITS),
    "nlm": Filter(nlm, _FINE, "h", _PATCHES, level_option="sigma"),
    "equalise": Filter(equalise),
    "sharpen": Filter(sharpen),
}
