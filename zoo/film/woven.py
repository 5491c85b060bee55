"""What a film's fields are, by a few moments of it; what is to be said of them before the work."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from zoo import cadence
from zoo.cadence import Verdict
from zoo.chain import Chain
from zoo.film.read import glimpse
from zoo.film.read.source import Film
from zoo.steps.deinterlace import Deinterlace
from zoo.survey import ROW, Survey, combs

_FRAMES = 16  # of a moment
_COLUMNS = 256  # that are looked at: combing shows down a column
_SURE = 0.99  # of what is said to be progressive against flags and wishes
_KINDS = {
    "interlaced": "interlaced",
    "progressive": "progressive",
    "shifted": "film shifted by a field (2:2)",
    "telecine": "telecined film (2:3)",
    "mixed": "of several kinds",
    "still": "still where it was looked at",
}


def look(film: Film) -> Verdict:
    """What a few moments show; of a pipe, which can be read only once, nothing."""
    return cadence.verdict(list(_surveys(film)))


def _surveys(film: Film) -> Iterator[Survey]:
    black, span = film.layout.luma_codes()
    for planes in glimpse.runs(film, _FRAMES):
        step = -(-film.width // _COLUMNS)
        lumas = [(frame[0][:, ::step] - np.float32(black)) / np.float32(span) for frame in planes]
        rows = np.zeros(len(lumas), ROW)
        rows["number"] = np.arange(len(lumas))
        rows["comb"] = [combs(before, now) for before, now in zip(lumas[:1] + lumas, lumas, strict=False)]
        yield Survey(rows)


def facts(film: Film, seen: Verdict) -> dict[str, Any]:
    """For JSON. `sure`: 0 to 1. `shares`: of the moments in which something moves."""
    rounded = {name: round(share, 2) for name, share in seen.shares.items()}
    return {
        "flagged": film.field_order,
        "kind": seen.name,
        "order": seen.order,
        "sure": round(seen.sure, 2),
        "shares": rounded,
    }


def notes(film: Film, seen: Verdict, order: str, chain: Chain | None) -> list[str]:
    """Sentences without their full stops. `order`: of the fields that come out of the chain woven, or "none"."""
    said, flagged, progressive = [], film.field_order, seen.name == "progressive" and seen.sure > _SURE
    step = next((step for step in chain.steps if isinstance(step, Deinterlace)), None) if chain else None
    what = f"{film.name} is {_KINDS[seen.name]}" + (f" ({seen.order})" if seen.order else "")
    if seen.order and flagged not in ("unknown", seen.order):
        follow = "the pictures are followed; deinterlace=fields=top or bottom overrides them"
        said.append(f"{film.name} is flagged {flagged}, and its pictures show {seen.order}: {follow}")
    if step and step.fields in ("top", "bottom"):
        if progressive:
            made = "makes every second line of its frames anew"
            said.append(f"{what}, of which deinterlace=fields={step.fields} {made}; leave deinterlace out")
        elif seen.order and not seen.order.startswith(step.fields):
            said.append(
                f"{what}; deinterlace=fields={step.fields} is done as it is asked, which lets motion go to and fro"
            )
    elif step and progressive:
        twice = ", each twice" if step.rate > 1 else ""
        said.append(f"{what}: deinterlace gives its frames as they are{twice}; leave it out")
    elif not step and progressive and "first" in flagged:
        said.append(f"{film.name} is flagged {flagged}, and its pictures show progressive film")
    elif not step and order != "none":
        what = what if seen.order else f"{film.name} is interlaced ({order})"
        said.append(f"{what} and its fields stay woven; let deinterlace be the first step")
    return said
