"""train.ablation: each row is trained and measured with its change, and a second call trains nothing again."""

import json

from tests.runs import SHORT
from train import ablation
from zoo import registry


def test_rows_differ_in_what_they_name(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ablation, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(ablation, "BASE", [word for word in SHORT if not word.startswith("--images")])
    rows = {"as it ships": ["--network=width=4,blocks=1"], "no residual block": ["--network=width=4,blocks=0"]}
    monkeypatch.setattr(ablation, "ROWS", {name: [*words, "--judge=width=4"] for name, words in rows.items()})
    out = tmp_path / "ablation.json"
    line = [f"--data={folder}", "--images=16", "--limit=2", "--levels=0.03", f"--json={out}"]
    assert ablation.main(line) == 0
    one, none = json.loads(out.read_text())["rows"]
    assert [row["model"]["config"]["blocks"] for row in (one, none)] == [1, 0]
    assert one["model"]["parameters"] > none["model"]["parameters"]
    assert one["model"]["images"] == none["model"]["images"] == 16
    assert out.with_suffix(".md").read_text().splitlines()[-1].startswith("| no residual block | ")
    first = capsys.readouterr().out
    assert first.splitlines()[1].split()[:3] == ["as", "it", "ships"]
    weights = sorted(path.stat().st_mtime_ns for path in (tmp_path / "runs").glob(f"*/{registry.CARD}"))
    assert ablation.main(line) == 0
    assert capsys.readouterr().out == first
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / "runs").glob(f"*/{registry.CARD}")) == weights
    assert ablation.main([f"--data={folder}", "--imgs=3"]) == 2
