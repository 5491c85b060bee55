"""filmzoo: a model zoo that restores film and television pictures, in JAX and Flax.

    import zoo
    restore = zoo.Restorer("cyclegan-gaussian")
    clean = restore(noisy)  # [h w c], uint8, uint16 or float in [0, 1]; the same kind comes back
"""

from zoo.errors import FlagError, InputError, OutOfMemory, ZooError
from zoo.registry import SPECS, Spec, build, card, load, names
from zoo.restorer import Restorer

__all__ = [
    "SPECS",
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
