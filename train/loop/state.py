"""The state of a training run, and networks as pure functions over it.

The train step holds no NNX object: a network is a graph definition and plain dicts of arrays, merged only inside the
trace.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from flax import nnx
from jaxtyping import Array, Int, Key

from zoo.models.layers import narrowed


class TrainState(NamedTuple):
    """All that a run is, every leaf an array: donated, sharded and saved as it is. Dicts are keyed by network."""

    step: Int[Array, ""]
    params: dict[str, Any]
    stats: dict[str, Any]  # batch statistics
    optimiser: dict[str, Any]
    average: dict[str, Any]  # moving averages {"params", "stats"} of the networks that have one
    pool: dict[str, Array]  # what earlier steps leave to later ones: fakes for the discriminators, levels of noise


class Net:
    """A network as a function of its arrays, from its config; in training it computes in `precision`."""

    def __init__(self, config: Any, precision: str = "float32"):
        self.config, self.precision = config, precision
        module = nnx.eval_shape(lambda: config.build(nnx.Rngs(0)))
        self._graph = {}
        for mode in (True, False):
            module.train() if mode else module.eval()
            self._graph[mode], self._params, self._stats = nnx.split(module, nnx.Param, ...)

    def init(self, key: Key[Array, ""]) -> tuple[Any, Any]:
        """Fresh (params, stats)."""
        return arrays(self.config.build(nnx.Rngs(key)))

    def __call__(self, params: Any, stats: Any, *inputs: Any, train: bool, **options: Any) -> tuple[Any, Any]:
        """(output, new stats). `train`: batch norm on the batch's own statistics, dropout on."""
        if train:
            params = narrowed(params, self.precision)
        module = nnx.merge(self._graph[train], _variables(self._params, params), _variables(self._stats, stats))
        output = module(*inputs, **options)
        _, _, stats = nnx.split(module, nnx.Param, ...)
        return output, nnx.to_pure_dict(stats)


def arrays(module: nnx.Module) -> tuple[Any, Any]:
    """The (params, stats) that a network holds."""
    _, params, stats = nnx.split(module, nnx.Param, ...)
    return nnx.to_pure_dict(params), nnx.to_pure_dict(stats)


def _variables(like: nnx.State, arrays: Any) -> nnx.State:
    state = jax.tree.map(lambda x: x, like)  # a copy: the call below writes into it
    nnx.replace_by_pure_dict(state, arrays)
    return state


class Adam:
    """Adam with L2 on the kernels and a bound on the gradient's norm; the rate is given at each update."""

    def __init__(self, *, b1: float, b2: float, l2: float = 0.0, clip: float = 0.0):
        self._transform = optax.chain(
            optax.clip_by_global_norm(clip) if clip else optax.identity(),
            optax.add_decayed_weights(l2, mask=kernels) if l2 else optax.identity(),
            self.direction(b1, b2),
        )

    def direction(self, b1: float, b2: float) -> optax.GradientTransformation:
        return optax.adam(1.0, b1=b1, b2=b2)

    def init(self, params: Any) -> Any:
        return self._transform.init(params)

    def update(self, gradient: Any, state: Any, params: Any, rate: Array) -> tuple[Any, Any]:
        """(new params, new state)."""
        direction, state = self._transform.update(gradient, state, params)
        return jax.tree.map(lambda p, d: p + rate * d, params, direction), state


class Muon(Adam):
    """Muon for kernels (Jordan 2024: momentum, orthogonalised), Adam for all else. A kernel counts as the matrix
    [height width in, out]. Its updates are of one size whatever the shape (Liu et al. 2025, equation 4), three times
    that of Adam's: what served a small ResNet best at the rate 1e-3 among one, three and ten times."""

    def direction(self, b1: float, b2: float) -> optax.GradientTransformation:
        return optax.contrib.muon(
            1.0, adam_b1=b1, adam_b2=b2, consistent_rms=0.6, muon_weight_dimension_numbers=_matrices
        )


OPTIMISERS = {"adam": Adam, "muon": Muon}


def kernels(params: Any) -> Any:
    return jax.tree.map(lambda p: p.ndim > 1, params)


def _matrices(params: Any) -> Any:
    numbers = lambda p: optax.contrib.MuonDimensionNumbers(tuple(range(p.ndim - 1)), p.ndim - 1)
    return jax.tree.map(lambda p: numbers(p) if p.ndim > 1 else None, params)


# How the rate falls, by the share of the fall that is over.
DECAYS = {
    "linear": lambda fall: 1 - fall,
    "cosine": lambda fall: (1 + jnp.cos(jnp.pi * fall)) / 2,
    "constant": jnp.ones_like,
}


def schedule(step: Array, *, steps: int, start: int = 0, hold: float, shape: str, warmup: int = 0) -> Array:
    """The share of the peak rate at `step`: rises over `warmup` steps from `start`, holds for a share `hold` of what
    remains, then falls to 0 at `steps` as DECAYS says; "constant" holds to the end."""
    done = step - start
    u = jnp.clip(done / max(steps - start, 1), 0, 1)
    fall = jnp.clip((u - hold) / max(1 - hold, 1e-6), 0, 1)
    return DECAYS[shape](fall) * (jnp.minimum((done + 1) / warmup, 1) if warmup else 1.0)


def follow(average: Any, new: Any, decay: float, step: Array) -> Any:
    """The moving average after one more step; young averages forget faster, so that the first weights do not linger."""
    keep = jnp.minimum(decay, (step + 1) / (step + 10))
    return jax.tree.map(lambda a, n: a + (1 - keep) * (n - a), average, new)
