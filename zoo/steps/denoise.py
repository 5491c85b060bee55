"""Noise and grain taken off by a network of the zoo, each picture by itself or by its neighbours too."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo import registry
from zoo.errors import FlagError
from zoo.models.network import NetworkConfig, check_same_size, check_task
from zoo.steps.step import NOISY, Aside, Kind, Moment, Picture, Window, groups, successors


@dataclasses.dataclass(frozen=True)
class Denoise:
    """Takes off noise and grain with a network."""

    model: Annotated[str, "a model of `zoo models`, a training run's folder, or a file of weights"]
    strength: Annotated[float, "share of the network's change that is applied, 0 to 1"] = 1.0

    on: ClassVar[str] = "rgb"
    rate: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"network"})
    gives: ClassVar[frozenset[str]] = frozenset({NOISY})
    together: ClassVar[bool] = True

    def __post_init__(self):
        if not 0 <= self.strength <= 1:
            raise FlagError(f"denoise: strength={self.strength:g} must be from 0 to 1")

    @functools.cached_property
    def _config(self) -> NetworkConfig:
        return registry.config_of(self.model)

    @property
    def reach(self) -> tuple[int, int]:
        """As far as the network looks."""
        return self._config.frames

    def kind(self, kind: Kind) -> Kind:
        registry.card(self.model)  # an unknown one, before any work
        check_task(self.model, self._config, "denoise")
        check_same_size(self.model, self._config)
        return kind

    def __call__(self, windows: Sequence[Window], aside: Aside) -> list[list[Moment]]:
        assert aside.network
        network, made = aside.network(self.model), []
        for group in groups(windows, network.at_once(*windows[0].now.rgb.shape[:2])):
            noisy = [window.now.rgb for window in group]
            restored = network.on_device(_stacked([self._row(window) for window in group]))
            if self.strength < 1:
                restored = jnp.stack(noisy) + self.strength * (restored - jnp.stack(noisy))
            made += [successors(window.now, [restored[k]], **{NOISY: noisy[k]}) for k, window in enumerate(group)]
        return made

    def _row(self, window: Window) -> list[Picture]:
        """The pictures that the network looks at, in time's order; beyond the shot's ends the nearest once more."""
        (before, after), row = self.reach, [moment.rgb for moment in (*window.before, window.now, *window.after)]
        return row[:1] * (before - len(window.before)) + row + row[-1:] * (after - len(window.after))

    def at_once(self, kind: Kind, aside: Aside) -> int:
        assert aside.network
        return aside.network(self.model).at_once(kind.height, kind.width)

    def identity(self) -> dict[str, Any]:
        return {"weights": {self.model: registry.card(self.model)["sha256"]}, "strength": self.strength}


@jax.jit
def _stacked(rows: list[list[Picture]]) -> Float[Array, "n h w c"]:
    """The pictures of each row in channels; compiled, so that nothing but the batch is made."""
    return jnp.stack([jnp.concatenate(row, axis=-1) for row in rows])
