"""One network learns from pairs: what it makes of the damaged is compared with the clean."""

import dataclasses
from typing import Annotated, Any, ClassVar

import jax
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
        if lesson.own_loss:
            self.refuse_ignored(("loss",), "a lesson that has a loss of its own")
        self.nets = {"g": st.Net(self.network(), settings.precision)}
        self.optimisers = {"g": self.optimiser()}

    def update(self, step: int):
        return self.step

    def step(self, state: st.TrainState, batch: Batch, key: Key[Array, ""]):
        pair = self.pairs(key, batch, state.step)

        def loss(params):
            restored, stats = self.nets["g"](params, state.stats["g"], pair.seen, train=True)
            return self.lesson.loss(pair, restored, PIXEL_LOSSES[self.settings.loss]), stats

        (value, stats), gradient = jax.value_and_grad(loss, has_aux=True)(state.params["g"])
        state = state._replace(stats={**state.stats, "g": stats})
        state = self.apply(state, "g", gradient, self.rate(state.step))
        return state._replace(step=state.step + 1), {"pixel": value}
