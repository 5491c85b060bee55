"""zoo.checked: what a file of JSON holds is what it must be, or one sentence says what is wrong."""

import dataclasses
import json
import os
import re
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo import checked
from zoo.errors import FlagError, InputError


@dataclasses.dataclass(frozen=True)
class Stream:
    codec: Literal["ffv1", "h264"]
    size: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Record:
    """One of each thing that a small file holds."""

    name: str
    frames: int
    rate: float
    whole: bool
    shift: float | None = None
    streams: list[Stream] = dataclasses.field(default_factory=list)
    sums: dict[str, str] = dataclasses.field(default_factory=dict)
    times: tuple[int, ...] = ()

    def __post_init__(self):
        if self.frames == 13:
            raise FlagError("frames=13 brings bad luck")


@dataclasses.dataclass(frozen=True)
class Card:
    name: str
    more: dict[str, Any]


GOOD = {
    "name": "clip",
    "frames": 2,
    "rate": 25,
    "whole": True,
    "streams": [{"codec": "ffv1", "size": [4, 3]}],
    "sums": {"a": "b"},
    "times": [1, 2, 3],
}


def test_what_fits_comes_back_in_its_types(tmp_path):
    (path := tmp_path / "a.json").write_text(json.dumps(GOOD))
    record = checked.read(path, Record)
    assert record == Record("clip", 2, 25.0, True, None, [Stream("ffv1", (4, 3))], {"a": "b"}, (1, 2, 3))
    assert type(record.rate) is float
    assert checked.parse('{"name": "x", "b": [1]}', Card, "c") == Card("x", {"b": [1]})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"frames": "2"}, 'a.json: frames must be a whole number, not "2"'),
        ({"frames": True}, "a.json: frames must be a whole number, not true"),
        ({"frames": 2.0}, "a.json: frames must be a whole number, not 2.0"),
        ({"frames": 2**63}, "a.json: frames must fit 64 bits, unlike 9223372036854775808"),
        ({"frames": 13}, "a.json: it cannot be: frames=13 brings bad luck"),
        ({"rate": None}, "a.json: rate must be a number, not null"),
        ({"rate": 10**400}, "a.json: rate must fit 64 bits"),
        ({"rate": float("nan")}, "a.json: rate must be finite, not nan"),
        ({"shift": "x"}, 'a.json: shift must be a number or null, not "x"'),
        ({"shift": float("inf")}, "a.json: shift must be a number or null, not Infinity"),
        ({"whole": 1}, "a.json: whole must be true or false, not 1"),
        ({"streams": {}}, "a.json: streams must be a list, not an object of 0"),
        ({"streams": [{"codec": "ffv1", "size": [4]}]}, "a.json: streams.0.size must be a list of 2, not of 1"),
        ({"streams": [{"codec": "vp9", "size": [4, 3]}]}, 'streams.0.codec must be one of ffv1, h264, not "vp9"'),
        ({"streams": [{"codec": "ffv1"}]}, "a.json: streams.0 lacks the key 'size'"),
        ({"sums": {"a": 1}}, "a.json: sums.a must be a text, not 1"),
        ({"times": [1, "x" * 99]}, f'a.json: times.1 must be a whole number, not "{"x" * 36}...'),
        ({"evil": 1}, "a.json: it has an unknown key 'evil'; known: name, frames"),
    ],
)
def test_what_does_not_fit_is_one_sentence_with_its_key(tmp_path, change, sentence):
    (path := tmp_path / "a.json").write_text(json.dumps(GOOD | change))
    with pytest.raises(InputError, match=re.escape(sentence)):
        checked.read(path, Record)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no JSON"),
        ("[1,", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "is no JSON"),
        ("[]", "it must be an object, not a list of 0"),
        ('{"name": "a", "name": "b"}', "the key 'name' stands there twice"),
    ],
)
def test_what_is_no_json_object_is_said(tmp_path, text, sentence):
    (path := tmp_path / "a.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=sentence):
        checked.read(path, Record)


def test_only_regular_files_of_a_small_size_are_read(tmp_path):
    (path := tmp_path / "large").write_text(" " * 101)
    with pytest.raises(InputError, match="101 bytes; 100 at most"):
        checked.read(path, dict, most=100)
    os.mkfifo(tmp_path / "pipe")  # nobody writes into it: to open it would wait for ever
    for other in (tmp_path / "pipe", tmp_path, type(tmp_path)("/dev/zero")):
        with pytest.raises(InputError, match="no regular file"):
            checked.read(other, dict)
    with pytest.raises(FileNotFoundError):
        checked.read(tmp_path / "none", dict)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
RECORDS = st.builds(
    Record,
    frames=st.integers(-(2**63), 2**63 - 1).filter(lambda n: n != 13),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    shift=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    streams=st.lists(st.builds(Stream, size=st.tuples(st.integers(0, 9), st.integers(0, 9))), max_size=3),
    times=st.lists(st.integers(0, 9), max_size=3).map(tuple),
)


@given(RECORDS)
def test_what_was_written_is_read_again(record):
    assert checked.parse(json.dumps(dataclasses.asdict(record)), Record, "r") == record


@given(st.fixed_dictionaries({}, optional={key: st.just(GOOD[key]) | JSON for key in GOOD}) | JSON)
def test_whatever_json_holds_it_fits_or_is_refused(value):
    """Nothing but an InputError of one sentence, and what is let through holds what its types say: it comes back."""
    problem, record = _read(json.dumps(value))
    if problem:
        assert re.fullmatch("r: .+|r is .+", problem)  # one line
    else:
        assert _read(json.dumps(dataclasses.asdict(record), allow_nan=False)) == ("", record)


def _read(text: str) -> tuple[str, Any]:
    try:
        return "", checked.parse(text, Record, "r")
    except InputError as e:
        return str(e), None
