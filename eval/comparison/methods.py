"""What is compared: the untouched item, the classical rivals, the networks that have weights.

Each method has a name, facts for the tables, and an identity for every condition: what its values depend on, so that
they are measured again when that changes and only then.
"""

import functools
import hashlib
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eval.comparison import options
from eval.comparison.task import Condition, Item, Task
from zoo import cards, registry
from zoo.errors import FlagError, ZooError
from zoo.models.network import NetworkConfig


@dataclass(frozen=True)
class Method:
    """The untouched item, and what methods have in common."""

    task: Task
    name: str
    kind: str  # "untouched", "filter" or "network"
    trials: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def identity(self, trial: str, condition: Condition) -> dict[str, Any]:
        """What the values depend on, besides the data and how they are degraded."""
        return {}

    def restore(self, trial: str, condition: Condition, degraded: Item) -> Item:
        """What this method, with what it knows about the trial, makes of an item under `condition`, in [0, 1]."""
        restored = np.asarray(self.restorer(trial, condition)(degraded))
        if not np.isfinite(restored).all():
            raise ZooError(f"{self.name} made values that are not finite; its weights or its options are broken")
        return restored.astype(np.float32, copy=False).clip(0, 1)

    def restorer(self, trial: str, condition: Condition) -> Callable[[Item], Item]:
        return self.task.untouched


@dataclass(frozen=True)
class Filter(Method):
    """A classical method, told the trial and the level, with the options tuned for them. Under an unseen condition it
    is told the trial still."""

    def identity(self, trial: str, condition: Condition) -> dict[str, Any]:
        return {"options": self._options(trial, condition), "code": _code(self.task.rivals[self.name].function)}

    def restorer(self, trial: str, condition: Condition) -> Callable[[Item], Item]:
        restore = functools.partial(self.task.rivals[self.name].function, **self._options(trial, condition))
        return lambda degraded: restore(jax.tree.map(jnp.asarray, degraded))

    def _options(self, trial: str, condition: Condition) -> dict[str, Any]:
        return options.tuned(self.task, self.name, trial, condition.level)


@dataclass(frozen=True)
class Network(Method):
    """A network with its weights. It is told nothing: neither trial nor level."""

    source: str = ""  # what registry.load takes

    def identity(self, trial: str, condition: Condition) -> dict[str, Any]:
        return {"weights_sha256": self.facts["weights_sha256"]}

    def restorer(self, trial: str, condition: Condition) -> Callable[[Item], Item]:
        return self._restorer

    @cached_property
    def _restorer(self) -> Callable[[Item], Item]:
        return self.task.restorer(self.source)


def choose_methods(task: Task, names: Sequence[str] | None) -> tuple[list[Method], list[str]]:
    """The methods called `names` and the untouched item, or all there are; and the networks without weights.

    A name is that of a rival, of a model of the zoo, or the folder of a training run. Raises FlagError for others,
    and ZooError for a model without weights that is asked for by name.
    """
    networks = [name for name, spec in registry.SPECS.items() if task.compared(spec.config)]
    if names is None:
        ready = [name for name in networks if registry.has_weights(name)]
        chosen = [*(name for name, rival in task.rivals.items() if rival.trials), *ready]
    else:
        chosen, ready = list(names), networks
    untouched = Method(task, "untouched", "untouched", tuple(task.trials))
    methods = [untouched] + [_filter(task, name) if name in task.rivals else _network(task, name) for name in chosen]
    for k, method in enumerate(methods):
        if method.name in (other.name for other in methods[:k]):
            raise FlagError(f"--models names {method.name} twice; rename one of the folders")
    return methods, [name for name in networks if name not in ready]


def _filter(task: Task, name: str) -> Filter:
    """One that is meant for no trial takes part in all, where it is asked for by name."""
    return Filter(task, name, "filter", task.rivals[name].trials or tuple(task.trials))


def _network(task: Task, name: str) -> Network:
    if name not in registry.SPECS and not Path(name).is_dir():
        known = ", ".join([*task.rivals, *registry.SPECS])
        raise FlagError(f"{name!r} is no filter, no model and no training run's folder; there are: {known}")
    card = registry.card(name)
    if name in registry.SPECS:
        made_for, called = registry.SPECS[name].noise, name
        reproduction = registry.SPECS[name].reproduction
    else:
        made_for, called = (card.get("recipe") or {}).get("noise"), Path(name).resolve().name
        reproduction = False
        called += "-run" if called in registry.SPECS or called in task.rivals else ""
    config = cards.config(card, Path(name))
    if not task.compared(config):
        raise FlagError(f"{name} is no network for {task.name}: its task is {config.task!r}, on {_looks(config)}")
    trials = task.takes_part(config, made_for)
    if not trials:
        compared = ", ".join(str(trial.scale) for trial in task.trials.values())
        raise FlagError(f"{name} makes pictures {config.scale} times larger; compared are those of: {compared}")
    facts = {
        "parameters": card.get("parameters"),
        "receptive_field_px": "whole picture" if config.halo is None else 2 * config.halo + 1,
        "trained": _training(card),
        "licence": card.get("licence"),
        "reproduction": reproduction,
        "weights_sha256": card["sha256"],
    }
    return Network(task, called, "network", trials, facts, source=name)


def _looks(config: NetworkConfig) -> str:
    return f"{1 + sum(config.frames)} frames" if sum(config.frames) else "one frame"


def _training(card: dict[str, Any]) -> dict[str, Any]:
    """Data, length and device of a card; of a folder only the end of its path, which is the same everywhere."""
    data, began = ((card.get(part) or {}).get(key) for part, key in (("data", "name"), ("recipe", "weights")))
    if data and not data.startswith("tfds:"):
        data = "/".join(Path(data).parts[-2:])
    about = {"data": data} | {key: card.get(key) for key in ("images", "seconds", "device")}
    return about | ({"after": Path(began.split()[0]).name} if began and began.strip() else {})


def _code(function: Callable) -> str:
    """The sha256 of the file that a rival stands in: values made by other code are measured again."""
    file = sys.modules[inspect.unwrap(function).__module__].__file__
    return hashlib.sha256(Path(str(file)).read_bytes()).hexdigest()
