"""Trains the DenseNet denoiser on pairs of clean and degraded pictures: python -m train.densenet --noise=gaussian"""

import dataclasses
import sys
from typing import Literal

import jax
from jaxtyping import Array, Key

from train import degrade, loop
from train import state as st
from train.losses import PIXEL_LOSSES
from train.settings import Settings, shipped_config
from train.task import Batch, Task

PRESETS = {
    "small": {"network": "width=32,growth=16,blocks=2,norm=none"},
    "full": {"network": "norm=none"},
    "paper": {"loss": "l2"},
}


@dataclasses.dataclass(frozen=True)
class DenseNetSettings(Settings):
    loss: Literal["charbonnier", "l1", "l2"] = "charbonnier"
    """what the restored picture is compared with the clean one by"""


class DenseNet(Task):
    """One network, one loss."""

    ships, averaged = "g", ("g",)
    settings: DenseNetSettings

    def __init__(self, settings: DenseNetSettings, steps: int):
        super().__init__(settings, steps)
        self.nets = {"g": st.Net(shipped_config("densenet", settings))}
        self.optimisers = {"g": st.Adam(b1=0.9, b2=0.999, l2=settings.l2, clip=settings.clip)}

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


main = loop.train_command("densenet", DenseNetSettings, PRESETS, DenseNet)

if __name__ == "__main__":
    sys.exit(main())
