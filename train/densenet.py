"""Trains the DenseNet denoiser on pairs of clean and degraded pictures: python -m train.densenet --noise=gaussian"""

import dataclasses
import sys

from train.loop import loop
from train.paired import Paired, PairedSettings

PRESETS = {
    "small": {"network": "width=32,growth=16,blocks=2"},
    "paper": {"network": "norm=batch", "loss": "l2"},
}


@dataclasses.dataclass(frozen=True)
class DenseNetSettings(PairedSettings):
    pass


class DenseNet(Paired):
    arch = "densenet"


main = loop.train_command("densenet", DenseNetSettings, PRESETS, DenseNet)

if __name__ == "__main__":
    sys.exit(main())
