"""Six looks that a colourist might make, to learn and to be measured by. They share nothing with the random looks of
`zoo.looks.space`, from which the space of looks is learned; or learning would know the answers.

Each takes colours [n 3] in [0, 1] and gives such.
"""

import colorsys

import numpy as np

from zoo.looks.space import Colours

_GREY = np.array([0.2126, 0.7152, 0.0722])


def teal_orange(x: Colours) -> Colours:
    """Contrast, then shadows to teal and lights to orange, as a ring of three wheels does it."""
    x = _contrast(x, 0.5)
    luma = _luma(x)
    shadows, lights = np.clip(1 - luma / 0.7, 0, 1), np.clip((luma - 0.3) / 0.7, 0, 1)
    x = x + shadows * [-0.05, 0.02, 0.06] + lights * [0.06, 0.01, -0.07]
    return np.clip(_saturated(x, 1.1), 0, 1)


def print_film(x: Colours) -> Colours:
    """Densities of a negative through dyes that are impure, printed with a toe and a shoulder, on a warm base."""
    dyes = np.array([[0.90, 0.07, 0.03], [0.05, 0.89, 0.06], [0.02, 0.10, 0.88]])
    black, white = _printed(np.array([0.0, 1.0]))
    printed = (_printed(x, dyes) - black) / (white - black)
    base, paper = np.array([0.02, 0.022, 0.035]), np.array([1.0, 0.97, 0.9])
    return np.clip(base + (paper - base) * printed, 0, 1)


def _printed(x: np.ndarray, dyes: np.ndarray | None = None) -> np.ndarray:
    """The light through the print of encoded light, encoded."""
    exposure = np.log10(np.clip(x, 0, 1) ** 2.2 + 0.01)
    exposure = exposure if dyes is None else exposure @ dyes.T
    return 10 ** (-2.3 / (1 + np.exp(2.5 * (exposure + 0.75))) / 2.2)


def hue_selective(x: Colours) -> Colours:
    """Greens less and yellower, blues more and nearer to cyan; the rest stays."""
    hsv = np.array([colorsys.rgb_to_hsv(*colour) for colour in x])
    near = lambda hue, width: np.exp(-(((hsv[:, 0] - hue + 0.5) % 1 - 0.5) ** 2) / (2 * width**2))
    green, blue = near(0.33, 0.08), near(0.62, 0.09)
    hue = hsv[:, 0] - 0.075 * green - 0.06 * blue
    saturation = hsv[:, 1] * (1 - 0.25 * green + 0.25 * blue)
    hsv = np.stack([hue % 1, saturation.clip(0, 1), hsv[:, 2]], -1)
    turned = np.array([colorsys.hsv_to_rgb(*colour) for colour in hsv])
    return np.clip(turned, 0, 1)


def lift_gamma_gain(x: Colours) -> Colours:
    """The three wheels, then the more colour the nearer the luma is to its middle."""
    lift, gamma, gain = np.array([0.03, 0.0, -0.02]), np.array([1.1, 1.0, 0.94]), np.array([1.07, 1.0, 0.92])
    x = np.clip(gain * (x + lift * (1 - x)), 0, 1) ** (1 / gamma)
    luma = _luma(x)
    return np.clip(luma + (x - luma) * (0.5 + 2 * luma * (1 - luma)), 0, 1)


def cross_process(x: Colours) -> Colours:
    """Slide film in the negative's bath: red and green become steep, blue flat."""
    red, green, blue = np.moveaxis(np.asarray(x, np.float64), -1, 0)
    curves = [_contrast(red, 1.2) ** 0.9, _contrast(green, 0.8), 0.12 + 0.75 * blue**0.95]
    return np.clip(np.stack(curves, -1), 0, 1)


def bleach_bypass(x: Colours) -> Colours:
    """Silver left in the print: the picture under its own grey, overlaid."""
    luma, pale = _luma(x), _saturated(x, 0.5)
    overlaid = np.where(luma < 0.5, 2 * pale * luma, 1 - 2 * (1 - pale) * (1 - luma))
    return np.clip(0.4 * pale + 0.6 * overlaid, 0, 1)


def as_shot(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture as a camera may bring it: darker or brighter, with a cast, of another gamma."""
    exposure, cast = np.exp(rng.normal(0, 0.35)), np.exp(rng.normal(0, 0.12, 3))
    return np.clip(np.clip(x * exposure * cast, 0, 1) ** np.exp(rng.normal(0, 0.12)), 0, 1)


def balanced(x: Colours) -> Colours:
    """What a colourist does to a picture first: takes most of its cast off, brings its middle near 0.42."""
    means = x.mean(0)
    gain = (means.mean() / means) ** 0.6
    power = np.log(0.42) / np.log(np.clip(np.median(_luma(x * gain)), 0.05, 0.9))
    return np.clip(np.clip(x * gain, 0, 1) ** (1 + 0.7 * (power - 1)), 0, 1)


def _luma(x: Colours) -> np.ndarray:
    return (x @ _GREY)[:, None]


def _saturated(x: Colours, by: float) -> Colours:
    return _luma(x) + by * (x - _luma(x))


def _contrast(x: np.ndarray, share: float) -> np.ndarray:
    """Towards an S between 0 and 1; a share above 1 goes beyond it."""
    return np.clip(x + share * (3 * x**2 - 2 * x**3 - x), 0, 1)


LOOKS = {
    "teal and orange": teal_orange,
    "print film": print_film,
    "hue-selective": hue_selective,
    "lift, gamma, gain": lift_gamma_gain,
    "cross process": cross_process,
    "bleach bypass": bleach_bypass,
}
