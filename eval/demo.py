"""Shows what a trained model does: prints its table on the photographs inside scikit-image and writes one picture.

    python -m eval.demo --model=runs/cyclegan-gaussian --noise=gaussian --levels=0.01,0.03,0.05 --output=demo.png

Fails where restoring does not raise the mean PSNR.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tyro

from eval.comparison.datasets import Data, open_pictures
from eval.pages.report import number, table, writable, write_json
from eval.pages.sheet import Cell, sheet
from eval.run import (
    Image,
    check_settings,
    degraded_picture,
    evaluate,
    model_facts,
    restored_picture,
)
from zoo import pictures
from zoo.errors import ZooError, command
from zoo.flags import LevelList, check_names
from zoo.metrics import PROTOCOL
from zoo.restorer import Restorer

SHOWN = ("astronaut.png", "chelsea.png", "coffee.png")  # in the public domain or CC0


@dataclasses.dataclass(frozen=True)
class Flags:
    """Prints a model's table on the photographs inside scikit-image and writes one picture that compares."""

    model: str = "runs/cyclegan-gaussian"
    """The folder of a training run, or a name of the zoo."""
    noise: str = "gaussian"
    """gaussian, salt_and_pepper, poisson, speckle or mixed."""
    levels: LevelList = (0.01, 0.03, 0.05)
    """Noise levels on the [0, 1] scale; the picture shows the highest."""
    output: str = "demo.png"
    """The picture to write."""
    json: str | None = None
    """Where to write all values, image by image."""
    seed: int = 0
    """Of the noise."""


def compare(restore: Callable[[Image], Image], photographs: Data, result: dict, *, title: str):
    """The sheet of the photographs SHOWN at the highest level of `result`, which evaluate() made of all of them."""
    level = max(result["levels"], key=lambda level: level["level"])
    rows = []
    for name in SHOWN:
        index = photographs.names.index(name)
        _, clean = photographs[index]
        degraded = degraded_picture(
            clean, noise=result["noise"], level=level["level"], seed=result["seed"], index=index
        )
        restored = restored_picture(restore, degraded, name)
        values = next(image for image in level["images"] if image["name"] == name)
        gain = values["restored"]["psnr"] - values["degraded"]["psnr"]
        rows.append(
            [
                Cell(clean, Path(name).stem),
                Cell(np.asarray(degraded), _caption(values["degraded"])),
                Cell(restored, _caption(values["restored"]), f"{number(gain, 2, sign='+')} dB"),
            ]
        )
    noise = result["noise"].replace("_", "-").replace("-and-", " and ")
    columns = ("clean", f"degraded: {noise}, {level['level']:g}", "restored")
    note = "Photographs 1:1. Framed, and enlarged 4 times beneath: where the restored picture errs most."
    return sheet(rows, columns=columns, title=title, note=note)


def _caption(values: dict[str, float]) -> str:
    return f"PSNR {number(values['psnr'], 2)} dB   SSIM {number(values['ssim'], 3)}"


def check_gain(result: dict, model: str) -> None:
    """Raises ZooError, naming the first level at which restoring does not raise the mean PSNR."""
    for level in result["levels"]:
        before, after = (level["mean"][side]["psnr"] for side in ("degraded", "restored"))
        if not after > before:
            raise ZooError(
                f"{model} does not restore {result['noise']} noise of level {level['level']:g}: "
                f"{number(before, 2)} dB before, {number(after, 2)} dB after; train it longer or on this noise"
            )


@command
def main(argv: Sequence[str] | None = None) -> None:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, args=argv)
    check_settings(flags.noise, flags.levels, flags.seed)
    pictures.check_writable(flags.output)
    output, json = writable(flags.output, "--output"), writable(flags.json, "--json") if flags.json else None
    photographs = open_pictures("skimage")
    restore = Restorer(flags.model)
    result = model_facts(flags.model) | evaluate(
        restore, photographs, noise=flags.noise, levels=flags.levels, seed=flags.seed
    )
    print(table(result))
    print(f"protocol: {PROTOCOL}")
    if json:
        write_json(json, result)
        print(f"every value: {json}")
    picture = compare(restore, photographs, result, title=result["model"].get("model", flags.model))
    pictures.write(output, pictures.Picture(np.asarray(picture)))
    print(f"clean, degraded and restored: {output}")
    check_gain(result, flags.model)


if __name__ == "__main__":
    sys.exit(main())
