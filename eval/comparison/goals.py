"""By how much the best networks reach the goals of a trial, or do not."""

import dataclasses
import itertools
from collections.abc import Sequence

from eval.comparison.summary import Row, family
from eval.comparison.task import Goal, Task
from zoo.numbers import parsed
from zoo.registry import PHOTOS


@dataclasses.dataclass(frozen=True)
class Margin:
    """How far above a goal its best network is at each level: the one whose worst level is the best."""

    goal: Goal
    name: str
    above: tuple[float, ...]

    @property
    def reached(self) -> bool:
        return min(self.above) >= 0


def margins(task: Task, trial: str, rows: Sequence[Row], columns: Sequence[str]) -> list[Margin]:
    """For each goal, then for what is left of it without photographs, the best of `rows`; none where none counts.
    `columns`: keys of a row's conditions, first those that the goals are for."""
    found = []
    for goal in itertools.chain.from_iterable((one, _from_leaves(one)) for one in task.trials[trial].goals):
        of = [Margin(goal, row["name"], _above(task, columns, goal, row)) for row in rows if _counts(task, goal, row)]
        if of:
            found.append(max(of, key=lambda margin: min(margin.above)))
    return found


def _from_leaves(goal: Goal) -> Goal:
    least = tuple(value - goal.leaves_db for value in goal.least)
    return dataclasses.replace(goal, title=f"{goal.title}, from leaves alone", least=least, leaves=True)


def _counts(task: Task, goal: Goal, row: Row) -> bool:
    names = {f"{name}-{trial.replace('_', '-')}" for name in goal.networks for trial in task.trials}
    counts = row["kind"] == "network" and family(row) in names and row["parameters"] <= goal.most_parameters
    return counts and not (goal.leaves and row["name"].endswith(PHOTOS))


def _above(task: Task, columns: Sequence[str], goal: Goal, row: Row) -> tuple[float, ...]:
    reached = (parsed(row["conditions"][column][task.rank][0]) for column in columns[: len(goal.least)])
    return tuple(value - least for value, least in zip(reached, goal.least, strict=True))
