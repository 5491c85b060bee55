"""Text of nobody's alphabet, for procedural clips: still titles, tickers and credits, of strokes as letters have them.

Each stroke is known exactly, so that letters of any size at any time have the right edges.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax, random
from jaxtyping import Array, Float, Int, Key

_LINES, _COLUMNS = 4, 24  # of letters, which then begin again
_PITCH = (1.7, 0.85)  # from line to line and from letter to letter, in heights of a letter
_SPACE = 0.2  # share of the places without a letter
_HEIGHT_PX = (7.0, 40.0)
_SLOWEST_PX, _FASTEST_PX = 0.3, 8.0
# (y, x) of both ends of each stroke, in heights of a letter: three across, four along, two aslant.
_STROKES = np.array(
    [
        [(0, 0), (0, 0.5)],
        [(0.5, 0), (0.5, 0.5)],
        [(1, 0), (1, 0.5)],
        [(0, 0), (0.5, 0)],
        [(0.5, 0), (1, 0)],
        [(0, 0.5), (0.5, 0.5)],
        [(0.5, 0.5), (1, 0.5)],
        [(0, 0.5), (0.5, 0)],
        [(0.5, 0), (1, 0.5)],
    ],
    np.float32,
)


class Text(NamedTuple):
    """`letters`: of each place, a bit for each stroke. `place`: of the first at time 0, (y, x) in px. `speed`: px a
    frame. `half`: of a stroke's width, in heights. `shape`: lines and columns, without end along the text's way."""

    letters: Int[Array, "l c"]
    place: Float[Array, "2"]
    speed: Float[Array, "2"]
    height: Float[Array, ""]
    half: Float[Array, ""]
    shape: Float[Array, "2"]
    colour: Float[Array, "3"]
    written: Array


def draw(key: Key[Array, ""], sides: tuple[int, int], *, share: float) -> Text:
    """A text for pictures of `sides`; in that `share` of the clips there is one."""
    keys = random.split(key, 4)
    u = random.uniform(keys[0], (12,))
    strokes = random.bits(keys[1], (_LINES, _COLUMNS)) % 2 ** len(_STROKES)
    written = random.uniform(keys[2], (_LINES, _COLUMNS)) > _SPACE
    speed = _SLOWEST_PX * (_FASTEST_PX / _SLOWEST_PX) ** u[0]
    speed = jnp.where(u[1] < 0.5, jnp.maximum(jnp.round(speed), 1), speed)  # broadcasters scroll by whole lines
    ticker, credits = (u[2] > 0.6) & (u[2] < 0.85), u[2] > 0.85  # and the others stand still
    endless = jnp.stack([credits, ticker])
    height = _HEIGHT_PX[0] * (_HEIGHT_PX[1] / _HEIGHT_PX[0]) ** u[3]
    bright = jnp.where(u[4] < 0.7, 0.8 + 0.2 * u[5], 0.15 * u[5])
    hue = 1 - 0.6 * random.uniform(keys[3], (3,)) * (u[6] < 0.3)
    return Text(
        letters=jnp.where(written, strokes, 0).astype(jnp.int32),
        place=u[7:9] * (jnp.array(sides) - jnp.array([1, 0.5]) * height),
        speed=jnp.where(endless, -speed * jnp.where(u[9] < 0.8, 1, -1), 0),
        height=height,
        half=0.04 + 0.05 * u[10],
        shape=jnp.where(endless, jnp.inf, jnp.stack([1 + jnp.floor(2 * u[11]), 3 + jnp.floor(20 * u[6])])),
        colour=bright * hue,
        written=random.uniform(random.fold_in(key, 4)) < share,
    )


def cover(grid: Float[Array, "h w 2"], t, text: Text) -> Float[Array, "h w"]:
    """How much of each pixel the text covers at time t, 0 to 1."""

    def strokes():
        at = (grid - text.place - text.speed * t) / text.height
        cell = jnp.floor(at / jnp.array(_PITCH))
        inside = ((cell >= 0) | jnp.isinf(text.shape)).all(-1) & (cell < text.shape).all(-1)
        within = at - cell * jnp.array(_PITCH) - 0.15
        line, column = (cell[..., i].astype(jnp.int32) % n for i, n in enumerate((_LINES, _COLUMNS)))
        letters, nearest = text.letters[line, column], jnp.full(grid.shape[:2], 1.0)
        for k, ((y, x), (y_end, x_end)) in enumerate(_STROKES):
            dy, dx = y_end - y, x_end - x
            y_off, x_off = within[..., 0] - y, within[..., 1] - x
            share = jnp.clip((y_off * dy + x_off * dx) / (dy**2 + dx**2), 0, 1)
            off = (y_off - share * dy) ** 2 + (x_off - share * dx) ** 2
            nearest = jnp.where(letters >> k & 1, jnp.minimum(nearest, off), nearest)
        ink = jnp.clip((text.half - jnp.sqrt(nearest)) * text.height + 0.5, 0, 2 * text.half * text.height)
        return jnp.where(inside, jnp.minimum(ink, 1), 0)

    return lax.cond(text.written, strokes, lambda: jnp.zeros(grid.shape[:2]))
