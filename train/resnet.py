"""Trains the ResNet denoiser on pairs of clean and degraded pictures: python -m train.resnet --noise=gaussian"""

import sys

from train.command import Command
from train.denoise import Denoise

COMMAND = Command("resnet", Denoise, __doc__, method="paired", network="resnet")
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
