"""train.ablation: each row is trained and measured with its change, and a second call trains nothing again."""

import json

import pytest

from tests.runs import MAINS, SHORT
from train import ablation
from zoo import registry

pytestmark = pytest.mark.usefixtures("quick_leaves")


def lasting(printed: str) -> list[list[str]]:
    """The words of each line, but for the milliseconds, which are taken anew."""
    return [words[:-3] + words[-2:] for words in map(str.split, printed.splitlines())]


@pytest.mark.parametrize("name", ablation.STUDIES)
def test_every_row_of_a_study_is_a_command_of_its_own(name, capsys):
    study, seen = ablation.STUDIES[name], []
    for changes in study.rows.values():
        assert MAINS[study.command]([*ablation.BASE, *study.base, *changes, "--dry-run"]) == 0
        seen.append(capsys.readouterr().out)
    assert len(set(seen)) == len(study.rows)


def test_rows_differ_in_what_they_name(picture_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ablation, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(ablation, "BASE", [word for word in SHORT if not word.startswith("--images")])
    rows = {"as it ships": ["--network=width=4,blocks=1"], "no residual block": ["--network=width=4,blocks=0"]}
    monkeypatch.setitem(ablation.STUDIES, "cyclegan", ablation.Study("A study", "resnet", rows))
    out = tmp_path / "ablation.json"
    line = [f"--data={picture_folder}", "--images=16", "--limit=2", "--levels=0.03", f"--json={out}"]
    assert ablation.main(line) == 0
    one, none = json.loads(out.read_text())["rows"]
    assert [row["model"]["config"]["blocks"] for row in (one, none)] == [1, 0]
    assert one["model"]["parameters"] > none["model"]["parameters"]
    assert one["model"]["images"] == none["model"]["images"] == 16
    assert out.with_suffix(".md").read_text().splitlines()[-1].startswith("| no residual block | ")
    assert one["ms_per_megapixel"] > 0
    first = lasting(capsys.readouterr().out)
    assert first[1][:3] == ["as", "it", "ships"]
    weights = sorted(path.stat().st_mtime_ns for path in (tmp_path / "runs").glob(f"*/*/{registry.CARD}"))
    assert ablation.main(line) == 0
    assert lasting(capsys.readouterr().out) == first
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / "runs").glob(f"*/*/{registry.CARD}")) == weights
    assert ablation.main([f"--data={picture_folder}", "--imgs=3"]) == 2
