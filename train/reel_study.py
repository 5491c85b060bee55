"""What a film teaches: how much better networks restore it that have learned from it, on noise that no model has seen.

    python -m train.reel_study --data=clips:tennis@4,cockatoo.mp4@40 --json=eval/results/adapt/adapt.json

Each clip gets noise and is written as a folder of pictures, a reel. `train.adapt` and `train.cyclegan --degraded` learn
from the reel alone, from the best model on; its inner frames are measured against the clip. Runs are kept in
runs/reels, so that the same command continues.
"""

import dataclasses
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from eval.comparison.datasets import INNER, open_clips
from eval.pages.report import aligned, markdown, number, writable, write_json
from eval.tasks.film import chain
from train.loop.log import say
from zoo import files, pictures, registry
from zoo.errors import FlagError, command
from zoo.flags import LevelList, check_names
from zoo.metrics import psnr

RUNS = Path("runs") / "reels"
MODELS = "fast-grain", "film-grain", "fast-gaussian"  # that ship, and from nobody's pictures
SOFT_PX, SHADOWS, BLUE = 1.0, 1.5, 2.0  # deviation; three times as strong in black as in white; in its channel

Clip = Any  # [t h w 3]


def unseen(chances: np.random.Generator, clip: Clip, level: float) -> Clip:
    """Noise that no model has seen: soft, stronger in shadows, twice as strong in blue; `level` in mid greys, of red
    and of green."""
    luma = clip @ np.array([0.299, 0.587, 0.114])
    taps = np.exp(-((np.arange(-4, 5) / SOFT_PX) ** 2) / 2)
    noise = chances.normal(size=clip.shape)
    for axis in (1, 2):
        noise = sum(tap * np.roll(noise, k - 4, axis) for k, tap in enumerate(taps / np.sqrt(np.square(taps).sum())))
    return clip + level * (SHADOWS - luma)[..., None] * np.array([1, 1, BLUE]) * noise


def gaussian(chances: np.random.Generator, clip: Clip, level: float) -> Clip:
    return clip + level * chances.normal(size=clip.shape)


NOISES: dict[str, Callable[..., Clip]] = {"unseen": unseen, "gaussian": gaussian}
UNPAIRED = ["--data=leaves", "--crop=128", "--learning-rate=6e-4", "--hold=0", "--leaves=64"]
WAYS = "adapt", "cyclegan"  # the commands that learn from a reel


@dataclasses.dataclass(frozen=True)
class Flags:
    """Learns from reels, and measures what that brings."""

    data: str
    """clips: films or folders of frames, as eval.compare has them"""
    json: str | None = None
    """where to write all values"""
    noises: Annotated[tuple[str, ...], tyro.conf.arg(metavar="unseen gaussian")] = ("unseen", "gaussian")
    ways: Annotated[tuple[str, ...], tyro.conf.arg(metavar="adapt cyclegan")] = WAYS
    levels: LevelList = (0.03,)
    images: int = 800
    """length of each run in training crops"""


@command
def main(argv: Sequence[str] | None = None) -> int:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, prog="python -m train.reel_study", description=__doc__, args=argv)
    json = writable(flags.json, "--json") if flags.json else None
    if unknown := {*flags.noises} - {*NOISES} | {*flags.ways} - {*WAYS}:
        raise FlagError(f"{', '.join(sorted(unknown))}: the noises are {', '.join(NOISES)}, the ways {', '.join(WAYS)}")
    if not flags.data.startswith("clips:"):
        raise FlagError(f"--data={flags.data} must be clips:, and films or folders of frames with commas between")
    clips, rows = open_clips(flags.data), []
    for index in range(len(clips)):
        name, clip = clips[index]
        for noise in flags.noises:
            for level in flags.levels:
                rows.append(row(name, clip, noise, level, index, flags))
                say(f"{name}, {noise} {level:g}: {rows[-1]}")
    print(aligned(table(rows, flags.ways)))
    if json:
        weights = {model: registry.card(model)["sha256"] for model in MODELS}
        write_json(json, {"images": flags.images, "frames": list(INNER), "weights": weights, "rows": rows})
        files.write(json.with_suffix(".md"), page(rows, flags))
        print(f"every value: {json}")
    return 0


def row(name: str, clip: Clip, noise: str, level: float, index: int, flags: Flags) -> dict[str, Any]:
    """What each model, and each way to learn from the reel, makes of a clip with noise: PSNR in dB."""
    chances = np.random.default_rng((index, round(1000 * level)))
    codes = np.rint(255 * NOISES[noise](chances, clip, level).clip(0, 1)).astype(np.uint8)
    reel = RUNS / f"{name}-{noise}-{level:g}".replace("@", "-")
    files.make_folder(reel)
    for k, frame in enumerate(codes):
        pictures.write(reel / f"{k:03}.png", pictures.Picture(frame))
    seen, inner = codes / np.float32(255), slice(*INNER)
    measured = lambda model: float(psnr(clip[inner], chain(f"denoise={model}")(seen)[inner]).mean())
    found = {model: measured(model) for model in MODELS}
    begun, learned = max(found, key=found.__getitem__), {}
    for way in flags.ways:
        run = RUNS / f"{reel.name}-{way}-{begun}"
        line = [str(reel), "-m", begun] if way == "adapt" else [f"--degraded={reel}", f"--weights={begun}", *UNPAIRED]
        line += ["--generator=film"] * (way == "cyclegan" and registry.config_of(begun).frames != (0, 0))
        line += [f"--images={flags.images}", "--checkpoints=4", f"--workdir={run}"]
        say(f"python -m train.{way} {' '.join(line)}")
        if code := importlib.import_module(f"train.{way}").main(line):
            raise SystemExit(code)
        about = registry.card(run)
        learned[way] = {
            "begun": begun,
            "psnr": measured(str(run)),
            "crops": about["images"],
            "seconds": about["seconds"],
        }
    untouched = float(psnr(clip[inner], seen[inner]).mean())
    return {"clip": name, "noise": noise, "level": level, "noisy": untouched, "models": found, "learned": learned}


def table(rows: Sequence[dict[str, Any]], ways: Sequence[str]) -> list[list[str]]:
    lines = [["clip", "noise", "noisy", "the best of these", *[f"{way} (gain; from)" for way in ways]]]
    for row in rows:
        best = max(row["models"], key=row["models"].__getitem__)
        cells = []
        for way in ways:
            found = row["learned"][way]
            gain = found["psnr"] - row["models"][best]
            cells.append(f"{number(found['psnr'], 2)} ({number(gain, 2, sign='+')}; {found['begun']})")
        what = f"{row['noise']} {row['level']:g}"
        lines.append([row["clip"], what, number(row["noisy"], 2), f"{number(row['models'][best], 2)} ({best})", *cells])
    return lines


def page(rows: Sequence[dict[str, Any]], flags: Flags) -> str:
    return (
        "# What a film teaches\n\n"
        f"Each clip, with noise, is a reel of 8 bits. Networks learned from it alone, {flags.images:,} crops each, "
        f"from the best of {', '.join(MODELS)} on. PSNR in dB of the inner frames against the clip; the gain is over "
        "that one, whose weights stay where nothing better is found. Unseen noise is softened by a Gaussian of "
        "1 px, stronger in shadows, and twice as strong in blue; no model has seen such. One seed.\n\n"
        + markdown(table(rows, flags.ways))
        + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
