"""The clean items of a comparison, and what must be known of them."""

import hashlib

import jax

from eval.comparison.datasets import fingerprint
from eval.comparison.task import Condition, Item, Items, Task


class Material:
    """`names` and `items`; `subsets`: {name: sorted indices} of the task's; `sha256`: of all names and samples, also
    of what the data hold degraded."""

    def __init__(self, task: Task, data: Items):
        digest, self.names, self.items = hashlib.sha256(), [], []
        self._given = data.given
        conditions = {one: None for trial in task.trials.values() for one in trial.conditions(quick=False)}
        for index in range(len(data)):
            name, item = data[index]
            fingerprint(digest, name, item)
            for condition in conditions:
                for samples in jax.tree.leaves(data.given(index, condition)):
                    fingerprint(digest, f"{name} {condition.name}", samples)
            self.names.append(name)
            self.items.append(item)
        self.sha256 = digest.hexdigest()
        self.subsets = {name: choose(self.items) for name, (_, choose) in task.subsets.items()}

    def __len__(self) -> int:
        return len(self.names)

    def degraded(self, condition: Condition, seed: int) -> list[Item]:
        """Every item under a condition."""
        return [self.degraded_one(index, condition, seed) for index in range(len(self))]

    def degraded_one(self, index: int, condition: Condition, seed: int) -> Item:
        """As the data hold it, or as the condition makes it."""
        held = self._given(index, condition)
        return condition.degrade(self.items[index], seed=seed, index=index) if held is None else held
