"""The networks of a run and the memory that they share."""

from collections.abc import Callable
from typing import TypeVar

from zoo.errors import OutOfMemory
from zoo.tiles import Tiled, retried

T = TypeVar("T")


class Budget:
    """The networks of a run, each loaded once, and the memory that they share.

    `tile`, `precision`: as `Tiled` has them. `shrunk`: how often memory ran out.
    """

    def __init__(self, *networks: Tiled, tile: int | None = None, precision: str = "float32"):
        self._networks = {network.name: network for network in networks}
        self._tile, self.precision, self.shrunk = tile, precision, 0

    def network(self, name: str) -> Tiled:
        """A model of the zoo or a run's folder, ready for arrays of any size."""
        if name not in self._networks:
            self._networks[name] = Tiled(name, tile=self._tile, precision=self.precision)
        return self._networks[name]

    @property
    def tile(self) -> int:
        """The smallest of its networks'; 1 where there are none."""
        return min(self.tiles.values(), default=1)

    @property
    def tiles(self) -> dict[str, int]:
        return {name: network.tile for name, network in self._networks.items()}

    def shrink_to(self, tile: int):
        """Goes on in tiles of at most so many pixels, as after memory ran out."""
        for network in self._networks.values():
            network.shrink_to(tile)

    def retried(self, work: Callable[[], T]) -> T:
        """What `work` gives, again with smaller tiles where memory runs out. Raises OutOfMemory after the smallest."""
        return retried(work, self._shrink)

    def _shrink(self):
        refused = []
        for network in self._networks.values():
            try:
                network.shrink()
            except OutOfMemory as e:
                refused.append(e)
        if len(refused) == len(self._networks):
            raise refused[0] if refused else OutOfMemory("out of memory; free some, or restore a smaller picture")
        self.shrunk += 1
