"""How chains are written: read, written and read again; what cannot be is named."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import FlagError
from zoo.steps import grammar


@dataclasses.dataclass(frozen=True)
class Clean:
    model: Annotated[str, "a model"] = "fast"
    strength: Annotated[float, "share of the change"] = 1.0
    passes: int = 1
    rate: Literal["single", "double"] = "double"
    scratches: bool = True
    mask: Path | None = None


@dataclasses.dataclass(frozen=True)
class Look:
    file: Annotated[Path, "a .cube"]


STEPS = {"clean": Clean, "look": Look}
parse = lambda text: grammar.parse(text, STEPS)


def test_reads_steps_and_their_options():
    assert parse("clean") == [Clean()]
    assert parse("clean=slow:strength=0.5:scratches=off , look=a.cube") == [
        Clean("slow", 0.5, scratches=False),
        Look(Path("a.cube")),
    ]
    assert parse(r"look=file=C\:\\film\, one=two.cube") == [Look(Path(r"C:\film, one=two.cube"))]
    assert parse("look='it,:s.cube',clean=passes=3") == [Look(Path("it,:s.cube")), Clean(passes=3)]


@given(
    st.builds(
        Clean,
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(lambda t: "=" not in t),
        st.floats(0, 1),
        st.integers(),
        st.sampled_from(["single", "double"]),
        st.booleans(),
    )
)
def test_what_is_written_is_read_again(step):
    assert parse(grammar.written(step, "clean") + ",look=x") == [step, Look(Path("x"))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no step; the steps are: clean, look"),
        ("clear", "unknown step 'clear'; choose one of: clean, look"),
        ("clean=size=3", "unknown option of clean 'size'"),
        ("clean=strength=much", "clean: strength=much must be a number"),
        ("clean=passes=1.5", "clean: passes=1.5 must be a count"),
        ("clean=rate=triple", "unknown rate of clean 'triple'; choose one of: double, single"),
        ("clean=scratches=perhaps", "unknown scratches of clean 'perhaps'"),
        ("clean=fast:0.5", "clean: '0.5' lacks its name"),
        ("clean=fast:model=slow", "clean: model is given twice"),
        ("look", "look needs file; write look=file=FILE"),
        ("look='a", "lacks the second of two quotes"),
    ],
)
def test_what_cannot_be_is_named(text, said):
    with pytest.raises(FlagError) as problem:
        parse(text)
    assert said in str(problem.value)


def test_options_are_the_fields():
    assert grammar.options(Clean)[:2] == [
        grammar.Option("model", str, "fast", "a model"),
        grammar.Option("strength", float, 1.0, "share of the change"),
    ]
    assert [option.values for option in grammar.options(Clean)] == [
        "NAME",
        "NUMBER",
        "COUNT",
        "single|double",
        "on|off",
        "FILE",
    ]
