"""Trains the GAN: python -m train.gan --noise=gaussian

--goal=restore conditions the generator on a degraded picture (adversarial and pixel loss; the judge sees the degraded
picture beside the clean or restored one). --goal=generate makes pictures from a random vector, by the minimax game
alone.
"""

import sys

from train.command import Command
from train.denoise import Denoise

COMMAND = Command("gan", Denoise, __doc__, method="gan")
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
