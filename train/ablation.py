"""What matters in the CycleGAN: trains it with one thing changed at a time, at an equal small length, and measures.

    python -m train.ablation --data=path/to/photographs --json=eval/results/ablation.json

The rows train on procedural pictures and are measured on --data. Finished rows are kept in runs/ablation, so that the
same command continues.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import tyro

from eval.datasets import open_pictures
from eval.report import aligned, number, writable, write_json
from eval.run import evaluate, model_facts
from train import cyclegan
from train.log import say
from zoo.errors import ZooError, command
from zoo.flags import LevelList, check_names
from zoo.restorer import Restorer

RUNS = Path("runs") / "ablation"
BASE = ["--noise=gaussian", "--preset=small", "--checkpoints=2"]

# What each row changes; the judge's dropout and the generators' L2 are those of --preset=paper.
ROWS = {
    "as it ships": ["--network=width=32,blocks=6"],
    "no residual block": ["--network=width=32,blocks=0"],
    "3 residual blocks": ["--network=width=32,blocks=3"],
    "9 residual blocks": ["--network=width=32,blocks=9"],
    "no identity loss": ["--network=width=32", "--lambda-identity=0"],
    "DenseNet generator": ["--generator=densenet", "--network=width=32,growth=16,blocks=2"],
    "DenseNet discriminator": ["--network=width=32", "--discriminator=densenet", "--judge=width=16,growth=8,blocks=2"],
    "dropout 0.5": ["--network=width=32", "--dropout=0.5"],
    "L2 1e-4": ["--network=width=32", "--l2=1e-4"],
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
    print(table(rows))
    if json:
        write_json(json, {"images": flags.images, "source": Path(flags.data).name, "rows": rows})
        print(f"every value: {json}")


def table(rows: Sequence[dict]) -> str:
    """A line a row: parameters, seconds of training, and the mean PSNR at each level."""
    levels = [f"{level['level']:g}" for level in rows[0]["levels"]]
    lines = [["", "parameters", "seconds", *(f"PSNR dB at {level}" for level in levels)]]
    for row in rows:
        values = [number(level["mean"]["restored"]["psnr"], 2) for level in row["levels"]]
        lines.append([row["row"], f"{row['model']['parameters']:,}", str(row["model"]["seconds"]), *values])
    return aligned(lines)


if __name__ == "__main__":
    sys.exit(main())
