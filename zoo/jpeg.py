"""What JPEG leaves of a picture (ITU-T T.81, 1992), on the device, for training pairs.

Baseline as the IJG's library writes it: 8 bits, chroma at half size (4:2:0), Annex K's example tables scaled by the
quality. Entropy coding loses nothing and is left out.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zoo import color
from zoo.color import Layout

SIDE = 8  # of a block
_LUMA = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
_CHROMA = """17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99"""
_TABLES = [np.array(table.split(), np.float32).reshape(SIDE, SIDE) for table in (_LUMA, _CHROMA, _CHROMA)]
_LAYOUTS = {
    1: Layout("grey", 8, full=True),
    3: Layout("yuv", 8, (2, 2), matrix="bt470bg", full=True, siting="center"),
}
_K = np.arange(SIDE)
_DCT = np.float32(np.cos((2 * _K + 1) * _K[:, None] * np.pi / 16) * np.where(_K, 0.5, 8**-0.5)[:, None])


def compressed(image: Float[Array, "n h w c"], quality: Float[Array, " n"]) -> Float[Array, "n h w c"]:
    """Pictures in [0, 1] after JPEG of a `quality` from 1 to 100 each; c is 1 or 3. What comes out has 8 bits."""
    layout = _LAYOUTS[image.shape[-1]]
    rgb = jnp.broadcast_to(image, (*image.shape[:3], 3))
    scale = jnp.where(quality < 50, 5000 / quality, 200 - 2 * quality)[:, None, None]
    planes = tuple(
        _quantised(plane, jnp.clip(jnp.floor((table * scale + 50) / 100), 1, 255))
        for plane, table in zip(color.from_rgb(rgb, layout=layout), _TABLES, strict=False)
    )
    rgb = color.to_rgb(planes, layout=layout)
    return jnp.round(255 * jnp.clip(rgb, 0, 1))[..., : image.shape[-1]] / 255


def _quantised(plane: Array, table: Float[Array, "n 8 8"]) -> Array:
    """Codes [n h w] after each block's cosine transform was rounded to multiples of the table."""
    n, h, w = plane.shape
    blocks = jnp.pad(plane.astype(jnp.float32) - 128, ((0, 0), (0, -h % SIDE), (0, -w % SIDE)), mode="edge")
    rows, columns = (side // SIDE for side in blocks.shape[1:])
    blocks = blocks.reshape(n, rows, SIDE, columns, SIDE)
    step = table[:, None, :, None]
    waves = jnp.round(jnp.einsum("ui,vj,nricj->nrucv", _DCT, _DCT, blocks) / step) * step
    plane = jnp.einsum("ui,vj,nrucv->nricj", _DCT, _DCT, waves).reshape(n, rows * SIDE, columns * SIDE)
    return jnp.clip(jnp.round(plane[:, :h, :w]) + 128, 0, 255)
