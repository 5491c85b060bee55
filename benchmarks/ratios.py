"""What a result of benchmarks.run says of ours against PyTorch."""

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]
PEERS = ("torch eager", "torch compile")
OURS_HALF = "ours bf16"
HALF_PEERS = tuple(f"{name} bf16" for name in PEERS)


def kind_of(machine: Row) -> str:
    """What machines are told apart by: the accelerator, or the processor."""
    return machine["processor"] if machine["device"] == "cpu" else machine["device"]


def rows(result: dict[str, Any], benchmark: str, what: str) -> list[Row]:
    found = result["benchmarks"].get(benchmark, {}).get("rows", [])
    return [row for row in found if row["what"] == what]


def frames(result: dict[str, Any]) -> list[Row]:
    """Restored frames beside PyTorch's."""
    return [row for row in rows(result, "restore", "frame") if best(row, PEERS)]


def steps(result: dict[str, Any]) -> list[Row]:
    return [row for row in rows(result, "train_step", "step") if best(row, PEERS)]


def ratio(row: Row, peers: Iterable[str] = PEERS) -> float | None:
    """How many times faster ours is than the best of `peers`; beside theirs in bfloat16, ours in that or in float32."""
    theirs = best(row, peers)
    ours = best(row, ("ours", OURS_HALF)) if peers == HALF_PEERS else wall(row, "ours")
    return theirs / ours if theirs and ours else None


def title(row: Row) -> str:
    if row["what"] == "step":
        return f"{row['command']}, {row['crop']} px, batch {row['batch']}"
    return row["model"]


def wall(row: Row, name: str) -> float | None:
    return row.get("times", {}).get(name, {}).get("wall_s")


def best(row: Row, peers: Iterable[str]) -> float | None:
    return min((found for name in peers if (found := wall(row, name))), default=None)
