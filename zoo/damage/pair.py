"""What a damage makes of clips: what a network sees, what it is to give, and what is known beside."""

from typing import NamedTuple

from jaxtyping import Array, Float


class Pair(NamedTuple):
    """`wanted` is nan where nobody knows it. `aside`: what else is known of each clip, by name, as levels [n], masks or
    motion."""

    seen: Float[Array, "n ..."]
    wanted: Float[Array, "n ..."]
    aside: dict[str, Array]
