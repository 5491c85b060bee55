"""One network learns from pairs: what it makes of the damaged is compared with the clean."""

import dataclasses
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from train.loop import state as st
from train.loop.lesson import Lesson
from train.loop.losses import PIXEL_LOSSES
from train.loop.method import Batch, Method
from train.loop.settings import Settings
from zoo.flags import among


@dataclasses.dataclass(frozen=True)
class PairedSettings(Settings):
    loss: Annotated[str, among(PIXEL_LOSSES)] = "charbonnier"
    """what the restored picture is compared with the clean one by"""


class Paired(Method):
    flags = PairedSettings
    settings: PairedSettings
    presets: ClassVar = {"paper": {"loss": "l2", "network": "norm=batch"}}

    def __init__(self, settings: Any, lesson: Lesson, steps: int):
        super().__init__(settings, lesson, steps)
        self.refuse_ignored(("dropout",), "pairs alone, which need no discriminator")
        self.nets = {"g": st.Net(self.network(), settings.precision)}
        self.optimisers = {"g": self.optimiser()}

    def update(self, step: int):
        return self.step

    def step(self, state: st.TrainState, batch: Batch, key: Key[Array, ""]):
        seen, wanted, _ = self.pairs(key, batch, state.step)

        def loss(params):
            restored, stats = self.nets["g"](params, state.stats["g"], seen, train=True)
            told = jnp.where(jnp.isnan(wanted), jax.lax.stop_gradient(restored), wanted)  # what is not known is right
            return PIXEL_LOSSES[self.settings.loss](restored, told), stats

        (value, stats), gradient = jax.value_and_grad(loss, has_aux=True)(state.params["g"])
        state = state._replace(stats={**state.stats, "g": stats})
        state = self.apply(state, "g", gradient, self.rate(state.step))
        return state._replace(step=state.step + 1), {"pixel": value}
