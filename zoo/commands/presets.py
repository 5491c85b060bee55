"""`filmzoo presets`: chains that have a name."""

import dataclasses

from zoo.presets import PRESETS


@dataclasses.dataclass(frozen=True)
class Presets:
    """List the presets of `restore --preset`, with the steps that each stands for."""


def run(args: Presets) -> int:
    for name, preset in PRESETS.items():
        print(f"{name}: {preset.about}\n    --steps {preset.steps}")
    return 0
