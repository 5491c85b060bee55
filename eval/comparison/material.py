"""The clean items of a comparison, and what must be known of them."""

import hashlib

from eval.comparison.datasets import fingerprint
from eval.comparison.task import Condition, Item, Items, Task


class Material:
    """`names` and `items`; `subsets`: {name: sorted indices} of the task's; `sha256`: of all names and samples."""

    def __init__(self, task: Task, data: Items):
        digest, self.names, self.items = hashlib.sha256(), [], []
        for index in range(len(data)):
            name, item = data[index]
            fingerprint(digest, name, item)
            self.names.append(name)
            self.items.append(item)
        self.sha256 = digest.hexdigest()
        self.subsets = {name: choose(self.items) for name, (_, choose) in task.subsets.items()}

    def __len__(self) -> int:
        return len(self.names)

    def degraded(self, condition: Condition, seed: int) -> list[Item]:
        """Every item under a condition."""
        return [condition.degrade(item, seed=seed, index=index) for index, item in enumerate(self.items)]
