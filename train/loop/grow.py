"""A trained network made wider or deeper without changing what it computes (Net2Net: Chen et al. 2016): the small one's
training is not lost on the large one, of which a crop costs several times as much.
"""

import dataclasses
from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from zoo.errors import FlagError
from zoo.models.densenet import DenseNetConfig
from zoo.models.film import FilmConfig
from zoo.models.resnet import ResNetConfig
from zoo.models.upscale import UpscaleConfig

# The networks whose wide features begin with the narrow ones' (folding between scales would interleave them) and whose
# new blocks can begin as the identity, and the fields of their configs that may grow.
GROWS = {
    ResNetConfig: ("width", "blocks"),
    FilmConfig: ("width", "blocks"),
    DenseNetConfig: ("width", "growth"),
    UpscaleConfig: ("width", "blocks"),
}
# What a lesson sets, whatever the weights had, and the layers that then begin anew.
ANEW: dict[type, dict[str, str]] = {UpscaleConfig: {"scale": "exit"}}


def as_taught(small: Any, config: Any) -> Any:
    """The config of trained weights with what the lesson sets as its own `config` has it. What looks at several frames
    may begin with the ResNet that looks at one, and is then as large."""
    if isinstance(config, FilmConfig) and isinstance(small, ResNetConfig) and not small.impulse and small.fold == 2:
        return dataclasses.replace(config, width=small.width, blocks=small.blocks)
    set_by_lesson = ANEW.get(type(small), {})
    return dataclasses.replace(small, **{name: getattr(config, name) for name in set_by_lesson})


def anew(small: Any, large: Any) -> set[str]:
    """The layers that the large network does not take from the small one."""
    return {layer for name, layer in ANEW.get(type(small), {}).items() if getattr(small, name) != getattr(large, name)}


def check(small: Any, large: Any) -> None:
    """Raises FlagError unless `large` is the config of the same network with no less of anything."""
    fields, small = GROWS.get(type(small), ()), as_taught(small, large)
    given = {f.name: (getattr(small, f.name), getattr(large, f.name)) for f in dataclasses.fields(small)}
    for name, (before, after) in given.items():
        if after != before and not (name in fields and after > before):
            grow = " and ".join(f"{field} may grow" for field in fields) or "none of its fields may change"
            raise FlagError(
                f"--network: {name}={after} does not fit weights of {name}={before}; of such weights {grow}"
            )


def grown(fresh: Any, trained: Any, anew: Collection[str] = ()) -> Any:
    """The `fresh` arrays of the large network with the `trained` ones of the small inside: new channels read the old,
    and are not read by them yet; new residual blocks add nothing yet. The layers `anew` stay fresh."""
    if isinstance(fresh, tuple):  # parameters, statistics
        return tuple(grown(part, known, anew) for part, known in zip(fresh, trained, strict=True))
    if not isinstance(fresh, dict):
        return _inside(fresh, trained)
    known = {name: part for name, part in trained.items() if name not in anew}
    return {name: grown(part, known[name]) if name in known else _idle(part) for name, part in fresh.items()}


def _inside(fresh: Array, trained: Array) -> Array:
    corner = tuple(slice(n) for n in trained.shape)
    if fresh.ndim > 1:  # [... in out]: old outputs from new inputs
        fresh = fresh.at[..., : trained.shape[-1]].set(0)
    return jnp.asarray(fresh).at[corner].set(trained)


def _idle(block: dict[str, Any]) -> dict[str, Any]:
    """A residual block, of which the last convolution is zero; what else a network has of it (statistics) as it is."""
    return {name: jax.tree.map(jnp.zeros_like, part) if name == "second" else part for name, part in block.items()}
