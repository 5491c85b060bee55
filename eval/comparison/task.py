"""What a task says of itself; the comparison and its pages know no task.

An item is what a task compares on: a picture [h w 3], or a clip [t h w 3]. A task degrades an item in its own way, and
every method makes of the degraded item one that the metrics can compare with the clean one.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from jaxtyping import Array

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
    """`function(clean, restored)` of one item, jitted. The first of a task ranks methods, the second stands beside it
    in short tables."""

    function: Callable[[Item, Item], Array]
    title: str
    digits: int
    higher: bool = True  # is better


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
    """What the best of some networks is to reach by the first metric at each level of its trial, whichever data it
    learned from."""

    title: str
    networks: tuple[str, ...]
    least: tuple[float, ...]
    most_parameters: float = float("inf")
    leaves: bool = False  # whether only networks that saw no photograph count


@dataclasses.dataclass(frozen=True)
class Trial:
    """One table: conditions by the titles of their columns, and who takes part.

    `levels` are the columns; `shown` is the one for whatever is shown at one only. `unseen` are conditions that no
    network was trained for. `by_item`: the columns are the items instead, under `shown`.
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


class Items(Protocol):
    """(name, item) by index; an unreadable file raises InputError at its index."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> tuple[str, Item]: ...
    def first(self, limit: int | None) -> "Items": ...


@dataclasses.dataclass(frozen=True, eq=False)  # itself alone is equal: it is static where functions are compiled
class Task:
    """One row of `eval.tasks.TASKS`. Results lie in eval/results/NAME."""

    name: str  # what the configs of its networks say
    trials: Mapping[str, Trial]
    rivals: Mapping[str, Rival]
    metrics: Mapping[str, Metric]
    open: Callable[[str], Items]  # what --data names
    restorer: Callable[[str], Callable[[Item], Item]]  # of a model's name or a training run's folder
    protocol: str
    # What is said on its pages; {count}, {data}, {at} and {machine} are filled in.
    heading: str
    about: str
    told: str
    by: str  # what the levels of its trials are
    pages: str  # what the full tables have besides intervals
    headline: str  # besides: {value}, {trial}, {shown}, {name}, {before}, {classical}
    untouched: Callable[[Item], Item] = lambda degraded: degraded
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

    def takes_part(self, made_for: str | None) -> tuple[str, ...]:
        """The trials of a network by what it was made for: all where none names that."""
        named = tuple(name for name, trial in self.trials.items() if made_for in trial.networks)
        return named or tuple(self.trials)
