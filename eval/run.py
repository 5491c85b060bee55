"""Measures a model's restoration on degraded pictures, prints the table and writes every number.

python -m eval.run --model=cyclegan-gaussian --data=CBSD68 --noise=gaussian --levels=0.01,0.03,0.05 --json=out.json
"""

import dataclasses
import hashlib
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array, Float, Key
from rich.console import Console
from rich.progress import track

from eval.comparison.datasets import Data, fingerprint, open_pictures
from eval.pages.report import table, writable, write_json
from zoo import registry
from zoo.errors import FlagError, InputError, ZooError, choose, command, say
from zoo.flags import LevelList, Precision, check_names
from zoo.memory import keep_freed
from zoo.metrics import METRICS, PROTOCOL, measure, summarise
from zoo.noise import NOISES, degrade
from zoo.restorer import Restorer

Image = Float[Array | np.ndarray, "h w 3"]


@dataclasses.dataclass(frozen=True)
class Flags:
    """Measures a model's restoration on degraded pictures."""

    model: str
    """A name of the zoo, or the folder of a training run."""
    data: str
    """A picture, a folder, a glob, or `skimage`: the photographs inside scikit-image."""
    noise: str = "gaussian"
    """gaussian, salt_and_pepper, poisson, speckle or mixed."""
    levels: LevelList = (0.01, 0.03, 0.05)
    """Noise levels on the [0, 1] scale."""
    precision: Precision = "float32"
    """In which the network computes."""
    json: str | None = None
    """Where to write all values, image by image."""
    seed: int = 0
    """Of the noise."""
    limit: int | None = None
    """Only the first so many pictures."""


def evaluate(
    restore: Callable[[Image], Image],
    pictures: Data | Sequence[tuple[str, Image]],
    *,
    noise: str,
    levels: Sequence[float],
    seed: int = 0,
) -> dict[str, Any]:
    """Every metric of every picture at every level, before and after `restore`, whose output is clipped to [0, 1].

    Returns {"protocol", "noise", "seed", "data": {"pictures", "sha256", "unreadable"}, "levels": [{"level",
    "mean": {"degraded": {metric: value}, "restored": ...}, "gain_db", "images": [{"name", "degraded", "restored"}]}]}.
    Unreadable pictures are named and left out; InputError if that leaves none.
    """
    check_settings(noise, levels, seed)
    images: list[list[dict]] = [[] for _ in levels]
    unreadable: list[str] = []
    digest = hashlib.sha256()
    console = Console(stderr=True)
    for index in track(
        range(len(pictures)), "measuring", console=console, transient=True, disable=not sys.stderr.isatty()
    ):
        try:
            name, clean = pictures[index]
        except InputError as e:
            say(f"left out: {e}")
            unreadable.append(str(e))
            continue
        fingerprint(digest, name, clean)
        for level, rows in zip(levels, images, strict=True):
            degraded = degraded_picture(clean, noise=noise, level=level, seed=seed, index=index)
            restored = restored_picture(restore, degraded, name)
            rows.append({"name": name, "degraded": measure(clean, degraded), "restored": measure(clean, restored)})
    if not images[0]:
        raise InputError(f"none of the {len(pictures)} pictures can be read; the first: {unreadable[0]}")
    return {
        "protocol": PROTOCOL,
        "noise": noise,
        "seed": seed,
        "data": {"pictures": len(images[0]), "sha256": digest.hexdigest(), "unreadable": unreadable},
        "levels": [_summary(level, rows) for level, rows in zip(levels, images, strict=True)],
    }


def degraded_picture(clean: Image, *, noise: str, level: float, seed: int, index: int) -> Float[Array, "h w 3"]:
    """The picture at `index` of the data as evaluate() degrades it: each (seed, level, index) has its own noise,
    whatever other levels and pictures are measured."""
    return _degrade(noise_key(seed, level, index), jnp.asarray(clean, jnp.float32), level, noise=noise)


def noise_key(seed: int, level: float, index: int) -> Key[Array, ""]:
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), round(level * 1e6)), index)


_degrade = jax.jit(
    lambda key, image, level, *, noise: degrade(key, image, noise=noise, level=level), static_argnames="noise"
)


def restored_picture(restore: Callable[[Image], Image], degraded: Image, name: str) -> Float[np.ndarray, "h w 3"]:
    """What `restore` makes of a picture, clipped to [0, 1]."""
    restored = np.asarray(restore(degraded), np.float32)
    if not np.isfinite(restored).all():
        raise ZooError(f"the model made values that are not finite of {name}; its weights are broken")
    return restored.clip(0, 1)


def _summary(level: float, images: list[dict]) -> dict[str, Any]:
    mean = {
        side: {metric: summarise(image[side][metric] for image in images) for metric in METRICS}
        for side in ("degraded", "restored")
    }
    gain_db = mean["restored"]["psnr"] - mean["degraded"]["psnr"]
    return {"level": level, "mean": mean, "gain_db": gain_db, "images": images}


def check_settings(noise: str, levels: Sequence[float], seed: int) -> None:
    choose("noise", noise, NOISES)
    if not levels:
        raise FlagError("no level is given; for example --levels=0.01,0.03,0.05")
    for level in levels:
        if not 0 <= level <= 1:
            raise FlagError(f"level {level:g} is outside [0, 1], the scale of the pictures")
    check_seed(seed)


def check_seed(seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise FlagError(f"seed {seed} is outside 0 ... 2^32 - 1")


def model_facts(model: str) -> dict[str, Any]:
    """What a result must say about its model and its makers to be found again."""
    card = registry.card(model)
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = {"jax": jax.__version__, "flax": flax.__version__, project["name"]: project["version"]}
    return {"model": card, "weights_sha256": card["sha256"], "versions": versions}


@command
def main(argv: Sequence[str] | None = None) -> None:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, args=argv)
    check_settings(flags.noise, flags.levels, flags.seed)
    json = writable(flags.json, "--json") if flags.json else None
    pictures = open_pictures(flags.data).first(flags.limit)
    keep_freed()
    restorer = Restorer(flags.model, precision=flags.precision)
    result: dict[str, Any] = evaluate(restorer, pictures, noise=flags.noise, levels=flags.levels, seed=flags.seed)
    result["data"]["source"] = flags.data
    result = {**model_facts(flags.model), "precision": flags.precision, **result}
    print(
        f"{flags.model} on {flags.data}: {result['data']['pictures']} pictures, {flags.noise} noise, seed {flags.seed}"
    )
    print(table(result))
    print(f"protocol: {PROTOCOL}")
    if json:
        write_json(json, result)
        print(f"every value: {json}")
    if unreadable := result["data"]["unreadable"]:
        raise ZooError(f"{len(unreadable)} of {len(pictures)} pictures cannot be read and are not in these numbers")


if __name__ == "__main__":
    sys.exit(main())
