"""The README's numbers are those that a committed script wrote."""

import json
from pathlib import Path

from eval.report import table

ROOT = Path(__file__).parents[1]


def test_the_demos_table_is_the_committed_result():
    result = json.loads((ROOT / "eval" / "results" / "demo.json").read_text())
    assert table(result) in (ROOT / "README.md").read_text()


def test_every_local_file_that_the_readme_names_exists():
    text = (ROOT / "README.md").read_text()
    named = [part.split(")")[0] for part in text.split("](")[1:]]
    assert named
    assert [name for name in named if "://" not in name and not (ROOT / name).exists()] == []
