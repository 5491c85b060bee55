"""Where PyAV's versions differ: how a file is opened, and what its exact numbers are."""

from fractions import Fraction
from typing import Any, Literal

import av
from av.container import InputContainer

# Words of a file that are no UTF-8 pass through as they are, which PyAV 19 does by itself and 18 where it is told.
_OPTIONS: dict[str, Any] = {"metadata_errors": "surrogateescape"} if hasattr(InputContainer, "metadata_errors") else {}


def container(file: Any, mode: Literal["r", "w"] = "r", **options: Any) -> Any:
    """What `av.open` gives, for reading or writing. `file`: a path, or an object with `read` or `write`."""
    return av.open(file, mode, **_OPTIONS, **options)


def exact(number: Any) -> Fraction:
    """A rate, a time base or a shape of samples, which FFmpeg's own rational (PyAV 19) would round in sums. One that
    the file does not say is false as PyAV gives it, and to be asked for that first."""
    return Fraction(number.numerator, number.denominator)
