"""What a method must say: which networks learn from each other, and what one step does. Lessons (lesson.py) say what is
learned; the loop (loop.py) does the rest."""

from collections.abc import Callable, Collection
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Key, UInt8

from train.loop import grow, sharding
from train.loop import state as st
from train.loop.lesson import Lesson
from train.loop.settings import PRESETS, Settings, network_config, refuse_ignored
from zoo import registry
from zoo.damage.pair import Pair
from zoo.errors import FlagError
from zoo.models.convolution import compiler_options

# "clean", "degraded" where they are unpaired: clips in [0, 1]; and what is known of them, as the lesson asks.
Batch = dict[str, Array]
Update = Callable[[st.TrainState, Batch, Key[Array, ""]], tuple[st.TrainState, dict[str, Array]]]


def streams(seed: int) -> tuple[Key[Array, ""], Key[Array, ""]]:
    """The keys of a run's first weights and of its steps. Neither meets a number of the other's, nor of the procedural
    pictures', which fold small numbers into the seed's key."""
    weights, steps = jax.random.split(jax.random.fold_in(jax.random.key(seed), 2**32 - 1))
    return weights, steps


def compiled(
    method: "Method", update: Update, *, mesh: Mesh
) -> Callable[[st.TrainState, Batch], tuple[st.TrainState, Any]]:
    """A step as the loop runs it, jitted: (state, batch of uint8) -> (state, losses), the state donated and the new one
    on every device."""

    def step(state, batch):  # the randomness of step k is fold_in(key, k): nothing to save but the step
        clips = {name: unit(part) if part.dtype == jnp.uint8 else part for name, part in batch.items()}
        return update(state, clips, jax.random.fold_in(streams(method.settings.seed)[1], state.step))

    replicated = sharding.replicated(mesh)
    return jax.jit(step, donate_argnums=0, out_shardings=replicated, compiler_options=compiler_options())


def unit(clips: UInt8[Array, "n *t h w 3"]) -> Float[Array, "n *t h w 3"]:
    """Integers as pictures in [0, 1]."""
    return clips.astype(jnp.float32) / 255


class Method:
    """Base of the methods. `nets` are the networks, `optimisers` what trains each; `ships` names the one whose moving
    average is validated and saved, `averaged` all that have an average."""

    flags: ClassVar[type[Settings]] = Settings  # the loop's, and the method's own fields
    presets: ClassVar[dict[str, dict[str, Any]]] = {}  # what each changes
    unpaired: ClassVar[bool] = False  # draws clean and degraded pictures from disjoint halves of the data
    in_clips: ClassVar[bool] = True  # takes networks that look at several frames
    restores = True  # is validated
    ships: str = "g"
    averaged: tuple[str, ...] = ("g",)
    nets: dict[str, st.Net]
    optimisers: dict[str, st.Adam]

    def __init__(self, settings: Any, lesson: Lesson, steps: int):
        if self.unpaired and lesson.frames > 1 and not (self.in_clips and lesson.degraded_data):
            raise FlagError("a network that looks at several frames learns from pairs; choose --method=paired or gan")
        self.settings, self.lesson, self.steps = settings, lesson, steps

    def network(self) -> Any:
        """The config of the network that restores."""
        return network_config(self.lesson.network(self.settings.generator), self.settings)

    def refuse_ignored(self, names: Collection[str], what: str) -> None:
        """Raises FlagError where one of the settings `names` was given, which `what` would ignore."""
        chosen = self.settings.preset
        preset = [part.get(chosen, {}) for part in (PRESETS, self.lesson.presets, self.presets)]
        refuse_ignored(self.settings, names, what, preset[0] | preset[1] | preset[2])

    def update(self, step: int) -> Update:
        """The method that makes this step (a pure function); each is compiled once, under its name."""
        raise NotImplementedError

    def init(self, key: Key[Array, ""]) -> st.TrainState:
        """The state before the first step."""
        params, stats = {}, {}
        for k, (name, net) in enumerate(sorted(self.nets.items())):
            params[name], stats[name] = net.init(jax.random.fold_in(key, k))
        if self.settings.weights:
            begun, fresh = registry.load(self.settings.weights), (params[self.ships], stats[self.ships])
            anew = grow.anew(begun.config, self.nets[self.ships].config)
            params[self.ships], stats[self.ships] = grow.grown(fresh, st.arrays(begun), anew)
        optimiser = {name: adam.init(params[name]) for name, adam in self.optimisers.items()}
        average = {n: {"params": params[n], "stats": stats[n]} for n in self.averaged}
        average = jax.tree.map(jnp.copy, average)  # a donated state must not hold an array twice
        return st.TrainState(jnp.zeros((), jnp.int32), params, stats, optimiser, average, self.pools())

    def optimiser(self, b1: float = 0.9) -> st.Adam:
        """What trains the network that restores."""
        s = self.settings
        return st.OPTIMISERS[s.optimiser](b1=b1, b2=0.999, l2=s.l2, clip=s.clip)

    def pools(self) -> dict[str, Array]:
        return {}

    def begun(self, done: int) -> bool:
        """Whether the network that ships has trained in any of the first `done` steps."""
        return done > 0

    def pairs(self, key: Key[Array, ""], batch: Batch, step: Array) -> Pair:
        """The lesson's pairs of a batch."""
        known = {name: batch[name] for name in self.lesson.aside}
        return self.lesson.pairs(key, batch["clean"], self.progress(step), **known)

    def progress(self, step: Array) -> Array:
        return step / self.steps

    def rate(self, step: Array, start: int = 0) -> Array:
        """The learning rate."""
        s = self.settings
        warmup = min(100, self.steps // 20) if s.decay == "cosine" else 0
        share = st.schedule(step, steps=self.steps, start=start, hold=s.hold, shape=s.decay, warmup=warmup)
        return s.learning_rate * share

    def apply(self, state: st.TrainState, name: str, gradient: Any, rate: Array) -> st.TrainState:
        """The state after one update of the network `name`, its moving average included."""
        params, optimiser = self.optimisers[name].update(gradient, state.optimiser[name], state.params[name], rate)
        state = state._replace(params={**state.params, name: params}, optimiser={**state.optimiser, name: optimiser})
        if name not in self.averaged:
            return state
        new = {"params": params, "stats": state.stats[name]}
        average = st.follow(state.average[name], new, self.settings.average, state.step)
        return state._replace(average={**state.average, name: average})

    def restore(self, state: st.TrainState, seen: Array) -> Array:
        """What the network that ships makes of what it sees, in [0, 1]."""
        average = state.average[self.ships]
        restored, _ = self.nets[self.ships](average["params"], average["stats"], seen, train=False)
        return jnp.clip(restored, 0, 1)
