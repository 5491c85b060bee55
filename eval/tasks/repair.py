"""Dirt and scratches taken off clips whose truth is known: what is compared, with whom, on which films.

The data are films CLIP-damaged, CLIP-reference, CLIP-dirt and CLIP-scratches: what a method sees, the same without
damage (weave, grain and flicker are in it and must stay), and how much of each pixel is covered. An item is a clip
[t h w 8]: reference, damaged, dirt, scratches; a method makes of the damaged one [t h w 4]: repaired, and its mask.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eval.comparison.datasets import open_parts
from eval.comparison.task import Claim, Metric, Rival, Task, Trial
from zoo import color, dirt
from zoo.chain import Chain
from zoo.steps.step import Aside, Moment
from zoo.tiles import Tiled

PARTS = "reference", "damaged", "dirt", "scratches"
ENDS = 2  # frames at either end that do not count
_CODE = 1 / 255
_DAMAGED, _TOUCHED, _VISIBLE = 8 * _CODE, 2 * _CODE, 3 * _CODE
_LEAST = 1e-10  # of a mean square: 100 dB
_DIFFERS, _OUT = (
    10 * _CODE,
    14 * _CODE,
)  # from the median: as SpotLess is used on film; from all but one, as a rank order

Clip = Float[np.ndarray, "t h w 3"]


@dataclasses.dataclass(frozen=True)
class Damaged:
    """`whole`: as it was before the damage."""

    whole: bool = False
    level: float = 0

    @property
    def name(self) -> str:
        return "whole" if self.whole else "damaged"

    def degrade(self, clean: Float[np.ndarray, "t h w 8"], *, seed: int, index: int) -> Clip:
        return clean[..., :3] if self.whole else clean[..., 3:6]


def _split(clean: Array, restored: Array) -> tuple[Array, ...]:
    """Of the frames that count, in whole codes: reference, damaged, what is covered, repaired, its mask."""
    clean, restored = clean[ENDS:-ENDS], jnp.round(255 * restored[ENDS:-ENDS]) / 255
    covered = clean[..., 6:].max(-1)
    return clean[..., :3], clean[..., 3:6], covered, restored[..., :3], restored[..., 3]


def _decibels(square: Array, where: Array) -> Array:
    mean = (square.mean(-1) * where).sum() / jnp.maximum(where.sum(), 1)
    return -10 * jnp.log10(jnp.maximum(mean, _LEAST))


def _damage(reference: Array, damaged: Array) -> Array:
    return jnp.abs(damaged - reference).max(-1)


def _inside(clean: Array, restored: Array) -> Array:
    reference, damaged, _, repaired, _ = _split(clean, restored)
    return _decibels(jnp.square(repaired - reference), _damage(reference, damaged) > _DAMAGED)


def _outside(clean: Array, restored: Array) -> Array:
    reference, _, covered, repaired, _ = _split(clean, restored)
    return _decibels(jnp.square(repaired - reference), covered == 0)


def _changed(clean: Array, restored: Array) -> Array:
    reference, _, covered, repaired, _ = _split(clean, restored)
    none = covered == 0
    touched = jnp.abs(repaired - reference).max(-1) > _TOUCHED
    return 100 * (touched & none).sum() / jnp.maximum(none.sum(), 1)


def _f1(clean: Array, restored: Array) -> Array:
    reference, damaged, _, _, mask = _split(clean, restored)
    damage, said = _damage(reference, damaged), mask > 0.5
    share = lambda part, of: part.sum() / jnp.maximum(of.sum(), 1)
    precision, recall = share(said & (damage > _VISIBLE), said), share(said & (damage > _DAMAGED), damage > _DAMAGED)
    return 2 * precision * recall / jnp.maximum(precision + recall, 1e-9)


def _untouched(clip: Clip) -> Float[np.ndarray, "t h w 4"]:
    return np.concatenate([clip, np.zeros_like(clip[..., :1])], -1)


def through(steps: str) -> Callable[[Clip], Float[np.ndarray, "t h w 4"]]:
    """A clip through a step that gives a mask, as a film goes through it, a shot of its own."""
    networks: dict[str, Tiled] = {}

    def repaired(clip: Clip) -> np.ndarray:
        moments = [Moment(k, not k, (), jnp.asarray(frame)) for k, frame in enumerate(clip)]
        aside = Aside(network=lambda name: networks.setdefault(name, Tiled(name)))
        made = Chain(steps).run(moments, aside)
        return np.stack([np.concatenate([np.asarray(m.rgb), np.asarray(m.aside["mask"])], -1) for m in made])

    return repaired


def by_rank(clip: Clip) -> np.ndarray:
    """What the step `repair` does without a network: rank order of the neighbours, then rules."""
    return through("repair=model=none")(np.asarray(clip))


def _by(rule: Callable[[Array, Array], Array]) -> Callable[[Clip], np.ndarray]:
    """Each frame filled by the median of its compensated neighbours where a rule (luma, that of the four) says so."""

    @jax.jit
    def one(now, around):
        laid = dirt.laid(now, around)
        fill = jnp.sort(laid, axis=0)[1:3].mean(0)
        hit = rule(now, laid)
        hit = dirt.most(hit, 1)[..., None]
        return jnp.concatenate([jnp.where(hit, fill, now), hit.astype(jnp.float32)], -1)

    @functools.wraps(rule)
    def repaired(clip: Clip) -> np.ndarray:
        place = lambda k: k if 0 <= k < len(clip) else 2 * (len(clip) - 1) * (k > 0) - k  # time turns back
        around = lambda k: tuple(jnp.asarray(clip[place(k + step)]) for step in (-2, -1, 1, 2))
        return np.stack([np.asarray(one(jnp.asarray(clip[k]), around(k))) for k in range(len(clip))])

    return repaired


@_by
def compensated_median(now: Array, laid: Array) -> Array:
    luma = color.grey(jnp.sort(laid, axis=0)[1:3].mean(0) - now)[..., 0]
    return jnp.abs(luma) > _DIFFERS


@_by
def rank_order(now: Array, laid: Array) -> Array:
    """Beyond all of the neighbours but one (Nadenau and Mitra 1997, with one let off)."""
    others, luma = jnp.sort(color.grey(laid)[..., 0], axis=0), color.grey(now)[..., 0]
    return jnp.maximum(luma - others[2], others[1] - luma) > _OUT


def _peer(method: str, inside: tuple[float, ...], outside: tuple[float, ...], **more: float) -> Claim:
    """By clip: tennis, cockatoo, onepiece; more are means."""
    said = [f"{clip} {a:.1f} / {b:.1f} dB" for clip, a, b in zip(CLIPS_OF_PEERS, inside, outside, strict=True)]
    mean = lambda values: round(sum(values) / len(values), 2)
    values = {"inside": mean(inside), "outside": mean(outside)} | more
    return Claim(method, f"inside / outside: {', '.join(said)}; 30 frames", values, how="measured elsewhere")


CLIPS_OF_PEERS = "tennis", "cockatoo", "onepiece"
PEERS = (
    _peer("TemporalMedian of three frames (zsmooth), no motion", (16.8, 15.4, 18.9), (24.4, 24.9, 31.8)),
    _peer("SpotLess (MVTools, block 16, overlap 8), one frame either side", (18.2, 16.3, 19.0), (33.0, 35.5, 36.6)),
    _peer("SpotLess, two frames either side", (20.6, 18.8, 26.3), (30.9, 33.5, 35.8)),
    _peer(
        "SpotLess, two frames, where luma changes by more than 10 codes, grown by 1",
        *((20.6, 18.8, 25.7), (31.8, 35.2, 40.0)),
        f1=0.361,
    ),
    _peer(
        "DeScratch (mindif 3, maxwidth 3, minlen 60, maxangle 5, modey 3), then the same",
        *((24.6, 20.1, 25.5), (31.4, 35.2, 37.3)),
        changed=9.57,
        f1=0.351,
    ),
)
TRIALS = {
    "damaged": Trial("dirt and scratches", {"damaged": Damaged()}, "damaged", networks=(), by_item=True, claims=PEERS),
    "whole": Trial("film that is not damaged", {"whole": Damaged(whole=True)}, "whole", networks=(), by_item=True),
}

TASK = Task(
    name="repair",
    trials=TRIALS,
    rivals={
        "by_rank": Rival(by_rank, tuple(TRIALS), title="rank order and rules (`repair=model=none`)"),
        "rank_order": Rival(rank_order, tuple(TRIALS), title="rank order, then the compensated median"),
        "compensated_median": Rival(compensated_median, tuple(TRIALS), title="compensated median where it differs"),
    },
    metrics={
        "inside": Metric(_inside, "PSNR of what was damaged, dB", 2),
        "outside": Metric(_outside, "PSNR of all else, dB", 2),
        "changed": Metric(_changed, "share of that which changed, %", 2, higher=False),
        "f1": Metric(_f1, "F1 of the mask", 3),
    },
    open=functools.partial(open_parts, parts=PARTS, colours=2, least=2 * ENDS + 1),
    restorer=lambda name: through(f"repair=model={name}"),
    compared=lambda config: config.task == "repair",
    protocol=f"inside: pooled PSNR where the damage is more than 8 codes; outside: where nothing covers a pixel; "
    f"changed: share of those that differ by more than 2 codes; f1: of damage above 3 codes under the mask, and of "
    f"that above 8 found; 8 bits, all frames but {ENDS} at either end",
    heading="Dirt and scratches",
    about="takes {count} clips ({data}) with made damage, of which weave, grain and flicker are no part and must stay. "
    "PSNR in dB of what was damaged, clip by clip, of all else over all, and milliseconds a megapixel of film on "
    "{machine}. What was measured elsewhere was measured on the same clips by the same protocol.",
    told="No method is told where damage is.",
    by="clip",
    pages="what lies outside the damage, and the masks",
    headline="",
    untouched=_untouched,
    section=("docs/quality.md", "repair"),
)
