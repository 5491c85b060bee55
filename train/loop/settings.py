"""The settings of the loop. A lesson and a method each add their own, as dataclasses that inherit from these."""

import dataclasses
import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Self

from train.loop import grow
from train.loop.state import DECAYS, OPTIMISERS
from zoo import flags, registry
from zoo.errors import FlagError
from zoo.flags import Precision, among

# What each preset changes for every command; lessons and methods have more.
PRESETS: dict[str, dict[str, Any]] = {
    "small": {"batch": 8, "images": 14_000, "checkpoints": 14},
    "full": {"batch": 64, "crop": 128, "images": 4_000_000, "leaves": 8192, "checkpoints": 40, "valid": 32},
    "paper": {
        "optimiser": "adam",
        "batch": 64,
        "crop": 128,
        "learning_rate": 2e-4,
        "decay": "linear",
        "hold": 0.5,
        "l2": 1e-4,
        "clip": 0.0,
        "average": 0.0,
        "patience": 3,
        "leaves": 8192,
    },
}


@dataclasses.dataclass(frozen=True)
class Settings:
    preset: Annotated[str, among(["auto", *PRESETS])] = "auto"
    """small: a CPU; full: an accelerator; paper: as published; auto: small or full, as the device is"""
    data: str = "leaves"
    """leaves (procedural, made on the device), a FOLDER of pictures, tfds:NAME[:SPLIT], or clips:FOLDER of films"""
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
    generator: str = ""
    """what restores: a network of the lesson"""
    network: str | None = None
    """override fields of the network's config, as width=32,blocks=2"""
    weights: str | None = None
    """begin with the network and the weights of a model of the zoo or of a run's folder, instead of random ones;
    --network may make it wider or deeper"""
    optimiser: Annotated[str, among(OPTIMISERS)] = "muon"
    """of the network that restores; discriminators have Adam"""
    learning_rate: float = 1e-3
    """peak rate"""
    decay: Annotated[str, among(DECAYS)] = "cosine"
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
    checkpoints: int = 10
    """how many over the run; each validates, and keeps the best weights"""
    patience: int = 0
    """stop after so many checkpoints without a better validation PSNR; 0: never"""
    valid: int = 16
    """pictures held out for validation; of your own at most one in eight"""
    leaves: int = 256
    """pictures to make for --data=leaves, or stretches of film to read for --data=clips:FOLDER"""
    minutes: float | None = None
    """stop after so many minutes, with a checkpoint from which the same command continues"""
    tensorboard: bool = False
    """write TensorBoard events beside the log"""
    dry_run: bool = False
    """print the resolved settings as JSON and stop"""

    @property
    def folder(self) -> Path:
        """The workdir, once it is settled."""
        assert self.workdir is not None
        return self.workdir

    def settled(self) -> Self:
        """With what follows of what was given."""
        return self

    def total(self, pictures: int) -> int:
        """Length of the run in crops."""
        return self.images or self.epochs * pictures

    def check(self) -> None:
        """Raises FlagError that says what is wrong. A lesson's and a method's settings check their own, then these."""
        self.at_least(images=1, epochs=1, batch=1, crop=16, checkpoints=1, patience=0, valid=1, leaves=2)
        self.shares("hold", "dropout", "average")
        if not 0 <= self.seed < 2**32:
            raise FlagError(f"--seed={self.seed} is outside 0 ... 2^32 - 1")
        if self.minutes is not None and not self.minutes > 0:
            raise FlagError(f"--minutes={self.minutes} must be more than 0")
        if self.dropout == 1:
            raise FlagError("--dropout=1.0 would drop everything; make it less than 1")
        for name, value in dataclasses.asdict(self).items():  # rates and weights, of whatever part
            if isinstance(value, float) and not 0 <= value < float("inf"):
                raise FlagError(f"{flag(name)}={value} must be a number from 0 up")

    def at_least(self, **bounds: int) -> None:
        for name, bound in bounds.items():
            if getattr(self, name) is not None and getattr(self, name) < bound:
                raise FlagError(f"{flag(name)}={getattr(self, name)} must be at least {bound}")

    def shares(self, *names: str) -> None:
        for name in names:
            if not 0 <= getattr(self, name) <= 1:
                raise FlagError(f"{flag(name)}={getattr(self, name)} must lie in [0, 1]")


def flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def refuse_ignored(settings: Settings, names: Collection[str], what: str, preset: dict[str, Any]) -> None:
    """Raises FlagError where one of the fields `names`, which `what` would ignore, is neither as by default nor as the
    `preset` has it."""
    flags.refuse(settings, {name for name in names if getattr(settings, name) != preset.get(name)}, what)


def network_config(config: Any, settings: Settings) -> Any:
    """`config` with --network's changes; with --weights theirs, which must be of the same network, no smaller."""
    if not settings.weights:
        return overridden(config, settings.network)
    found = registry.load(settings.weights).config
    taught = grow.as_taught(found, config)
    if not isinstance(taught, type(config)):
        raise FlagError(
            f"--weights={settings.weights} is a {type(found).__name__}; this run has a {type(config).__name__}"
        )
    large = overridden(taught, settings.network)
    grow.check(taught, large)
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


def describe(settings: Settings) -> dict[str, Any]:
    """The settings as JSON: what makes a run what it is (not where it lies, nor how it is watched)."""
    kinds = {Path: str, tuple: list}
    plain = dataclasses.asdict(settings).items()
    plain = {k: next((as_json(v) for kind, as_json in kinds.items() if isinstance(v, kind)), v) for k, v in plain}
    if settings.weights:
        plain["weights"] = f"{settings.weights} {registry.card(settings.weights)['sha256']}"
    return {k: v for k, v in plain.items() if k not in ("workdir", "minutes", "dry_run", "tensorboard")}
