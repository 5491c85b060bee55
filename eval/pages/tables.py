"""The comparison in words, from its summary alone: what is printed, sections of README and docs, the full tables."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from eval.comparison.goals import Margin, margins
from eval.comparison.speed import SPEED_IS
from eval.comparison.statistics import INTERVAL, RESAMPLES
from eval.comparison.summary import Row, best, shown
from eval.comparison.task import Task
from eval.pages.report import aligned, markdown, number
from zoo.numbers import parsed

NONE = "-"
FREE = "Apache-2.0"  # the licence of weights that learned from nobody's pictures

Result = dict[str, Any]
Cells = list[list[str]]
Columns = Sequence[tuple[str, str, str]]  # title, key of a row's conditions, metric


def label(task: Task, row: Row) -> str:
    """What people call a method."""
    if row["kind"] == "untouched":
        return task.untouched_title
    if row["kind"] == "network":
        return row["name"]
    return task.rivals[row["name"]].title or row["name"].replace("_", " ")


def figure(kind: str, trial: str) -> str:
    """The file name of a picture about one trial."""
    return f"{kind}-{trial.replace('_', '-')}.png"


def printed(task: Task, result: Result, trial: str) -> str:
    """The short table of one trial, for a terminal."""
    about, beside = task.trials[trial], ", ".join(metric.title for metric in task.beside.values())
    head = f"{about.heading}: {task.metrics[task.rank].title}; {beside} at {about.shown}"
    lines = _short(task, result, trial, lambda row: label(task, row))
    return "\n".join([head, aligned(lines), *claims(task, result, trial)])


def section(task: Task, result: Result) -> str:
    """The comparison in the docs."""
    about, folder = result["data"], f"../eval/results/{task.name}"
    said = task.about.format(
        count=about["items"], data=about["name"], at=_shown_at(task, result), machine=machine(result)
    )
    given = "" if task.name == "denoise" else f" --task={task.name}"
    parts = [f"## {task.heading}", f"    python -m eval.compare{given} --data=path/to/{about['name']}", said]
    for trial in result["trials"]:
        name = task.trials[trial].heading
        lines = _short(task, result, trial, lambda row: _code(task, row))
        lines += [[f"*{claim}*"] + [NONE] * (len(lines[0]) - 1) for claim in claims(task, result, trial)]
        parts += [f"**{name}**", _markdown(lines, best_of=_ranked(task, result, trial))]
        if task.trials[trial].axis:
            parts += [f"![{_rank(task)} by {task.by}: {name}]({folder}/{figure('compare', trial)})"]
    parts += _missed(task, result)
    crops = [f"[{task.trials[trial].title}]({folder}/{figure('crops', trial)})" for trial in result["trials"]]
    parts += [
        f"![{_rank(task)} by time]({folder}/speed.png)",
        f"The hardest places, method by method: {', '.join(crops)}. [The full tables]({folder}/compare.md) have "
        f"{INTERVAL} % intervals, {task.pages}; [the summary]({folder}/compare.json) and [the values of every picture]"
        f"({folder}/compare) hold the numbers.",
    ]
    return "\n\n".join(
        part if part[0] in "|!# " else textwrap.fill(part, 120, break_on_hyphens=False) for part in parts
    )


def headline(task: Task, result: Result) -> str:
    """The README's numbers: what the best network of those that may be used for anything makes of each trial."""
    lines, digits = [], task.metrics[task.rank].digits
    for trial in result["trials"]:
        rows = [row for row in result["trials"][trial]["methods"] if row.get("licence") in (None, FREE)]
        found = [row for kind in ("untouched", "filter", "network") if (row := best(task, rows, kind, trial))]
        if len(found) < 3:
            continue
        before, classical, value = (number(shown(task, row, trial), digits) for row in found)
        about = {"count": result["data"]["items"], "data": result["data"]["name"], "trial": task.trials[trial].title}
        about |= {"shown": task.trials[trial].shown, "name": found[-1]["name"]}
        lines.append(task.headline.format(value=value, before=before, classical=classical, **about))
    return "\n".join(lines)


def full(task: Task, result: Result) -> str:
    """Everything, as a Markdown page."""
    about = result["data"]
    parts = [
        "# Every method under every condition",
        f"{about['name']}, {about['items']} pictures (sha256 {about['sha256'][:16]}...); seed of "
        f"{task.seeded} {result['seed']}. Protocol: {result['protocol']}.",
        f"A cell is the mean over the pictures and its {INTERVAL} % interval: bootstrap, {RESAMPLES} resamples of the "
        f"pictures, the same for all methods. {task.told}",
        f"Time: {SPEED_IS}; on {machine(result)}.",
    ]
    for trial in result["trials"]:
        parts += [f"## {task.trials[trial].heading}"]
        parts += [f"{claim[0].upper()}{claim[1:]}." for claim in claims(task, result, trial)]
        parts += _pages(task, result, trial)
    return "\n\n".join(parts) + "\n"


def claims(task: Task, result: Result, trial: str) -> list[str]:
    """What others say, marked as that."""
    said = []
    for claim in result["trials"][trial]["claimed"]:
        values = [f"{value:g}" for value in claim["values"].values()]
        names = ["{} dB" if name == task.rank else f"{task.metrics[name].title} {{}}" for name in claim["values"]]
        cells = ", ".join(name.format(value) for name, value in zip(names, values, strict=True))
        said.append(f"{claim['how']}: {claim['method']}, {cells}, {claim['where']}")
    return said


def _pages(task: Task, result: Result, trial: str) -> list[str]:
    """The tables of one trial."""
    found, about = result["trials"][trial], task.trials[trial]
    rows, columns, at = found["methods"], found["columns"].items(), about.at.name
    table = lambda *rest, **more: _means(task, rows, *rest, **more)
    parts = []
    for name, metric in task.metrics.items():
        parts += [f"### {metric.title}", table([(*column, name) for column in columns], metric.digits)]
    rank = task.metrics[task.rank]
    if against := _margins(task, result, trial):
        lines = [["goal", "its best network", *list(found["columns"])[: len(against[0].above)]]]
        for one in against:
            lines.append([one.goal.title, f"`{one.name}`", *(number(value, 2, sign="+") for value in one.above)])
        parts += [f"### Above the goals, dB of {_rank(task)}", _markdown(lines)]
    if found["reference"]:
        reference = next(label(task, row) for row in rows if row["name"] == found["reference"])
        gained = [column for column in columns if "gain_db" in rows[0]["conditions"][column[1]]]
        parts += [f"### Gain over the best filter ({reference}), dB of {_rank(task)} picture by picture"]
        parts += [table([(*column, "gain_db") for column in gained], 2, sign="+")]
    if not result["quick"] and about.unseen:
        strange = [(title, condition.name, task.rank) for title, condition in about.unseen.items()]
        strange += [(f"{name}, {about.shown}", name, task.rank) for name in task.subsets]
        parts += [f"### {about.unseen_title}: {rank.title}", table(strange, rank.digits)]
        subsets = [
            f"{name[0].upper()}{name[1:]}: {what['is']}: {', '.join(what['items'])}."
            for name, what in result["data"]["subsets"].items()
        ]
        parts += [" ".join([about.unseen_note, *subsets])]
    if task.detail:
        parts += [f"### Where detail is lost, at {about.shown}"]
        parts += [
            table([(title, at, key) for title, key in titles.items()], digits) for titles, digits in task.detail_tables
        ]
        parts += [f"{task.detail_is[0].upper()}{task.detail_is[1:]}. {task.detail_note}"]
    parts += ["### The methods", _facts(task, rows, at)]
    if found["without_weights"]:
        parts += [f"No weights yet: {', '.join(found['without_weights'])}."]
    return parts


def _margins(task: Task, result: Result, trial: str) -> list[Margin]:
    """Against the goals, where the pictures are those that they are for."""
    whole = task.goals_for and result["data"]["sha256"].startswith(task.goals_for) and not result["quick"]
    found = result["trials"][trial]
    return margins(task, trial, found["methods"], list(found["columns"].values())) if whole else []


def _missed(task: Task, result: Result) -> list[str]:
    """The goals that are not reached, in a sentence."""
    missed = [
        f"{task.trials[trial].title}, {one.goal.title}, by up to {number(-min(one.above), 2)} dB (`{one.name}`)"
        for trial in result["trials"]
        for one in _margins(task, result, trial)
        if not one.reached
    ]
    return [f"**Not reached** of [the goals](../eval/tasks/{task.name}.py): {'; '.join(missed)}."] * bool(missed)


def _rank(task: Task) -> str:
    """The metric that ranks, without its unit."""
    return task.metrics[task.rank].title.partition(",")[0]


def _shown_at(task: Task, result: Result) -> str:
    """Where trials have what is shown at one level only: 0.03 (film grain: 0.05)."""
    first, *others = (task.trials[trial] for trial in result["trials"])
    unlike = [f"{trial.title}: {trial.shown}" for trial in others if trial.shown != first.shown]
    return first.shown + (f" ({', '.join(unlike)})" if unlike else "")


def _short(task: Task, result: Result, trial: str, name: Callable[[Row], str]) -> Cells:
    columns, metric = result["trials"][trial]["columns"], task.metrics[task.rank]
    lines = [["method", "parameters", *columns, *(m.title for m in task.beside.values()), "ms/MP", "trained on"]]
    for row in result["trials"][trial]["methods"]:
        values = [number(parsed(row["conditions"][key][task.rank][0]), metric.digits) for key in columns.values()]
        values += [number(shown(task, row, trial, key), beside.digits) for key, beside in task.beside.items()]
        lines.append([name(row), _parameters(row), *values, _ms(row), _training(row)])
    return lines


def _ranked(task: Task, result: Result, trial: str) -> dict[int, Callable]:
    """The columns of a short table whose best number is shown, and what finds it."""
    count = len(result["trials"][trial]["columns"])
    metrics = [task.metrics[task.rank]] * count + [*task.beside.values()]
    return {k: max if metric.higher else min for k, metric in enumerate(metrics, 2)}


def _facts(task: Task, rows: Sequence[Row], condition: str) -> str:
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
        lines.append(
            [_code(task, row), _parameters(row), field, _ms(row), _training(row), row.get("licence") or NONE, key]
        )
    return _markdown(lines)


def _means(task: Task, rows: Sequence[Row], columns: Columns, digits: int, *, sign: str = "") -> str:
    """A table of means with their intervals."""
    lines = [["method", *(title for title, _, _ in columns)]]
    for row in rows:
        cells = [row["conditions"][condition][metric] for _, condition, metric in columns]
        triples = [[number(parsed(value), digits, sign=sign) for value in cell] for cell in cells]
        lines.append([_code(task, row), *(f"{mean} ({low} to {high})" for mean, low, high in triples)])
    return _markdown(lines)


def _markdown(lines: Cells, *, best_of: Mapping[int, Callable] = MappingProxyType({})) -> str:
    """`best_of`: the columns whose best number is bold, and what finds it."""
    head, *rest = [list(line) for line in lines]
    for k, choose in best_of.items():
        top = choose((line[k] for line in rest if line[k] not in (NONE, "n/a")), key=float, default=None)
        for line in rest:
            line[k] = f"**{line[k]}**" if line[k] == top else line[k]
    return markdown([head, *rest])


def _code(task: Task, row: Row) -> str:
    if row["kind"] != "network":
        return label(task, row)
    return f"`{row['name']}`" + ", a reproduction" * row.get("reproduction", False)


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


def sections(task: Task) -> dict[tuple[str, str], Callable[[Task, Result], str]]:
    """What stands between marks: {(page, name of its section): what draws it}."""
    drawn = ((task.section, section), (task.headline_section, headline))
    return {place: draw for place, draw in drawn if place}
