"""Trains the residual dense U-Net on pairs of clean and degraded pictures: python -m train.unet --noise=gaussian"""

import sys

from train.command import Command
from train.denoise import Denoise

COMMAND = Command("unet", Denoise, __doc__, method="paired", network="unet")
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
