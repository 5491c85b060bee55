"""What a name or a word in a file may do: name a file, and be shown. Nothing else."""

import json
from pathlib import Path

import av
import pytest

from tests import clips
from zoo import cli, registry

EVIL = "a\x1b]0;owned\x07\x9b31m\u202egnp"  # sets a terminal's title and colour, turns the direction of writing


@pytest.fixture(autouse=True)
def identity(monkeypatch):
    """All models change nothing."""
    monkeypatch.setattr(registry, "load", lambda name: clips.Identity())
    monkeypatch.setattr(registry, "card", lambda name: {"sha256": "0" * 64})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def restore(*words: str) -> int:
    return cli.main(["restore", *words, "-m", "any"])


def test_no_name_and_no_word_of_a_film_commands_the_terminal(folder, capfd):
    with av.open("titled.mkv", "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 36, 34, "yuv420p"
        stream.metadata["title"] = out.metadata["title"] = EVIL
        out.mux([*stream.encode(clips.frame("yuv420p", 0)), *stream.encode(None)])
    Path("titled.mkv").rename(f"{EVIL}.mkv")
    assert cli.main(["probe", f"{EVIL}.mkv"]) == 0
    told = capfd.readouterr().out
    assert json.loads(told)["metadata"]["title"] == EVIL
    assert restore(f"{EVIL}.mkv") == 0
    assert restore(f"{EVIL}.mkv") == 2
    assert cli.main(["compare", f"{EVIL}.mkv", f"{EVIL}_restored.mkv"]) == 0
    assert restore(f"{EVIL}.png") == 3
    told += "".join(capfd.readouterr())
    assert "\\u001b]0;owned\\u0007\\u009b31m\\u202egnp" in told
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & {*told}
