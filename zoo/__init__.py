"""filmzoo: a model zoo that restores film and television pictures, in JAX and Flax.

import zoo
restore = zoo.Restorer("runs/cyclegan-gaussian")  # a training run's folder, or a model whose weights ship
clean = restore(noisy)  # [h w c], uint8, uint16 or float in [0, 1]; the same kind comes back
zoo.Chain("denoise=fast-gaussian,fuse").film("reel.mkv", "clean.mkv")
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.errors import FlagError, InputError, OutOfMemory, ZooError
    from zoo.library import Chain
    from zoo.registry import SPECS, Spec, build, card, load, names
    from zoo.restorer import Restorer

__all__ = [
    "SPECS",
    "Chain",
    "FlagError",
    "InputError",
    "OutOfMemory",
    "Restorer",
    "Spec",
    "ZooError",
    "build",
    "card",
    "load",
    "names",
]

_ERRORS = ("FlagError", "InputError", "OutOfMemory", "ZooError")


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that `filmzoo --help` need not wait for JAX and Flax."""
    if name not in __all__:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    homes = {"Restorer": "restorer", "Chain": "library"} | dict.fromkeys(_ERRORS, "errors")
    home = homes.get(name, "registry")
    return getattr(importlib.import_module(f"zoo.{home}"), name)
