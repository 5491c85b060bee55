"""What a task says of itself; the comparison and its pages know no task.

An item is what a task compares on: a picture [h w 3], or a clip [t h w 3]. A task degrades an item in its own way, and
every method makes of the degraded item one that the metrics can compare with the clean one.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from jaxtyping import Array

from zoo.models.network import NetworkConfig

Item = Any  # a clean or a restored one: an array [... h w c]; a degraded one may be whatever the task gives its methods


class Condition(Protocol):
    """How clean items are degraded. Frozen: it is a key."""

    @property
    def name(self) -> str:
        """What files call it."""
        ...

    @property
    def level(self) -> float:
        """How much: rivals have the options that were chosen at the level nearest to it. 0 where there is one only."""
        ...

    def degrade(self, clean: Item, *, seed: int, index: int) -> Item:
        """The item at `index` of the data."""
        ...


@dataclasses.dataclass(frozen=True)
class Metric:
    """`function(clean, restored)` of one item, jitted. The first of a task ranks methods; the second, and what is
    `beside`, stand beside it in short tables."""

    function: Callable[[Item, Item], Array]
    title: str
    digits: int
    higher: bool = True  # is better
    beside: bool = False


@dataclasses.dataclass(frozen=True)
class Rival:
    """A classical method: `function(degraded, **options)`, with every option but the two named here at its default."""

    function: Callable[..., Item]
    trials: tuple[str, ...] = ()  # that it is meant for
    option: str | None = None  # the one that `eval.tune` chooses for each trial and level, from
    grid: tuple[int | float, ...] = ()
    level_option: str | None = None  # the one that is told the level
    title: str = ""  # where its name in the code says too little

    def candidates(self, level: float) -> list[dict[str, float]]:
        """The options to try at a level; one empty set where nothing is free."""
        told = {self.level_option: level} if self.level_option else {}
        return [told | {self.option: value} for value in self.grid] if self.option else [told]


@dataclasses.dataclass(frozen=True)
class Claim:
    """What was not measured here: the numbers of a method, by our metrics, and where they are from. It stands in the
    tables, marked."""

    method: str
    where: str
    values: Mapping[str, float]
    how: str = "claimed, not measured"
    line: str = ""  # what it is called on plots; without a name it is not drawn


@dataclasses.dataclass(frozen=True)
class Goal:
    """What the best of some networks is to reach by the first metric at each level of its trial, or in each folder
    where those are the columns, whichever data it learned from."""

    title: str
    networks: tuple[str, ...]
    least: tuple[float, ...]
    most_parameters: float = float("inf")
    leaves: bool = False  # whether only networks that saw no photograph count
    leaves_db: float = 0.4  # by which those may stay below


@dataclasses.dataclass(frozen=True)
class Trial:
    """One table: conditions by the titles of their columns, and who takes part.

    `levels` are the columns; `shown` is the one for whatever is shown at one only. `unseen` are conditions that no
    network was trained for. `by_item`: the columns are the items instead, under `shown`; `by_folder`: the folders that
    the items lie in, where there are several.
    """

    title: str  # as it stands within a sentence
    levels: Mapping[str, Condition]
    shown: str
    networks: tuple[str, ...]  # what they must have been made for
    axis: str | None = None  # what the titles of the levels are numbers of
    unseen: Mapping[str, Condition] = dataclasses.field(default_factory=dict)
    unseen_title: str = "What no network was trained for"
    unseen_note: str = ""
    by_item: bool = False
    by_folder: bool = False
    scale: int = 1  # how many times larger its networks make pictures
    claims: tuple[Claim, ...] = ()
    goals: tuple[Goal, ...] = ()

    @property
    def heading(self) -> str:
        return self.title[0].upper() + self.title[1:]

    @property
    def at(self) -> Condition:
        return self.levels[self.shown]

    def columns(self, *, quick: bool) -> dict[str, Condition]:
        """The levels; `quick`: the first, the one that is shown, the last."""
        titles = list(self.levels)
        return {t: self.levels[t] for t in titles if not quick or t in (titles[0], self.shown, titles[-1])}

    def conditions(self, *, quick: bool) -> list[Condition]:
        """All that is measured."""
        return [*self.columns(quick=quick).values(), *(() if quick else self.unseen.values())]

    def groups(self, names: Sequence[str]) -> dict[str, list[int]]:
        """The items that share a column, by its title; nothing where the levels are the columns."""
        found: dict[str, list[int]] = {}
        if self.by_item or self.by_folder:
            for index, name in enumerate(names):
                found.setdefault(name if self.by_item else name.rpartition("/")[0], []).append(index)
        if self.by_item:
            return found
        return {title: found[title] for title in sorted(found, key=lambda t: (len(t), t))} if len(found) > 1 else {}

    def counted(self, clean: Array, restored: Array) -> tuple[Array, Array]:
        """What is compared of both. Where pictures become larger, the clean one may have lines that the small one
        lacks, and `scale` pixels of border do not count: so upscalers are measured everywhere."""
        if self.scale == 1:
            return clean, restored
        rows, columns = (slice(self.scale, side - self.scale) for side in restored.shape[-3:-1])
        return clean[..., rows, columns, :], restored[..., rows, columns, :]


class Items(Protocol):
    """(name, item) by index; an unreadable file raises InputError at its index. `given`: the item as the data hold it
    degraded already; None where the condition is to do that."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> tuple[str, Item]: ...
    @property
    def given(self) -> Callable[[int, Condition], Item | None]: ...
    def first(self, limit: int | None) -> "Items": ...


@dataclasses.dataclass(frozen=True, eq=False)  # itself alone is equal: it is static where functions are compiled
class Task:
    """One row of `eval.tasks.TASKS`. Results lie in eval/results/NAME."""

    name: str
    trials: Mapping[str, Trial]
    rivals: Mapping[str, Rival]
    metrics: Mapping[str, Metric]
    open: Callable[[str], Items]  # what --data names
    restorer: Callable[[str], Callable[[Item], Item]]  # of a model's name or a training run's folder
    compared: Callable[[NetworkConfig], bool]  # whether such a network takes part
    protocol: str
    # What is said on its pages; {count}, {data}, {at} and {machine} are filled in.
    heading: str
    about: str
    told: str
    by: str  # what the columns of its trials are
    pages: str  # what the full tables have besides intervals
    headline: str  # besides: {value}, {trial}, {shown}, {name}, {before}, {classical}
    untouched: Callable[[Item], Item] = lambda degraded: degraded
    untouched_title: str = "untouched"
    seeded: str = "the noise"  # what the seed is of
    detail: Callable[[Item, Item], dict[str, Array]] | None = None  # measured under `shown` of each trial too
    detail_is: str = ""
    detail_tables: Sequence[tuple[Mapping[str, str], int]] = ()  # {title: key of `detail`}, digits
    detail_note: str = ""
    subsets: Mapping[str, tuple[str, Callable[[Sequence[Item]], list[int]]]] = dataclasses.field(default_factory=dict)
    goals_for: str = ""  # how the sha256 of the data begins that the goals are for
    section: tuple[str, str] | None = None  # of the docs: page, name
    headline_section: tuple[str, str] | None = None

    @property
    def rank(self) -> str:
        """The metric that ranks methods."""
        return next(iter(self.metrics))

    @property
    def beside(self) -> dict[str, Metric]:
        """What stands beside it in short tables."""
        return {name: m for k, (name, m) in enumerate(self.metrics.items()) if k == 1 or (k and m.beside)}

    def takes_part(self, config: NetworkConfig, made_for: str | None) -> tuple[str, ...]:
        """The trials of a network by what it was made for, of those of its scale: all where none names that."""
        fitting = {name: trial for name, trial in self.trials.items() if trial.scale == config.scale}
        named = tuple(name for name, trial in fitting.items() if made_for in trial.networks)
        return named or tuple(fitting)
