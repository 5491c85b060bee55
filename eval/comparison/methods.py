"""What is compared: the untouched picture, the classical filters, the networks that have weights.

Each method has a name, facts for the tables, and an identity for every condition: what its values depend on, so that
they are measured again when that changes and only then.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from eval import tune
from eval.comparison.conditions import NOISES, Condition
from zoo import cards, filters, registry
from zoo.errors import FlagError, ZooError
from zoo.restorer import Restorer

Stack = Float[np.ndarray, "n h w 3"]

# What the paper says of its CycleGAN, in its Table 2; it does not say at which level of noise.
CLAIMS = {
    "gaussian": {"psnr": 30.1, "ssim": 0.88, "mae": 0.038},
    "salt_and_pepper": {"psnr": 29.5, "ssim": 0.85},
}


@dataclass(frozen=True)
class Method:
    """The untouched picture, and what methods have in common."""

    name: str = "untouched"
    kind: str = "untouched"  # or "filter", or "network"
    noises: tuple[str, ...] = NOISES
    facts: dict[str, Any] = field(default_factory=dict)

    def identity(self, noise: str, condition: Condition) -> dict[str, Any]:
        """What the values depend on, besides the pictures and their noise."""
        return {}

    def restore(self, noise: str, condition: Condition, pictures: Stack) -> Stack:
        """Pictures under `condition`, restored by what this method knows about `noise`."""
        return pictures


@dataclass(frozen=True)
class Filter(Method):
    """A classical filter, told the noise and its level, with the options tuned for them."""

    kind: str = "filter"

    def identity(self, noise: str, condition: Condition) -> dict[str, Any]:
        return {"options": getattr(self._told(noise, condition), "keywords", {}), "code": _code()}

    def restore(self, noise: str, condition: Condition, pictures: Stack) -> Stack:
        restore = self._told(noise, condition)
        return _sound(self.name, np.stack([np.asarray(restore(jnp.asarray(picture))) for picture in pictures]))

    def _told(self, noise: str, condition: Condition) -> Callable:
        """Under an unseen condition a filter is told the noise of the comparison still."""
        return tune.tuned(self.name, noise, condition.level)


@dataclass(frozen=True)
class Network(Method):
    """A network with its weights. It is told nothing: neither noise nor level."""

    kind: str = "network"
    source: str = ""  # what registry.load takes

    def identity(self, noise: str, condition: Condition) -> dict[str, Any]:
        return {"weights_sha256": self.facts["weights_sha256"]}

    def restore(self, noise: str, condition: Condition, pictures: Stack) -> Stack:
        return _sound(self.name, np.asarray(self.restorer(pictures)))

    @cached_property
    def restorer(self) -> Restorer:
        return Restorer(self.source)


def choose_methods(names: Sequence[str] | None) -> tuple[list[Method], list[str]]:
    """The methods called `names` and the untouched picture, or all there are; and the networks without weights.

    A name is that of a filter, of a model of the zoo, or the folder of a training run. Raises FlagError for others,
    and ZooError for a model without weights that is asked for by name.
    """
    networks = [name for name, spec in registry.SPECS.items() if spec.task == "denoise"]
    if names is None:
        ready = [name for name in networks if registry.has_weights(name)]
        chosen = [*(name for name, row in filters.FILTERS.items() if row.noises), *ready]
    else:
        chosen, ready = list(names), networks
    methods = [Method()] + [_filter(name) if name in filters.FILTERS else _network(name) for name in chosen]
    for k, method in enumerate(methods):
        if method.name in (other.name for other in methods[:k]):
            raise FlagError(f"--models names {method.name} twice; rename one of the folders")
    return methods, [name for name in networks if name not in ready]


def _filter(name: str) -> Filter:
    """One that is meant for neither noise is compared on both, where it is asked for by name."""
    return Filter(name, noises=tuple(noise for noise in NOISES if noise in filters.FILTERS[name].noises) or NOISES)


def _network(name: str) -> Network:
    if name not in registry.SPECS and not Path(name).is_dir():
        known = ", ".join([*filters.FILTERS, *registry.SPECS])
        raise FlagError(f"{name!r} is no filter, no model and no training run's folder; there are: {known}")
    card = registry.card(name)
    if name in registry.SPECS:
        made_for, called = registry.SPECS[name].noise, name
    else:
        made_for, called = (card.get("recipe") or {}).get("noise"), Path(name).resolve().name
        called += "-run" if called in registry.SPECS or called in filters.FILTERS else ""
    config = cards.config(card, Path(name))
    if config.task != "denoise":
        raise FlagError(f"{name} does not restore pictures: its task is {config.task!r}")
    facts = {
        "parameters": card.get("parameters"),
        "receptive_field_px": "whole picture" if config.halo is None else 2 * config.halo + 1,
        "trained": _training(card),
        "licence": card.get("licence"),
        "weights_sha256": card["sha256"],
    }
    return Network(called, noises=(made_for,) if made_for in NOISES else NOISES, facts=facts, source=name)


def _training(card: dict[str, Any]) -> dict[str, Any]:
    """Data, length and device of a card; of a folder only the end of its path, which is the same everywhere."""
    data, began = ((card.get(part) or {}).get(key) for part, key in (("data", "name"), ("recipe", "weights")))
    if data and not data.startswith("tfds:"):
        data = "/".join(Path(data).parts[-2:])
    about = {"data": data} | {key: card.get(key) for key in ("images", "seconds", "device")}
    return about | ({"after": Path(began.split()[0]).name} if began and began.strip() else {})


def _sound(name: str, pictures: Stack) -> Stack:
    if not np.isfinite(pictures).all():
        raise ZooError(f"{name} made values that are not finite; its weights or its options are broken")
    return pictures.astype(np.float32, copy=False).clip(0, 1)


def _code() -> str:
    """The sha256 of the filters' code: values made by other code are measured again."""
    return hashlib.sha256(Path(filters.__file__).read_bytes()).hexdigest()
