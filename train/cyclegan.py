"""Trains the residual CycleGAN on UNPAIRED clean and degraded pictures: python -m train.cyclegan --noise=gaussian

Domain a is degraded, b is clean; g_ab restores, g_ba degrades; d_a judges pictures of a, d_b pictures of b. The two
domains are made of disjoint halves of the data. A loss sees the degraded pictures of one half and the clean ones of the
other, and nothing else.

--preset=paper is CycleGAN as published. The other presets keep its clean cycle b -> a -> b, d_a and the identity loss.
Their g_ba draws noise from a random input: a deterministic one hides the picture in the noise. Its levels are those
measured in degraded pictures. The cycle's gradient stops at g_ba.
"""

import dataclasses
import sys

from train.command import Command
from train.denoise import Denoise
from train.loop.lesson import own
from train.methods.cyclegan import CycleGanSettings
from train.methods.unpaired import UnpairedSettings
from zoo import flags

PUBLISHED = {field.name: field.default for field in dataclasses.fields(CycleGanSettings)}
PUBLISHED = {name: PUBLISHED[name] for name in ("generator", "dropout", *sorted(own(CycleGanSettings)))}


@dataclasses.dataclass(frozen=True)
class CycleGanFlags(UnpairedSettings):
    joint: bool = False
    """train all at once as published, both cycles and both discriminators; else g_ba against d_a, and g_ab on
    what g_ba makes, in turn"""


def method(settings: CycleGanFlags) -> str:
    """The published one where --joint says so."""
    if not settings.joint:
        return "unpaired"
    flags.refuse(settings, own(UnpairedSettings) - own(CycleGanSettings), "--joint")
    return "cyclegan"


COMMAND = Command(
    "cyclegan",
    Denoise,
    __doc__,
    method="unpaired",
    flags=CycleGanFlags,
    presets={"paper": {"joint": True, **PUBLISHED}},
    instead=method,
)
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
