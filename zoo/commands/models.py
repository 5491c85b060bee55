"""`filmzoo models`: the table of the zoo."""

import dataclasses
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.models.network import ModelConfig


@dataclasses.dataclass(frozen=True)
class Models:
    """List the models of the zoo."""

    json: bool = False
    """As JSON."""


def run(args: Models) -> int:
    from zoo import registry

    rows = [
        {
            "name": name,
            "task": spec.task,
            "parameters": _parameters(config := registry.config_of(name)),
            "multiple": config.multiple,
            "halo": config.halo,
            "scale": config.scale,
            "frames": 1 + sum(config.frames),
            "licence": spec.licence,
            "weights": registry.has_weights(name),
            "reproduction": spec.reproduction,
            "about": spec.about,
        }
        for name, spec in registry.SPECS.items()
    ]
    print(json.dumps(rows, indent=1) if args.json else _table(rows))
    return 0


def _parameters(config: "ModelConfig") -> int:
    """How many numbers a network of this config learns, counted without making them."""
    import jax
    from flax import nnx

    network = nnx.eval_shape(lambda: config.build(nnx.Rngs(0)))
    return sum(p.size for p in jax.tree.leaves(nnx.state(network, nnx.Param)))


def _table(rows: list[dict[str, Any]]) -> str:
    """Aligned columns, the same on a terminal and in a pipe."""
    columns = [name for name in rows[0] if name != "about"]
    words = {"True": "yes", "False": "no", "None": "not tiled"}
    cells = [columns] + [[words.get(str(row[name]), str(row[name])) for name in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)
