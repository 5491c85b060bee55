"""What train.densenet, train.resnet and train.unet share: one network, pairs of clean and degraded pictures, one
loss."""

import dataclasses
from typing import Literal

import jax
from jaxtyping import Array, Key

from train.loop import degrade
from train.loop import state as st
from train.loop.losses import PIXEL_LOSSES
from train.loop.method import Batch, Task
from train.loop.settings import Settings, refuse_ignored, shipped_config


@dataclasses.dataclass(frozen=True)
class PairedSettings(Settings):
    loss: Literal["charbonnier", "l1", "l2", "psnr"] = "charbonnier"
    """what the restored picture is compared with the clean one by"""


class Paired(Task):
    """Base of the commands' tasks; `arch` is the first word of the models' names."""

    arch: str
    ships, averaged = "g", ("g",)
    settings: PairedSettings

    def __init__(self, settings: PairedSettings, steps: int):
        super().__init__(settings, steps)
        refuse_ignored(settings, {}, ("dropout",), f"train.{self.arch}, which has no discriminator")
        self.nets = {"g": st.Net(shipped_config(self.arch, settings), settings.precision)}
        self.optimisers = {"g": self.optimiser()}

    def update(self, step: int):
        return self.step

    def step(self, state: st.TrainState, batch: Batch, key: Key[Array, ""]):
        clean, degraded = degrade.pairs(key, batch["clean"], settings=self.settings, progress=self.progress(state.step))

        def loss(params):
            restored, stats = self.nets["g"](params, state.stats["g"], degraded, train=True)
            return PIXEL_LOSSES[self.settings.loss](restored, clean), stats

        (value, stats), gradient = jax.value_and_grad(loss, has_aux=True)(state.params["g"])
        state = state._replace(stats={**state.stats, "g": stats})
        state = self.apply(state, "g", gradient, self.rate(state.step))
        return state._replace(step=state.step + 1), {"pixel": value}
