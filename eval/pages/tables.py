"""The comparison in words, from its summary alone: what is printed, sections of README and docs, the full tables."""

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from eval.comparison.conditions import JPEG_QUALITY, SHOWN, TEXTURE_IS, Condition, unseen
from eval.comparison.goals import CBSD68, Margin, margins
from eval.comparison.speed import SPEED_IS
from eval.comparison.statistics import BANDS, BANDS_ARE, INTERVAL, RESAMPLES
from eval.comparison.summary import TEXTURE, Row, best, shown
from eval.pages.report import aligned, markdown, number
from zoo.numbers import parsed

TITLES = {"gaussian": "Gaussian noise", "salt_and_pepper": "Salt-and-pepper noise"}
FILTERS = {  # where its name in the code says too little
    "gaussian": "Gaussian blur",
    "nlm": "non-local means",
    "equalise": "histogram equalisation",
    "sharpen": "Laplacian sharpening",
}
NONE = "-"
FREE = "Apache-2.0"  # the licence of weights that learned from nobody's pictures

Result = dict[str, Any]
Cells = list[list[str]]
Columns = Sequence[tuple[str, str, str]]  # title, condition, metric


def label(row: Row) -> str:
    """What people call a method."""
    return FILTERS.get(row["name"], row["name"].replace("_", " ")) if row["kind"] == "filter" else row["name"]


def figure(kind: str, noise: str) -> str:
    """The file name of a picture about one noise."""
    return f"{kind}-{noise.replace('_', '-')}.png"


def printed(result: Result, noise: str) -> str:
    """The short table of one noise, for a terminal."""
    lines = _short(result, noise, label)
    return "\n".join([f"{TITLES[noise]}: PSNR in dB by level, SSIM at {SHOWN:g}", aligned(lines), claim(result, noise)])


def section(result: Result) -> str:
    """The comparison of docs/quality.md."""
    about = result["data"]
    parts = [
        "## Every filter and every network",
        "    python -m eval.compare --data=path/to/CBSD68",
        f"measures every filter and every network on the same {about['pictures']} pictures ({about['name']}) with the "
        "same noise, and writes this section. Filters are told the noise and its level, with options tuned for both on "
        "other pictures (`eval.tune`). Networks are told nothing: one file of weights for all levels; `NAME-photos` "
        f"learned from photographs too (for research only). PSNR in dB by level of noise, SSIM at {SHOWN:g}, "
        f"milliseconds a megapixel on {machine(result)}.",
    ]
    for noise in result["noises"]:
        picture = f"![PSNR by level of noise: {TITLES[noise]}](../eval/results/{figure('compare', noise)})"
        lines = _short(result, noise, _code)
        lines.append([f"*{claim(result, noise)}*"] + [NONE] * (len(lines[0]) - 1))
        parts += [f"**{TITLES[noise]}**", _markdown(lines, bold=True), picture]
    parts += _missed(result)
    crops = [f"[{_inline(noise)}](../eval/results/{figure('crops', noise)})" for noise in result["noises"]]
    parts += [
        "![PSNR by time](../eval/results/speed.png)",
        f"The hardest places, method by method: {', '.join(crops)}. [The full tables](../eval/results/compare.md) have "
        f"{INTERVAL} % intervals, SSIM and MAE of every level, conditions that no network was trained for, and where "
        "fine detail is lost; [the summary](../eval/results/compare.json) and [the values of every picture]"
        "(../eval/results/compare) hold the numbers.",
    ]
    return "\n\n".join(
        part if part[0] in "|!# " else textwrap.fill(part, 120, break_on_hyphens=False) for part in parts
    )


def headline(result: Result) -> str:
    """The README's numbers: what the best network of those that may be used for anything makes of each noise."""
    about, lines = result["data"], []
    for noise in result["noises"]:
        rows = [row for row in result["noises"][noise]["methods"] if row.get("licence") in (None, FREE)]
        found = [row for kind in ("untouched", "filter", "network") if (row := best(rows, kind, noise))]
        if len(found) < 3:
            continue
        before, classical, ours = (f"{number(shown(row, noise), 2)} dB" for row in found)
        lines.append(
            f"* **{ours}** of PSNR: {about['pictures']} photographs ({about['name']}) with {_inline(noise)} of level "
            f"{SHOWN:g}, restored by `{found[-1]['name']}`. Untouched: {before}; the best classical filter: "
            f"{classical}."
        )
    return "\n".join(lines)


def full(result: Result) -> str:
    """Everything, as a Markdown page."""
    about = result["data"]
    parts = [
        "# Every method under every condition",
        f"{about['name']}, {about['pictures']} pictures (sha256 {about['sha256'][:16]}...); seed of the noise "
        f"{result['seed']}. Protocol: {result['protocol']}.",
        f"A cell is the mean over the pictures and its {INTERVAL} % interval: bootstrap, {RESAMPLES} resamples of the "
        "pictures, the same for all methods. Filters are told noise and level, networks nothing.",
        f"Time: {SPEED_IS}; on {machine(result)}.",
    ]
    for noise in result["noises"]:
        parts += [f"## {TITLES[noise]}", f"The paper: {claim(result, noise)}.", *_pages(result, noise)]
    return "\n\n".join(parts) + "\n"


def claim(result: Result, noise: str) -> str:
    """What the paper says, marked as that."""
    said = result["noises"][noise]["claimed"]
    mae = f", MAE {said['mae']:g}" if "mae" in said else ""
    return (
        f"claimed, not measured: the paper's CycleGAN, {said['psnr']:g} dB, SSIM {said['ssim']:g}{mae}, at a level "
        "that it does not give"
    )


def _pages(result: Result, noise: str) -> list[str]:
    """The tables of one noise."""
    found = result["noises"][noise]
    rows = found["methods"]
    levels = [(f"{level:g}", Condition(noise, level).name) for level in result["levels"]]
    at = Condition(noise, SHOWN).name
    parts = []
    for title, metric, digits in (("PSNR, dB", "psnr", 2), ("SSIM", "ssim", 4), ("MAE", "mae", 4)):
        parts += [f"### {title}", _means(rows, [(*level, metric) for level in levels], digits)]
    if against := _margins(result, noise):
        lines = [["goal", "its best network", *(f"{level:g}" for level in result["levels"])]]
        for one in against:
            lines.append([one.goal.title, f"`{one.name}`", *(number(value, 2, sign="+") for value in one.above)])
        parts += ["### Above the goals, dB of PSNR", _markdown(lines)]
    if found["reference"]:
        reference = next(label(row) for row in rows if row["name"] == found["reference"])
        parts += [f"### Gain over the best filter ({reference}), dB of PSNR picture by picture"]
        parts += [_means(rows, [(*level, "gain_db") for level in levels], 2, sign="+")]
    if not result["quick"]:
        strange = [(_unseen(noise, condition), condition.name, "psnr") for condition in unseen(noise)]
        parts += ["### What no network was trained for: PSNR, dB"]
        parts += [_means(rows, [*strange, (f"fine texture, {SHOWN:g}", TEXTURE, "psnr")], 2)]
        parts += [
            f"Filters are told {_inline(noise)} and the nearest level they were tuned for. JPEG: Pillow's, at "
            f"quality {JPEG_QUALITY}. Fine texture: {TEXTURE_IS}: {', '.join(result['data']['texture'])}."
        ]
    bands = [(f"PSNR of band {k}, dB", at, f"band_{k}") for k in range(BANDS)]
    kept = [(f"band {k} kept", at, f"kept_{k}") for k in range(BANDS)]
    parts += [f"### Where detail is lost, at {SHOWN:g}", _means(rows, bands, 2), _means(rows, kept, 3)]
    parts += [
        f"{BANDS_ARE[0].upper()}{BANDS_ARE[1:]}. PSNR of a band: all that is wrong in it. Kept: the share of the clean "
        "picture's band that is still there, whatever noise lies upon it: <band of the restored picture, band of the "
        "clean one> / <band of the clean one, itself>."
    ]
    parts += ["### The methods", _facts(rows, at)]
    if found["without_weights"]:
        parts += [f"No weights yet: {', '.join(found['without_weights'])}."]
    return parts


def _margins(result: Result, noise: str) -> list[Margin]:
    """Against the goals, where the pictures are those that they are for."""
    whole = result["data"]["sha256"].startswith(CBSD68) and not result["quick"]
    return margins(noise, result["noises"][noise]["methods"]) if whole else []


def _missed(result: Result) -> list[str]:
    """The goals that are not reached, in a sentence."""
    missed = [
        f"{_inline(noise)}, {margin.goal.title}, by up to {number(-min(margin.above), 2)} dB (`{margin.name}`)"
        for noise in result["noises"]
        for margin in _margins(result, noise)
        if not margin.reached
    ]
    return [f"**Not reached** of [the goals](../eval/comparison/goals.py): {'; '.join(missed)}."] * bool(missed)


def _short(result: Result, noise: str, name: Callable[[Row], str]) -> Cells:
    levels = [Condition(noise, level).name for level in result["levels"]]
    lines = [["method", "parameters", *(f"{level:g}" for level in result["levels"]), "SSIM", "ms/MP", "trained on"]]
    for row in result["noises"][noise]["methods"]:
        psnr = [number(parsed(row["conditions"][level]["psnr"][0]), 2) for level in levels]
        ssim = number(shown(row, noise, "ssim"), 4)
        lines.append([name(row), _parameters(row), *psnr, ssim, _ms(row), _training(row)])
    return lines


def _facts(rows: Sequence[Row], condition: str) -> str:
    head = [
        "method",
        "parameters",
        "receptive field, px",
        "ms/MP",
        "trained on",
        "licence",
        "weights' sha256, or options",
    ]
    lines = [head]
    for row in rows:
        options = row.get("options", {}).get(condition) or {}
        key = row.get("weights_sha256", "")[:16] or ", ".join(f"{k} {v:g}" for k, v in options.items()) or NONE
        field = str(row.get("receptive_field_px") or NONE)
        lines.append([_code(row), _parameters(row), field, _ms(row), _training(row), row.get("licence") or NONE, key])
    return _markdown(lines)


def _means(rows: Sequence[Row], columns: Columns, digits: int, *, sign: str = "") -> str:
    """A table of means with their intervals."""
    lines = [["method", *(title for title, _, _ in columns)]]
    for row in rows:
        cells = [row["conditions"][condition][metric] for _, condition, metric in columns]
        triples = [[number(parsed(value), digits, sign=sign) for value in cell] for cell in cells]
        lines.append([_code(row), *(f"{mean} ({low} to {high})" for mean, low, high in triples)])
    return _markdown(lines)


def _markdown(lines: Cells, *, bold: bool = False) -> str:
    """`bold`: the largest number of each column of decibels or SSIM."""
    head, *rest = [list(line) for line in lines]
    if bold:
        for k in (k for k, title in enumerate(head) if title == "SSIM" or title.startswith("0.")):
            top = max((line[k] for line in rest if line[k] not in (NONE, "n/a")), key=float, default=None)
            for line in rest:
                line[k] = f"**{line[k]}**" if line[k] == top else line[k]
    return markdown([head, *rest])


def _code(row: Row) -> str:
    return f"`{row['name']}`" if row["kind"] == "network" else label(row)


def _inline(noise: str) -> str:
    """The title within a sentence: Gauss keeps his capital."""
    return TITLES[noise].replace("Salt", "salt")


def _unseen(noise: str, condition: Condition) -> str:
    if condition.jpeg:
        return f"{SHOWN:g}, then JPEG"
    return f"{condition.level:g}" if condition.noise == noise else f"{condition.noise} {condition.level:g}"


def _parameters(row: Row) -> str:
    count = row.get("parameters")
    return NONE if count is None else f"{count / 1e6:.2f} M" if count >= 1e6 else f"{count / 1e3:.0f} k"


def _ms(row: Row) -> str:
    value = row.get("ms_per_megapixel")
    return NONE if value is None else f"{value:.0f}" if value >= 100 else f"{value:g}"


def _training(row: Row) -> str:
    """What a network learned from, for how long, on what."""
    about = row.get("trained")
    if not about:
        return NONE
    begun = f"{about['data']} after {about['after']}" if about.get("after") else about["data"] or "unknown"
    images = about.get("images") or 0
    crops = f"{images / 1e3:.0f} k crops" if images >= 1000 else f"{images} crops" if images else ""
    minutes = (about.get("seconds") or 0) / 60
    length = "" if not minutes else f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
    took = " on ".join(part for part in (length, about.get("device")) if part)
    return ", ".join(part for part in (begun, crops, took) if part)


def machine(result: Result) -> str:
    """What the times were taken on."""
    about = result["machine"]
    return f"{about['cores']} CPU cores" if about["device"] == "cpu" else about["device"]


# What stands between marks: (page, name of its section) -> what draws it.
SECTIONS = {("docs/quality.md", "comparison"): section, ("README.md", "quality"): headline}
