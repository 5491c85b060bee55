"""Pictures made smaller, as upscalers are taught and measured: MATLAB's bicubic, rounded to 8 bits."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.damage.pair import Pair
from zoo.errors import FlagError
from zoo.resize import resized


def downscale(clips: Float[Array, "n *t h w 3"], *, scale: int) -> Pair:
    """What is seen is `scale` times smaller along each side. Raises FlagError where the sides do not divide by it."""
    height, width = clips.shape[-3:-1]
    if height % scale or width % scale:
        raise FlagError(f"{width}x{height} px do not divide by {scale}; choose another --crop")
    low = resized(clips, height // scale, width // scale, kernel="cubic")
    return Pair(jnp.round(255 * jnp.clip(low, 0, 1)) / 255, clips, {})
