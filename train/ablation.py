"""What matters: trains networks with one thing changed at a time, at an equal small length, and measures each.

    python -m train.ablation --data=path/to/photographs --json=eval/results/denoise/ablation.json
    python -m train.ablation --study=fold --data=path/to/photographs --json=eval/results/denoise/fold.json

The rows train on procedural pictures and are measured on --data; the table stands beside the JSON, in Markdown.
Finished rows are kept in runs/ablation, so that the same command continues.
"""

import dataclasses
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from eval.comparison.datasets import open_pictures
from eval.comparison.material import Material
from eval.comparison.methods import choose_methods
from eval.comparison.speed import SPEED_IS, ms_per_megapixel
from eval.pages.report import aligned, markdown, number, writable, write_json
from eval.run import check_settings, evaluate, model_facts
from eval.tasks import denoise
from train.loop.log import say
from zoo import files
from zoo.errors import FlagError, command
from zoo.flags import LevelList, among, check_names
from zoo.restorer import Restorer

RUNS = Path("runs") / "ablation"
BASE = ["--noise=gaussian", "--levels=0.002,0.055", "--checkpoints=2", "--leaves=128"]


@dataclasses.dataclass(frozen=True)
class Study:
    """Rows of one command, and the flags that each adds to BASE and the study's own; the first is what the others are
    compared with."""

    title: str
    command: str
    rows: dict[str, list[str]]
    base: tuple[str, ...] = ("--preset=small",)


STUDIES = {
    # The judge's dropout and the generators' L2 are those of --preset=paper.
    "cyclegan": Study(
        "What matters in the CycleGAN",
        "cyclegan",
        {
            "as it ships": ["--network=width=32,blocks=6"],
            "no residual block": ["--network=width=32,blocks=0"],
            "3 residual blocks": ["--network=width=32,blocks=3"],
            "9 residual blocks": ["--network=width=32,blocks=9"],
            "no identity loss": ["--network=width=32", "--lambda-identity=0"],
            "ten times the identity loss": ["--network=width=32", "--lambda-identity=1"],
            "DenseNet generator": ["--generator=densenet", "--network=width=32,growth=16,blocks=2"],
            "DenseNet discriminator": [
                "--network=width=32",
                "--discriminator=densenet",
                "--judge=width=16,growth=8,blocks=2",
            ],
            "dropout 0.5": ["--network=width=32", "--dropout=0.5"],
            "L2 1e-4": ["--network=width=32", "--l2=1e-4"],
            "g_ba at the full learning rate": ["--network=width=32", "--degrader-rate=1"],
            "cycle judged by Charbonnier": ["--network=width=32", "--cycle-loss=charbonnier"],
            "Adam instead of Muon": ["--network=width=32", "--optimiser=adam"],
        },
    ),
    "published": Study(
        "What keeps the published CycleGAN from restoring: its norm",
        "cyclegan",
        {
            "instance norm, as published": ["--network=width=16,norm=instance"],
            "batch norm": ["--network=width=16,norm=batch"],
            "no norm": ["--network=width=16,norm=none"],
        },
        ("--preset=paper", "--judge=width=16", "--batch=4", "--crop=64"),
    ),
    "fold": Study(
        "What folding pixels into channels costs and brings, in a ResNet",
        "resnet",
        {
            "2x2 pixels, 32 channels": ["--crop=128", "--loss=psnr", "--network=width=32,fold=2"],
            "2x2 pixels, 64 channels": ["--crop=128", "--loss=psnr", "--network=width=64,fold=2"],
            "4x4 pixels, 32 channels": ["--crop=128", "--loss=psnr", "--network=width=32,fold=4"],
            "4x4 pixels, 64 channels": ["--crop=128", "--loss=psnr", "--network=width=64,fold=4"],
            "4x4 pixels, 128 channels": ["--crop=128", "--loss=psnr", "--network=width=128,fold=4"],
            "not folded, 32 channels": ["--crop=128", "--loss=psnr", "--network=width=32,fold=1"],
        },
    ),
}


@dataclasses.dataclass(frozen=True)
class Flags:
    """Trains networks with one thing changed at a time, and measures each."""

    data: str
    """A picture, a folder, a glob, or `skimage`, to measure on."""
    study: Annotated[str, among(STUDIES)] = "cyclegan"
    """What is changed."""
    images: int = 4000
    """Length of each row in training crops."""
    levels: LevelList = (0.01, 0.03, 0.05)
    """Noise levels on the [0, 1] scale."""
    json: str | None = None
    """Where to write all values."""
    limit: int | None = None
    """Only the first so many pictures."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, prog="python -m train.ablation", description=__doc__, args=argv)
    json = writable(flags.json, "--json") if flags.json else None
    check_settings("gaussian", flags.levels, 0)
    if flags.images < 1:
        raise FlagError(f"--images={flags.images} must be at least 1")
    pictures = open_pictures(flags.data).first(flags.limit)
    study, rows = STUDIES[flags.study], []
    folders = [RUNS / flags.study / row.lower().replace(" ", "-").replace(",", "") for row in study.rows]
    for (row, changes), folder in zip(study.rows.items(), folders, strict=True):
        line = [*BASE, *study.base, *changes, f"--images={flags.images}", f"--workdir={folder}"]
        say(f"{row}: python -m train.{study.command} {' '.join(line)}")
        if code := importlib.import_module(f"train.{study.command}").main(line):
            return code
        found = evaluate(Restorer(str(folder)), pictures, noise="gaussian", levels=flags.levels)
        rows.append({"row": row, "flags": changes, **model_facts(str(folder)), **found})
    methods, _ = choose_methods(denoise.TASK, [str(folder) for folder in folders])
    times = ms_per_megapixel(methods, Material(denoise.TASK, pictures), seed=0)["gaussian"]
    rows = [row | {"ms_per_megapixel": times[folder.name]} for row, folder in zip(rows, folders, strict=True)]
    print(aligned(table(rows)))
    if json:
        write_json(json, {"images": flags.images, "source": Path(flags.data).name, "speed": SPEED_IS, "rows": rows})
        files.write(json.with_suffix(".md"), page(study, rows, len(pictures), flags))
        print(f"every value: {json}")
    return 0


def page(study: Study, rows: Sequence[dict], count: int, flags: Flags) -> str:
    """The table with what it stands on, in Markdown."""
    return (
        f"# {study.title}\n\n"
        f"One thing changed at a time; each row trained on {flags.images:,} crops of procedural pictures, far fewer "
        f"than the weights that ship, with one seed, and measured on {count} photographs of {Path(flags.data).name}. "
        "Differences of a tenth of a dB may be chance. PSNR in dB by level of Gaussian noise, and what is gained over "
        "the first row, averaged over the levels; seconds of training; milliseconds to restore a megapixel.\n\n"
        + markdown(table(rows))
        + "\n"
    )


def table(rows: Sequence[dict]) -> list[list[str]]:
    """A line a row: parameters, seconds of training, speed, the mean PSNR at each level, and the gain over the first
    row."""
    levels = [f"{level['level']:g}" for level in rows[0]["levels"]]
    lines = [["", "parameters", "seconds", "ms/MP", *levels, "gain"]]
    reached = [[level["mean"]["restored"]["psnr"] for level in row["levels"]] for row in rows]
    for row, values in zip(rows, reached, strict=True):
        facts = [row["row"], f"{row['model']['parameters']:,}", str(row["model"]["seconds"])]
        facts.append(number(row["ms_per_megapixel"], 0))
        gain = sum(values) / len(values) - sum(reached[0]) / len(values)
        lines.append([*facts, *(number(value, 2) for value in values), number(gain, 2, sign="+")])
    return lines


if __name__ == "__main__":
    sys.exit(main())
