"""Measures how well looks are learned: ours and the classical ways, from the same colours, on pictures not seen.

    python -m eval.looks --data=path/to/photographs --unseen=path/to/CBSD68 --data-name=BSDS500 --unseen-name=CBSD68

Nothing is chosen on what is not seen. Writes eval/results/grade/looks.json, a page beside it and a section of the docs.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import tyro

from eval.comparison.datasets import Data, fingerprint, open_pictures
from eval.comparison.options import RESULTS
from eval.grade.looks import LOOKS, as_shot, balanced
from eval.grade.rivals import FROM_ANY, FROM_PAIRS, Change, change
from eval.pages.report import markdown, number, write_json, write_section
from zoo import files
from zoo.errors import FlagError, command, say
from zoo.flags import check_names
from zoo.lab import ciede2000
from zoo.looks import habits, paired, unpaired
from zoo.looks.space import Colours
from zoo.pictures import jpeg

ROOT = Path(__file__).parents[1]
PAIRS, STILLS = (1, 3, 10), 20  # to learn from; graded stills where there are no pairs
HABITS, ADAPTED = (10, 40, 120), "teal and orange"  # pairs to learn habits from; the look after each balance
SMALL, SHOTS_SEED = 5, 3  # by which those are shrunk; of how they came from the camera
QUALITY, SHRUNK, EVERY = 92, 3, 12  # of JPEG; by area, what is learned from; of unseen pixels, down and across
CONDITIONS = {f"{k} pair" + "s" * (k > 1): k for k in PAIRS} | {"other halves": 0, "other pictures": 0}
OURS, ADAPTIVE, UNTOUCHED = "filmzoo look", "filmzoo look --shots", "untouched"
# Measured for the plan of this, by the same protocol, but of looks and by code of another make.
CLAIMS = {
    "a study: the best classical": (3.22, 1.66, 1.13, 2.88, 5.81),
    "a study: ours": (2.01, 1.21, 0.93, 2.32, 5.28),
}
ADAPTIVE_CLAIMS = {"a study: one table for all": (10.1, 9.2, 8.9), "a study: of each picture": (7.1, 4.5, 4.1)}
Pictures = Sequence[np.ndarray]  # float [h w 3] in [0, 1]


@dataclass(frozen=True)
class Flags:
    """Measures how well looks are learned from pictures."""

    data: str
    """Pictures to learn from: a folder or a glob."""
    unseen: str
    """Pictures to measure on, others."""
    data_name: str = "data"
    """What the page calls the first."""
    unseen_name: str = "unseen"
    """What the page calls the second."""
    output: str | None = None
    """A folder for JSON and page; without it the committed ones and the section of the docs."""
    limit: int | None = None
    """Only the first so many unseen pictures."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, prog="python -m eval.looks", description=__doc__, args=argv)
    output = RESULTS / "grade" if flags.output is None else Path(flags.output)
    source, unseen = open_pictures(flags.data), open_pictures(flags.unseen).first(flags.limit)
    if len(source) < max(HABITS):
        raise FlagError(f"--data={flags.data} has {len(source)} pictures; learning takes {max(HABITS)}")
    learned, about = read(spread(source, 2 * STILLS), flags.data_name)
    many, about_many = read(spread(source, max(HABITS)), flags.data_name)
    shown, measured = read(unseen, flags.unseen_name)
    result = measure([smaller(x) for x in learned], np.concatenate([x[::EVERY, ::EVERY].reshape(-1, 3) for x in shown]))
    result["adaptive"] = measure_habits([smaller(x, SMALL) for x in many], [smaller(x, SMALL) for x in shown])
    result = {"learned": about, "habits learned": about_many, "unseen": measured, **result}
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "looks.json", result)
    files.write(output / "looks.md", page(result))
    if flags.output is None:
        write_section(ROOT / "docs" / "quality.md", "looks", section(result))
    print(section(result))
    return 0


def read(data: Data, name: str) -> tuple[Pictures, dict[str, Any]]:
    """The pictures, and what tells which they are."""
    digest, found = hashlib.sha256(), []
    for index in range(len(data)):
        file, picture = data[index]
        fingerprint(digest, file, picture)
        found.append(picture)
    return found, {"name": name, "count": len(found), "sha256": digest.hexdigest()}


def spread(data: Data, count: int) -> Data:
    """So many of them, from all over."""
    step = len(data) // count
    return Data(data.names[::step], data.reading[::step]).first(count)


def smaller(x: np.ndarray, by: int = SHRUNK) -> np.ndarray:
    h, w = (side // by for side in x.shape[:2])
    return x[: h * by, : w * by].reshape(h, by, w, by, 3).mean((1, 3))


def measure(stills: Pictures, unseen: Colours) -> dict[str, Any]:
    """Mean and 95th percentile of CIEDE2000 on unseen colours: {condition: {method: {look: [mean, p95]}}}."""
    found: dict[str, Any] = {condition: {} for condition in CONDITIONS}
    untouched = {}
    for name, look in LOOKS.items():
        wanted = jnp.asarray(look(unseen), jnp.float32)
        apart = lambda made, wanted=wanted: _summary(ciede2000(jnp.asarray(made, jnp.float32).clip(0, 1), wanted))
        untouched[name] = apart(unseen)
        for condition, pairs in CONDITIONS.items():
            before, after = material(stills, look, condition)
            for method, learner in methods(pairs).items():
                values = apart(learner(before, after)(unseen))
                found[condition].setdefault(method, {})[name] = values
                say(f"{name}, {condition}, {method}: {values[0]:.2f}")
    return {"untouched": untouched, "conditions": found}


Learner = Callable[[Sequence[Colours], Sequence[Colours]], Change]


def methods(pairs: int) -> Mapping[str, Learner]:
    """Who can learn from pairs, and who where there are none: from the colours of each picture."""
    whole = lambda learner: lambda a, b: learner(np.concatenate(a), np.concatenate(b))
    if pairs:
        ours = whole(lambda a, b: change(paired.learned(a, b)))
        return {name: whole(learner) for name, learner in {**FROM_ANY, **FROM_PAIRS}.items()} | {OURS: ours}
    ours = lambda a, b: change(unpaired.learned(a, b))
    return {name: whole(learner) for name, learner in FROM_ANY.items()} | {OURS: ours}


def material(stills: Pictures, look: Callable[[Colours], Colours], condition: str) -> tuple[list[Colours], ...]:
    """Colours of pictures as shot and as graded: pairs through JPEG, or the other halves of the same stills, or other
    stills."""
    rng, graded = np.random.default_rng(0), lambda x: look(x.reshape(-1, 3)).reshape(x.shape)
    if pairs := CONDITIONS[condition]:
        before, after = ([_jpeg(make(x)) for x in stills[:pairs]] for make in (np.asarray, graded))
    elif condition == "other halves":
        before = [x[:, : x.shape[1] // 2] for x in stills[:STILLS]]
        after = [graded(x[:, x.shape[1] // 2 :]) for x in stills[:STILLS]]
    else:
        before, after = stills[STILLS : 2 * STILLS], [graded(x) for x in stills[:STILLS]]
    each = (paired if pairs else unpaired).SAMPLES // len(before)
    places = [[rng.permutation(x.shape[0] * x.shape[1])[:each] for x in xs] for xs in (before, after)]
    places = places[:1] * 2 if pairs else places
    picked = lambda xs, at: [x.reshape(-1, 3)[chosen] for x, chosen in zip(xs, at, strict=True)]
    return picked(before, places[0]), picked(after, places[1])


def measure_habits(stills: Pictures, unseen: Pictures) -> dict[str, dict[str, float]]:
    """Mean CIEDE2000 on unseen shots of a colourist who balances each before the look: {method: {pairs: value}}."""
    rng, look = np.random.default_rng(SHOTS_SEED), LOOKS[ADAPTED]
    before, new = ([as_shot(x, rng).reshape(-1, 3) for x in xs] for xs in (stills, unseen))
    after, wanted = ([look(balanced(x)) for x in xs] for xs in (before, new))
    apart = lambda made: float(
        np.mean(
            [
                ciede2000(jnp.asarray(a, jnp.float32).clip(0, 1), jnp.asarray(b, jnp.float32)).mean()
                for a, b in zip(made, wanted, strict=True)
            ]
        )
    )
    found = {UNTOUCHED: {}, OURS: {}, ADAPTIVE: {}}
    for count in HABITS:
        here, there = before[:count], after[:count]
        step = -(-sum(map(len, here)) // paired.SAMPLES)
        one = change(paired.learned(np.concatenate(here)[::step], np.concatenate(there)[::step]))
        own = habits.learned(here, there)
        for name, made in ((UNTOUCHED, new), (OURS, map(one, new)), (ADAPTIVE, (change(own(x))(x) for x in new))):
            found[name][str(count)] = apart(made)
            say(f"{count} pairs of a colourist who balances, {name}: {found[name][str(count)]:.2f}")
    return found


def _jpeg(x: np.ndarray) -> np.ndarray:
    return jpeg(np.rint(255 * x).astype(np.uint8), quality=QUALITY).astype(np.float32) / 255


def _summary(values) -> list[float]:
    return [float(values.mean()), float(np.quantile(np.asarray(values), 0.95))]


def section(result: dict[str, Any]) -> str:
    """The means of all looks, as a page has them."""
    learned, unseen = result["learned"], result["unseen"]
    return (
        "## Looks that are learned\n\n"
        f"    python -m eval.looks --data=path/to/photographs --unseen=path/to/{unseen['name']}\n\n"
        f"learns [six looks](../eval/grade/looks.py) from stills of {learned['name']}, shrunk, and measures on "
        f"{unseen['count']} other\npictures ({unseen['name']}): the mean CIEDE2000 of all their colours and all looks; "
        "1 is about the least that is seen. Pairs went\nthrough JPEG of quality 92. Without pairs there are "
        f"{STILLS} graded stills and {STILLS} as shot: the other halves of\nthe same pictures, or other "
        "pictures.\n\n"
        + _table(result)
        + "\n\n"
        + _habits(result)
        + "\n\nEach look alone: [the full tables](../eval/results/grade/looks.md), "
        "from [these numbers](../eval/results/grade/looks.json)."
    )


def page(result: dict[str, Any]) -> str:
    """A table a condition: each look alone."""
    parts = ["# Looks that are learned\n\nMean CIEDE2000 / its 95th percentile on colours of pictures not seen.\n"]
    for condition, found in result["conditions"].items():
        rows = [["method", *LOOKS, "mean"]]
        for method, values in {UNTOUCHED: result["untouched"], **found}.items():
            cells = [f"{number(mean, 2)} / {number(most, 1)}" for mean, most in values.values()]
            rows.append([method, *cells, number(_mean(values), 2)])
        parts.append(f"## {condition}\n\n{markdown(rows)}\n")
    return "\n".join(parts)


def _table(result: dict[str, Any]) -> str:
    named = list(dict.fromkeys(method for found in result["conditions"].values() for method in found))
    rows = [["method", *CONDITIONS], [UNTOUCHED, *[number(_mean(result["untouched"]), 2)] * len(CONDITIONS)]]
    for method in named:
        found = [result["conditions"][condition].get(method) for condition in CONDITIONS]
        rows.append([f"`{method}`" if method == OURS else method, *(number(_mean(x), 2) if x else "-" for x in found)])
    for claim, values in CLAIMS.items():
        rows.append([f"*{claim}; other looks, not measured here*", *(number(x, 2) for x in values)])
    return markdown(rows)


def _habits(result: dict[str, Any]) -> str:
    """What is learned of a colourist who does not do the same to every picture."""
    rows = [["method", *(f"{count} pairs" for count in HABITS)]]
    for method, values in result["adaptive"].items():
        cells = [number(values[str(count)], 2) for count in HABITS]
        rows.append([method if method == UNTOUCHED else f"`{method}`", *cells])
    for claim, values in ADAPTIVE_CLAIMS.items():
        rows.append([f"*{claim}; another look, not measured here*", *(number(x, 1) for x in values)])
    return (
        "Now every picture comes with an exposure, a cast and a gamma of its own. The colourist takes most of the cast "
        f"off, brings\nthe middle near one luma, then gives all the same look ({ADAPTED}). Mean CIEDE2000 on other "
        "pictures:\n\n" + markdown(rows)
    )


def _mean(values: Mapping[str, Sequence[float]]) -> float:
    return float(np.mean([mean for mean, _ in values.values()]))


if __name__ == "__main__":
    sys.exit(main())
