"""Steps in a row: moments of a film in, moments out, in one pass."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo import color, masks
from zoo.budget import Budget
from zoo.color import Layout
from zoo.errors import FlagError
from zoo.restorer import restored
from zoo.steps import grammar
from zoo.steps.antialias import Antialias
from zoo.steps.deflicker import Deflicker
from zoo.steps.deinterlace import Deinterlace
from zoo.steps.denoise import Denoise
from zoo.steps.filter import Enhance, Filter
from zoo.steps.fuse import Fuse
from zoo.steps.grade import Grade
from zoo.steps.remove import Remove
from zoo.steps.repair import Repair
from zoo.steps.step import ALPHA, BEYOND, OWN, Aside, Kind, Moment, Step, Window, windows
from zoo.steps.undo import Undo
from zoo.steps.upscale import Upscale

STEPS: dict[str, type] = {
    "deinterlace": Deinterlace,
    "antialias": Antialias,
    "remove": Remove,
    "deflicker": Deflicker,
    "repair": Repair,
    "filter": Filter,
    "enhance": Enhance,
    "denoise": Denoise,
    "fuse": Fuse,
    "grade": Grade,
    "upscale": Upscale,
    "undo": Undo,
}
Retried = Callable[[Callable[[], Any]], Any]
_STILL = Layout("rgb", 32, full=True)  # the planes of a still: its own samples


class Reach(NamedTuple):
    """Frames of the film before and after one, on which what comes of it depends."""

    before: int
    after: int


class Chain:
    """`steps`, one after the other, or the text that describes them (see `zoo.steps.grammar`).

    `batch`: how many moments a network sees at once on each device. Raises FlagError for steps that cannot be.

    The moment at place n of its row stands at place n % batch of a batch, whatever was done before: a compiled program
    may round one place otherwise than another. So what comes out is the same to the bit in one run or in many.
    """

    def __init__(self, steps: str | Sequence[Step], *, batch: int = 1):
        self.steps = tuple(grammar.parse(steps, STEPS) if isinstance(steps, str) else steps)
        self.batch = batch

    def __call__(self, picture: Any, *, budget: Budget | None = None) -> Any:
        """One picture [h w c] restored, NumPy or JAX, of the kinds that `zoo.Restorer` takes; the same kind comes back.

        `budget`: networks that are loaded already. Raises what `Restorer` does, and FlagError for a step that needs
        more than a still."""
        budget = budget or Budget()
        return restored(picture, lambda rgb, alpha: self._still(rgb, alpha, budget))

    def _still(
        self, rgb: Float[Array, "h w 3"], alpha: Float[Array, "h w 1"] | None, budget: Budget
    ) -> tuple[Float[Array, "_ _ 3"], Float[Array, "_ _ 1"] | None]:
        height, width = rgb.shape[:2]
        kind = Kind(height, width, still=True, layout=_STILL)
        self.kinds(kind)
        one, still = Chain(self.steps), Moment(0, True, (), rgb, {} if alpha is None else {ALPHA: alpha})
        if any(step.on == "planes" for step in self.steps):
            still = still._replace(planes=(rgb[..., 1], rgb[..., 2], rgb[..., 0]), rgb=None)
        masked = lambda step: lambda _: jnp.asarray(masks.read(step.mask, height, width, "picture"))[..., None]
        aside = Aside(network=budget.network, kind=kind, masks=masked)
        (made,) = one.run([still], aside, budget.retried)
        rgb = color.picture(made.planes, layout=_STILL) if made.rgb is None else made.rgb
        return rgb, made.aside.get(ALPHA)

    def kinds(self, kind: Kind) -> list[Kind]:
        """What goes into each step, and what comes out of the last. Raises FlagError where a step cannot be there."""
        kinds = [kind]
        for step in self.steps:
            if kind.still and "survey" in step.needs:
                raise _lacking(step, "survey")
            if "mask" in step.needs and getattr(step, "mask", "given") is None:
                raise _lacking(step, "mask")
            if step.on == "planes" and any(earlier.on == "rgb" for earlier in self.steps[: len(kinds) - 1]):
                raise FlagError(f"{name_of(step)} works on the film's own planes; let it come first")
            if kind.still and step.rate > 1:
                raise FlagError(f"{name_of(step)} makes {step.rate} pictures of one, and a still is one; leave it out")
            made = dataclasses.replace(step.kind(kinds[-1]), rate=kinds[-1].rate * step.rate)
            if step.on == "rgb" and (made.height, made.width) != (kinds[-1].height, kinds[-1].width):
                made = dataclasses.replace(made, own="none")
            kinds.append(made)
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

    @property
    def surveyed(self) -> int:
        """Frames before and after those that a step sees, of which it must know what the survey does."""
        return max((getattr(step, "surveyed", 0) for step in self.steps), default=0)

    def held(self) -> int:
        """The most pictures that wait in the chain at once, each as large as its step has it."""
        return sum(sum(step.reach) + 1 + step.together * self.batch * jax.local_device_count() for step in self.steps)

    def at_once(self, kind: Kind, aside: Aside) -> int:
        """How many pictures may go through every network on one device at once."""
        networks: list[tuple[Any, Kind]] = [*zip(self.steps, self.kinds(kind), strict=False)]
        return min((step.at_once(seen, aside) for step, seen in networks if step.together), default=1)

    @property
    def has_networks(self) -> bool:
        return any("network" in step.needs for step in self.steps)

    @property
    def gives(self) -> list[str]:
        """What its steps lay aside for others to see, by name."""
        return sorted(frozenset().union(*(step.gives for step in self.steps)) - OWN)

    @property
    def weights(self) -> dict[str, str]:
        """sha256 of the weights of each of its models."""
        return {name: digest for part in self.identity() for name, digest in part.get("weights", {}).items()}

    def __str__(self) -> str:
        """The chain as `parse` reads it."""
        return ",".join(grammar.written(step, name_of(step)) for step in self.steps)

    def identity(self) -> list[dict[str, Any]]:
        """All that the result depends on beside the film, as JSON."""
        return [{"step": name_of(step), **step.identity()} for step in self.steps]

    def run(
        self,
        moments: Iterable[Moment],
        aside: Aside = Aside(),  # noqa: B008
        retried: Retried = lambda work: work(),
    ) -> Iterator[Moment]:
        """What becomes of the moments, in their order. Where numbers are missing, windows end. Each step is called
        within `retried`, which may do it again where memory runs out. `aside.kind`: of the moments; it must be given
        where they have planes alone."""
        own = [aside.of(step) for step in self.steps]
        for step, beside in zip(self.steps, own, strict=True):
            for need in sorted(step.needs):
                if not beside.has(need):
                    raise _lacking(step, need)
        row, kinds = iter(moments), self.kinds(aside.kind) if aside.kind else itertools.repeat(None)
        anew = aside.kind is not None and self.kinds(aside.kind)[-1].own == "none"
        for step, kind, beside in zip(self.steps, kinds, own, strict=False):
            if step.on == "rgb" and kind and kind.layout:  # once: later ones have it
                row = map(partial(_in_rgb, kind.layout, retried, anew), row)
            row = self._through(step, row, beside._replace(kind=kind), retried)
        return row

    def _through(self, step: Step, moments: Iterator[Moment], aside: Aside, retried: Retried) -> Iterator[Moment]:
        """No variable here holds a picture while the next is made: they are large."""
        row = windows(moments, *step.reach, bare=step.on == "rgb")
        alone: Iterator[list[Window | None]] = map(lambda window: [window], row)
        groups = self._batches(row) if step.together else alone
        return itertools.chain.from_iterable(map(partial(_stepped, step, aside, retried), groups))

    def _batches(self, row: Iterator[Window]) -> Iterator[list[Window | None]]:
        """As many batches as there are devices, each window at its place."""
        devices = jax.local_device_count()
        places: list[Window | None] = []
        last = None
        for window in row:
            which, place = divmod(window.now.place, self.batch)
            if which != last:
                if len(places) == devices * self.batch:
                    yield _taken(places)
                places += [None] * self.batch
            places[place - self.batch], last = window, which
            del window
            if place == self.batch - 1 and len(places) == devices * self.batch:
                yield _taken(places)
                last = None
        if places:
            yield places + [None] * (devices * self.batch - len(places))


def _taken(places: list[Any]) -> list[Any]:
    taken = [*places]
    places.clear()
    return taken


def _in_rgb(layout: Layout, retried: Retried, anew: bool, moment: Moment) -> Moment:
    """The moment with RGB of its planes; where they are made `anew` in the end, with what RGB cannot hold aside."""
    if moment.rgb is not None:
        return moment
    rgb = retried(partial(color.picture, moment.planes, layout=layout))
    if not anew:
        return moment._replace(rgb=rgb)
    aside = {BEYOND: retried(partial(color.beyond, moment.planes, layout=layout))}
    if layout.alpha:
        aside[ALPHA] = moment.planes[-1][..., None] / layout.top
    return moment._replace(rgb=rgb, aside={**moment.aside, **aside})


def _stepped(step: Step, aside: Aside, retried: Retried, places: list[Window | None]) -> Iterator[Moment]:
    """What a step makes of the windows. Others of them fill the empty places: one shape, one program."""
    like = next(window for window in places if window)
    made = retried(partial(step, [window or like for window in places], aside))
    assert all(len(moments) == step.rate for moments in made), f"{name_of(step)} gives another number than its rate"
    return _emptied([moment for window, after in zip(places, made, strict=True) if window for moment in after])


def _emptied(moments: list[Moment]) -> Iterator[Moment]:
    moments.reverse()
    while moments:
        yield moments.pop()


def _lacking(step: Step, need: str) -> FlagError:
    name = name_of(step)
    if need == "survey":
        return FlagError(
            f"{name} looks at a whole film first, and a still is none; restore a film, or leave {name} out"
        )
    return FlagError(f"{name} needs a {need}: give {name}={need}=FILE")


def name_of(step: Step) -> str:
    return type(step).__name__.lower()
