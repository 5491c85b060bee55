"""The plot of a result: how many times faster ours is than PyTorch, network by network and step by step."""

import io
from pathlib import Path
from typing import Any

from benchmarks import ratios
from eval.pages.plots import COLOURS, DPI, GREY, INK, STYLE
from zoo import files


def draw(result: dict[str, Any], path: Path) -> Path:
    """Writes the plot; returns its path."""
    import matplotlib
    from matplotlib.figure import Figure

    narrow = any(ratios.wall(row, ratios.OURS_HALF) for row in ratios.frames(result))
    half = "bfloat16" if narrow else "PyTorch in bfloat16, ours in float32"
    kinds = {"float32": ratios.PEERS, half: ratios.HALF_PEERS}
    found = [*ratios.frames(result), *ratios.steps(result)][::-1]
    with matplotlib.rc_context(STYLE):
        paper = Figure(figsize=(9, 1.2 + 0.45 * len(found)), layout="constrained")
        axis = paper.subplots()
        for k, (label, peers) in enumerate(kinds.items()):
            values = [ratios.ratio(row, peers) or 0.0 for row in found]
            places = [place + 0.2 - 0.4 * k for place in range(len(found))]
            bars = axis.barh(places, values, 0.38, label=label, color=COLOURS[k])
            axis.bar_label(
                bars, [f"{value:.2f}" if value else "" for value in values], padding=3, color=INK, fontsize=9
            )
        axis.axvline(1, color=GREY, linewidth=1)
        axis.margins(x=0.08)
        axis.set_yticks(range(len(found)), [ratios.title(row) for row in found])
        axis.set_title("Times faster than PyTorch (the better of eager and compiled)")
        paper.legend(loc="outside lower center", ncols=2, frameon=False)
        data = io.BytesIO()
        paper.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
    files.write(path, data.getvalue())
    return path
