"""`filmzoo probe`: what a film is, and what `restore` would say to it."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from zoo.commands.shared import Reads
from zoo.errors import ZooError, visible
from zoo.flags import in_order

if TYPE_CHECKING:
    from zoo.film.read.source import Film


@in_order
@dataclasses.dataclass(frozen=True, kw_only=True)
class Probe(Reads):
    """Say what a film is, as JSON: size, rate, colour, fields, streams; and what `restore` would say to it."""

    film: Annotated[str, tyro.conf.Positional]
    """A film, or numbered pictures such as frame.%%06d.dpx."""


def run(args: Probe) -> int:
    """Prints what a film is; returns the exit code."""
    from zoo import grain
    from zoo.film import plan, woven
    from zoo.film.read import glimpse, probe

    film = plan.describe(args.film, plan.Options())
    seen = grain.estimate(glimpse.pairs(film))
    about = probe.facts(film)
    del about["field_order"]  # see "flagged"
    about |= {
        "fields": woven.facts(film, woven.look(film)),
        "grain": seen and {name: round(value, 4) for name, value in seen._asdict().items()},
        "restore": _intended(film),
    }
    print(visible(json.dumps(about, indent=1, default=str, ensure_ascii=False), lines=True))
    return 0


def _intended(film: "Film") -> dict[str, Any]:
    """What `restore` would do with a film if nothing else were asked for, or why it would refuse."""
    from zoo.film import plan
    from zoo.film.read.source import PIPE
    from zoo.film.write import outputs

    output = Path(PIPE) if film.name == PIPE else outputs.beside(Path(film.name))
    try:
        planned = plan.of(film, output, plan.Options())
    except ZooError as e:
        return {"refused": str(e)}
    encoding = planned.encoding
    how = {"encoder": encoding.encoder, "pixel_format": encoding.pixel_format, "options": dict(encoding.options)}
    return {"output": str(output)} | how | {"notes": planned.notes}
