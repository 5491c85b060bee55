"""A trained network made wider without changing what it computes (Net2Net: Chen et al. 2016): the narrow one's
training is not lost on the wide one, of which a crop costs several times as much.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from zoo.errors import FlagError
from zoo.models.densenet import DenseNetConfig
from zoo.models.resnet import ResNetConfig

# The networks whose wide features begin with the narrow ones' (folding between scales would interleave them), and the
# fields of their configs that may grow.
GROWS = {ResNetConfig: ("width",), DenseNetConfig: ("width", "growth")}


def check(narrow: Any, wide: Any) -> None:
    """Raises FlagError unless `wide` is the config of the same network with no less of anything."""
    fields = GROWS.get(type(narrow), ())
    given = {f.name: (getattr(narrow, f.name), getattr(wide, f.name)) for f in dataclasses.fields(narrow)}
    for name, (before, after) in given.items():
        if after != before and not (name in fields and after > before):
            grow = " and ".join(f"{field} may grow" for field in fields) or "none of its fields may change"
            raise FlagError(
                f"--network: {name}={after} does not fit weights of {name}={before}; of such weights {grow}"
            )


def widened(fresh: Any, trained: Any) -> Any:
    """The `fresh` arrays of the wide network with the `trained` ones of the narrow inside: what is new reads the old
    features, and is not read by them yet."""
    return jax.tree.map(_inside, fresh, trained)


def _inside(fresh: Array, trained: Array) -> Array:
    corner = tuple(slice(n) for n in trained.shape)
    if fresh.ndim > 1:  # [... in out]: old outputs from new inputs
        fresh = fresh.at[..., : trained.shape[-1]].set(0)
    return jnp.asarray(fresh).at[corner].set(trained)
