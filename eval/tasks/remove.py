"""Wires and rigs taken out of clips whose truth is known: what is compared, with whom, on which films.

The data are films CLIP-wired, CLIP-clean, CLIP-mask and CLIP-alpha: what a method sees, what lies behind, where it may
change something, and how much of each pixel is covered. An item is a clip [t h w 8]: clean, wired, mask, alpha; what
is seen of it is [t h w 4]: wired, mask; a method gives [t h w 3].
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eval.comparison.datasets import open_parts
from eval.comparison.task import Claim, Metric, Rival, Task, Trial
from zoo.color import Layout
from zoo.steps.remove import Remove
from zoo.steps.step import Aside, Kind, Moment, Window

PARTS = "clean", "wired", "mask", "alpha"
_COVERED = 0.02  # of a pixel, from which it belongs to the core
_LEAST = 1e-10  # of a mean square: 100 dB
_LAYOUT = Layout("rgb", 8, full=True)

Seen = Float[np.ndarray, "t h w 4"]
Clip = Float[np.ndarray, "t h w 3"]


@dataclasses.dataclass(frozen=True)
class Wired:
    name: str = "wired"
    level: float = 0

    def degrade(self, clean: Float[np.ndarray, "t h w 8"], *, seed: int, index: int) -> Seen:
        return clean[..., 3:7]


def _split(clean: Array, restored: Array) -> tuple[Array, Array, Array]:
    """What lies behind, what was made of it in whole codes, and the core."""
    return clean[..., :3], jnp.round(255 * restored) / 255, clean[..., 7] > _COVERED


def _core(clean: Array, restored: Array) -> Array:
    behind, made, core = _split(clean, restored)
    mean = (jnp.square(made - behind).mean(-1) * core).sum() / jnp.maximum(core.sum(), 1)
    return -10 * jnp.log10(jnp.maximum(mean, _LEAST))


def _restless(clean: Array, restored: Array) -> Array:
    """How much otherwise than behind it the core changes from frame to frame, in codes."""
    behind, made, core = _split(clean, restored)
    both = core[1:] & core[:-1]
    off = jnp.abs(jnp.diff(made, axis=0) - jnp.diff(behind, axis=0)).mean(-1)
    return 255 * (off * both).sum() / jnp.maximum(both.sum(), 1)


def _strayed(clean: Array, restored: Array) -> Array:
    """Share of the samples outside the mask that are not as they were, %."""
    outside = clean[..., 6:7] < 0.5
    changed = (jnp.round(255 * restored) != jnp.round(255 * clean[..., 3:6])) & outside
    return 100 * changed.sum() / jnp.maximum(3 * outside.sum(), 1)


def _from(reach: int) -> Callable[[Seen], Clip]:
    """The step `remove` with so many frames before and after; with none, it fills from around the mask."""

    def removed(seen: Seen) -> Clip:
        codes = np.rint(255 * seen[..., :3]).astype(np.uint8)
        moments = [Moment(k, not k, tuple(jnp.asarray(x[..., c]) for c in (1, 2, 0))) for k, x in enumerate(codes)]
        kind = Kind(*seen.shape[1:3], layout=_LAYOUT)
        aside = Aside(mask=lambda number: jnp.asarray(seen[number, ..., 3:]), kind=kind)
        step, made = Remove(Path("mask")), []
        for k, now in enumerate(moments):
            window = Window(tuple(moments[max(0, k - reach) : k]), now, tuple(moments[k + 1 : k + 1 + reach]))
            green, blue, red = step([window], aside)[0][0].planes
            made.append(np.stack([red, green, blue], -1))
        return np.stack(made).astype(np.float32) / 255

    return removed


def remove(seen: Seen) -> Clip:
    return _from(Remove.reach[0])(seen)


def nearest_frames(seen: Seen) -> Clip:
    return _from(1)(seen)


def diffusion(seen: Seen) -> Clip:
    return _from(0)(seen)


def _peer(method: str, tennis: tuple[float, float], cockatoo: tuple[float, float] | None) -> Claim:
    """By clip: the core's PSNR, the error of what changes; the means where both are known."""
    both = [("tennis", tennis), *([("cockatoo", cockatoo)] if cockatoo else [])]
    said = ", ".join(f"{clip} {decibels:.2f} dB / {codes:.1f} codes" for clip, (decibels, codes) in both)
    mean = lambda k: round(sum(values[k] for _, values in both) / len(both), 2)
    values = {"core": mean(0), "flicker": mean(1)} if cockatoo else {}
    return Claim(method, said, values, how="measured elsewhere")


PEERS = (
    _peer("OpenCV's Telea, radius 3", (22.19, 9.08), (23.81, 10.2)),
    _peer("OpenCV's Navier-Stokes, radius 3", (22.36, 9.35), (23.53, 10.3)),
    _peer("MVTools, five frames either side on a Navier-Stokes fill, the first 24 frames", (24.50, 6.3), None),
)
AT = Wired()
TRIALS = {"wired": Trial("wires and a rig", {AT.name: AT}, AT.name, networks=(), by_item=True, claims=PEERS)}

TASK = Task(
    name="remove",
    trials=TRIALS,
    rivals={
        "remove": Rival(remove, tuple(TRIALS), title="`remove`"),
        "nearest_frames": Rival(nearest_frames, tuple(TRIALS), title="nearest frames by flow"),
        "diffusion": Rival(diffusion, tuple(TRIALS), title="smooth fill"),
    },
    metrics={
        "core": Metric(_core, "PSNR of the core, dB", 2),
        "flicker": Metric(_restless, "error of what changes from frame to frame, codes", 2, higher=False),
        "strayed": Metric(_strayed, "samples outside the mask that changed, %", 3, higher=False),
    },
    open=functools.partial(open_parts, parts=PARTS, colours=2),
    restorer=lambda name: remove,
    compared=lambda config: False,
    protocol=f"core: pooled PSNR of RGB in 8 bits where more than {_COVERED:.0%} of a pixel is covered; flicker: mean "
    "absolute difference of frame differences where two cores overlap",
    heading="Wires taken out",
    about="takes {count} clips ({data}) before which wires, a rod and a rig were drawn, with a mask two pixels wider. "
    "PSNR in dB of the wires' core clip by clip, and milliseconds a megapixel of film on {machine}. What was measured "
    "elsewhere was measured on the same clips by the same protocol.",
    told="Every method is given the mask.",
    by="clip",
    pages="how steady the fill is",
    headline="",
    untouched=lambda seen: seen[..., :3],
    section=("docs/quality.md", "remove"),
)
