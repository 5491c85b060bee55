"""The settings that all train commands share, and how flags, presets and defaults become them."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import jax
import tyro

from train.loop import grow
from zoo import flags, registry
from zoo.errors import FlagError
from zoo.flags import Levels, Precision, check_names


@dataclasses.dataclass(frozen=True)
class Settings:
    LEAST: ClassVar[dict[str, int]] = {  # that a field may be; a command adds its own
        "images": 1,
        "epochs": 1,
        "batch": 1,
        "crop": 16,
        "checkpoints": 1,
        "patience": 0,
        "valid": 1,
        "leaves": 2,
    }

    preset: Literal["auto", "small", "full", "paper"] = "auto"
    """small: a CPU; full: an accelerator; paper: as published; auto: small or full, as the device is"""
    data: str = "leaves"
    """leaves (procedural, made on the device), a FOLDER of pictures, or tfds:NAME[:SPLIT]"""
    noise: Literal["gaussian", "salt_and_pepper", "poisson", "speckle", "grain", "scan", "mixed"] = "gaussian"
    levels: Levels = (0.01, 0.05)
    """lowest and highest level drawn: standard deviation or share of pixels, on the [0, 1] scale"""
    rising: bool = False
    """let the highest level rise from the lowest over the first half of the run"""
    images: int | None = None
    """length of the run in training crops; default: epochs x pictures in the data"""
    epochs: int = 100
    """length of the run where --images is not given; given, it takes the place of a preset's --images"""
    batch: int = 16
    """crops a step, over all devices"""
    crop: int = 64
    """side of a training crop, px"""
    workdir: Path | None = None
    """checkpoints, log and weights; default: runs/COMMAND-NOISE. The same command continues what it finds there"""
    seed: int = 0
    network: str | None = None
    """override fields of the network's config, as width=32,blocks=2"""
    weights: str | None = None
    """begin with the network and the weights of a model of the zoo or of a run's folder, instead of random ones;
    --network may make it wider or deeper"""
    optimiser: Literal["adam", "muon"] = "muon"
    """of the network that restores; discriminators have Adam"""
    learning_rate: float = 1e-3
    """peak rate"""
    decay: Literal["linear", "cosine", "constant"] = "cosine"
    hold: float = 0.3
    """share of the run at the peak rate, before the decay"""
    l2: float = 0.0
    """weight of the kernels' squared norm in the gradient"""
    dropout: float = 0.0
    """share of features dropped in the discriminators"""
    clip: float = 0.5
    """bound on the gradient's norm of the network that restores; discriminators and g_ba have none. 0: none"""
    average: float = 0.998
    """decay of the moving average of the weights, which is what ships"""
    precision: Precision = "float32"
    """in which the networks compute; bfloat16 is faster on accelerators. Weights and losses stay float32"""
    grey: float = 0.1
    """share of crops turned grey, noise and all: film is black and white too"""
    white: float = 0.0
    """share of crops with white Gaussian noise instead: a network for grain should know that too"""
    checkpoints: int = 10
    """how many over the run; each validates, and keeps the best weights"""
    patience: int = 0
    """stop after so many checkpoints without a better validation PSNR; 0: never"""
    valid: int = 16
    """pictures held out for validation; of your own at most one in eight"""
    leaves: int = 256
    """pictures to make for --data=leaves"""
    minutes: float | None = None
    """stop after so many minutes, with a checkpoint from which the same command continues"""
    tensorboard: bool = False
    """write TensorBoard events beside the log"""
    dry_run: bool = False
    """print the resolved settings as JSON and stop"""

    def total(self, pictures: int) -> int:
        """Length of the run in crops."""
        return self.images or self.epochs * pictures


# What each preset changes for every command; a command's own presets come on top.
PRESETS: dict[str, dict[str, Any]] = {
    "small": {"batch": 8, "images": 14_000, "checkpoints": 14},
    "full": {"batch": 64, "crop": 128, "images": 4_000_000, "leaves": 8192, "checkpoints": 40, "valid": 32},
    "paper": {
        "rising": True,
        "optimiser": "adam",
        "batch": 64,
        "crop": 128,
        "learning_rate": 2e-4,
        "decay": "linear",
        "hold": 0.5,
        "l2": 1e-4,
        "clip": 0.0,
        "average": 0.0,
        "grey": 0.0,
        "patience": 3,
        "leaves": 8192,
    },
}

S = TypeVar("S", bound=Settings)


def parse(kind: type[S], command: str, presets: dict[str, dict[str, Any]], argv: list[str] | None) -> S:
    """The settings that `argv` asks for, upon the preset that it names. Leaves with code 2 for a bad flag."""
    check_names(argv, kind)
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--preset", default="auto")
    asked = early.parse_known_args(argv)[0].preset
    preset = ("small" if jax.default_backend() == "cpu" else "full") if asked == "auto" else asked
    # An unknown preset falls through to tyro, which lists the choices.
    defaults = {**PRESETS.get(preset, {}), **presets.get(preset, {})}
    settings = tyro.cli(
        kind,
        prog=f"python -m train.{command}",
        description=sys.modules[kind.__module__].__doc__,
        default=kind(**defaults, preset=preset if preset in PRESETS else "auto"),
        args=argv,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    settings = dataclasses.replace(settings, preset=preset)
    given = {word.split("=")[0] for word in (sys.argv[1:] if argv is None else argv)}
    if settings.weights and "--network" not in given:
        settings = dataclasses.replace(settings, network=None)  # the weights bring theirs
    if "--epochs" in given and "--images" not in given:
        settings = dataclasses.replace(settings, images=None)  # the preset's, of which the epochs take the place
    if settings.workdir is None:
        settings = dataclasses.replace(settings, workdir=Path("runs") / f"{command}-{settings.noise}")
    return check(settings)


def check(settings: S) -> S:
    """The settings, if they can be; else a FlagError that says what is wrong."""
    low, high = settings.levels
    if not 0 <= low <= high <= 1:
        raise FlagError(f"--levels={low},{high} must be two numbers in [0, 1], the lower first")
    for name, bound in settings.LEAST.items():
        if getattr(settings, name) is not None and getattr(settings, name) < bound:
            raise FlagError(f"--{name.replace('_', '-')}={getattr(settings, name)} must be at least {bound}")
    if not 0 <= settings.seed < 2**32:
        raise FlagError(f"--seed={settings.seed} is outside 0 ... 2^32 - 1")
    if settings.minutes is not None and not settings.minutes > 0:
        raise FlagError(f"--minutes={settings.minutes} must be more than 0")
    for name in ("hold", "dropout", "average", "grey", "white"):
        if not 0 <= getattr(settings, name) <= 1:
            raise FlagError(f"--{name}={getattr(settings, name)} must lie in [0, 1]")
    if settings.dropout == 1:
        raise FlagError("--dropout=1.0 would drop everything; make it less than 1")
    for name, value in dataclasses.asdict(settings).items():  # rates, weights and shares, a command's own included
        if isinstance(value, float) and not 0 <= value < float("inf"):
            raise FlagError(f"--{name.replace('_', '-')}={value} must be a number from 0 up")
    return settings


def refuse_ignored(settings: Settings, presets: dict[str, dict[str, Any]], names: Collection[str], what: str) -> None:
    """Raises FlagError where one of the fields `names`, which `what` would ignore, is neither as by default nor as the
    preset has it."""
    preset = {**PRESETS.get(settings.preset, {}), **presets.get(settings.preset, {})}
    flags.refuse(settings, {name for name in names if getattr(settings, name) != preset.get(name)}, what)


def network_config(config: Any, settings: Settings) -> Any:
    """`config` with --network's changes; with --weights theirs, which must be of the same network, no smaller."""
    if not settings.weights:
        return overridden(config, settings.network)
    found = registry.load(settings.weights).config
    if not isinstance(found, type(config)):
        raise FlagError(
            f"--weights={settings.weights} is a {type(found).__name__}; this run has a {type(config).__name__}"
        )
    large = overridden(found, settings.network)
    grow.check(found, large)
    return large


def overridden(config: Any, text: str | None, flag: str = "--network") -> Any:
    """A network's config with the fields changed that `width=32,blocks=2` names."""
    changes = {}
    for part in filter(None, (text or "").split(",")):
        name, _, value = part.partition("=")
        try:
            changes[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            changes[name.strip()] = value
    if flag == "--judge" and "channels" in changes:
        raise FlagError("--judge cannot change channels: what the discriminator sees says how many they are")
    try:
        return registry.configure(config, **changes)
    except FlagError as e:
        raise FlagError(f"{flag}: {e}") from None


def shipped_config(arch: str, settings: Settings) -> Any:
    """The config of the zoo's model ARCH-NOISE (of ARCH-gaussian for a noise without one), with --network's changes."""
    name = f"{arch}-{settings.noise.replace('_', '-')}"
    spec = registry.SPECS.get(name) or registry.SPECS[f"{arch}-gaussian"]
    return network_config(spec.config, settings)


def describe(settings: Settings) -> dict[str, Any]:
    """The settings as JSON: what makes a run what it is (not where it lies, nor how it is watched)."""
    plain = {k: str(v) if isinstance(v, Path) else v for k, v in dataclasses.asdict(settings).items()}
    plain["levels"] = list(settings.levels)
    if settings.weights:
        plain["weights"] = f"{settings.weights} {registry.card(settings.weights)['sha256']}"
    return {k: v for k, v in plain.items() if k not in ("workdir", "minutes", "dry_run", "tensorboard")}
