"""Chains for what people mostly want, by name."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zoo.grain import Grain


class Preset(NamedTuple):
    about: str
    steps: str  # as --steps takes them


PRESETS: dict[str, Preset] = {
    "film-noise": Preset("noise of a sensor or a scanner off a film, by five frames", "denoise=film-gaussian"),
    "film-noise-fast": Preset("the same, frame by frame", "denoise=fast-gaussian,fuse"),
    "film-grain": Preset("the grain of film stock, which is softer than noise, by five frames", "denoise=film-grain"),
    "film-grain-fast": Preset("the same, frame by frame", "denoise=fast-grain,fuse"),
    "tv-to-hd": Preset(
        "television of 576 or 480 lines to 1920x1080, a picture a field", "deinterlace,upscale=1080p:model=upscale-tv"
    ),
    "old-film": Preset("flicker, dirt, scratches and grain off old film", "deflicker,repair,denoise=film-grain"),
}


_SOFT_PX = 0.5  # grain that is sharper is noise
_FAINT = 0.015  # noise below it looks soft by what lies under it, which a network for grain would take off too


def for_grain(found: "Grain | None", *, film: bool) -> tuple[str, str]:
    """The preset for grain that was measured, and why; None where no flat place shows any."""
    sharp, soft = ("film-noise", "film-grain") if film else ("film-noise-fast", "film-grain-fast")
    if found is None:
        return soft if film else sharp, "no place is flat enough to see what noise there is"
    seen = f"where it is flat there is noise of level {found.level:.3f}"
    if found.level < _FAINT:
        return "film-noise-fast", f"{seen}, which is faint"
    if found.correlation_px < _SOFT_PX:
        return sharp, f"{seen}, which is sharp as that of a sensor"
    return soft, f"{seen}, soft by {found.correlation_px:.1f} px as the grain of film stock is"


def model_chain(model: str, *, fuse: bool) -> str:
    """What -m NAME is short for. What looks at several frames by itself needs no `fuse`."""
    from zoo import registry
    from zoo.steps import grammar

    config = registry.config_of(model)
    if config.task == "upscale":
        return f"upscale={config.scale}x:model={grammar.escaped(str(model))}"
    fuse = fuse and not sum(config.frames)
    return f"denoise=model={grammar.escaped(str(model))}{',fuse' if fuse else ''}"
