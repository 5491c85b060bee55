"""The plot of a comparison: PSNR, SSIM and flicker along the film."""

import importlib.util
import math
import warnings
from pathlib import Path

from zoo import files, palette
from zoo.errors import FlagError, visible
from zoo.film.compare.comparison import Comparison, time_code, worst

_KINDS = (".png", ".svg", ".pdf")
_A, _B, _BAD = palette.BLUE, palette.VERMILION, palette.WINE


def check(path: Path) -> None:
    """Raises FlagError where no plot can be drawn; asked before the work, not after it."""
    if path.suffix.lower() not in _KINDS:
        raise FlagError(f"--plot {path}: unknown picture suffix {path.suffix!r}; choose one of: {', '.join(_KINDS)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise FlagError("the plot needs matplotlib: pip install 'filmzoo[report]'")


def draw(found: Comparison, path: Path) -> None:
    """Writes the plot. Identical frames, whose PSNR is infinite, are dots at its top."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8), layout="constrained")
    psnr, ssim, flicker = figure.subplots(3, sharex=True)
    names = [visible(Path(film.name).name) for film in found.films]
    figure.suptitle(f"A: {names[0]}    B: {names[1]}", x=0.01, ha="left", parse_math=False)
    values = found.values["psnr_rgb"]
    psnr.plot(found.seconds, [v if math.isfinite(v) else math.nan for v in values], color=_A, marker=".", lw=1)
    if same := [t for t, v in zip(found.seconds, values, strict=True) if v == math.inf]:
        psnr.plot(same, [0.97] * len(same), ".", color=_B, transform=psnr.get_xaxis_transform(), label="identical")
        psnr.legend(loc="upper right", frameon=False)
    for k in worst(found)[:1]:
        at = found.seconds[k], values[k]
        psnr.plot(*at, "v", color=_BAD)
        psnr.annotate(f"lowest, {time_code(at[0])}", at, (6, 6), textcoords="offset points", color=_BAD)
    ssim.plot(found.seconds, found.values["ssim"], color=_A, marker=".", lw=1)
    for side, colour in (("a", _A), ("b", _B)):
        flicker.plot(found.seconds, found.values[f"flicker_{side}"], color=colour, marker=".", lw=1, label=side.upper())
    flicker.legend(loc="upper right", frameon=False)
    for axes, title in ((psnr, "PSNR, dB"), (ssim, "SSIM"), (flicker, "flicker, codes of 255")):
        axes.set_ylabel(title)
        axes.grid(color=palette.GRID)
        axes.ticklabel_format(axis="y", useOffset=False)
        axes.spines[["top", "right"]].set_visible(False)
    flicker.set_xlabel("seconds from the first frame")
    with files.whole(path) as part, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of a name in a script that no font here has
        figure.savefig(part, format=path.suffix[1:].lower(), dpi=110)
