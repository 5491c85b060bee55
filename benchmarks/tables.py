"""The tables of docs/performance.md and the README's numbers of speed, from a result of benchmarks.run; none of what
was not measured."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import film, television
from benchmarks.ratios import HALF_PEERS, OURS_HALF, PEERS, Row, best, frames, kind_of, ratio, rows, steps, title, wall
from eval.pages.report import markdown, read_json

NONE = "-"
HEADLINE_HEIGHT = 1080
H200_FLOPS, SHARE = 790e12, 0.4  # what its product of matrices was measured to reach in bfloat16; a good step's share


def every(result: dict[str, Any], path: Path) -> list[str]:
    """Titles, tables and sentences in the page's order; `path`: of the result, beside which others lie."""
    films = (_film, _television)
    of_this = (_frames, _steps, _losses, _sizes, _memory, *films, _pipeline, _scaling, _start, _kept, _failures)
    return [part for table in of_this for part in table(result)] + _elsewhere(result, path)


def _number(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _frames(result: dict[str, Any]) -> list[str]:
    found = frames(result)
    if not found:
        return []
    peak = next((row for row in rows(result, "restore", "peak")), None)
    kinds, heads = _halves(found)
    lines = [["ms/MP", "ours", *PEERS, "ratio", *heads, f"of the {_limit(peak)} peak"]]
    for row in found:
        megapixels = row["width"] * row["height"] / 1e6
        ms = [_number((s := wall(row, name)) and 1e3 * s / megapixels) for name in ("ours", *PEERS)]
        half = [_number((s := best(row, names)) and 1e3 * s / megapixels) for names in kinds]
        lines.append([_model(row), *ms, _number(ratio(row)), *half, _number(ratio(row, HALF_PEERS)), _share(row, peak)])
    size = f"{found[0]['width']}x{found[0]['height']}"
    return [f"**Restoring a frame of {size}**, milliseconds a megapixel", markdown(lines)]


def _halves(found: list[Row]) -> tuple[list[tuple[str, ...]], list[str]]:
    """What is shown in bfloat16, and the columns' heads: ours where it was measured in it."""
    ours = any(wall(row, OURS_HALF) for row in found)
    heads = ["bf16, PyTorch's best", "ratio to that"]
    return ([(OURS_HALF,), HALF_PEERS], ["bf16, ours", *heads]) if ours else ([HALF_PEERS], heads)


def _limit(peak: Row | None) -> str:
    """What the share is of: on a CPU the best convolution, which the product of matrices does not reach."""
    return "matmul bf16" if peak and "matmul bf16" in peak else "conv"


def _share(row: Row, peak: Row | None) -> str:
    """Of what the device reaches at its best."""
    ours = best(row, ("ours", OURS_HALF))
    if not (peak and ours):
        return NONE
    return f"{row['width'] * row['height'] * row['flop_per_px'] / ours / peak[_limit(peak)]['flops_per_s']:.0%}"


def _steps(result: dict[str, Any]) -> list[str]:
    found = [row for row in rows(result, "train_step", "step") if "times" in row]
    kinds, heads = _halves(found)
    lines = [["images/s", "preset", "ours", *PEERS, "ratio", *heads, "compile, s"]]
    for row in found:
        images = row["batch"] * row["steps"]
        rates = [_number((s := wall(row, name)) and images / s) for name in ("ours", *PEERS)]
        half = [_number((s := best(row, names)) and images / s) for names in kinds]
        ratios = [_number(ratio(row)), *half, _number(ratio(row, HALF_PEERS))]
        lines.append([title(row), row["preset"], *rates, *ratios, _number(row["compile_s"])])
    return ["**Train steps**, as the loop runs them; `paper` as published", markdown(lines)] if found else []


def _losses(result: dict[str, Any]) -> list[str]:
    """Where PyTorch is ahead."""
    found = [*frames(result), *steps(result)]
    lost = [f"{title(row)} ({r:.2f})" for row in found if (r := ratio(row)) and r < 1]
    half = [r for row in found if (r := ratio(row, HALF_PEERS))]
    parts = [f"PyTorch is faster in float32 at: {', '.join(lost)}." if lost else ""]
    if any(r < 1 for r in half):
        why = " in float32 on a CPU, where XLA has no bfloat16 convolution"
        ours = why if result["machine"]["device"] == "cpu" else ""
        parts.append(f"In bfloat16 it is up to {1 / min(half):.1f} times faster than ours{ours}.")
    text = " ".join(filter(None, parts))
    return [f"**Where it does not win.** {text}"] if text else []


def _sizes(result: dict[str, Any]) -> list[str]:
    found = rows(result, "restore", "frame")
    sizes = list(dict.fromkeys((row["width"], row["height"]) for row in found))
    if len(sizes) < 2:
        return []
    cells = {(_model(row), row["tiled"], row["width"], row["height"]): _frames_per_s(row) for row in found}
    lines = [["frames/s", "", *(f"{width}x{height}" for width, height in sizes)]]
    for model, tiled in dict.fromkeys((model, tiled) for model, tiled, *_ in cells):
        values = [cells.get((model, tiled, *size), NONE) for size in sizes]
        lines.append([model, "in tiles" if tiled else "whole", *values])
    also = {row["model"]: row["also"] for row in found if row["also"]}
    same = "; ".join(f"`{', '.join(others)}` as {_code(model)}" for model, others in also.items())
    return ["**Every network**", markdown(lines), *([f"The same networks with other weights: {same}."] if same else [])]


def _memory(result: dict[str, Any]) -> list[str]:
    found = [row for row in rows(result, "restore", "memory") if "peak_bytes" in row]
    if not found:
        return []
    each = ", ".join(f"{row['model']} {row['peak_bytes'] / 2**30:.1f} GiB" for row in found)
    return [f"Most memory of a process that restores {found[0]['width']}x{found[0]['height']}: {each}."]


def _film(result: dict[str, Any]) -> list[str]:
    """Whole films, the stages apart, and whether the memory grows with the film."""
    lines = [["a film of", "model", "frames/s", *(f"{stage} alone, ms" for stage in film.STAGES), "slowest"]]
    for row in rows(result, "film", "film"):
        about = [f"{row['width']}x{row['height']}", _model(row)]
        if "limit" in row:
            stages = [f"{_number(row['ms'][stage])} ({row['share'][stage]:.0%})" for stage in film.STAGES]
            lines.append([*about, _number(row["frames_per_s"]), *stages, row["limit"]])
        else:
            lines.append([*about, row.get("skipped", NONE), *[NONE] * (len(film.STAGES) + 1)])
    if len(lines) == 1:
        return []
    what = (
        "**Films**, from an FFV1 file of 10 bits and 4:2:2 to another; the stages overlap, a frame through each alone"
    )
    return [what, markdown(lines), *_lengths(result)]


def _television(result: dict[str, Any]) -> list[str]:
    """The whole way from a tape, its stages apart, and the steps' shares."""
    names = ("deinterlace", "upscale")
    lines = [["to", "frames/s", *(f"{stage} alone, ms" for stage in film.STAGES), *(f"{n}, of device" for n in names)]]
    for row in rows(result, "television", television.WHAT):
        if "limit" in row:
            stages = [f"{_number(row['ms'][stage])} ({row['share'][stage]:.0%})" for stage in film.STAGES]
            steps = [f"{row['steps_share'][name]:.0%}" for name in names]
            lines.append([row["size"], _number(row["frames_per_s"]), *stages, *steps])
    if len(lines) == 1:
        return []
    what = "**Television** of 576 lines made larger, in its frames of two fields; twice as many pictures come out"
    return [what, markdown(lines)]


def headline(result: dict[str, Any]) -> str:
    """The README's numbers: films a second, and the memory of a long one; none where they were not measured."""
    lines = []
    film_rows = [row for row in rows(result, "film", "film") if "limit" in row and row["height"] == HEADLINE_HEIGHT]
    if film_rows:
        row = max(film_rows, key=lambda row: row["frames_per_s"])
        where = result["machine"]
        device = f"{where['cores']} CPU cores" if where["device"] == "cpu" else where["device"]
        lines.append(
            f"* **{_number(row['frames_per_s'])} frames a second**: a film of {row['width']}x{row['height']} with "
            f"{_model(row)}, from file to file, on {device}."
        )
    found = [row for row in rows(result, "film", "film memory") if "peak_bytes" in row]
    if len(found) >= 2:
        short, long = found[:2]
        lines.append(
            f"* **{long['peak_bytes'] / short['peak_bytes']:.3f} times** the memory: a film of {long['frames']} frames "
            f"against one of {short['frames']}."
        )
    return "\n".join(lines)


def _lengths(result: dict[str, Any]) -> list[str]:
    """The peak of a short and of a long film of small frames, and of one of the largest."""
    found = [row for row in rows(result, "film", "film memory") if "peak_bytes" in row]
    if len(found) < 2:
        return []
    short, long, *large = found
    size, times = f"{short['width']}x{short['height']}", long["peak_bytes"] / short["peak_bytes"]
    each = ", ".join(f"{row['frames']} frames {row['peak_bytes'] / 2**20:.0f} MiB" for row in (short, long))
    held = f"{long['frames_bytes'] / 2**20:.0f} MiB"
    also = "".join(f"; of {row['width']}x{row['height']}: {row['peak_bytes'] / 2**30:.1f} GiB" for row in large)
    return [
        f"Most memory of a process that restores a film of {size}: {each}, {times:.3f} times as much (the "
        f"{long['frames']} frames themselves are {held}){also}."
    ]


def _pipeline(result: dict[str, Any]) -> list[str]:
    lines = [["crops/s", "the data alone", "the step with data ready", "both", "the step waits"]]
    for row in rows(result, "pipeline", "data"):
        rates = [_number(row["images_per_s"][name]) for name in ("data", "ready", "fed")]
        lines.append([row["source"], *rates, f"{row['waits']:.0%}"])
    return ["**Data**", markdown(lines), *_feeding(result)] if len(lines) > 1 else []


def _feeding(result: dict[str, Any]) -> list[str]:
    """How many cores would feed a large accelerator."""
    for row in rows(result, "pipeline", "feeding"):
        eats = SHARE * H200_FLOPS / row["flop_per_crop"]
        cores = result["machine"]["cores"]
        return [
            f"By arithmetic: one H200 at {SHARE:.0%} of its {H200_FLOPS / 1e12:.0f} Tflop/s in bfloat16 takes "
            f"{eats:,.0f} crops of {row['crop']} px a second in the step of `train.{row['command']} --preset=full` "
            f"({row['flop_per_crop'] / 1e9:.1f} Gflop each). {cores} cores here cut {row['crops_per_s']:,.0f} a second "
            f"from pictures kept in memory: {math.ceil(cores * eats / row['crops_per_s'])} such cores feed it; noise "
            "is made on the device."
        ]
    return []


def _scaling(result: dict[str, Any]) -> list[str]:
    found = [*rows(result, "scaling", "devices"), *rows(result, "scaling", "processes")]
    lines = [["the step of", "on", "losses differ by", "gradients by", "sent in a step"]]
    for row in (row for row in found if "loss_difference" in row):
        sent = ", ".join(f"{n} {name}" for name, n in row["collectives"].items()) or "nothing"
        where = f"{row['devices']} devices" if row["what"] == "devices" else f"{row['processes']} processes"
        lines.append(
            [row["command"], where, f"{row['loss_difference']:.1g}", f"{row['gradient_difference']:.1g}", sent]
        )
    frames = [row for row in rows(result, "scaling", "frame") if row["devices"] > 1]
    for row in frames:
        what, differ = f"a frame of {row['height']} rows", f"{row['difference']:.1g} (pixels)"
        lines.append([what, f"{row['devices']} devices", differ, NONE, "nothing"])
    what = "**Several devices** (emulated on a CPU) against one" if any(r.get("emulated") for r in found) else ""
    cycles = any(row["command"] == "cyclegan" and "loss_difference" in row for row in found)
    kinks = (
        "The loss of a CycleGAN has kinks, ReLU's and L1's. Where rounding puts a value on the other side of one, its "
        "gradient is the other side's."
    )
    return [what or "**Several devices** against one", markdown(lines), *[kinks] * cycles] if len(lines) > 1 else []


def _start(result: dict[str, Any]) -> list[str]:
    lines = [["seconds", "cold", "compiled before"]]
    for row in rows(result, "start", "import"):
        lines.append([f"`{row['name']}`", _number(row["wall_s"]), NONE])
    for row in rows(result, "start", "first frame"):
        lines.append(["first frame, imports included", _number(row["cold_s"]), _number(row["cached_s"])])
    for row in rows(result, "start", "first step"):
        first = f"first step of {row['command']}, as published"
        lines.append([f"{first}, imports included", _number(row["cold_s"]), _number(row["cached_s"])])
        lines.append([f"{first}: compiling, or loading", _number(row["compile_s"]), _number(row["load_s"])])
    return ["**Start**", markdown(lines)] if len(lines) > 1 else []


def _kept(result: dict[str, Any]) -> list[str]:
    lines = [["ms a frame", "kept", "given back", "ratio", "page faults a frame, kept", "given back"]]
    for row in rows(result, "memory", "kept memory"):
        if "kept" in row:
            kept, given_back = row["kept"], row["given_back"]
            ms = [_number(1e3 * one["wall_s"]) for one in (kept, given_back)]
            ratio = _number(given_back["wall_s"] / kept["wall_s"])
            faults = [f"{one['faults_a_frame']:.0f}" for one in (kept, given_back)]
            lines.append([f"`{row['model']}`, {row['width']}x{row['height']}", *ms, ratio, *faults])
    title = "**Memory that was freed, kept by the process or given back to the system**, each in processes of their own"
    return [title, markdown(lines)] if len(lines) > 1 else []


def _elsewhere(result: dict[str, Any], path: Path) -> list[str]:
    """The ratios beside those of other machines, whose newest results lie in the same folder."""
    others = {}
    for file in sorted(path.parent.glob("*.json")):  # their dates sort
        other = read_json(file)
        if other and kind_of(other["machine"]) != kind_of(result["machine"]):
            others[kind_of(other["machine"])] = (file, other)
    kinds = {"": PEERS, ", PyTorch in bf16": HALF_PEERS}
    columns = {
        f"{name}{kind}": found
        for name, (_, other) in others.items()
        for kind, peers in kinds.items()
        if any((found := _ratios(other, peers)).values())
    }
    lines = [["ratio to PyTorch", "here", *columns]]
    for name in dict.fromkeys(name for column in columns.values() for name in column):
        lines.append([name, *(_number(column.get(name)) for column in (_ratios(result, PEERS), *columns.values()))])
    if len(lines) == 1:
        return []
    samples = ", ".join(f"[{name}](../benchmarks/results/{file.name})" for name, (file, _) in others.items())
    return [
        "**On other machines**; below 1 PyTorch is faster. Ours on a CPU is in float32 beside both",
        markdown(lines),
        f"Every sample of those: {samples}.",
    ]


def _ratios(result: dict[str, Any], peers: tuple[str, ...]) -> dict[str, float | None]:
    return {title(row): ratio(row, peers) for row in (*frames(result), *steps(result))}


def _failures(result: dict[str, Any]) -> list[str]:
    """What could not be measured, and why."""
    found = list(dict.fromkeys(_reasons(result)))
    return [f"Not measured: {'; '.join(found)}."] if found else []


def _reasons(result: dict[str, Any]) -> Iterator[str]:
    for name, part in result["benchmarks"].items():
        if "failed" in part:
            yield f"the rest of {name} ({part['failed']})"
        for row in part["rows"]:
            if "failed" in row:
                yield f"{row['what']} of {title(row)} ({row['failed']})"
            for contender, times in row.get("times", {}).items():
                if "failed" in times:
                    yield f"{contender} of {title(row)} ({times['failed']})"


def _frames_per_s(row: Row) -> str:
    seconds = best(row, ("ours", OURS_HALF))
    return _number(1 / seconds) if seconds else row.get("skipped", NONE)


def _code(model: str) -> str:
    return f"`{model}`"


def _model(row: Row) -> str:
    return _code(row["model"]) if row["weights"] == "shipped" else f"{row['model']} (random weights)"
