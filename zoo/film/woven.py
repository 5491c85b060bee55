"""What a film's fields are, by a few moments of it; what is to be said of them before the work."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo import cadence
from zoo.cadence import Verdict
from zoo.chain import Chain
from zoo.film.read import glimpse
from zoo.film.read.source import PIPE, Film
from zoo.steps.antialias import Antialias, own_lines
from zoo.steps.deinterlace import Deinterlace
from zoo.steps.step import Step
from zoo.survey import ROW, Survey, combs, lines

_FRAMES = 16  # of a moment
_COLUMNS = 256  # that are looked at: combing shows down a column
_SURE = 0.99  # of what is said to be progressive against flags and wishes
_MOSTLY = 0.5  # of the frames, of which it is said without being asked
_KINDS = {
    "interlaced": "interlaced",
    "progressive": "progressive",
    "shifted": "film shifted by a field (2:2)",
    "telecine": "telecined film (2:3)",
    "mixed": "of several kinds",
    "still": "still where it was looked at",
}


class Seen(NamedTuple):
    """`made_up`: the share of the frames of which every second line is only the mean of its neighbours."""

    fields: Verdict
    made_up: float


def look(film: Film) -> Seen:
    """What a few moments show; of a pipe, which can be read only once, nothing."""
    surveys = list(_surveys(film))
    all_ratios = [survey.rows["lines"].astype(np.float64) for survey in surveys]
    made_up = [own_lines(ratios, at) is not None for ratios in all_ratios for at in range(len(ratios))]
    return Seen(cadence.verdict(surveys), float(np.mean(made_up)) if made_up else 0.0)


def _surveys(film: Film) -> Iterator[Survey]:
    black, span = film.layout.luma_codes()
    for planes in glimpse.runs(film, _FRAMES):
        step = -(-film.width // _COLUMNS)
        lumas = [(frame[0][:, ::step] - np.float32(black)) / np.float32(span) for frame in planes]
        rows = np.zeros(len(lumas), ROW)
        rows["number"] = np.arange(len(lumas))
        rows["comb"] = [combs(before, now) for before, now in zip(lumas[:1] + lumas, lumas, strict=False)]
        rows["lines"] = [lines(luma) for luma in lumas]
        yield Survey(rows)


def facts(film: Film, seen: Seen) -> dict[str, Any]:
    """For JSON. `sure`: 0 to 1. `shares`: of the moments in which something moves. `made up`: of the frames."""
    fields = seen.fields
    return {
        "flagged": film.field_order,
        "kind": fields.name,
        "order": fields.order,
        "sure": round(fields.sure, 2),
        "shares": {name: round(share, 2) for name, share in fields.shares.items()},
        "every second line made up": round(seen.made_up, 2),
    }


def notes(film: Film, seen: Seen, order: str, chain: Chain | None) -> list[str]:
    """Sentences without their full stops. `order`: of the fields that come out of the chain woven, or "none"."""
    steps = chain.steps if chain else ()
    return _of_fields(film, seen.fields, order, steps) + _of_lines(film, seen.made_up, steps)


def _of_lines(film: Film, made_up: float, steps: Sequence[Step]) -> list[str]:
    step = next((step for step in steps if isinstance(step, Antialias)), None)
    if step and step.own == "auto" and not made_up and film.name != PIPE:
        no = f"no lines of {film.name} were seen that are only their neighbours' mean"
        return [f"{no}, and antialias leaves frames without such lines as they are"]
    if not step and made_up > _MOSTLY:
        only = f"every second line of {film.name} is close to the mean of its neighbours"
        return [f"{only}, as bad deinterlacing leaves it; antialias makes such lines anew"]
    return []


def _of_fields(film: Film, seen: Verdict, order: str, steps: Sequence[Step]) -> list[str]:
    said, flagged, progressive = [], film.field_order, seen.name == "progressive" and seen.sure > _SURE
    step = next((step for step in steps if isinstance(step, Deinterlace)), None)
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
