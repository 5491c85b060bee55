"""Fields of interlaced film: what each pixel of a missing line may be, from the fields around it in time.

Everything is in normal position: five fields of one plane, of times t-2 to t+2, such that field t holds the even lines.
Then missing line j lies between rows j and j+1 of field t, and is where row j of the fields t-1 and t+1 is. A plane
whose field t holds the odd lines is turned upside down first (`normal`). So luma and chroma, both parities and both
orders are one case. Motion is in rows and columns of a field, for the time from one field to the next.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

REACH = 2  # fields before and after
BLOCK = 4, 8  # rows and columns: 8 x 8 pixels
SEARCH = 2, 12  # the most rows and columns from one field to the next
UNEVEN = 3  # columns by which one field lies elsewhere than even motion says
HALO_PX = 69  # how far a pixel of the fields reaches
_PARTS = 4  # of a row and of a column, to which motion is known
_SUM = 3, 11  # rows and columns over which parts are estimated
_MOST = 0.75  # rows or columns, of what is estimated
_FLAT = 1e-3  # energy of the gradient at which that is halved
# Costs of motion, as differences of pixels: of the root of its length, for without structure nothing moves; of a column
# of unevenness; and what the lines around count beside the fields around.
_LENGTH_COST, _UNEVEN_COST, _SPATIAL_COST = 0.0005, 0.001, 1.0
_PROOF = 1.0  # the most that uneven motion may gain, as a share of how little even motion fits

Rows = Float[Array, "*n r w"]  # of one field
Fields = Float[Array, "*n 5 r w"]


class Estimates(NamedTuple):
    """`of`: what the pixels of the missing lines may be. `known`: what the fields around say of the known lines, less
    what these hold; near 0 where they can be trusted."""

    of: Float[Array, "*n r w e"]
    known: Float[Array, "*n r w q"]


def normal(frames: Float[Array, "*n 5 h w"], parity: int) -> tuple[Fields, Rows]:
    """The fields of whole frames at times t-2 .. t+2, where field t holds the lines of `parity`, 0 or 1; and the lines
    that it lacks. Heights are even."""
    upright = frames[..., ::-1, :] if parity else frames
    fields = [upright[..., k, k % 2 :: 2, :] for k in range(5)]
    return jnp.stack(fields, -3), upright[..., REACH, 1::2, :]


def above(x: Rows) -> Rows:
    """The row above each, the first one's being itself."""
    return jnp.concatenate([x[..., :1, :], x[..., :-1, :]], -2)


def below(x: Rows) -> Rows:
    return jnp.concatenate([x[..., 1:, :], x[..., -1:, :]], -2)


def cubic(x: Rows) -> Rows:
    """Half way between each row and the one below."""
    return (9 * (x + below(x)) - above(x) - below(below(x))) / 16


def estimates(fields: Fields) -> Estimates:
    """Spatial, temporal and motion-compensated estimates of the missing lines."""
    return assembled(fields, compensated(fields, motion(fields)))


def assembled(fields: Fields, moved: "Compensated") -> Estimates:
    """The same, once the fields have been moved."""
    first, before, now, after, last = (fields[..., k, :, :] for k in range(5))
    spatial = cubic(now)
    plain = adapted(spatial, first, before, now, after, last)
    adaptive = adapted(spatial, moved.first, moved.before, now, moved.after, moved.last)
    of = [spatial, before, after, moved.before, moved.after, plain, adaptive, moved.first_between, moved.last_between]
    of += [(_columns(now, k) + _columns(below(now), -k)) / 2 for k in (-2, -1, 1, 2)]
    known = [first, last, moved.first, moved.last, moved.before_between, moved.after_between]
    return Estimates(jnp.stack(of, -1), jnp.stack([x - now for x in known], -1))


ESTIMATES, KNOWN = 13, 6
SPATIAL, ADAPTIVE = 0, 6  # of the estimates


def adapted(spatial: Rows, first: Rows, before: Rows, now: Rows, after: Rows, last: Rows) -> Rows:
    """The mean of the fields before and after, as far as the fields around agree; else the spatial estimate (as yadif
    and bwdif do)."""
    mean = (before + after) / 2
    changes = [jnp.abs(first - now), jnp.abs(last - now)]
    change = jnp.maximum(jnp.abs(before - after), jnp.maximum(*((x + below(x)) / 2 for x in changes))) / 2
    up, down = (above(before) + above(after)) / 2 - now, (below(before) + below(after)) / 2 - below(now)
    to_upper, to_lower = mean - now, mean - below(now)
    most = jnp.maximum(to_lower, jnp.maximum(to_upper, jnp.minimum(up, down)))
    least = jnp.minimum(to_lower, jnp.minimum(to_upper, jnp.maximum(up, down)))
    change = jnp.maximum(change, jnp.maximum(least, -most))
    return jnp.clip(spatial, mean - change, mean + change)


Places = tuple[Int[Array, "*n r w"], Int[Array, "*n r w"]]  # rows, columns; in _PARTS-ths


def motion(fields: Fields) -> tuple[Places, Places, Places, Places]:
    """How far from each pixel of the missing lines lies, in each of the fields t-2, t-1, t+1 and t+2, what is there at
    time t. Block by block in whole pixels, symmetric in time; then, each field by itself, for what moves unevenly, in
    whole columns and in parts of a pixel by the gradient (Lucas and Kanade). In t-1 and t+1, whose lines are not
    the known ones, that counts where they then fit better and where t-2 and t+2 show that motion is uneven."""
    rows, columns = searched(fields)
    even = {k: (-_PARTS * k * rows, -_PARTS * k * columns) for k in (-2, -1, 1, 2)}
    own = {k: _own(fields[..., REACH + k, :, :], fields[..., REACH, :, :], k, *even[k]) for k in even}
    gain = _misfit(fields, even) - _misfit(fields, own)
    uneven = _spread((gain > 0) & (gain < _PROOF * _unlike(fields, even)), rows.shape)
    chosen = lambda k: (jnp.where(uneven, own[k][0], even[k][0]), jnp.where(uneven, own[k][1], even[k][1]))
    return own[-2], chosen(-1), chosen(1), own[2]


def _own(x: Rows, now: Rows, k: int, rows: Int[Array, "*n r w"], columns: Int[Array, "*n r w"]) -> Places:
    """The places in field t+k, refined by themselves on the known lines."""
    moved = _between(x, rows + (0 if k % 2 == 0 else -_PARTS // 2), columns)
    uneven = _uneven(moved, now)
    row_parts, column_parts = _rest(_read(moved, jnp.zeros_like(uneven), uneven), now)
    return rows + row_parts, columns + _PARTS * uneven + column_parts


def _misfit(fields: Fields, places: dict[int, Places]) -> Float[Array, "*n tall wide"]:
    """How much the fields before and after, read at their places, differ from each other and from the lines around."""
    before, after = (_between(fields[..., REACH + k, :, :], *places[k]) for k in (-1, 1))
    off = (before + after) / 2 - cubic(fields[..., REACH, :, :])
    return _company(_block_sums(jnp.abs(before - after) + _SPATIAL_COST * jnp.abs(off)))


def _unlike(fields: Fields, places: dict[int, Places]) -> Float[Array, "*n tall wide"]:
    """How much the fields t-2 and t+2, read at their places, differ from t."""
    first, last = (_between(fields[..., REACH + k, :, :], *places[k]) for k in (-2, 2))
    now = fields[..., REACH, :, :]
    return _company(_block_sums(jnp.abs(first - now) + jnp.abs(last - now)))


def _uneven(moved: Rows, now: Rows) -> Int[Array, "*n r w"]:
    """The columns by which each block of `moved` still lies off."""
    steps = sorted(range(-UNEVEN, UNEVEN + 1), key=abs)
    off = lambda step: (
        _company(_block_sums(jnp.abs(_columns(moved, step) - now))) + _per_block(_UNEVEN_COST * abs(step))
    )
    best = jnp.argmin(jnp.stack([off(step) for step in steps]), axis=0)
    return _spread(jnp.asarray(steps)[best], now.shape)


def _block_sums(x: Rows) -> Float[Array, "*n tall wide"]:
    *n, height, width = x.shape
    x = jnp.pad(x, [(0, 0)] * len(n) + [(0, -height % BLOCK[0]), (0, -width % BLOCK[1])], mode="edge")
    return x.reshape(*n, x.shape[-2] // BLOCK[0], BLOCK[0], x.shape[-1] // BLOCK[1], BLOCK[1]).sum((-3, -1))


def _company(x: Float[Array, "*n tall wide"]) -> Float[Array, "*n tall wide"]:
    """Twice each block's, and once its four neighbours'."""
    y = jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(1, 1)] * 2, mode="edge")
    return 2 * x + y[..., :-2, 1:-1] + y[..., 2:, 1:-1] + y[..., 1:-1, :-2] + y[..., 1:-1, 2:]


def _per_block(cost: Any) -> Any:
    """A cost of each pixel as `_company` sums it."""
    return 6 * BLOCK[0] * BLOCK[1] * cost


def _spread(x: Shaped[Array, "*n tall wide"], shape: tuple[int, ...]) -> Shaped[Array, "*n r w"]:
    """Of each pixel, what its block has."""
    return jnp.repeat(jnp.repeat(x, BLOCK[0], -2), BLOCK[1], -1)[..., : shape[-2], : shape[-1]]


def _rest(moved: Rows, now: Rows) -> Places:
    """The parts of a row and of a column by which `moved` lies off."""
    mean, change = (moved + now) / 2, moved - now
    down, right = (below(mean) - above(mean)) / 2, (_columns(mean, 1) - _columns(mean, -1)) / 2
    products = down * down, down * right, right * right, down * change, right * change
    down2, both, right2, down1, right1 = (_around(x, _SUM) for x in products)
    down2, right2 = down2 + _FLAT, right2 + _FLAT
    whole = down2 * right2 - both**2
    parts = lambda x: jnp.round(_PARTS * jnp.clip(-x / whole, -_MOST, _MOST)).astype(jnp.int32)
    return parts(down1 * right2 - right1 * both), parts(right1 * down2 - down1 * both)


def searched(fields: Fields) -> Places:
    """The rows and columns at which, block by block, the fields around fit best, evenly in time: what is at a place at
    time t was there plus these a field before, and will be there less these a field after."""
    *n, _, height, width = fields.shape
    inner = tuple(-(-side // block) * block for side, block in zip((height, width), BLOCK, strict=True))

    def padded(x: Array, reach: int) -> Array:
        margins = [(reach * SEARCH[i], reach * SEARCH[i] + inner[i] - (height, width)[i]) for i in range(2)]
        return jnp.pad(x, [(0, 0)] * len(n) + margins, mode="edge")

    first, before, now, after, last = (padded(fields[..., k, :, :], abs(k - REACH)) for k in range(5))
    line = padded((fields[..., REACH, :, :] + below(fields[..., REACH, :, :])) / 2, 0)

    def read(x: Array, times: int, step: Int[Array, "2"]) -> Array:
        start = [abs(times) * SEARCH[i] + times * step[i] for i in range(2)]
        return jax.lax.dynamic_slice(x, (*[0] * len(n), *start), (*n, *inner))

    def better(best, step):
        earlier, later = read(before, 1, step), read(after, -1, step)
        cost = jnp.abs(earlier - later) + jnp.abs((earlier + later) / 2 - line) / 2
        cost += (jnp.abs(read(first, 2, step) - now) + jnp.abs(read(last, -2, step) - now)) / 2
        length = jnp.sqrt((2 * jnp.abs(step[0]) + jnp.abs(step[1])).astype(cost.dtype))
        cost = _company(_block_sums(cost)) + _per_block(_LENGTH_COST * length)
        lower = cost < best[0]
        return (jnp.where(lower, cost, best[0]), jnp.where(lower[..., None], step, best[1])), None

    blocks = (*n, inner[0] // BLOCK[0], inner[1] // BLOCK[1])
    none = jnp.full(blocks, jnp.inf, fields.dtype), jnp.zeros((*blocks, 2), jnp.int32)
    (_, found), _ = jax.lax.scan(better, none, jnp.asarray(_steps()))
    return _spread(found[..., 0], (height, width)), _spread(found[..., 1], (height, width))


def _steps() -> Int[np.ndarray, "s 2"]:
    """Every one of the search, the shortest first."""
    rows, columns = (np.arange(-reach, reach + 1) for reach in SEARCH)
    steps = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    return steps[np.argsort(4 * steps[:, 0] ** 2 + steps[:, 1] ** 2, kind="stable")].astype(np.int32)


class Compensated(NamedTuple):
    """The fields around, where what they show is at time t: `before` and `after` on the missing lines, `first` and
    `last` on the known ones; `_between`: each on the other lines, between their rows."""

    first: Rows
    before: Rows
    after: Rows
    last: Rows
    first_between: Rows
    before_between: Rows
    after_between: Rows
    last_between: Rows


def compensated(fields: Fields, motion: tuple[Places, Places, Places, Places]) -> Compensated:
    half = _PARTS // 2
    own, between = [], []
    for k, (rows, columns) in zip((-2, -1, 1, 2), motion, strict=True):
        x = fields[..., REACH + k, :, :]
        own.append(_between(x, rows, columns))
        between.append(_between(x, rows + (half if k % 2 == 0 else -half), columns))
    return Compensated(*own, *between)


def _between(x: Rows, rows: Int[Array, "*n r w"], columns: Int[Array, "*n r w"]) -> Rows:
    """`x` read so many _PARTS-ths of a row down and of a column to the right of each place, by cubic interpolation."""
    phases = jnp.stack([_across(_down(x, k), m) for k in range(_PARTS) for m in range(_PARTS)], -3)
    *n, count, height, width = phases.shape
    which = (rows % _PARTS) * _PARTS + columns % _PARTS
    return _at(phases.reshape(*n, count * height, width), rows // _PARTS, columns // _PARTS, which, height)


def _read(x: Rows, rows: Int[Array, "*n r w"], columns: Int[Array, "*n r w"]) -> Rows:
    return _at(x, rows, columns, 0, x.shape[-2])


def _at(x, rows, columns, which, height: int) -> Rows:
    """What lies so many rows down and columns to the right in picture `which` of those that stand one upon another."""
    *n, _, width = x.shape
    row = (jnp.arange(height)[:, None] + rows).clip(0, height - 1) + height * which
    column = (jnp.arange(width) + columns).clip(0, width - 1)
    index = (row * width + column).reshape(*n, -1)
    return jnp.take_along_axis(x.reshape(*n, -1), index, -1).reshape(*n, height, width)


def _taps(part: int) -> Float[np.ndarray, "4"]:
    """Of the cubic convolution (Keys 1981, a = -0.5) at `part` _PARTS-ths of the way."""
    t = part / _PARTS
    return np.array([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]) / 2


def _down(x: Rows, part: int) -> Rows:
    return _weighted([above(x), x, below(x), below(below(x))], part)


def _across(x: Rows, part: int) -> Rows:
    return _weighted([_columns(x, k) for k in (-1, 0, 1, 2)], part)


def _weighted(four: list[Rows], part: int) -> Rows:
    """Between the second and the third, `part` _PARTS-ths of the way."""
    if not part:
        return four[1]
    a, b, c, d = (weight * x for weight, x in zip(_taps(part).tolist(), four, strict=True))
    return a + b + c + d


def _columns(x: Rows, step: int) -> Rows:
    """What lies `step` columns to the right; the edge is continued."""
    if step > 0:
        return jnp.concatenate([x[..., step:], *[x[..., -1:]] * step], -1)
    return jnp.concatenate([*[x[..., :1]] * -step, x[..., :step]], -1) if step else x


def _around(x: Rows, sides: tuple[int, int]) -> Rows:
    """The mean over so many rows and columns."""
    reach = [side // 2 for side in sides]
    x = jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(r, r) for r in reach], mode="edge")
    for axis, side in ((-2, sides[0]), (-1, sides[1])):
        length = x.shape[axis] - side + 1
        slices = [jax.lax.slice_in_dim(x, k, k + length, axis=axis) for k in range(side)]
        x = sum(slices[1:], slices[0]) / side
    return x
