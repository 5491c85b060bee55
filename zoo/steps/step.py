"""The contract between a chain and its steps.

A film is a row of moments: pictures on the device, each with its number. A step turns the window around each moment
into one or more moments. What comes out depends only on that window, on what lies aside, and on the step's options: so
any part of a film can be made alone, and is the same to the bit.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

import jax
from jaxtyping import Array, Float, Shaped

from zoo.color import Layout
from zoo.survey import Survey

Picture = Float[Array, "h w _"]
Planes = tuple[Shaped[Array, "_ _"], ...]
NOISY = "noisy"  # aside: the picture before noise was taken off
BEYOND = "beyond"  # aside: how far RGB lay outside [0, 1], where planes are made anew of it
ALPHA = "alpha"  # aside: in [0, 1], likewise
OWN = frozenset({NOISY, BEYOND, ALPHA})  # what the chain and its steps have among themselves; the rest can be written
Mask = Callable[[int], Float[Array, "h w 1"]]  # of the number of a frame
Fields = Literal["none", "top first", "bottom first"]


@dataclass(frozen=True)
class Kind:
    """What the pictures between two steps are; a chain is checked with it before any work.

    `aspect`: of a sample. `rate`: pictures for each frame of the film. `own`: which of the film's planes still hold;
    "luma" after colouring, "none" after resizing. `still`: one picture without neighbours in time. `layout`: what its
    planes mean.
    """

    height: int
    width: int
    aspect: Fraction = Fraction(1)
    fields: Fields = "none"
    colour: Literal["rgb", "grey"] = "rgb"
    rate: int = 1
    own: Literal["all", "luma", "none"] = "all"
    still: bool = False
    layout: Layout | None = None


class Moment(NamedTuple):
    """A picture of the film on the device.

    `number`: of the film's frame; `part`: which of the `of` pictures that came from it. `new`: begins a shot.
    `planes`: codes [h w] each, the film's own or what a step on planes made of them. `rgb`: float32 in [0, 1], made of
    the planes once, before the first step on RGB; None until then. `aside`: what steps give one another: "mask" and
    "confidence" [h w 1], NOISY, BEYOND, ALPHA. A step that changes the size changes them too.
    """

    number: int
    new: bool
    planes: Planes
    rgb: Picture = None  # type: ignore[assignment] - until the first step on RGB
    aside: Mapping[str, Picture] = {}
    part: int = 0
    of: int = 1

    @property
    def place(self) -> int:
        """Its number among the pictures of its kind, from the film's beginning."""
        return self.number * self.of + self.part


class Window(NamedTuple):
    """A moment and those of its shot around it, in time's order; fewer where the shot ends."""

    before: tuple[Moment, ...]
    now: Moment
    after: tuple[Moment, ...]


class Aside(NamedTuple):
    """What lies beside a film. `network(name)`: a model, ready to restore. `mask(number of a frame)`: float32 [h w 1]
    in [0, 1], for the step that is called; `masks(step)`: the same for any that names a file in its option `mask`.
    `survey`: of the whole film, see `zoo.survey`. `kind`: what the step that is called is given. `original(number of a
    frame)`: the planes of the film that the step names in its option `original`; `originals(step)`: the same of any."""

    network: Callable[[str], Any] | None = None
    mask: Mask | None = None
    survey: Survey | None = None
    masks: Callable[["Step"], Mask] | None = None
    kind: Kind | None = None
    original: Callable[[int], Planes] | None = None
    originals: Callable[["Step"], Callable[[int], Planes]] | None = None

    def has(self, need: str) -> bool:
        return getattr(self, need) is not None

    def of(self, step: "Step") -> "Aside":
        """What lies beside the film for one step."""
        own = self._replace(mask=self.masks(step)) if self.masks and getattr(step, "mask", None) else self
        return own._replace(original=own.originals(step)) if own.originals and hasattr(step, "original") else own


@runtime_checkable
class Step(Protocol):
    """A frozen dataclass whose fields are its options.

    `on`: "planes", before any conversion, or "rgb". `reach`: how many moments before and after it looks at. `rate`:
    moments out for one in. `needs`: of `Aside`, what must be there. `gives`: of `Moment.aside`, what it lays there.
    `together`: whether windows go through in batches, as networks want them; such a step also has
    `at_once(kind, aside)`, how many pictures may go through one device at once. A step that needs the survey of
    frames beyond its reach has `surveyed`, how many before and after.
    """

    on: ClassVar[str]
    reach: tuple[int, int]
    rate: int
    needs: frozenset[str]
    gives: frozenset[str]
    together: ClassVar[bool]

    def kind(self, kind: Kind) -> Kind:
        """What comes out where `kind` goes in. Raises FlagError where that cannot be, and names the mend."""
        ...

    def __call__(self, windows: Sequence[Window], aside: Aside) -> list[list[Moment]]:
        """For each window the `rate` moments that it becomes, by `successors` or `successors_on_planes`. Pure."""
        ...

    def identity(self) -> dict[str, Any]:
        """All that the result depends on, as JSON: options, sha256 of weights and files."""
        ...


def successors(now: Moment, pictures: Sequence[Picture], **aside: Picture) -> list[Moment]:
    """The moments that a step makes of `now`: one for each picture, the first of which begins the shot if it did."""
    parts = _parts(now._replace(aside={**now.aside, **aside}), len(pictures))
    return [part._replace(rgb=rgb) for part, rgb in zip(parts, pictures, strict=True)]


def successors_on_planes(now: Moment, planes: Sequence[Planes], **aside: Picture) -> list[Moment]:
    """The same for a step on planes: from here on these are the film's own, and what is not changed later keeps its
    codes."""
    parts = _parts(now._replace(aside={**now.aside, **aside}), len(planes))
    return [part._replace(planes=own) for part, own in zip(parts, planes, strict=True)]


def at_another_size(now: Moment, change: Callable[[Picture], Picture]) -> Moment:
    """The moment with all that lies aside as `change` makes it, as a step must that changes the size; without NOISY."""
    return now._replace(aside={name: change(x) for name, x in now.aside.items() if name != NOISY})


def _parts(now: Moment, rate: int) -> list[Moment]:
    return [now._replace(new=now.new and not k, part=now.part * rate + k, of=now.of * rate) for k in range(rate)]


def groups(windows: Sequence[Window], fit: int) -> Iterator[Sequence[Window]]:
    """A batch in equal groups, of which each device takes at most `fit` pictures at once."""
    devices = jax.local_device_count()
    batch = len(windows) // devices
    size = devices * max(k for k in range(1, min(fit, batch) + 1) if batch % k == 0)
    return (windows[k : k + size] for k in range(0, len(windows), size))


def windows(moments: Iterable[Moment], before: int, after: int, *, bare: bool = False) -> Iterator[Window]:
    """Each moment with as many before and after it, as far as its shot and the numbers go on.

    `bare`: those before come without their planes and NOISY, which only their own place needs."""
    held, coming = deque[Moment](maxlen=before), deque[Moment]()

    def given() -> Window:
        now = coming.popleft()
        earlier = tuple(_unbroken(now, reversed(held), backwards=True))[::-1]
        window = Window(earlier, now, tuple(_unbroken(now, itertools.islice(coming, after))))
        held.append(_bare(now) if bare else now)
        return window

    for moment in moments:
        coming.append(moment)
        del moment  # large, and not to be held while the next is made
        if len(coming) > after:
            yield given()
    while coming:
        yield given()


def _bare(moment: Moment) -> Moment:
    return moment._replace(planes=(), aside={key: x for key, x in moment.aside.items() if key != NOISY})


def _unbroken(first: Moment, others: Iterable[Moment], *, backwards: bool = False) -> Iterator[Moment]:
    """Those of the others that follow `first` one after another within its shot."""
    for other in others:
        earlier, later = (other, first) if backwards else (first, other)
        if later.place != earlier.place + 1 or later.new:
            return
        yield other
        first = other
