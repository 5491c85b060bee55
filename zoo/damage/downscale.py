"""Pictures made smaller, as upscalers are taught and measured: MATLAB's bicubic, rounded to 8 bits."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.damage.pair import Pair
from zoo.resize import resized


def downscale(clips: Float[Array, "n *t h w 3"], *, scale: int) -> Pair:
    """What is seen is `scale` times smaller along each side. What does not divide by it is cut off at the right and at
    the bottom first."""
    height, width = (side // scale for side in clips.shape[-3:-1])
    wanted = clips[..., : scale * height, : scale * width, :]
    low = resized(wanted, height, width, kernel="cubic")
    return Pair(jnp.round(255 * jnp.clip(low, 0, 1)) / 255, wanted, {})
