"""How a film's pictures are turned and mirrored when they are shown: the display matrix that its file holds."""

import math
import struct
from typing import Any

import numpy as np

from zoo.film import pyav

# FFmpeg's nine numbers by rows, of 16 bits after the point, in the last column of 30: (x, y, 1) times the matrix is
# where a point is shown.
Matrix = tuple[int, ...]
_ONE = 1 << 16
_AS_STORED = (_ONE, 0, 0, _ONE)  # x of x, y of x, x of y, y of y
_SHARE = 1 / 1000  # of a pixel that a turned pixel may lack: numbers are rounded


def of(frame: Any) -> Matrix | None:
    """A frame's matrix; None where it is shown as it is stored."""
    held = pyav.side_data(frame).get("DISPLAYMATRIX")
    matrix = None if held is None else struct.unpack("=9i", held)
    return None if matrix is None or _turn(matrix) == _AS_STORED else matrix


def _turn(matrix: Matrix) -> tuple[int, ...]:
    """The matrix without the place of the picture."""
    return matrix[0], matrix[1], matrix[3], matrix[4]


def words(matrix: Matrix) -> str:
    """What a matrix does, in its order: it turns against the clock, then mirrors left and right."""
    a, b, c, d = _turn(matrix)
    mirrored = a * d - b * c < 0
    degrees = round(math.degrees(math.atan2(-b, -a if mirrored else a))) % 360
    done = {f"rotation by {degrees} degrees": degrees, "mirroring": mirrored, "scaling": not is_turn(matrix)}
    return " and ".join(word for word, whether in done.items() if whether)


def is_turn(matrix: Matrix) -> bool:
    """Whether a matrix turns and mirrors alone: it neither scales nor shears."""
    a, b, c, d = (number / _ONE for number in _turn(matrix))
    return max(abs(a * a + b * b - 1), abs(c * c + d * d - 1), abs(a * c + b * d)) < _SHARE


def is_sideways(matrix: Matrix | None) -> bool:
    """Whether `shown` lets width and height change places."""
    return _quarters(matrix)[1] != 0


def shown(pictures: np.ndarray, matrix: Matrix | None) -> np.ndarray:
    """Pictures [n h w c] as they are shown, where a matrix turns by quarters; else as they are stored."""
    a, b, c, d = _quarters(matrix)
    if b:  # x and y change places
        return pictures.swapaxes(1, 2)[:, ::b, ::c]
    return pictures[:, ::d, ::a]


def _quarters(matrix: Matrix | None) -> tuple[int, ...]:
    """The turn in whole numbers; where it is by another angle or scales, none."""
    turn = _AS_STORED if matrix is None or not is_turn(matrix) else _turn(matrix)
    a, b, c, d = (round(number / _ONE) for number in turn)
    return (a, b, c, d) if abs(a * d - b * c) == 1 and a * b == 0 else (1, 0, 0, 1)
