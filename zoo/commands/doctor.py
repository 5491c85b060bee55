"""`filmzoo doctor`: whether this installation works."""

import dataclasses
import importlib.metadata
import json
import platform
import time

_PACKAGES = ("filmzoo", "jax", "jaxlib", "flax", "numpy", "av", "pillow", "OpenImageIO", "onnx", "vapoursynth")
_ENCODERS = ("ffv1", "libx265", "prores_ks", "libsvtav1", "libx264")
_SIDE_PX = 256


@dataclasses.dataclass(frozen=True)
class Doctor:
    """Say, as JSON, whether this installation works: versions, devices, encoders, and one frame restored."""


def run(args: Doctor) -> int:
    print(json.dumps(report(), indent=1))
    return 0


def report() -> dict[str, object]:
    """All of it, by name; takes the time of one small frame."""
    import av
    import jax

    from zoo import registry

    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "ffmpeg": {name: ".".join(map(str, v)) for name, v in av.library_versions.items()},
        "devices": [f"{d.platform}: {d.device_kind}" for d in jax.local_devices()],
        "compilation cache": jax.config.values["jax_compilation_cache_dir"],
        "encoders": {name: _encodes(name) for name in _ENCODERS},
        "models with weights": [name for name in registry.names() if registry.has_weights(name)],
        "one frame": _one_frame(),
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _encodes(name: str) -> bool:
    import av
    from av.codec.codec import UnknownCodecError

    try:
        return av.Codec(name, "w").is_encoder
    except (UnknownCodecError, ValueError):
        return False


def _one_frame() -> str:
    """Restores noise with the first denoiser whose weights ship."""
    import numpy as np

    from zoo import registry
    from zoo.restorer import Restorer

    name = next((n for n, s in registry.SPECS.items() if s.task == "denoise" and registry.has_weights(n)), None)
    if name is None:
        return "no weights ship with this installation"
    restore, seconds = Restorer(name), []
    frame = np.random.default_rng(0).integers(0, 256, (_SIDE_PX, _SIDE_PX, 3), np.uint8)
    for _ in range(2):  # the first compiles
        begun = time.perf_counter()
        restore(frame)
        seconds.append(time.perf_counter() - begun)
    return f"{name}, {_SIDE_PX}x{_SIDE_PX} px: {seconds[1] * 1000:.0f} ms, after {seconds[0]:.1f} s to compile"
