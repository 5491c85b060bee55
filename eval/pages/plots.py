"""The comparison's plots, from its summary alone: PSNR by level of noise, and PSNR by time."""

import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.comparison.statistics import INTERVAL
from eval.comparison.summary import Row, best_networks, family, shown
from eval.comparison.task import Task
from eval.pages.tables import figure, label, machine
from zoo import files, palette
from zoo.errors import FlagError
from zoo.numbers import parsed
from zoo.palette import GREY, INK, PALE, PAPER

Looks = dict[str, dict[str, Any]]  # of a method's line, by its name

DPI = 160
LABEL_SHARE = 0.047  # of an axis' height that a label takes
THIN = 1.0  # width of the lines that have no band
NEAR_DB = 8  # to the best of its noise: what the plot by time shows
# As many networks have a colour and a label; the others are thin and grey.
COLOURS = (palette.BLUE, palette.VERMILION, palette.GREEN, palette.PINK, palette.SKY, palette.ORANGE, palette.WINE)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
SIDES = [(8 * s, dy, "left" if s > 0 else "right") for dy in (0, 9, -9, 18, -18, 27, -27, 36, -36) for s in (1, -1)]
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 13,
    "axes.grid": True,
    "grid.color": palette.GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
}


def check_plots() -> None:
    """Raises FlagError where plots cannot be drawn; asked before the work, not after it."""
    if importlib.util.find_spec("matplotlib") is None:
        raise FlagError("the plots need matplotlib: pip install 'filmzoo[report]'")


def draw_all(task: Task, result: dict[str, Any], folder: Path) -> list[Path]:
    """Writes every plot of a result; returns their paths."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        plots = {figure("compare", t): _levels(task, result, t) for t in result["trials"] if task.trials[t].axis}
        for name, paper in (plots | {"speed.png": _speed(task, result)}).items():
            data = io.BytesIO()
            paper.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
            files.write(folder / name, data.getvalue())
    return [folder / name for name in (*plots, "speed.png")]


def short_label(task: Task, row: Row, trial: str) -> str:
    """What a method is called where the trial is known."""
    return _without(trial, row["name"]) if row["kind"] == "network" else label(task, row)


def _levels(task: Task, result: dict[str, Any], trial: str) -> Any:
    """Left: every method at every level by the metric that ranks. Right: what it gains over the best filter, item by
    item."""
    from matplotlib.figure import Figure

    found, looks, title = result["trials"][trial], _looks(task, result, trial), task.metrics[task.rank].title
    paper = Figure(figsize=(11, 5.4), layout="constrained")
    axes = paper.subplots(1, 2 if found["reference"] else 1, squeeze=False)[0]
    others = [row for row in found["methods"] if row["name"] not in looks]
    _curves(task, axes[0], found["methods"], trial, found["columns"], task.rank, looks)
    _backdrop(axes[0], others, found["columns"], task.rank)
    axes[0].set_title(title)
    if found["reference"]:
        best = next(row for row in found["methods"] if row["name"] == found["reference"])
        rows = [best, *best_networks(task, found["methods"], trial)]
        _curves(task, axes[1], rows, trial, found["columns"], "gain_db", looks)
        name, unit = title.partition(",")[::2]
        axes[1].set_title(f"{name} over the best filter ({label(task, best)}),{unit}")
    title = f"{task.trials[trial].heading}, {result['data']['items']} pictures of {result['data']['name']}"
    paper.suptitle(f"{title}: means and their {INTERVAL} % intervals", x=0.01, ha="left", fontsize=14, color=INK)
    return paper


def _curves(
    task: Task, axis: Any, rows: Sequence[Row], trial: str, columns: dict[str, str], metric: str, looks: Looks
) -> None:
    """The curves of those of `rows` that have a look, with bands and labels; what the paper claims, as a line."""
    ends, levels = [], [float(title) for title in columns]
    for row in (row for row in rows if row["name"] in looks):
        cells = [row["conditions"][key][metric] for key in columns.values()]
        mean, low, high = _finite([[parsed(value) for value in cell] for cell in cells]).T
        look = looks[row["name"]]
        axis.plot(levels, mean, **look)
        if look["linewidth"] > THIN:
            axis.fill_between(levels, low, high, color=look["color"], alpha=0.1, linewidth=0)
        if np.isfinite(mean[-1]):
            ends.append((mean[-1], short_label(task, row, trial), look["color"]))
    for claim in (claim for claim in task.trials[trial].claims if claim.line and metric in claim.values):
        axis.plot([levels[0], levels[-1]], [claim.values[metric]] * 2, color=GREY, linestyle=(0, (1, 4)), linewidth=1.2)
        ends.append((claim.values[metric], claim.line, GREY))
    axis.set_xlabel(task.trials[trial].axis)
    axis.set_xticks(levels)
    axis.yaxis.get_major_locator().set_params(integer=True)
    span = (levels[-1] - levels[0]) or levels[0]
    axis.set_xlim(levels[0] - 0.03 * span, levels[-1] + 0.56 * span)
    low, high = axis.get_ylim()
    heights = _apart([end for end, _, _ in ends], (high - low) * LABEL_SHARE)
    for height, (end, text, colour) in zip(heights, ends, strict=True):
        link = {"arrowstyle": "-", "color": colour, "linewidth": 0.7, "relpos": (0, 0.5), "shrinkA": 0, "shrinkB": 3}
        at = levels[-1] + 0.08 * span, height
        axis.annotate(text, (levels[-1], end), at, color=colour, va="center", fontsize=10.5, arrowprops=link)
    axis.set_ylim(min(low, *heights), max(high, *heights))


def _backdrop(axis: Any, rows: Sequence[Row], columns: dict[str, str], metric: str) -> None:
    """The other trainings of the networks, thin."""
    limits = axis.get_ylim()
    for row in rows:
        means = [parsed(row["conditions"][key][metric][0]) for key in columns.values()]
        axis.plot([float(title) for title in columns], _finite(means), color=PALE, linewidth=THIN, zorder=1)
    axis.set_ylim(limits)


def _speed(task: Task, result: dict[str, Any]) -> Any:
    """The metric that ranks by time, a panel for each trial, under the condition that is shown."""
    from matplotlib.figure import Figure

    paper = Figure(figsize=(11, 5.4), layout="constrained")
    for axis, trial in zip(paper.subplots(1, len(result["trials"]), squeeze=False)[0], result["trials"], strict=True):
        rows, about = result["trials"][trial]["methods"], task.trials[trial]
        least = np.nanmax(_finite([0, *(shown(task, row, trial) for row in rows)])) - NEAR_DB
        looks, spots = _looks(task, result, trial), []
        for row in rows:
            x, y = row.get("ms_per_megapixel"), shown(task, row, trial)
            if x is None or y < least or not np.isfinite(y):
                continue
            colour = looks.get(row["name"], {}).get("color", PALE)
            face, shape = (colour, "o") if row["kind"] == "network" else ("none", "s")
            axis.scatter(x, y, s=42, facecolor=face, edgecolor=colour, marker=shape)
            spots.append((x, y, short_label(task, row, trial) if row["name"] in looks else "", colour))
        at = f" of {about.shown}" if about.axis else ""
        title = f"{about.heading}{at}: {task.metrics[task.rank].title}"
        axis.set(xscale="log", xlabel="milliseconds per megapixel", title=title)
        axis.margins(0.15, 0.1)
        low, high = axis.get_xlim()
        middle, half = np.sqrt(low * high), max(np.sqrt(high / low), 10)  # two powers of ten at least
        axis.set_xlim(middle / half, middle * half * 2)  # and room for the labels, to the right
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        _label_spots(paper, axis, spots)
    title = f"What lies within {NEAR_DB} dB of the best, by time on {machine(result)}"
    marks = "squares: filters; discs: networks, pale their other training"
    paper.suptitle(f"{title}; {marks}", x=0.01, ha="left", fontsize=13, color=INK)
    return paper


def _label_spots(paper: Any, axis: Any, spots: Sequence[tuple[float, float, str, str]]) -> None:
    """Writes each label beside its spot, at the first side where it meets no other label and no spot.
    Spots without a label only keep others away."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    canvas = FigureCanvasAgg(paper)
    canvas.draw()
    taken = []
    for x, y, *_ in spots:
        px, py = axis.transData.transform((x, y))
        taken.append(Bbox([[px - 6, py - 6], [px + 6, py + 6]]))
    for x, y, text, colour in (spot for spot in spots if spot[2]):
        for k, (dx, dy, side) in enumerate(SIDES):
            link = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
            link["relpos"] = (0 if side == "left" else 1, 0.5)
            style = {"color": colour, "fontsize": 10, "ha": side, "va": "center", "arrowprops": link if dy else None}
            written = axis.annotate(text, (x, y), (dx, dy), textcoords="offset points", **style)
            written.update_positions(canvas.get_renderer())
            box = Text.get_window_extent(written)  # an annotation's own would take in the link
            inside = axis.bbox.x0 <= box.x0 and box.x1 <= axis.bbox.x1 and axis.bbox.y0 <= box.y0
            if k + 1 == len(SIDES) or (inside and not any(box.overlaps(other) for other in taken)):
                taken.append(box)
                break
            written.remove()


def _looks(task: Task, result: dict[str, Any], trial: str) -> Looks:
    """How methods are drawn that have a label: all but the worse training of a network. A network has its colour in
    all plots, unless one above it has it there."""
    rows = result["trials"][trial]["methods"]
    filters = sorted((row for row in rows if row["kind"] == "filter"), key=lambda row: -shown(task, row, trial))
    looks = {"untouched": {"color": GREY, "linestyle": ":", "linewidth": 1.6, "zorder": 2}}
    for row in filters:
        looks[row["name"]] = {"color": GREY, "linewidth": THIN, "zorder": 1}
    for row, style in zip(filters, ("--", "-."), strict=False):
        looks[row["name"]] = {"color": INK, "linestyle": style, "linewidth": 1.6, "zorder": 3}
    kinds = {
        _without(name, family(row))
        for name, found in result["trials"].items()
        for row in best_networks(task, found["methods"], name)
    }
    turn = {kind: k % len(COLOURS) for k, kind in enumerate(sorted(kinds))}
    free = list(range(len(COLOURS)))
    for row in best_networks(task, rows, trial)[: len(COLOURS)]:
        wanted = turn[_without(trial, family(row))]
        k = free.pop(free.index(wanted) if wanted in free else 0)
        looks[row["name"]] = {"color": COLOURS[k], "marker": MARKERS[k], "markersize": 5, "linewidth": 1.8, "zorder": 4}
    return looks


def _without(trial: str, name: str) -> str:
    return name.replace(f"-{trial.replace('_', '-')}", "")


def _finite(values: Any) -> np.ndarray:
    """With nothing where pictures were identical, which no axis can show."""
    return np.where(np.isfinite(values), values, np.nan)


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """The heights, moved as little as it takes for them to lie `least` apart, in the same order (pool adjacent
    violators)."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    pools: list[list[float]] = []
    for rank, k in enumerate(order):
        pools.append([heights[k] - rank * least, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, m), (b, n) = pools[-2:]
            pools[-2:] = [[(a * m + b * n) / (m + n), m + n]]
    flat = [value for value, count in pools for _ in range(int(count))]
    moved = dict(zip(order, (value + rank * least for rank, value in enumerate(flat)), strict=True))
    return [moved[k] for k in range(len(heights))]
