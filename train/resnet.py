"""Trains the ResNet denoiser on pairs of clean and degraded pictures: python -m train.resnet --noise=gaussian"""

import dataclasses
import sys

from train.loop import loop
from train.paired import Paired, PairedSettings

PRESETS = {
    "small": {"network": "width=32"},
    "paper": {"network": "norm=batch", "loss": "l2"},
}


@dataclasses.dataclass(frozen=True)
class ResNetSettings(PairedSettings):
    pass


class ResNet(Paired):
    arch = "resnet"


main = loop.train_command("resnet", ResNetSettings, PRESETS, ResNet)

if __name__ == "__main__":
    sys.exit(main())
