"""Steps in a row: moments of a film in, moments out, in one pass."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax

from zoo.errors import FlagError
from zoo.steps.step import Aside, Kind, Moment, Step, Window, windows


class Reach(NamedTuple):
    """Frames of the film before and after one, on which what comes of it depends."""

    before: int
    after: int


class Chain:
    """`steps`, one after the other. `batch`: how many moments a network sees at once on each device.

    The moment at place n of its row stands at place n % batch of a batch, whatever was done before: a compiled program
    may round one place otherwise than another. So what comes out is the same to the bit in one run or in many.
    """

    def __init__(self, steps: Sequence[Step], *, batch: int = 1):
        self.steps, self.batch = tuple(steps), batch

    def kinds(self, kind: Kind) -> list[Kind]:
        """What goes into each step, and what comes out of the last. Raises FlagError where a step cannot be there."""
        kinds = [kind]
        for step in self.steps:
            if step.on == "planes" and any(earlier.on == "rgb" for earlier in self.steps[: len(kinds) - 1]):
                raise FlagError(f"{name_of(step)} works on the film's own planes; let it come first")
            kinds.append(step.kind(kinds[-1]))
        return kinds

    @property
    def rate(self) -> int:
        """Pictures for each frame of the film."""
        return math.prod(step.rate for step in self.steps)

    @property
    def reach(self) -> Reach:
        before = after = 0
        for step in reversed(self.steps):
            before = math.ceil(before / step.rate) + step.reach[0]
            after = math.ceil(after / step.rate) + step.reach[1]
        return Reach(before, after)

    def held(self) -> int:
        """The most pictures that wait in the chain at once, each as large as its step has it."""
        return sum(sum(step.reach) + 1 + step.together * self.batch * jax.local_device_count() for step in self.steps)

    def identity(self) -> list[dict[str, Any]]:
        """All that the result depends on beside the film, as JSON."""
        return [{"step": name_of(step), **step.identity()} for step in self.steps]

    def run(self, moments: Iterable[Moment], aside: Aside = Aside()) -> Iterator[Moment]:  # noqa: B008
        """What becomes of the moments, in their order. Where numbers are missing, windows end."""
        for step in self.steps:
            for need in sorted(step.needs):
                if not aside.has(need):
                    raise FlagError(f"{name_of(step)} needs a {need}: give {name_of(step)}={need}=FILE")
        row = iter(moments)
        for step in self.steps:
            row = self._through(step, row, aside)
        return row

    def _through(self, step: Step, moments: Iterator[Moment], aside: Aside) -> Iterator[Moment]:
        row = windows(moments, *step.reach)
        for places in self._batches(row) if step.together else ([window] for window in row):
            like = next(window for window in places if window)  # what fills the empty places: one shape, one program
            made = step([window or like for window in places], aside)
            for window, after in zip(places, made, strict=True):
                if window:
                    yield from after

    def _batches(self, row: Iterator[Window]) -> Iterator[list[Window | None]]:
        """As many batches as there are devices, each window at its place."""
        devices = jax.local_device_count()
        places, batches, last = [], 0, None
        for window in row:
            which, place = divmod(window.now.place, self.batch)
            if which != last:
                if batches == devices:
                    yield places
                    places, batches = [], 0
                places, batches, last = [*places, *[None] * self.batch], batches + 1, which
            places[place - self.batch] = window
        if batches:
            yield places + [None] * self.batch * (devices - batches)


def name_of(step: Step) -> str:
    return type(step).__name__.lower()
