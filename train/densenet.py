"""Trains the DenseNet denoiser on pairs of clean and degraded pictures: python -m train.densenet --noise=gaussian"""

import sys

from train.command import Command
from train.denoise import Denoise

COMMAND = Command("densenet", Denoise, __doc__, method="paired", network="densenet")
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
