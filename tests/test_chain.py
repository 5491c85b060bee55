"""Chains of made-up steps: order, reach, rates, places in a batch, and that any part of a film is that part of the
whole."""

import dataclasses
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.chain import Chain
from zoo.errors import FlagError
from zoo.steps.step import Aside, Kind, Moment, Window, successors, windows

SIDE = 4


@dataclasses.dataclass(frozen=True)
class Mixed:
    """Each picture that comes out is another mix of all in the window, and of its place in the batch."""

    before: int = 0
    after: int = 0
    rate: int = 1
    together = False
    on = "rgb"
    needs = gives = frozenset()

    @property
    def reach(self):
        return self.before, self.after

    def kind(self, kind: Kind) -> Kind:
        return dataclasses.replace(kind, rate=kind.rate * self.rate)

    def __call__(self, windows, aside):
        return [self._one(window) for window in windows]

    def _one(self, window: Window):
        seen = [*window.before, window.now, *window.after]
        total = sum((k + 2) * np.asarray(m.rgb) for k, m in enumerate(seen, -len(window.before)))
        return successors(window.now, [jnp.asarray(np.modf(total * 0.37 + k * 0.11)[0]) for k in range(self.rate)])

    def identity(self):
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Placed(Mixed):
    """Looks where in the batch a picture stands, as rounding in a compiled program may."""

    together = True

    def __call__(self, windows, aside):
        assert len(windows) % (BATCH * jax.local_device_count()) == 0
        made = [self._one(window) for window in windows]
        return [[m._replace(rgb=m.rgb + k % BATCH) for m in row] for k, row in enumerate(made)]


BATCH = 3
STEP = st.builds(
    lambda kind, *args: kind(*args),
    st.sampled_from([Mixed, Placed]),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from([1, 1, 2]),
)


def film(count: int, cuts: set[int] = frozenset()) -> list[Moment]:
    rng = np.random.default_rng(0)
    pictures = jnp.asarray(rng.random((count, SIDE, SIDE, 3)), jnp.float32)
    return [Moment(k, k == 0 or k in cuts, (), picture) for k, picture in enumerate(pictures)]


def pictures(moments) -> dict[tuple[int, int], bytes]:
    return {(m.number, m.part): np.asarray(m.rgb).tobytes() for m in moments}


@settings(max_examples=60)
@given(
    steps=st.lists(STEP, min_size=1, max_size=4),
    count=st.integers(1, 40),
    cuts=st.sets(st.integers(1, 39), max_size=4),
    length=st.integers(1, 15),
)
def test_any_segment_alone_is_that_place_of_the_whole(steps, count, cuts, length):
    chain, frames = Chain(steps, batch=BATCH), film(count, cuts)
    whole = pictures(chain.run(frames))
    assert len(whole) == count * chain.rate
    before, after = chain.reach
    for first in range(0, count, length):
        given = frames[max(0, first - before) : first + length + after]
        wanted = {key: picture for key, picture in whole.items() if first <= key[0] < first + length}
        assert {k: v for k, v in pictures(chain.run(given)).items() if k in wanted} == wanted


def test_a_change_of_one_frame_shows_as_far_as_the_reach_and_no_farther():
    chain = Chain([Mixed(1, 2, 2), Mixed(3, 0), Mixed(0, 1, 2), Mixed(2, 2)], batch=BATCH)
    frames, at = film(60), 30
    changed = [m._replace(rgb=m.rgb + 0.01) if m.number == at else m for m in frames]
    one, other = pictures(chain.run(frames)), pictures(chain.run(changed))
    differ = {key[0] for key in one if one[key] != other[key]}
    before, after = chain.reach
    assert (min(differ), max(differ)) == (at - after, at + before)


def test_windows_end_with_the_shot_and_where_a_number_is_missing():
    frames = [m for m in film(9, {4}) if m.number != 6]
    seen = {w.now.number: ([m.number for m in w.before], [m.number for m in w.after]) for w in windows(frames, 2, 1)}
    assert seen == {
        0: ([], [1]),
        1: ([0], [2]),
        2: ([0, 1], [3]),
        3: ([1, 2], []),
        4: ([], [5]),
        5: ([4], []),
        7: ([], [8]),
        8: ([7], []),
    }


def test_no_more_moments_wait_than_the_chain_says():
    chain = Chain([Mixed(2, 3), Placed(), Mixed(1, 1, 2)], batch=BATCH)
    taken, most, given = 0, 0, 0

    def counted():
        nonlocal taken
        for moment in film(200):
            taken += 1
            yield moment

    for given, _ in enumerate(chain.run(counted()), 1):
        most = max(most, taken - given // 2)
    assert given == 400
    assert most <= chain.held()


@dataclasses.dataclass(frozen=True)
class Fields(Mixed):
    on = "planes"

    def kind(self, kind):
        if kind.fields == "none":
            raise FlagError("there are no fields")
        return dataclasses.replace(kind, fields="none", rate=2)


@dataclasses.dataclass(frozen=True)
class Masked(Mixed):
    needs = frozenset({"mask"})

    def __call__(self, windows, aside: Aside):
        return [successors(w.now, [w.now.rgb * aside.mask(w.now.number)], mask=w.now.rgb) for w in windows]


def test_a_chain_is_checked_before_any_work():
    television = Kind(576, 720, Fraction(16, 15), "top first")
    chain = Chain([Fields(rate=2), Mixed()])
    assert [k.fields for k in chain.kinds(television)] == ["top first", "none", "none"]
    with pytest.raises(FlagError, match="there are no fields"):
        chain.kinds(dataclasses.replace(television, fields="none"))
    with pytest.raises(FlagError, match="fields works on the film's own planes; let it come first"):
        Chain([Mixed(), Fields()]).kinds(television)
    with pytest.raises(FlagError, match="masked needs a mask"):
        Chain([Masked()]).run(film(1))


def test_what_lies_aside_comes_along():
    mask = jnp.full((SIDE, SIDE, 1), 0.5)
    frames = film(3)
    out = list(Chain([Masked(), Mixed(1, 1)]).run(frames, Aside(mask=lambda number: mask * (number == 1))))
    for moment, frame in zip(out, frames, strict=True):
        np.testing.assert_array_equal(moment.aside["mask"], frame.rgb)
    black = [not m.rgb.any() for m in Chain([Masked()]).run(frames, Aside(mask=lambda number: mask * (number == 1)))]
    assert black == [True, False, True]
