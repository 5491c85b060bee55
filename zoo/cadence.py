"""What a film's fields are: moments of their own, or pictures of film that were split into fields.

The survey says how much every two fields that follow one another are combed when woven. Two of one picture fit, two of
different moments do not where something moves. So the links between fields draw the cadence: every second one fits in
progressive film, the others in film that is shifted by a field (2:2), three of five in telecine (2:3). Whether a link
is combed less than those beside it is compared with each cadence; the most likely row of cadences is found, in which a
change must be worth it (Viterbi 1967). Where nothing moves there is no evidence, and the cadence around goes on.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from zoo.survey import COMBS, Survey

Order = Literal["top first", "bottom first"]
NAMES = ("interlaced", "progressive", "shifted", "telecine")
# Which links join two fields of one picture, again and again; each cadence may begin anywhere in itself.
_JOINED = {"progressive": (True, False), "telecine": (True, True, False, True, False)}
_LEAST, _SHARE = 0.0015, 0.02  # a difference that shows: of combed shares, and of what is combed there
_CLEAR = 0.35  # a clear one, of what is combed there
# What a link is worth to a cadence, against interlaced film, by how well it fits, 0 to 1: as a logarithm of likelihood.
_EVIDENCE = (0, 0.25, 0.5, 0.75, 1), (-2.4, -1.2, 0, -0.3, 0.8)
_RARE = {"progressive": -2.5, "shifted": -2.5, "telecine": -2.5}  # more than one cut is worth
_CHANGE = 8.0  # cost of a change of cadence, as a logarithm of likelihood
_ORDER = 1.05  # times as much combing shows that an order of fields is the wrong one
_MIXED = 0.9  # of the links that show something, for one name


class _State(NamedTuple):
    name: str
    joined: tuple[bool, ...]  # the links from the film's first on


def _states() -> list[_State]:
    even, telecine = _JOINED["progressive"], _JOINED["telecine"]
    rolled = [telecine[k:] + telecine[:k] for k in range(5)]
    return [
        _State("interlaced", (False,)),
        _State("progressive", even),
        _State("shifted", even[::-1]),
        *(_State("telecine", joined) for joined in rolled),
    ]


_STATES = _states()
_UNORDERED = ("progressive", "telecine")  # film of which most frames look alike in either order


class Verdict(NamedTuple):
    """`name`: one of NAMES, "mixed", or "still" where nothing moves. `order`: of the fields, where it matters. `sure`:
    0 to 1. `shares`: of the links that show something, those in each cadence."""

    name: str
    order: Order | None
    sure: float
    shares: dict[str, float]


class Cadence:
    """The cadence of each link between two fields of a survey that follow one another.

    `order`: of the fields. Where nobody says it and the pictures do not show it, fields that are moments of their own
    would: there are none. `names`: of NAMES, those that it may be; left out: all."""

    def __init__(self, survey: Survey, order: Order | None, names: Sequence[str] = ()):
        self.order: Order = order or "top first"
        names = names or (NAMES if order else _UNORDERED)
        self._first = int(survey.rows["number"][0])
        self.shows = _shown(survey.links(self.order)[0])
        self._worth = _worth(self.shows)
        self._worth[[state.name not in names for state in _STATES]] = -np.inf
        self.path, self.most = _most_likely(self._worth)

    def partners(self, number: int) -> tuple[int, int]:
        """Of each field of a frame of the film, in time's order: where its picture's other field lies, the field before
        it (-1) or after it (1); 0 where it has none."""
        earlier, later = (2 * (number - self._first) + k for k in range(2))
        return self._partner(earlier, (1, -1)), self._partner(later, (-1, 1))

    def _partner(self, field: int, sides: tuple[int, int]) -> int:
        joined = lambda side: self._joins(field if side > 0 else field - 1)
        return next((side for side in sides if joined(side)), 0)

    def _joins(self, link: int) -> bool:
        if not 0 <= link < len(self.path):
            return False
        joined = _STATES[self.path[link]].joined
        return joined[link % len(joined)]

    def worth(self, name: str) -> float:
        """What all links together are worth to one cadence, wherever it begins in itself."""
        own = self._worth[[state.name == name for state in _STATES]].sum(axis=1)
        return float(np.logaddexp.reduce(own))


def verdict(surveys: Sequence[Survey]) -> Verdict:
    """What film is, by one survey of it or by those of some parts."""
    order = order_of(*surveys)
    parts = [Cadence(survey, order) for survey in surveys]
    shows = np.concatenate([np.zeros(0), *(part.shows for part in parts)])
    seen = shows != 0
    if not seen.any():
        return Verdict("still", None, 0.0, {})
    names = np.array([_STATES[k].name for part in parts for k in part.path])
    shares = {name: float((names[seen] == name).mean()) for name in NAMES}
    name = max(shares, key=lambda name: shares[name])
    if shares[name] < _MIXED:
        name = "mixed"
    worth = {name: sum(part.worth(name) for part in parts) for name in NAMES}
    own = worth.pop(name, sum(part.most for part in parts))
    sure = float(1 / (1 + np.exp(np.array([*worth.values()]) - own).sum()))
    return Verdict(name, None if name == "progressive" else order, sure, {k: v for k, v in shares.items() if v})


def order_of(*surveys: Survey) -> Order | None:
    """The order of the fields: in the wrong one those meet that lie three field times apart. None where it does not
    matter: nothing moves, or both fields of each frame are of one moment."""
    comb = np.concatenate(
        [survey.rows["comb"][1:] for survey in surveys] or [np.zeros((0, len(COMBS)))], dtype=np.float64
    )
    top, bottom = (float(comb[:, COMBS.index(order)].sum()) for order in ("top first", "bottom first"))
    least, most = sorted((top, bottom))
    if most - least < _LEAST * max(len(comb), 1) or most < _ORDER * least:
        return None
    return "top first" if top < bottom else "bottom first"


def _shown(comb: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Above 0 where a link is combed less than those beside it, below 0 where it is more: by 1, or by a half where it
    is by little; 0 where neither shows."""
    if len(comb) < 3:
        return np.zeros(len(comb))
    bent = _bent(comb.astype(np.float64))
    around = np.pad(comb, 1, mode="reflect")
    least = np.minimum(around[:-2], around[2:])
    shows = (np.abs(bent) > _LEAST + _SHARE * least) * np.where(np.abs(bent) > _LEAST + _CLEAR * least, 1, 0.5)
    return np.sign(bent) * shows


def _bent(x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    x = np.pad(x, 1, mode="reflect")
    return (x[:-2] + x[2:]) / 2 - x[1:-1]


def _fitting(shows: Float[np.ndarray, " n"]) -> Float[np.ndarray, "s n"]:
    """Of each state whether a link shows what it would there: 1 or 0, and a half where nothing shows."""
    rows = []
    for state in _STATES:
        length = len(state.joined)
        combed = [0.0 if joined else 1.0 for joined in state.joined]
        like = np.sign(_bent(np.tile(combed, 3)))[length : 2 * length]
        rows.append((1 + shows * np.resize(like, len(shows))) / 2)
    return np.stack(rows)


def _worth(shows: Float[np.ndarray, " n"]) -> Float[np.ndarray, "s n"]:
    """What each link is worth to each state."""
    worth = np.interp(_fitting(shows), *_EVIDENCE)
    worth[0] = 0
    if len(shows):
        worth[:, 0] += [_RARE.get(state.name, 0) for state in _STATES]
    return worth


def _most_likely(worth: Float[np.ndarray, "s n"]) -> tuple[Int[np.ndarray, " n"], float]:
    """The number of the state of each link, and what that row of them is worth."""
    if not worth.shape[1]:
        return np.array([], int), 0.0
    score, came = worth[:, 0], []
    for now in worth.T[1:]:
        best = int(score.argmax())
        came.append(np.where(score >= score[best] - _CHANGE, np.arange(len(score)), best))
        score = np.maximum(score, score[best] - _CHANGE) + now
    path = [int(score.argmax())]
    for back in reversed(came):
        path.append(int(back[path[-1]]))
    return np.array(path[::-1]), float(score.max())
