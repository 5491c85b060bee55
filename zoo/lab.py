"""Colours as they are seen: CIE L*a*b* of sRGB pictures, and how far two colours lie apart (CIEDE2000)."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# IEC 61966-2-1, D65; rows X, Y, Z.
_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_WHITE = np.array([0.95047, 1.0, 1.08883])
Colour = Float[Array, "*n 3"]


def to_lab(rgb: Colour) -> Colour:
    """L* from 0 to 100, a*, b*, of encoded sRGB in [0, 1]."""
    rgb = jnp.clip(rgb, 0, 1)
    linear = jnp.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    x = linear @ (_XYZ.T / _WHITE)
    f = jnp.where(x > 0.008856, jnp.cbrt(jnp.maximum(x, 1e-9)), 7.787 * x + 16 / 116)
    return jnp.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def of_lab(lab: Colour) -> Colour:
    """Encoded sRGB in [0, 1] of L*, a*, b*; what sRGB does not hold is taken to its edge."""
    y = (lab[..., 0] + 16) / 116
    f = jnp.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    x = jnp.where(f > 0.2068966, f**3, (f - 16 / 116) / 7.787)
    linear = jnp.clip(x @ np.linalg.inv(_XYZ.T / _WHITE), 0, 1)
    return jnp.where(linear > 0.0031308, 1.055 * jnp.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055, 12.92 * linear)


def ciede2000(a: Colour, b: Colour) -> Float[Array, "*n"]:
    """The difference of colours of encoded sRGB; 1 is about the least that is seen (Sharma et al. 2005, eqs. 2-22)."""
    (l1, a1, b1), (l2, a2, b2) = (jnp.moveaxis(to_lab(x), -1, 0) for x in (a, b))
    chroma = (_length(a1, b1) + _length(a2, b2)) / 2
    g = 1.5 - 0.5 * jnp.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    c1, c2 = _length(g * a1, b1), _length(g * a2, b2)
    h1, h2 = (jnp.degrees(jnp.arctan2(y, g * x)) % 360 for x, y in ((a1, b1), (a2, b2)))
    grey = c1 * c2 < 1e-9
    turn = jnp.where(grey, 0, (h2 - h1 + 180) % 360 - 180)
    middle = jnp.where(jnp.abs(h1 - h2) <= 180, (h1 + h2) / 2, (h1 + h2 + 360) / 2 % 360)
    hue = jnp.where(grey, h1 + h2, middle)
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    wave = lambda times, plus: jnp.cos(jnp.radians(times * hue + plus))
    t = 1 - 0.17 * wave(1, -30) + 0.24 * wave(2, 0) + 0.32 * wave(3, 6) - 0.20 * wave(4, -63)
    s_l = 1 + 0.015 * (light - 50) ** 2 / jnp.sqrt(20 + (light - 50) ** 2)
    s_c, s_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    angle = jnp.radians(30 * jnp.exp(-(((hue - 275) / 25) ** 2)))
    r = -2 * jnp.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * jnp.sin(2 * angle)
    d_l, d_c = (l2 - l1) / s_l, (c2 - c1) / s_c
    d_h = 2 * jnp.sqrt(c1 * c2) * jnp.sin(jnp.radians(turn) / 2) / s_h
    return jnp.sqrt(jnp.maximum(d_l**2 + d_c**2 + d_h**2 + r * d_c * d_h, 0))


def _length(x: Array, y: Array) -> Array:
    return jnp.sqrt(x**2 + y**2 + 1e-20)
