"""Measures pictures that are made from a random vector: how far they lie from pictures like those learned from.

    python -m eval.generate --photos=path/to/photographs --photos-name=BSDS500

Pictures that no training saw are beside them, and noise, leaves and photographs. Writes eval/results/generate: a JSON,
and a sheet of samples; and a section of the docs.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array, Float
from PIL import Image, ImageDraw, ImageFont

import zoo
from eval.comparison.datasets import open_pictures
from eval.comparison.options import RESULTS
from eval.pages.report import markdown, number, write_json, write_section
from zoo import color, draws
from zoo.errors import FlagError, command
from zoo.flags import check_names
from zoo.made import leaves

ROOT = Path(__file__).parents[1]
COUNT, EACH = 512, 8  # pictures of a kind; that are cut from one large one
SCALES = 4  # 1, 2, 4 and 8 px
ACROSS, ROWS, ZOOM, GAP_PX, HEAD_PX = 8, (3, 1), 2, 4, 22  # of the sheet: rows made, rows of leaves
UNSEEN = 2**31  # seed of leaves that no training has: those count up from 0
Pictures = Float[Array, "n h w 3"]


@dataclass(frozen=True)
class Flags:
    """Measures pictures that are made from a random vector."""

    photos: str
    """Photographs to compare with: a folder or a glob."""
    photos_name: str = "photographs"
    """What the page calls them."""
    model: str = "gan-pictures"
    """The generator: a name of the zoo, or the folder of a training run."""
    output: str | None = None
    """A folder for JSON and sheet; without it the committed ones and the section of the docs."""


@command
def main(argv: Sequence[str] | None = None) -> None:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, prog="python -m eval.generate", description=__doc__, args=argv)
    network, about = zoo.load(flags.model), zoo.card(flags.model)
    if network.config.task != "generate":
        raise FlagError(f"--model={flags.model} makes no pictures from a random vector; give one that does")
    size = network.config.size
    made = network(draws.normal(jax.random.key(0), (COUNT, network.config.latent)))
    photographs = open_pictures(flags.photos)
    large = [photographs[k][1] for k in range(min(len(photographs), COUNT // EACH))]
    dead = [leaves.pictures(jax.random.key(UNSEEN + k), count=COUNT // EACH) for k in range(2)]
    kinds = {
        about["model"]: made,
        "other leaves": cut(list(dead[1]), size),
        flags.photos_name: cut(large, size),
        "white noise": draws.uniform(jax.random.key(1), (COUNT, size, size, 3)),
    }
    held_out = cut(list(dead[0]), size)
    wanted = features(held_out)
    distances = {name: frechet(features(pictures), wanted) for name, pictures in kinds.items()}
    facts = {key: about[key] for key in ("model", "parameters", "images", "seconds", "device", "sha256")}
    result = {"model": facts, "pictures": COUNT, "size": size, "distance": distances}
    output = RESULTS / "generate" if flags.output is None else Path(flags.output)
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "pictures.json", result)
    sheet(np.asarray(made), np.asarray(held_out)).save(output / "samples.png", optimize=True)
    if flags.output is None:
        write_section(ROOT / "docs" / "quality.md", "generated", section(result))
    print(section(result))


def cut(large: Sequence[Any], size: int) -> Pictures:
    """EACH parts of each picture, at random places, the same whenever asked."""
    rng, parts = np.random.default_rng(0), []
    for picture in large:
        for _ in range(EACH):
            y, x = (int(rng.integers(side - size + 1)) for side in picture.shape[:2])
            parts.append(np.asarray(picture)[y : y + size, x : x + size])
    return jnp.asarray(np.stack(parts), jnp.float32)


@jax.jit
def features(pictures: Pictures) -> Float[Array, "n f"]:
    """What a picture is told by: the means of its three colours; and at each scale of luma and two differences of
    colour the strength of detail (log of its deviation), of luma also how seldom it is strong (log of mean over
    deviation), and how alike neighbours across and down are."""
    r, g, b = (pictures[..., k] for k in range(3))
    x = jnp.stack([color.grey(pictures)[..., 0], r - g, b - g], -1)
    found = [pictures.mean((1, 2))]
    for _ in range(SCALES):
        n, h, w, c = x.shape
        smaller = x.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))
        detail = x - smaller.repeat(2, 1).repeat(2, 2)
        deviation = jnp.sqrt(jnp.square(detail).mean((1, 2)) + 1e-6)
        luma = x[..., 0] - x[..., 0].mean((1, 2), keepdims=True)
        variance = jnp.square(luma).mean((1, 2)) + 1e-6
        alike = [(luma[:, 1:] * luma[:, :-1]).mean((1, 2)), (luma[:, :, 1:] * luma[:, :, :-1]).mean((1, 2))]
        seldom = jnp.log((jnp.abs(detail[..., 0]).mean((1, 2)) + 1e-3) / deviation[:, 0])
        found += [jnp.log(deviation), seldom[:, None], jnp.stack(alike, -1) / variance[:, None]]
        x = smaller
    return jnp.concatenate(found, -1)


def frechet(a: Float[Array, "n f"], b: Float[Array, "m f"]) -> float:
    """The Frechet distance of two normal laws with the means and covariances of `a` and `b`, in deviations of `b`."""
    ours, theirs = (np.asarray(x, np.float64) for x in (a, b))
    ours, theirs = ours / theirs.std(0), theirs / theirs.std(0)
    first, second = np.cov(ours.T), np.cov(theirs.T)
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    return float(np.square(ours.mean(0) - theirs.mean(0)).sum() + np.trace(first) + np.trace(second) - 2 * shared)


def sheet(made: np.ndarray, held_out: np.ndarray) -> Image.Image:
    """The first pictures that were made, so that nobody chose them, above leaves."""
    side = made.shape[1] * ZOOM + GAP_PX
    paper = Image.new("RGB", (ACROSS * side - GAP_PX, sum(ROWS) * side + 2 * HEAD_PX), "white")
    draw, font, top = ImageDraw.Draw(paper), ImageFont.load_default(14), 0
    leaf = held_out[::EACH]
    for name, pictures, rows in zip(("made", "leaves, of which it learned"), (made, leaf), ROWS, strict=True):
        draw.text((2, top + 2), name, fill="black", font=font)
        for k, picture in enumerate(pictures[: rows * ACROSS]):
            cell = Image.fromarray(np.uint8(np.rint(255 * picture.clip(0, 1))))
            cell = cell.resize((cell.width * ZOOM, cell.height * ZOOM), Image.Resampling.NEAREST)
            paper.paste(cell, (k % ACROSS * side, top + HEAD_PX + k // ACROSS * side))
        top += HEAD_PX + rows * side
    return paper


def section(result: dict[str, Any]) -> str:
    """The distances, as a page has them."""
    about, size = result["model"], result["size"]
    nearest = sorted(result["distance"].items(), key=lambda item: item[1])
    rows = [["pictures", "distance"], *([name, number(value, 1)] for name, value in nearest)]
    return (
        "## Pictures from a random vector\n\n"
        f"![pictures made by {about['model']}, above leaves](../eval/results/generate/samples.png)\n\n"
        f"    python -m eval.generate --photos=path/to/photographs\n\n"
        f"`{about['model']}` makes pictures of {size} px from a random vector: {about['parameters']:,} parameters, "
        f"{about['images']:,} crops of leaves,\n{about['seconds'] / 60:.0f} minutes on a {about['device']}. It has "
        "learned patches of colour, their sizes and how they lie side by side,\nand neither sharp edges nor texture. "
        "It plays the published GAN's first game, and is no tool for films.\n\n"
        f"The Frechet distance to leaves that no training saw, over {result['pictures']} pictures of a kind and "
        "[these features](../eval/generate.py):\nmeans of colours, strength and sparseness of detail at four scales, "
        "likeness of neighbours. Smaller is nearer.\n\n" + markdown(rows)
    )


if __name__ == "__main__":
    sys.exit(main())
