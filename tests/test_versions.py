"""The table of versions that were tried, and the bounds that pip is given, say the same."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
WANTED = [Requirement(text) for text in PROJECT["dependencies"] + [text for kind in EXTRAS.values() for text in kind]]
BENCHMARKED = {Requirement(text).name for text in EXTRAS["bench"]}  # their versions stand with the results
BOUNDS = {r.name: r.specifier for r in WANTED if r.name not in BENCHMARKED | {PROJECT["name"]}}
ROWS = re.findall(
    r"^\| ([\w-]+) \| ([\d.]+|-) \| ([\d.]+|-) \| ([\d.]+) \|$", (ROOT / "docs" / "versions.md").read_text(), re.M
)
TRIED = {name: [Version(found) for found in versions if found != "-"] for name, *versions in ROWS}
HERE = [r.name for r in WANTED if r.name in BOUNDS and (r.marker is None or r.marker.evaluate())]


def test_every_dependency_was_tried():
    assert TRIED.keys() == BOUNDS.keys()


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_begin_and_end_with_what_was_tried(name):
    bounds = {bound.operator: Version(bound.version) for bound in BOUNDS[name]}
    newest = max(TRIED[name])
    following = Version(f"{newest.major + 1}") if newest.major else Version(f"0.{newest.minor + 1}")
    assert bounds == {">=": min(TRIED[name]), "<": following}


@pytest.mark.parametrize("name", HERE)
def test_what_is_installed_lies_within_the_bounds(name):
    assert version(name) in BOUNDS[name]
