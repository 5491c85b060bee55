"""What the zoo's networks are to reach on CBSD68, blind over all levels, and by how much they do or do not."""

import dataclasses
import itertools
from collections.abc import Sequence

from eval.comparison.conditions import LEVELS, Condition
from eval.comparison.summary import Row, family
from zoo.numbers import parsed
from zoo.registry import PHOTOS

CBSD68 = "4e276e6183aeb09b"  # how the sha256 of its pictures begins
LEAVES_DB = 0.4  # by which networks that saw no photograph may stay below


@dataclasses.dataclass(frozen=True)
class Goal:
    """A PSNR at each of LEVELS, dB, for the best of some networks, whichever pictures it learned from."""

    title: str
    networks: tuple[str, ...]
    least: tuple[float, ...]
    most_parameters: float = float("inf")
    leaves: bool = False  # whether only networks that saw no photograph count

    def from_leaves(self) -> "Goal":
        least = tuple(value - LEAVES_DB for value in self.least)
        return dataclasses.replace(self, title=f"{self.title}, from leaves alone", least=least, leaves=True)


# Set before anything was trained: above FFDNet (Zhang et al. 2018), which is told the level, where networks learn from
# pairs; above the best filter for salt-and-pepper; and for what learns without pairs, as near as it was thought to get.
GOALS = {
    "gaussian": (
        Goal("paired", ("densenet", "resnet", "unet"), (44.9, 40.4, 37.9, 36.2, 34.9), most_parameters=1e6),
        Goal("GAN", ("gan",), (44.5, 40.1, 37.6, 35.9, 34.6)),
        Goal("CycleGAN, unpaired", ("cyclegan",), (44.2, 39.6, 37.0, 35.2, 33.8)),
    ),
    "salt_and_pepper": (
        Goal("paired, or a GAN", ("densenet", "resnet", "unet", "gan"), (50.0, 47.0, 45.3, 44.0, 43.1)),
        Goal("CycleGAN, unpaired", ("cyclegan",), (47.5, 44.5, 42.7, 41.3, 40.3)),
    ),
}


@dataclasses.dataclass(frozen=True)
class Margin:
    """How far above a goal its best network is at each of LEVELS, dB: the one whose worst level is the best."""

    goal: Goal
    name: str
    above: tuple[float, ...]

    @property
    def reached(self) -> bool:
        return min(self.above) >= 0


def margins(noise: str, rows: Sequence[Row]) -> list[Margin]:
    """For each goal, then for what is left of it without photographs, the best of `rows`; none where none counts."""
    found = []
    for goal in itertools.chain.from_iterable((one, one.from_leaves()) for one in GOALS[noise]):
        of = [Margin(goal, row["name"], _above(goal, noise, row)) for row in rows if _counts(goal, row)]
        if of:
            found.append(max(of, key=lambda margin: min(margin.above)))
    return found


def _counts(goal: Goal, row: Row) -> bool:
    names = {f"{name}-{noise.replace('_', '-')}" for name in goal.networks for noise in GOALS}
    counts = row["kind"] == "network" and family(row) in names and row["parameters"] <= goal.most_parameters
    return counts and not (goal.leaves and row["name"].endswith(PHOTOS))


def _above(goal: Goal, noise: str, row: Row) -> tuple[float, ...]:
    reached = (parsed(row["conditions"][Condition(noise, level).name]["psnr"][0]) for level in LEVELS)
    return tuple(value - least for value, least in zip(reached, goal.least, strict=True))
