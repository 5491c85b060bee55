"""The tutorial works as it is written: its commands, in their order, in a fresh folder."""

import importlib
import re
import shlex
from pathlib import Path

from zoo import cli

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"
BEGIN = "## Something to restore"  # what stands before it installs
QUICK = {"train": ["--images=8", "--batch=4", "--crop=16", "--checkpoints=1", "--valid=1"]}  # in place of minutes
MADE = (
    "first.png",
    "preview.png",
    "restored.mkv",
    "scan.json",
    "run/model.json",
    "choose.png",
    "mine.mkv",
    "mine.json",
)


def run(line: str) -> int:
    program, *words = shlex.split(line)
    if program == "filmzoo":
        return cli.main(words)
    assert [program, words[0]] == ["python", "-m"], line
    given = [word.partition("=")[0] for word in QUICK.get(words[1].split(".")[0], [])]
    kept = [word for word in words[2:] if word.partition("=")[0] not in given]
    return importlib.import_module(words[1]).main(kept + QUICK.get(words[1].split(".")[0], []))


def test_every_command_of_the_tutorial_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text()
    blocks = re.findall(r"^```(python|sh)\n(.*?)^```", text[text.index(BEGIN) :], re.DOTALL | re.MULTILINE)
    assert [kind for kind, _ in blocks].count("sh") >= 5
    for kind, block in blocks:
        if kind == "python":
            exec(compile(block, PAGE.name, "exec"), {})
        else:
            for line in block.splitlines():
                assert run(line) == 0, line
    made = sorted(path.relative_to(tmp_path / "tutorial").as_posix() for path in tmp_path.rglob("*"))
    assert [name for name in MADE if name not in made] == []
