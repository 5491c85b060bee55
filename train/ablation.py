"""What matters in the CycleGAN: trains it with one thing changed at a time, at an equal small length, and measures.

    python -m train.ablation --data=path/to/photographs --json=eval/results/ablation.json

The rows train on procedural pictures and are measured on --data; the table stands beside the JSON, as ablation.md.
Finished rows are kept in runs/ablation, so that the same command continues.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import tyro

from eval.datasets import open_pictures
from eval.report import aligned, markdown, number, writable, write_json
from eval.run import evaluate, model_facts
from train import cyclegan
from train.log import say
from zoo import files
from zoo.errors import ZooError, command
from zoo.flags import LevelList, check_names
from zoo.restorer import Restorer

RUNS = Path("runs") / "ablation"
BASE = ["--noise=gaussian", "--levels=0.002,0.055", "--preset=small"]
BASE += ["--checkpoints=2", "--leaves=128"]

# What each row changes; the judge's dropout and the generators' L2 are those of --preset=paper.
ROWS = {
    "as it ships": ["--network=width=32,blocks=6"],
    "no residual block": ["--network=width=32,blocks=0"],
    "3 residual blocks": ["--network=width=32,blocks=3"],
    "9 residual blocks": ["--network=width=32,blocks=9"],
    "no identity loss": ["--network=width=32", "--lambda-identity=0"],
    "ten times the identity loss": ["--network=width=32", "--lambda-identity=1"],
    "DenseNet generator": ["--generator=densenet", "--network=width=32,growth=16,blocks=2"],
    "DenseNet discriminator": ["--network=width=32", "--discriminator=densenet", "--judge=width=16,growth=8,blocks=2"],
    "dropout 0.5": ["--network=width=32", "--dropout=0.5"],
    "L2 1e-4": ["--network=width=32", "--l2=1e-4"],
    "g_ba at the full learning rate": ["--network=width=32", "--degrader-rate=1"],
    "cycle judged by Charbonnier": ["--network=width=32", "--cycle-loss=charbonnier"],
    "Adam instead of Muon": ["--network=width=32", "--optimiser=adam"],
}


@dataclasses.dataclass(frozen=True)
class Flags:
    """Trains the CycleGAN with one thing changed at a time, and measures each."""

    data: str
    """A picture, a folder, a glob, or `skimage`, to measure on."""
    images: int = 4000
    """Length of each row in training crops."""
    levels: LevelList = (0.01, 0.03, 0.05)
    """Noise levels on the [0, 1] scale."""
    json: str | None = None
    """Where to write all values."""
    limit: int | None = None
    """Only the first so many pictures."""


@command
def main(argv: Sequence[str] | None = None) -> None:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, prog="python -m train.ablation", description=__doc__, args=argv)
    json = writable(flags.json, "--json") if flags.json else None
    pictures = open_pictures(flags.data).first(flags.limit)
    rows = []
    for name, changes in ROWS.items():
        folder = RUNS / name.lower().replace(" ", "-")
        line = [*BASE, *changes, f"--images={flags.images}", f"--workdir={folder}"]
        say(f"{name}: python -m train.cyclegan {' '.join(line)}")
        if code := cyclegan.main(line):
            raise ZooError(f"the row {name!r} ended with code {code}")
        found = evaluate(Restorer(str(folder)), pictures, noise="gaussian", levels=flags.levels)
        rows.append({"row": name, "flags": changes, **model_facts(str(folder)), **found})
    print(aligned(table(rows)))
    if json:
        write_json(json, {"images": flags.images, "source": Path(flags.data).name, "rows": rows})
        files.write(json.with_suffix(".md"), page(rows, len(pictures), flags))
        print(f"every value: {json}")


def page(rows: Sequence[dict], count: int, flags: Flags) -> str:
    """The table with what it stands on, in Markdown."""
    return (
        "# What matters in the CycleGAN\n\n"
        f"One thing changed at a time; each row trained on {flags.images:,} crops of procedural pictures, far fewer "
        f"than the weights that ship, with one seed, and measured on {count} photographs of {Path(flags.data).name}. "
        "Differences of a tenth of a dB may be chance. PSNR in dB by level of Gaussian noise, and what is gained over "
        "the first row, averaged over the levels.\n\n" + markdown(table(rows)) + "\n"
    )


def table(rows: Sequence[dict]) -> list[list[str]]:
    """A line a row: parameters, seconds of training, the mean PSNR at each level, and the gain over the first row."""
    levels = [f"{level['level']:g}" for level in rows[0]["levels"]]
    lines = [["", "parameters", "seconds", *(f"PSNR dB at {level}" for level in levels), "gain"]]
    reached = [[level["mean"]["restored"]["psnr"] for level in row["levels"]] for row in rows]
    for row, values in zip(rows, reached, strict=True):
        facts = [row["row"], f"{row['model']['parameters']:,}", str(row["model"]["seconds"])]
        gain = sum(values) / len(values) - sum(reached[0]) / len(values)
        lines.append([*facts, *(number(value, 2) for value in values), number(gain, 2, sign="+")])
    return lines


if __name__ == "__main__":
    sys.exit(main())
