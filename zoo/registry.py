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
import ml_dtypes  # comes with JAX: bfloat16 for NumPy
import numpy as np
import safetensors.numpy
from flax import nnx

from zoo import cards, files, shipped
from zoo.cards import NETWORKS, configure
from zoo.community import find
from zoo.errors import FlagError, InputError, ZooError, choose
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

WEIGHTS = Path(__file__).parent / "weights"
CARD = "model.json"  # of a training run's folder


@dataclasses.dataclass(frozen=True)
class Spec:
    """One model: what it is built from, and what the world needs to know to use it. What ships may be of another size,
    and so of another halo: `config_of` says which."""

    config: ModelConfig  # its type names the network
    noise: str | None  # that a denoiser was made for: a key of zoo.noise.NOISES, or "any"; None: of another task
    about: str
    licence: str = "Apache-2.0"
    reproduction: bool = False  # of a paper's own form: there beside what the paper claims, not to restore films with

    @property
    def task(self) -> str:
        return self.config.task

    @property
    def multiple(self) -> int:
        return self.config.multiple

    @property
    def halo(self) -> int | None:
        return self.config.halo


_UNPAIRED = "residual CycleGAN, film variant: learned from unpaired pictures, may be tiled"
_AS_PUBLISHED = "residual CycleGAN as published: both cycles; an eighth of the published width"
_DENSE = "dense blocks with transitions, residual output"
_UNET = "residual dense U-Net: dense blocks at three scales"
_RESNET = "residual blocks, residual output"
_FAST = "residual blocks, residual output, of half the width: for speed"
_FILM = "several frames: neighbours laid over the frame, trusted where they fit, averaged, restored"
_UPSCALE = "residual blocks at the low resolution, residual over Lanczos"
_GAN = "residual blocks, trained against a judge"
_GAN_AS_PUBLISHED = "GAN as published: convolutions and batch norm, minimax; half of the published width"

SPECS: dict[str, Spec] = {
    "unet-gaussian": Spec(UNetConfig(), "gaussian", _UNET),
    "unet-salt-and-pepper": Spec(UNetConfig(impulse=True), "salt_and_pepper", _UNET),
    "resnet-gaussian": Spec(ResNetConfig(), "gaussian", _RESNET),
    "resnet-salt-and-pepper": Spec(ResNetConfig(impulse=True), "salt_and_pepper", _RESNET),
    "fast-gaussian": Spec(ResNetConfig(width=32), "gaussian", _FAST),
    "fast-salt-and-pepper": Spec(ResNetConfig(width=32, impulse=True), "salt_and_pepper", _FAST),
    "resnet-grain": Spec(ResNetConfig(), "grain", f"{_RESNET}; for film grain and for white noise"),
    "fast-grain": Spec(ResNetConfig(width=32), "grain", f"{_FAST}; for film grain and for white noise"),
    "film-grain": Spec(FilmConfig(width=32), "grain", _FILM),
    "film-gaussian": Spec(FilmConfig(width=32), "gaussian", _FILM),
    "densenet-gaussian": Spec(DenseNetConfig(), "gaussian", _DENSE),
    "densenet-salt-and-pepper": Spec(DenseNetConfig(impulse=True), "salt_and_pepper", _DENSE),
    "gan-gaussian": Spec(ResNetConfig(), "gaussian", _GAN),
    "gan-salt-and-pepper": Spec(ResNetConfig(impulse=True), "salt_and_pepper", _GAN),
    "gan-pictures": Spec(LatentConfig(), "any", "pictures from a random vector (DCGAN)"),
    "cyclegan-gaussian": Spec(ResNetConfig(), "gaussian", _UNPAIRED),
    "cyclegan-salt-and-pepper": Spec(ResNetConfig(impulse=True), "salt_and_pepper", _UNPAIRED),
    "deinterlace": Spec(DeinterlacerConfig(), None, "missing lines of fields, by estimates along the motion"),
    "repair": Spec(RepairConfig(), None, "dirt and scratches of old film, found and filled by five frames"),
}

SPECS |= {
    f"upscale-x{scale}": Spec(UpscaleConfig(scale=scale), None, f"{_UPSCALE}; {scale} times as high and as wide")
    for scale in (2, 4)
}

SPECS["upscale-tv"] = Spec(UpscaleConfig(), None, f"{_UPSCALE}; for television of standard definition, noisy and coded")

_PAPERS = {
    "gan-paper": (PlainConfig(width=32), _GAN_AS_PUBLISHED),
    "cyclegan-paper": (ResidualConfig(width=8), _AS_PUBLISHED),
}

# Each network once more, trained on photographs, whose terms its weights carry; the plain names learned from
# procedural pictures, which nobody owns.
PHOTOS = "-photos"
SPECS |= {
    name + PHOTOS: dataclasses.replace(spec, licence="research, non-commercial")
    for name, spec in SPECS.items()
    if spec.noise not in (None, "any")
}

SPECS |= {
    f"{name}-{noise.replace('_', '-')}": Spec(config, noise, about, reproduction=True)
    for name, (config, about) in _PAPERS.items()
    for noise in ("gaussian", "salt_and_pepper")
}


def names() -> list[str]:
    """The models of the zoo, in the table's order: reproductions last."""
    return list(SPECS)


def build(name: str, *, seed: int = 0, **overrides: Any) -> Any:
    """The network called `name` with fresh random weights; `overrides` change fields of its config.

    Returns an `nnx.Module` with `.config`; raises FlagError for an unknown name or field.
    """
    spec = SPECS[choose("model", name, SPECS)]
    # Op by op: equal shapes share a compiled draw, where one jitted program would compile each layer's anew.
    return configure(spec.config, **overrides).build(nnx.Rngs(seed))


def load(name: str | os.PathLike) -> Any:
    """The network with its weights, ready to restore (evaluation mode).

    `name`: a model of `names()` whose weights ship, the folder of a training run, or a file of other people's weights
    (see `zoo.community`). Raises FlagError for an unknown name, InputError for weights that are missing, altered or of
    another network.
    """
    if find.is_weights(name):
        (config, _), weights = find.read(path := Path(name))
    else:
        about, folder = _find(name)
        config, weights, path = cards.config(about, folder), cards.weights(about, folder), folder / about["weights"]
    network = nnx.eval_shape(lambda: config.build(nnx.Rngs(0)))
    _fill(network, weights, path)
    network.eval()
    return network


def card(name: str | os.PathLike) -> dict[str, Any]:
    """The model card: network, config, data, recipe, licence, metrics, sha256. Same names and errors as `load`."""
    return find.describe(Path(name)).card if find.is_weights(name) else _find(name)[0]


def has_weights(name: str) -> bool:
    """Whether the weights of a model of `names()` ship with this installation."""
    return (WEIGHTS / f"{name}.json").is_file()


def config_of(name: str | os.PathLike) -> ModelConfig:
    """The config of what `load` gives: its card's, which a small device may have trained narrower than SPECS has it;
    SPECS' own where no weights ship. Same names and errors as `load`."""
    if str(name) in SPECS and not has_weights(str(name)):
        return SPECS[str(name)].config
    if find.is_weights(name):
        return find.describe(Path(name)).config
    about, folder = _find(name)
    return cards.config(about, folder)


def save(
    folder: Path, stem: str, config: ModelConfig, params: Any, stats: Any, facts: dict[str, Any]
) -> dict[str, Any]:
    """Writes `STEM-<hash8>.safetensors`, then its card, into a training run's folder, each in one move; returns the
    card. `params`, `stats`: nested dicts of arrays."""
    network = next(k for k, v in NETWORKS.items() if isinstance(config, v))
    about = {
        "model": stem,
        "network": network,
        "config": {f.name: getattr(config, f.name) for f in dataclasses.fields(config)},
        "parameters": sum(v.size for v in flatten(params).values()),
        **facts,
    }
    return _write(folder, CARD, about, flatten(params) | flatten(stats))


def ship(run: Path, name: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Copies the weights of a training run's folder into the zoo as `name`, in bfloat16, with `facts` added to their
    card, which is returned. Raises FlagError where the run's network is not the one that SPECS has there."""
    about = cards.read(run / CARD)
    if not isinstance(cards.config(about, run), type(SPECS[choose("model", name, SPECS)].config)):
        raise FlagError(f"{run} holds a network {about['network']!r}, which {name} is not")
    arrays = {k: v.astype(ml_dtypes.bfloat16) for k, v in cards.weights(about, run).items()}
    about = _write(WEIGHTS, f"{name}.json", about | {"model": name} | facts, arrays)
    shipped.record(name, about["sha256"])
    return about


def _write(folder: Path, card_name: str, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Writes the arrays, then the card that names them, then removes what they replace."""
    data = safetensors.numpy.save(arrays, metadata={"network": about["network"]})
    digest, stem = hashlib.sha256(data).hexdigest(), about["model"]
    about = about | {"weights": f"{stem}-{digest[:8]}.safetensors", "sha256": digest}
    files.write(folder / about["weights"], data)
    files.write(folder / card_name, json.dumps(about, indent=1) + "\n")
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
            raise ZooError(f"no weights ship for {text!r}; train it: python -m train.all --name={text}")
        about = cards.read(WEIGHTS / f"{text}.json")
        if about["sha256"] != shipped.SHA256.get(text):
            raise InputError(f"the weights of {text} in {WEIGHTS} are not those that ship; install the package anew")
        return about, WEIGHTS
    if path.is_dir():
        return cards.read(path / CARD), path
    raise FlagError(
        f"{text!r} is no model, no training run's folder and no file of weights; the models are: {', '.join(SPECS)}"
    )


def _fill(network: Any, weights: dict[str, np.ndarray], path: Path) -> None:
    own = {".".join(map(str, p)): (p, v) for p, v in nnx.to_flat_state(nnx.state(network))}
    if own.keys() != weights.keys():
        missing, extra = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
        raise InputError(f"{path} holds another network's weights: missing {_few(missing)}, unexpected {_few(extra)}")
    filled = []
    for name, (p, v) in own.items():
        if v.shape != weights[name].shape:
            raise InputError(f"{path} holds another network's weights: {name} is {weights[name].shape}, not {v.shape}")
        filled.append((p, v.replace(jnp.asarray(weights[name], jnp.float32))))
    nnx.update(network, nnx.from_flat_state(filled))


def _few(names: list[str]) -> str:
    return ", ".join(name[:60] for name in names[:3]) or "none"
