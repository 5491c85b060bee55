"""Cards and weights as files that anybody may have made: both are looked at before anything is built from them.

A card is JSON that says what weights are: network, config, data, recipe, licence, sha256. Its weights are safetensors
that lie beside it.
"""

import dataclasses
import hashlib
import math
from pathlib import Path
from typing import Any

import ml_dtypes  # comes with JAX: bfloat16 for NumPy
import numpy as np
import safetensors

from zoo import checked
from zoo.errors import FlagError, InputError, choose
from zoo.models.cyclegan import ResidualConfig
from zoo.models.deinterlace import DeinterlacerConfig
from zoo.models.densenet import DenseNetConfig
from zoo.models.film import FilmConfig
from zoo.models.gan import LatentConfig, PlainConfig
from zoo.models.network import ModelConfig
from zoo.models.repair import RepairConfig
from zoo.models.resnet import ResNetConfig
from zoo.models.unet import UNetConfig
from zoo.models.upscale import UpscaleConfig

# The networks, by the names that cards use.
NETWORKS: dict[str, type[ModelConfig]] = {
    "unet": UNetConfig,
    "resnet": ResNetConfig,
    "densenet": DenseNetConfig,
    "plain": PlainConfig,
    "residual": ResidualConfig,
    "latent": LatentConfig,
    "film": FilmConfig,
    "upscale": UpscaleConfig,
    "deinterlacer": DeinterlacerConfig,
    "repairer": RepairConfig,
}
_FIXED = ("task", "multiple", "halo")  # by the kind of network
_LAYERS = ("blocks", "layers", "depth", "levels", "steps")  # each one more adds an array or more
_MOST_BYTES = 1 << 30  # of weights; those that ship have 3 MB at most
_KINDS = {"F32": np.dtype(np.float32), "BF16": np.dtype(ml_dtypes.bfloat16)}


@dataclasses.dataclass(frozen=True)
class _Data:
    more: dict[str, Any]
    name: str | None = None


@dataclasses.dataclass(frozen=True)
class _Recipe:
    more: dict[str, Any]
    noise: str | None = None
    weights: str | None = None


@dataclasses.dataclass(frozen=True)
class _Card:
    """What a card must hold, and of what may stand there all that is used."""

    network: str
    config: dict[str, bool | int | float | str | None]
    weights: str
    sha256: str
    more: dict[str, Any]
    images: int = 0
    parameters: int = 0
    recipe: _Recipe | None = None
    data: _Data | None = None
    validation: dict[str, Any] | None = None
    licence: str = ""


def read(path: Path) -> dict[str, Any]:
    """A card. Raises InputError where it cannot be one, or names a file elsewhere."""
    try:
        about = checked.read(path, dict[str, Any])
    except FileNotFoundError:
        raise InputError(
            f"{path.parent} holds no {path.name}: no training run has finished a checkpoint there"
        ) from None
    card = checked.as_kind(about, _Card, f"{path} is no model card")
    choose_network(card.network, path)
    if not card.weights.endswith(".safetensors") or set(card.weights) & {"/", "\\", "\0"}:
        raise InputError(f"{path} names the weights {card.weights[:80]!r}; they are a .safetensors file beside it")
    return about


def choose_network(name: str, path: Path) -> type[Any]:
    if name not in NETWORKS:
        raise InputError(f"{path} names the network {name[:80]!r}; known: {', '.join(NETWORKS)}")
    return NETWORKS[name]


def configure(config: Any, **overrides: Any) -> Any:
    """`config` with some fields changed; an unknown field raises a FlagError that lists them."""
    fields = {f.name for f in dataclasses.fields(config)} - {*_FIXED}
    for name in overrides:
        choose(f"setting of {type(config).__name__}", name, fields)
    for name, value in overrides.items():
        default, least = getattr(config, name), 0 if name == "blocks" else 1
        if type(value) is not type(default):
            raise FlagError(f"{name}={value!r} must be like its default, {default!r}")
        if type(value) is int and value < least:
            raise FlagError(f"{name}={value} must be at least {least}")
        if name == "dropout" and not 0 <= value < 1:
            raise FlagError(f"dropout={value} must lie in [0, 1)")
    return dataclasses.replace(config, **overrides)


def config(about: dict[str, Any], path: Path) -> ModelConfig:
    """The network's config that a card has. Raises InputError where it does not fit the network."""
    default, given = choose_network(about["network"], path)(), about["config"]
    for name in _FIXED:
        if name in given and given[name] != getattr(default, name):
            raise InputError(f"{path}: {name}={given[name]!r} does not fit the network {about['network']!r}")
    try:
        return configure(default, **{name: value for name, value in given.items() if name not in _FIXED})
    except FlagError as e:
        raise InputError(f"{path} does not fit the network {about['network']!r}: {e}") from None


def weights(about: dict[str, Any], folder: Path) -> dict[str, np.ndarray]:
    """The arrays that a card's weights hold, by name: those of which it has the sum, and enough of them for its config,
    so that a card of a few bytes builds no network of a million layers."""
    path = folder / about["weights"]
    try:
        data = checked.content(path, most=_MOST_BYTES)
    except FileNotFoundError:
        raise InputError(f"the weights {path} are missing; copy the whole folder") from None
    if hashlib.sha256(data).hexdigest() != about["sha256"]:
        raise InputError(
            f"the weights {path} are truncated or altered: their sha256 is not the card's; fetch them again"
        )
    arrays = unpack(data, path, _KINDS)
    if wrong := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise InputError(f"{path} holds weights that are no finite numbers, in {wrong[0][:60]}; take others")
    sizes = {name: value for name, value in about["config"].items() if type(value) is int and name not in _FIXED}
    layers = math.prod(max(1, sizes.get(name, 1)) for name in _LAYERS)
    if layers > len(arrays) or max(sizes.values(), default=1) > sum(array.size for array in arrays.values()):
        said = ", ".join(f"{name}={value}" for name, value in sizes.items())
        raise InputError(f"{path} holds another network's weights: {len(arrays)} arrays, too few for {said}")
    return arrays


def unpack(data: bytes, path: Path, kinds: dict[str, np.dtype]) -> dict[str, np.ndarray]:
    """Safetensors of some kinds, by the library's lowest call: its NumPy module writes bfloat16 but does not read
    it."""
    try:
        found = safetensors.deserialize(data)
    except safetensors.SafetensorError as e:
        raise InputError(f"{path} is no safetensors file: {e}") from None
    if other := {array["dtype"] for _, array in found} - kinds.keys():
        raise InputError(f"{path} holds arrays of {', '.join(sorted(other))}; known: {', '.join(kinds)}")
    return {name: np.frombuffer(a["data"], kinds[a["dtype"]]).reshape(a["shape"]) for name, a in found}
