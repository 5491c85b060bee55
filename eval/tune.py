"""Chooses the free option of each classical filter, for each noise and level, by PSNR on pictures kept for that.

python -m eval.tune --data=path/to/photographs --json=eval/results/filters.json

Never on the pictures of a comparison. `tuned` gives a filter with the options that were found.
"""

import functools
import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import tyro
from rich.console import Console
from rich.progress import track

from eval.comparison.datasets import fingerprint, open_pictures
from eval.pages.report import number, writable, write_json
from eval.run import Image, check_settings, degraded_picture, restored_picture
from zoo import checked
from zoo.errors import InputError, choose, command
from zoo.filters import FILTERS, Filter
from zoo.flags import check_names
from zoo.metrics import PROTOCOL, psnr, summarise

LEVELS = (0.01, 0.02, 0.03, 0.04, 0.05, 0.1)
RESULTS = Path(__file__).parent / "results" / "filters.json"

_psnr = jax.jit(psnr)


@dataclass(frozen=True)
class _Found:
    """The best options of a filter."""

    options: dict[str, int | float]
    more: dict[str, Any]


@dataclass(frozen=True)
class _Tuned:
    """What `tune` returns."""

    filters: dict[str, dict[str, dict[str, _Found]]]  # by name, noise and level
    more: dict[str, Any]


@dataclass(frozen=True)
class Flags:
    """Chooses the options of the classical filters by PSNR."""

    data: str
    """A picture, a folder, a glob, or `skimage`: pictures that no comparison is made on."""
    json: str | None = None
    """Where to write the options; comparisons read eval/results/filters.json."""
    seed: int = 0
    """Of the noise."""
    limit: int | None = None
    """Only the first so many pictures."""


def tune(
    pictures: Sequence[tuple[str, Image]],
    *,
    filters: Mapping[str, Filter],
    levels: Sequence[float],
    seed: int = 0,
) -> dict:
    """The best options of each filter at each of its noises and `levels`, by the mean PSNR over `pictures`.

    Returns {"protocol", "seed", "data": {"pictures", "sha256"}, "untouched": {noise: {level: psnr}}, "filters": {name:
    {noise: {level: {"options": {option: value}, "psnr"}}}}}, levels as strings. Filters for no noise are left out.
    """
    digest = hashlib.sha256()
    for name, clean in pictures:
        fingerprint(digest, name, clean)
    noises = sorted({noise for spec in filters.values() for noise in spec.noises})
    result = {
        "protocol": PROTOCOL,
        "seed": seed,
        "data": {"pictures": len(pictures), "sha256": digest.hexdigest()},
        "untouched": {noise: {} for noise in noises},
        "filters": {name: {noise: {} for noise in spec.noises} for name, spec in filters.items() if spec.noises},
    }
    steps = [(noise, level) for noise in noises for level in levels]
    console = Console(stderr=True)
    for noise, level in track(steps, "tuning", console=console, transient=True, disable=not sys.stderr.isatty()):
        meant = {name: spec for name, spec in filters.items() if noise in spec.noises}
        untouched, best = _best(pictures, meant, noise=noise, level=level, seed=seed)
        result["untouched"][noise][f"{level:g}"] = untouched
        for name, found in best.items():
            result["filters"][name][noise][f"{level:g}"] = found
    return result


def _best(
    pictures: Sequence[tuple[str, Image]], filters: Mapping[str, Filter], *, noise: str, level: float, seed: int
) -> tuple[float, dict[str, dict]]:
    """The mean PSNR of the untouched pictures, and of each filter the best options with theirs."""
    untouched = []
    tried = [(name, options, []) for name, spec in filters.items() for options in candidates(spec, level)]
    for index, (file, clean) in enumerate(pictures):
        degraded = degraded_picture(clean, noise=noise, level=level, seed=seed, index=index)
        untouched.append(float(_psnr(clean, degraded)))
        for name, options, values in tried:
            restore = functools.partial(filters[name].function, **options)
            values.append(float(_psnr(clean, restored_picture(restore, degraded, file))))
    best = {}
    for name, options, values in tried:
        mean = summarise(values)
        if name not in best or mean > best[name]["psnr"]:
            best[name] = {"options": options, "psnr": mean}
    return summarise(untouched), best


def candidates(spec: Filter, level: float) -> list[dict[str, float]]:
    """The options to try at a level; one empty set where nothing is free."""
    told = {spec.level_option: level} if spec.level_option else {}
    return [told | {spec.option: value} for value in spec.grid] if spec.option else [told]


def tuned(name: str, noise: str, level: float, *, results: Path = RESULTS) -> Callable[[Image], Image]:
    """The filter with the options found for `noise` and the tuned level nearest to `level`.

    A filter that is meant for no noise comes with its defaults. FlagError where the noise is not one of the filter's,
    InputError where its options were never tuned.
    """
    spec = FILTERS[choose("filter", name, FILTERS)]
    if not spec.noises:
        return spec.function
    choose(f"noise for {name}", noise, spec.noises)
    try:
        found = _read(results).filters[name][noise]
        nearest = min(found, key=lambda known: abs(float(known) - level))
    except (FileNotFoundError, ValueError, KeyError):
        raise InputError(
            f"{results} has no options of {name} for {noise}; python -m eval.tune --data=FOLDER --json={results} "
            "finds them, on pictures that are not compared on"
        ) from None
    return functools.partial(spec.function, **found[nearest].options)


@functools.cache
def _read(path: Path) -> _Tuned:
    return checked.read(path, _Tuned)


def table(result: dict) -> str:
    """One line a filter and noise: at each level the mean PSNR, and the value of the free option."""
    lines = []
    for noise, values in result["untouched"].items():
        cells = [f"{level}: {number(value, 2)}" for level, value in values.items()]
        lines.append(" | ".join([f"{noise}, untouched", *cells]))
        for name, noises in result["filters"].items():
            option = FILTERS[name].option
            cells = [
                f"{level}: {number(found['psnr'], 2)}" + (f" ({option}={found['options'][option]:g})" if option else "")
                for level, found in noises.get(noise, {}).items()
            ]
            lines += [" | ".join([f"{noise}, {name}", *cells])] if cells else []
    return "\n".join(lines)


@command
def main(argv: Sequence[str] | None = None) -> None:
    check_names(argv, Flags)
    flags = tyro.cli(Flags, args=argv)
    check_settings("gaussian", LEVELS, flags.seed)
    path = writable(flags.json, "--json") if flags.json else None
    pictures = open_pictures(flags.data).first(flags.limit)
    result = tune(pictures, filters=FILTERS, levels=LEVELS, seed=flags.seed)
    result["data"]["source"] = flags.data
    print(f"PSNR in dB, mean over {result['data']['pictures']} pictures of {flags.data}, seed {flags.seed}")
    print(table(result))
    if path:
        write_json(path, result)
        print(f"every value: {path}")


if __name__ == "__main__":
    sys.exit(main())
