"""Trains the weights that ship: python -m train.all --missing --budget-minutes=60

Each model of the zoo has its recipe below, the command line that trains it; what it trains lies in a run's folder as
any other, so that the same command continues after a cut. What is finished, and better than what it began with and
what ships, goes into zoo/weights in bfloat16 with its card: data, recipe, length, curve of validation.
"""

import dataclasses
import importlib
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro

from train.loop.log import Note, notes, say
from train.loop.settings import Settings
from zoo import registry
from zoo.errors import FlagError, InputError, choose, command
from zoo.flags import Precision, check_names

RUNS = Path("runs") / "all"
# The rate of a fresh network would first undo what the weights know; one that grows has new parts to learn.
# (The resnet-gaussian and gan-gaussian-photos that ship had the rate of GOING_ON, as their cards say;
# resnet-gaussian-photos went on from gan-gaussian-photos for 22,000 crops before it went on from itself.)
GOING_ON = ["--learning-rate=3e-4", "--hold=0"]
GROWING = ["--learning-rate=6e-4", "--hold=0.2"]
TIMES_SEEN, SIDE = 8, 256  # how often a run sees each pixel of its procedural pictures; a picture's side, px
LEAST_GAIN_DB = 0.1  # what photographs must bring over procedural pictures, to ship beside them

# A little more than the 0.01 to 0.05 it is for: what is seldom seen is learned last, and worst.
_GAUSSIAN = "--noise=gaussian --levels=0.002,0.055"
# Denser hits than the 0.05 it is for: more of them to learn from in each crop. The loss sees nothing else.
_SALT_AND_PEPPER = "--noise=salt_and_pepper --levels=0.01,0.1"
# Film grain up to what fast stock shows; half of the crops have white noise, which those who restore cannot tell.
_GRAIN = "--noise=grain --white=0.5 --levels=0.002,0.12 --loss=psnr"
# White noise alone, as far up.
_WHITE = "--noise=gaussian --levels=0.002,0.12 --loss=psnr"
# What white noise taught is a beginning; how grain looks must be learned anew.
_ANOTHER_NOISE = "--learning-rate=6e-4 --hold=0.2"
# Crops well above the receptive field: in smaller ones every pixel feels the border, as few of a picture do.
_WIDE = "--crop=128"
# A larger network begins with what the smaller one has learned, at a fraction of the price of a crop.
_WIDER = "--network=width=64 --loss=psnr"
_GAN_AS_PUBLISHED = "--preset=paper --network=width=32 --batch=8 --crop=64 --checkpoints=4 --images=8000 --leaves=512"
# Many small crops a step: what batch norm takes off with a batch's mean, the network cannot know.
_AS_PUBLISHED = (
    "--preset=paper --network=width=8 --judge=width=16 --batch=16 --crop=24 --optimiser=muon --learning-rate=1e-3 "
    "--average=0.995 --lambda-identity=50 --images=8800 --checkpoints=16 --patience=0 --leaves=112 --valid=8"
)

# What trains each model on procedural pictures; NAME-photos begins with these weights, or with the -photos weights of
# what the recipe begins with, and goes on with photographs.
RECIPES = {
    "unet-gaussian": f"unet {_GAUSSIAN} {_WIDE}",
    "unet-salt-and-pepper": f"unet {_SALT_AND_PEPPER} {_WIDE}",
    "fast-gaussian": f"resnet {_GAUSSIAN} {_WIDE} --network=width=32",
    "fast-salt-and-pepper": f"resnet {_SALT_AND_PEPPER} {_WIDE} --network=width=32",
    "resnet-gaussian": f"resnet {_GAUSSIAN} {_WIDE} {_WIDER} --weights=fast-gaussian",
    "resnet-salt-and-pepper": f"resnet {_SALT_AND_PEPPER} {_WIDE}",
    "fast-grain": f"resnet {_GRAIN} {_WIDE} --weights=fast-gaussian {_ANOTHER_NOISE}",
    "resnet-grain": f"resnet {_GRAIN} {_WIDE} --weights=resnet-gaussian {_ANOTHER_NOISE}",
    "film-grain": f"denoise --frames=2 {_GRAIN} {_WIDE} --weights=fast-grain {_ANOTHER_NOISE}",
    # The half of film-grain that has learned white noise already, and what to trust of a neighbour under it.
    "film-gaussian": f"denoise --frames=2 {_WHITE} {_WIDE} --weights=film-grain {_ANOTHER_NOISE}",
    "densenet-gaussian": f"densenet {_GAUSSIAN} {_WIDE}",
    "densenet-salt-and-pepper": f"densenet {_SALT_AND_PEPPER} {_WIDE}",
    # As SRGAN (Ledig et al. 2017): the judge comes to a generator that can already restore. On leaves that one has
    # converged, and at a higher rate the judge's gradients undo more than they bring.
    "gan-gaussian": f"gan {_GAUSSIAN} {_WIDE} --weights=resnet-gaussian --learning-rate=1e-4 --hold=0",
    "gan-salt-and-pepper": f"gan {_SALT_AND_PEPPER} {_WIDE} --weights=resnet-salt-and-pepper",
    "cyclegan-gaussian": f"cyclegan {_GAUSSIAN} {_WIDE}",
    "cyclegan-salt-and-pepper": f"cyclegan {_SALT_AND_PEPPER} {_WIDE} --cycle-loss=charbonnier --lambda-identity=1",
    # Of 32 px a side is what the network sees; pictures count alike, whatever detail they have.
    "upscale-x2": "upscale --scale=2 --crop=64 --batch=16 --loss=psnr",
    "upscale-x4": f"upscale --scale=4 {_WIDE} --batch=16 --loss=psnr --weights=upscale-x2",
    "upscale-tv": f"upscale --source=television {_WIDE} --batch=16 --loss=psnr --weights=upscale-x2 {_ANOTHER_NOISE}",
    # As large as motion needs room. -PSNR, for still clips would count for nothing beside those that move; the visible
    # part, for they would count for all.
    "deinterlace": f"deinterlace {_WIDE} --loss=visible_psnr --batch=4 --learning-rate=7e-4",
    "repair": "repair --crop=96 --batch=4 --average=0.996",
    "gan-pictures": (
        "gan --goal=generate --crop=64 --network=width=8 --judge=width=16 --batch=16 --dropout=0.3 --average=0.98 "
        "--images=4800 --checkpoints=8 --leaves=64 --valid=1"
    ),
    "gan-paper-gaussian": f"gan {_GAN_AS_PUBLISHED} {_GAUSSIAN}",
    "gan-paper-salt-and-pepper": f"gan {_GAN_AS_PUBLISHED} {_SALT_AND_PEPPER}",
    "cyclegan-paper-gaussian": f"cyclegan {_AS_PUBLISHED} {_GAUSSIAN}",
    "cyclegan-paper-salt-and-pepper": f"cyclegan {_AS_PUBLISHED} {_SALT_AND_PEPPER}",
}


@dataclasses.dataclass(frozen=True)
class Flags:
    """Trains the weights that ship, each by its recipe."""

    missing: bool = False
    """every model that has no weights, in the table's order; those trained on photographs where --photos is given"""
    weakest: bool = False
    """the model farthest behind the best of its noise and data, from its weights on"""
    name: str | None = None
    """this model"""
    further: bool = False
    """with --name: from the weights that it has on"""
    photos: str | None = None
    """FOLDER of photographs, for the models whose names end in -photos"""
    budget_minutes: float | None = None
    """stop after so many minutes; the same command continues"""
    images: int | None = None
    """length of each run in training crops; default: the preset's, as the device is"""
    precision: Precision = "float32"
    """in which the networks compute; bfloat16 is faster on accelerators"""
    dry_run: bool = False
    """print the command lines and stop"""


@command
def main(argv: Sequence[str] | None = None) -> int:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, prog="python -m train.all", description=__doc__, args=argv)
    names = chosen(flags)
    if not names:
        say("nothing to do: every model that these flags allow has its weights")
    deadline = time.monotonic() + 60 * flags.budget_minutes if flags.budget_minutes else None
    for name in names:
        folder = run_folder(name, flags)
        line = [*command_line(name, flags), f"--workdir={folder}"]
        if flags.dry_run:
            print(f"python -m train.{' '.join(line)}")
            continue
        left = deadline and deadline - time.monotonic()
        if left is not None and left <= 0:
            say(f"--budget-minutes={flags.budget_minutes} are over before {name}; the same command continues")
            break
        limit = [] if left is None else [f"--minutes={left / 60}"]
        say(f"{name}: python -m train.{' '.join(line)}")
        if code := importlib.import_module(f"train.{line[0]}").main(line[1:] + limit):
            return code
        ship(name, folder)
    return 0


def chosen(flags: Flags) -> list[str]:
    """The names that the flags ask for."""
    if sum([flags.missing, flags.weakest, flags.name is not None]) != 1:
        raise FlagError("give one of --missing, --weakest and --name=NAME")
    if flags.images is not None and flags.images < 1:
        raise FlagError(f"--images={flags.images} must be at least 1")
    if flags.photos and not Path(flags.photos).exists():
        raise InputError(f"--photos={flags.photos} does not exist; give a folder of photographs")
    if flags.photos and flags.name and not flags.name.endswith(registry.PHOTOS):
        raise FlagError(f"{flags.name} learns from procedural pictures; leave out --photos, or name a -photos model")
    if flags.budget_minutes is not None and not flags.budget_minutes > 0:
        raise FlagError(f"--budget-minutes={flags.budget_minutes} must be more than 0")
    if flags.further and not (flags.name and registry.has_weights(flags.name)):
        raise FlagError("--further goes on with the weights of a --name=NAME that has some; leave it out to begin")
    names = [*RECIPES, *(name for name in registry.SPECS if name.endswith(registry.PHOTOS))]
    if flags.name is not None:
        choose("model with a recipe", flags.name, names)
        if flags.name.endswith(registry.PHOTOS) and not flags.photos:
            raise FlagError(f"{flags.name} learns from photographs; give --photos=FOLDER")
        return [flags.name]
    names = [name for name in names if flags.photos or not name.endswith(registry.PHOTOS)]
    if flags.missing:
        return [name for name in names if not registry.has_weights(name)]
    return weakest([name for name in names if registry.has_weights(name)])


def weakest(names: list[str]) -> list[str]:
    """The one of `names` whose validation is farthest below the best of its task, noise and data; none of none, and
    none that has no rival: a reproduction, or one that has no validation."""
    found = {name: registry.card(name)["validation"] for name in names if not registry.SPECS[name].reproduction}
    found = {name: _middle(validation) for name, validation in found.items() if validation}
    # One that was made for no noise has its own damage, and none to be compared with; levels differ with the frames.
    spec = registry.SPECS
    kind = lambda name: (
        spec[name].task,
        spec[name].noise or name,
        spec[name].config.frames,
        name.endswith(registry.PHOTOS),
    )
    best = {kind(name): max(v for n, v in found.items() if kind(n) == kind(name)) for name in found}
    behind = {name: best[kind(name)] - value for name, value in found.items()}
    return sorted(behind, key=behind.__getitem__)[-1:]


def run_folder(name: str, flags: Flags) -> Path:
    """Where the run lies; one that goes on from shipped weights is told apart by these."""
    return RUNS / (f"{name}-{registry.card(name)['sha256'][:8]}" if flags.weakest or flags.further else name)


def command_line(name: str, flags: Flags) -> list[str]:
    """COMMAND and its flags."""
    base, begin = name.removesuffix(registry.PHOTOS), None
    words = RECIPES[base].split()
    data = [f"--data={flags.photos}"] if name != base else []
    if flags.weakest or flags.further:
        begin = name
    elif name != base:
        first = next((word.partition("=")[2] + registry.PHOTOS for word in words if word.startswith("--weights=")), "")
        begin = first if first and registry.has_weights(first) else base
        if not registry.has_weights(begin):
            raise FlagError(f"{name} begins with the weights of {begin}, which are missing; train those first")
    if begin:
        words = [word for word in words if not word.startswith("--weights=")] + [f"--weights={begin}"]
    if begin and begin.removesuffix(registry.PHOTOS) == base:  # these weights bring the network, as wide as it is to be
        words = [word for word in words if not word.startswith("--network=")]
    given = lambda flag: any(word.startswith(f"--{flag}=") for word in words)
    if given("weights") and not given("learning-rate"):
        words += GROWING if given("network") else GOING_ON
    length = [f"--images={flags.images}"] if flags.images else []
    if flags.images and not data:  # enough pictures that none is seen too often
        length += [f"--leaves={min(max(256, _leaves(flags.images, words)), 8192)}"]
    narrow = [f"--precision={flags.precision}"] if flags.precision != "float32" else []
    return [*words, *data, *length, *narrow]


def _leaves(crops: int, words: list[str]) -> int:
    """How many procedural pictures so many crops are to come from."""
    side = max((int(word.partition("=")[2]) for word in words if word.startswith("--crop=")), default=Settings.crop)
    return crops * side**2 // (TIMES_SEEN * SIDE**2)


def ship(name: str, folder: Path) -> bool:
    """Puts a run's weights into the zoo as `name` if it is finished and better than what it began with and what ships;
    says what it did. (Unfinished weights there would hide from --missing that their run must go on.)"""
    noted = notes(folder / "metrics.jsonl")
    curve = [[note.images, note.validation.restored_db] for note in noted if note.validation]
    if not any(note.finished for note in noted):
        say(f"{name}: not finished; the same command continues")
        return False
    gain = _gain(folder, noted)
    least = LEAST_GAIN_DB if name.endswith(registry.PHOTOS) and not registry.has_weights(name) else 0.0
    if gain is not None and gain <= least:
        say(f"{name}: {gain:+.2f} dB over the weights it began with, not more than {least} dB: they stay")
        return False
    if shipped := _not_surpassed(name, folder):
        say(f"{name}: {shipped}: they stay")
        return False
    about = registry.ship(folder, name, {"curve": curve, "licence": registry.SPECS[name].licence})
    reached = f"{about['validation']['restored_db']:.2f} dB" if about["validation"] else "weights"
    say(f"{name}: {reached} after {about['images']} crops, in {registry.WEIGHTS}")
    return True


def _gain(folder: Path, noted: list[Note]) -> float | None:
    """What a run brought over the weights that it began with, on its own held-out pictures, dB; None if it had none."""
    about = registry.card(folder)
    if not about["recipe"]["weights"]:
        return None
    before = next(note.validation.restored_db for note in noted if note.validation)
    return about["validation"]["restored_db"] - before


def _not_surpassed(name: str, folder: Path) -> str:
    """How a run's weights fall short of those that they would replace; empty where they do not, or began with them."""
    if not registry.has_weights(name) or not registry.card(folder)["validation"]:
        return ""
    about, shipped = registry.card(folder), registry.card(name)
    new, old = _middle(about["validation"]), _middle(shipped["validation"])
    if new > old or about["recipe"]["weights"] == f"{name} {shipped['sha256']}":
        return ""
    return f"{new:.2f} dB at the middle level, not more than the {old:.2f} dB of the weights that ship"


def _middle(validation: dict[str, Any]) -> float:
    """PSNR at the middle level, dB: what every run has measured, whatever its other levels."""
    return statistics.median(level["restored_db"] for level in validation["levels"])


if __name__ == "__main__":
    sys.exit(main())
