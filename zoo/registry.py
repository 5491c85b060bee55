"""The table of models: `names()`, `build(name)`, `load(name or a training run's folder)`, `card(...)`.

Weights are safetensors, one array a parameter or statistic, named by its path (`body.layers.0.conv.kernel`), beside a
JSON card that says what they are: network, configuration, data, recipe, licence, sha256.
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import nnx

from zoo import files
from zoo.errors import FlagError, InputError, ZooError, choose
from zoo.models.cyclegan import FilmConfig, ResidualConfig
from zoo.models.densenet import DenseNetConfig
from zoo.models.gan import LatentConfig, PlainConfig

WEIGHTS = Path(__file__).parent / "weights"
CARD = "model.json"  # of a training run's folder


@dataclasses.dataclass(frozen=True)
class Spec:
    """One model: what it is built from, and what the world needs to know to use it."""

    config: Any  # a network's frozen config; its type names the network
    noise: str  # what it was made for: a key of zoo.noise.NOISES, or "any"
    about: str
    licence: str = "Apache-2.0"

    task = property(lambda self: self.config.task)
    multiple = property(lambda self: self.config.multiple)
    halo = property(lambda self: self.config.halo)
    scale = 1  # output size over input size


SPECS: dict[str, Spec] = {
    "cyclegan-gaussian": Spec(FilmConfig(), "gaussian", "residual CycleGAN, film variant: unpaired, tileable"),
    "cyclegan-salt-and-pepper": Spec(
        FilmConfig(impulse=True), "salt_and_pepper", "residual CycleGAN, film variant: unpaired, tileable"
    ),
    "cyclegan-paper": Spec(ResidualConfig(), "any", "residual CycleGAN with the paper's generator: instance norm"),
    "densenet-gaussian": Spec(DenseNetConfig(), "gaussian", "dense blocks with transitions, residual output"),
    "densenet-salt-and-pepper": Spec(
        DenseNetConfig(impulse=True), "salt_and_pepper", "dense blocks with transitions, residual output"
    ),
    "gan-gaussian": Spec(PlainConfig(), "gaussian", "convolutions and batch norm, trained against a judge"),
    "gan-salt-and-pepper": Spec(
        PlainConfig(impulse=True), "salt_and_pepper", "convolutions and batch norm, trained against a judge"
    ),
    "gan-pictures": Spec(LatentConfig(), "any", "pictures from a random vector (DCGAN)"),
}

# The networks, by the names that cards and `--generator` use.
NETWORKS: dict[str, type] = {
    "film": FilmConfig,
    "residual": ResidualConfig,
    "densenet": DenseNetConfig,
    "plain": PlainConfig,
    "latent": LatentConfig,
}


def names() -> list[str]:
    """The models of the zoo, in the table's order."""
    return list(SPECS)


def configure(config: Any, **overrides: Any) -> Any:
    """`config` with some fields changed; an unknown field raises a FlagError that lists them."""
    fields = {f.name for f in dataclasses.fields(config)} - {"task", "multiple", "halo"}
    for name in overrides:
        choose(f"setting of {type(config).__name__}", name, fields)
    return dataclasses.replace(config, **overrides)


def build(name: str, *, seed: int = 0, **overrides: Any) -> Any:
    """The network called `name` with fresh random weights; `overrides` change fields of its config.

    Returns an `nnx.Module` with `.config`; raises FlagError for an unknown name or field.
    """
    spec = SPECS[choose("model", name, SPECS)]
    # Op by op: equal shapes share a compiled draw, where one jitted program would compile each layer's anew.
    return configure(spec.config, **overrides).build(nnx.Rngs(seed))


def load(name: str | os.PathLike) -> Any:
    """The network with its weights, ready to restore (evaluation mode).

    `name`: a model of `names()` whose weights ship, or the folder of a training run. Raises FlagError for an unknown
    name, InputError for weights that are missing, altered or of another network.
    """
    about, folder = _find(name)
    config = _config(about, folder)
    weights = _verified(folder / about["weights"], about["sha256"])
    network = nnx.eval_shape(lambda: config.build(nnx.Rngs(0)))
    _fill(network, weights, folder / about["weights"])
    network.eval()
    return network


def card(name: str | os.PathLike) -> dict[str, Any]:
    """The model card: network, config, data, recipe, licence, metrics, sha256. Same names and errors as `load`."""
    return _find(name)[0]


def has_weights(name: str) -> bool:
    """Whether the weights of a model of `names()` ship with this installation."""
    return (WEIGHTS / f"{name}.json").is_file()


def save(folder: Path, stem: str, config: Any, params: Any, stats: Any, facts: dict[str, Any]) -> dict[str, Any]:
    """Writes `STEM-<hash8>.safetensors`, then its card, into a training run's folder, each in one move; returns the
    card. `params`, `stats`: nested dicts of arrays."""
    network = next(k for k, v in NETWORKS.items() if isinstance(config, v))
    data = safetensors.numpy.save(flatten(params) | flatten(stats), metadata={"network": network})
    digest = hashlib.sha256(data).hexdigest()
    about = {
        "model": stem,
        "network": network,
        "config": {f.name: getattr(config, f.name) for f in dataclasses.fields(config)},
        "weights": f"{stem}-{digest[:8]}.safetensors",
        "sha256": digest,
        "parameters": sum(v.size for v in flatten(params).values()),
        **facts,
    }
    files.write(folder / about["weights"], data)
    files.write(folder / CARD, json.dumps(about, indent=1) + "\n")
    for old in folder.glob(f"{stem}-????????.safetensors"):
        if old.name != about["weights"]:
            old.unlink()
    return about


def flatten(state: Any) -> dict[str, np.ndarray]:
    """A nested dict of arrays as {path: array}, paths joined by dots."""
    flat = jax.tree_util.tree_leaves_with_path(state)
    return {".".join(str(k.key) for k in path): np.asarray(leaf) for path, leaf in flat}


def _find(name: str | os.PathLike) -> tuple[dict[str, Any], Path]:
    path, text = Path(name), str(name)
    if text in SPECS:
        if not has_weights(text):
            arch, _, noise = text.partition("-")
            flag = f" --noise={noise.replace('-', '_')}" if noise in ("gaussian", "salt-and-pepper") else ""
            raise ZooError(f"no weights ship for {text!r}; train it: python -m train.{arch}{flag}")
        return _read_card(WEIGHTS / f"{text}.json"), WEIGHTS
    if path.is_dir():
        return _read_card(path / CARD), path
    raise FlagError(f"{text!r} is no model and no training run's folder; the models are: {', '.join(SPECS)}")


def _read_card(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text())
        if missing := {"network", "config", "weights", "sha256"} - about.keys():
            raise InputError(f"{path} is no model card: it lacks {', '.join(sorted(missing))}")
        return about
    except FileNotFoundError:
        raise InputError(
            f"{path.parent} holds no {path.name}: no training run has finished a checkpoint there"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError) as e:
        raise InputError(f"{path} is no model card: {e}") from None


def _config(about: dict[str, Any], folder: Path) -> Any:
    kind = NETWORKS.get(about["network"])
    if kind is None:
        raise InputError(f"the card in {folder} names the network {about['network']!r}; known: {', '.join(NETWORKS)}")
    try:
        return kind(**about["config"])
    except TypeError as e:
        raise InputError(f"the card in {folder} does not fit the network {about['network']!r}: {e}") from None


def _verified(path: Path, sha256: str) -> dict[str, np.ndarray]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"the weights {path} are missing; copy the whole folder") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InputError(
            f"the weights {path} are truncated or altered: their sha256 is not the card's; fetch them again"
        )
    try:
        return safetensors.numpy.load(data)
    except safetensors.SafetensorError as e:
        raise InputError(f"{path} is no safetensors file: {e}") from None


def _fill(network: Any, weights: dict[str, np.ndarray], path: Path) -> None:
    own = {".".join(map(str, p)): (p, v) for p, v in nnx.to_flat_state(nnx.state(network))}
    if own.keys() != weights.keys():
        missing, extra = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
        raise InputError(f"{path} holds another network's weights: missing {missing[:3]}, unexpected {extra[:3]}")
    filled = []
    for name, (p, v) in own.items():
        if v.shape != weights[name].shape:
            raise InputError(f"{path} holds another network's weights: {name} is {weights[name].shape}, not {v.shape}")
        filled.append((p, v.replace(jnp.asarray(weights[name], jnp.float32))))
    nnx.update(network, nnx.from_flat_state(filled))
