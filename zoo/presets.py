"""Chains for what people mostly want, by name."""

from typing import NamedTuple


class Preset(NamedTuple):
    about: str
    steps: str  # as --steps takes them


PRESETS: dict[str, Preset] = {
    "film-noise": Preset("noise of a sensor or a scanner off a film", "denoise=resnet-gaussian,fuse"),
    "film-noise-fast": Preset("the same, at three times the speed", "denoise=fast-gaussian,fuse"),
    "film-grain-fast": Preset("the grain of film stock, which is softer than noise", "denoise=fast-grain,fuse"),
}


def model_chain(model: str, *, fuse: bool) -> str:
    """What -m NAME is short for."""
    from zoo.steps import grammar

    return f"denoise=model={grammar.escaped(str(model))}{',fuse' if fuse else ''}"
