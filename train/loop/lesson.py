"""What a lesson must say: what is to be undone, by which networks, and how that is measured. Methods (method.py) say
how it is learned; the loop (loop.py) does the rest."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from train.loop.settings import Settings
from train.loop.sources import Source
from zoo.damage.pair import Pair
from zoo.errors import FlagError, choose

Clips = Float[Array, "n *t h w 3"]  # RGB in [0, 1]; stills have no axis t
Loss = Callable[[Array, Array], Float[Array, ""]]
Metric = Callable[[Array, Array], Float[Array, " n"]]  # (what is measured, what was wanted): higher is better


class Lesson:
    """Base of the lessons. A lesson is its settings: all that it draws comes from the key that it is given."""

    flags: ClassVar[type[Settings]] = Settings  # the loop's, and the lesson's own fields
    presets: ClassVar[dict[str, dict[str, Any]]] = {}  # what each changes
    frames: int = 1  # t of the clips
    aside: ClassVar[tuple[str, ...]] = ()  # what `pairs` also takes, by name, of clips that are made: their motion
    networks: ClassVar[dict[str, Any]]  # config by architecture; the first is the default
    implied: ClassVar[dict[str, str]] = {}  # by flag: the network that it asks for, where --network names none
    sizes: ClassVar[dict[str, dict[str, str]]] = {}  # by preset: --network of each architecture
    methods: ClassVar[tuple[str, ...]] = ("paired",)  # of train.methods.METHODS; the first is the default
    metrics: ClassVar[dict[str, Metric]]  # by unit, as cards have it; the first, "dB", says which weights are best
    protocol: ClassVar[str]  # of the metrics
    least_gain: float = 0.0  # dB over the weights that a run begins with, without which they stay
    judged: ClassVar[int] = 6  # channels of `judges_see`
    degraded_data: str | None = None  # what is damaged already, for unpaired methods; else the lesson damages --data
    own_loss: ClassVar[bool] = False  # whether `loss` leaves --loss aside
    pairs_only: ClassVar[tuple[str, ...]] = ()  # settings at which `pairs` alone looks, not `degraded`

    @classmethod
    def of(cls, settings: Any) -> "Lesson":
        """The lesson that these settings ask for: this one, or another with the same flags."""
        return cls(settings)

    def __init__(self, settings: Any):
        self.settings = settings

    @property
    def variant(self) -> str:
        """What tells apart the lesson's runs in the names of folders and weights; empty where there is one kind."""
        return ""

    def network(self, name: str) -> Any:
        """The config with which a run begins, before --network's changes."""
        return self.networks[choose("network", name, self.networks)]

    def look(self, source: Source) -> None:
        """At what the run is to learn from, before it begins. Raises InputError where nothing can be learned from it.
        What a lesson remembers of it must be a function of it alone: a run that goes on looks again."""

    def pairs(self, key: Key[Array, ""], clips: Clips, progress: Float[Array, ""], **aside: Array) -> Pair:
        """What a network sees of a batch and what it is to give. `progress`: the share of the run that is done."""
        raise NotImplementedError

    def trials(self, key: Key[Array, ""], clips: Clips) -> list[tuple[dict[str, Any], Pair]]:
        """What the weights are measured on: (what it is, as the card says it; pairs of the clips held out) each."""
        return [({}, self.pairs(key, clips, jnp.ones(())))]

    def untouched(self, seen: Array) -> Array:
        """What is measured beside what the network gives; of the same shape."""
        return seen

    def restored(self, seen: Array, given: Array) -> Array:
        """What is measured of what the network gives."""
        return given

    def measured(self, wanted: Array) -> Array:
        """What it is compared with."""
        return wanted

    def loss(self, pair: Pair, given: Array, apart: Loss) -> Float[Array, ""]:
        """What pairs teach to make small. `apart`: how far two pictures lie apart, as --loss has it."""
        known = jnp.where(jnp.isnan(pair.wanted), jax.lax.stop_gradient(given), pair.wanted)  # all else is right
        return apart(given, known)

    # What methods with judges ask.

    def judges_see(self, seen: Array, picture: Array) -> Array:
        """What a judge is shown of a picture, wanted or given: [n h w judged]."""
        return jnp.concatenate([seen, picture], -1)

    # What unpaired methods ask.

    def degraded(self, key: Key[Array, ""], clips: Clips, progress: Float[Array, ""]) -> Array:
        """Damaged clips, whose clean ones nobody sees."""
        return self.pairs(key, clips, progress).seen

    def shown(self, key: Key[Array, ""], clips: Clips) -> Array:
        """Damaged clips as the network that restores sees them."""
        return clips

    def begun(self) -> Any:
        """The parameters with which the network of `law` begins, by what was looked at; None where it knows nothing."""
        return None

    def law(self) -> Any:
        """The config of a network that learns to damage from a random input: (clips, key, levels) -> clips."""
        raise FlagError(f"{type(self).__name__} has no law of its damage; choose --degrader=same")

    def levels(self, seen: Array) -> Float[Array, " n"]:
        """How much damage there is, from damaged clips alone: what a law of it takes."""
        return jnp.zeros(seen.shape[0])

    def alike(self, key: Key[Array, ""], *pictures: Array) -> tuple[Array, ...]:
        """The pictures of a batch in several states, changed as `pairs` changes a share of them."""
        return pictures


def own(kind: type[Settings]) -> set[str]:
    """The names of the settings that a lesson or a method adds to the loop's."""
    return {field.name for field in dataclasses.fields(kind)} - {field.name for field in dataclasses.fields(Settings)}
