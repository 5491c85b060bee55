"""Trains the residual dense U-Net on pairs of clean and degraded pictures: python -m train.unet --noise=gaussian"""

import dataclasses
import sys

from train.loop import loop
from train.paired import Paired, PairedSettings

PRESETS = {
    "small": {"network": "width=24,growth=12"},
    "paper": {"network": "norm=batch", "loss": "l2"},
}


@dataclasses.dataclass(frozen=True)
class UNetSettings(PairedSettings):
    pass


class UNet(Paired):
    arch = "unet"


main = loop.train_command("unet", UNetSettings, PRESETS, UNet)

if __name__ == "__main__":
    sys.exit(main())
