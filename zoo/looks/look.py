"""A look: what a colourist does to every picture alike, as a colour decision list, curves and a cube, in this order.

Pictures are RGB as the film encodes them, 0 black and 1 white; what lies outside a table's domain is taken to its edge.
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zoo.color import MATRICES
from zoo.errors import FlagError

_RED, _BLUE = MATRICES["bt709"]  # which the colour decision list has for every film
LUMA = (_RED, 1 - _RED - _BLUE, _BLUE)
MOST_CUBE, MOST_CURVE = 129, 65536  # samples along a side of a table
Interpolation = Literal["tetrahedral", "trilinear"]
Triple = tuple[float, float, float]
Colour = Float[Array, "*n 3"]


@dataclass(frozen=True)
class Cdl:
    """Slope, offset and power of each channel, then the saturation (ASC CDL 1.2, without its clamps, as OpenColorIO
    has it by default): a negative value passes the power as it is."""

    slope: Triple = (1.0, 1.0, 1.0)
    offset: Triple = (0.0, 0.0, 0.0)
    power: Triple = (1.0, 1.0, 1.0)
    saturation: float = 1.0

    def __post_init__(self):
        values = np.array([self.slope, self.offset, self.power])
        if not (np.isfinite(values).all() and np.isfinite(self.saturation)):
            raise FlagError("a colour decision list must have finite numbers")
        if min(self.slope) < 0 or min(self.power) <= 0 or self.saturation < 0:
            raise FlagError("a colour decision list has slopes and a saturation from 0 up, and powers above 0")

    def __call__(self, rgb: Colour) -> Colour:
        x = rgb * jnp.asarray(self.slope) + jnp.asarray(self.offset)
        x = jnp.where(x > 0, jnp.maximum(x, 0) ** jnp.asarray(self.power), x)
        luma = (x * jnp.asarray(LUMA)).sum(-1, keepdims=True)
        return luma + self.saturation * (x - luma)


@dataclass(frozen=True)
class Curves:
    """A curve for each channel: `table` [n 3] at even steps from `low` to `high`."""

    table: Float[np.ndarray, "n 3"]
    low: Triple = (0.0, 0.0, 0.0)
    high: Triple = (1.0, 1.0, 1.0)

    def __call__(self, rgb: Colour) -> Colour:
        n = len(self.table)
        at = jnp.clip(_within(rgb, self.low, self.high), 0, 1) * (n - 1)
        first = jnp.minimum(at.astype(jnp.int32), n - 2)
        part, table = at - first, jnp.asarray(self.table, jnp.float32)
        read = lambda k: jnp.stack([table[:, c][k[..., c]] for c in range(3)], -1)
        return read(first) * (1 - part) + read(first + 1) * part


@dataclass(frozen=True)
class Cube:
    """A colour for each of n x n x n colours: `table` [red green blue 3] at even steps from `low` to `high`."""

    table: Float[np.ndarray | Array, "n n n 3"]
    low: Triple = (0.0, 0.0, 0.0)
    high: Triple = (1.0, 1.0, 1.0)

    def __call__(self, rgb: Colour, interpolation: Interpolation = "tetrahedral") -> Colour:
        n = len(self.table)
        at = jnp.clip(_within(rgb, self.low, self.high), 0, 1) * (n - 1)
        first = jnp.minimum(at.astype(jnp.int32), n - 2)
        part, flat = at - first, jnp.asarray(self.table, jnp.float32).reshape(-1, 3)
        corner = (first[..., 0] * n + first[..., 1]) * n + first[..., 2]
        read = lambda offset: flat[corner + offset]
        return (_tetrahedral if interpolation == "tetrahedral" else _trilinear)(read, part, (n * n, n, 1))


def _within(rgb: Colour, low: Triple, high: Triple) -> Colour:
    first, last = jnp.asarray(low, jnp.float32), jnp.asarray(high, jnp.float32)
    return (rgb - first) / (last - first)


def _tetrahedral(read, part: Colour, strides: tuple[int, int, int]) -> Colour:
    """Along the longest way first: of four corners, the one tetrahedron of six in which the colour lies."""
    r, g, b = part[..., 0], part[..., 1], part[..., 2]
    most, least = jnp.maximum(jnp.maximum(r, g), b), jnp.minimum(jnp.minimum(r, g), b)
    middle = jnp.maximum(jnp.minimum(r, g), jnp.minimum(jnp.maximum(r, g), b))
    by = lambda red, green: jnp.where(red, strides[0], jnp.where(green, strides[1], strides[2]))
    first = by((r >= g) & (r >= b), g >= b)
    last = by((r < g) & (r < b), g < b)
    whole = sum(strides)
    corners = jnp.stack([read(0), read(first), read(whole - last), read(whole)])
    weights = jnp.stack([1 - most, most - middle, middle - least, least])
    return (weights[..., None] * corners).sum(0)


def _trilinear(read, part: Colour, strides: tuple[int, int, int]) -> Colour:
    total = jnp.zeros_like(part)
    for corner in np.ndindex(2, 2, 2):
        weight = jnp.prod(jnp.where(np.array(corner), part, 1 - part), axis=-1)
        total = total + weight[..., None] * read(int(np.dot(corner, strides)))
    return total


@dataclass(frozen=True)
class Look:
    """What is there of the three is applied, one after the other. `title`: as its file has it."""

    cdl: Cdl | None = None
    curves: Curves | None = None
    cube: Cube | None = None
    title: str = ""

    def __call__(self, rgb: Colour, interpolation: Interpolation = "tetrahedral") -> Colour:
        rgb = self.cdl(rgb) if self.cdl else rgb
        rgb = self.curves(rgb) if self.curves else rgb
        return self.cube(rgb, interpolation) if self.cube else rgb


def lattice(n: int) -> Float[np.ndarray, "n n n 3"]:
    """The colours of a cube's corners: itself as a look that changes nothing."""
    steps = np.linspace(0, 1, n, dtype=np.float32)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)
