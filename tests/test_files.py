"""Files appear whole or not at all, and what a kill leaves of them does not stay."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.runs import ROOT
from zoo import files
from zoo.errors import FlagError, command

KILLED = """
import os, sys
from pathlib import Path
from zoo import files
with files.whole(Path(sys.argv[1])) as part:
    part.write_bytes(b"half")
    os._exit(9)
"""


def test_what_a_kill_leaves_is_written_over(tmp_path):
    path = tmp_path / "clean.mkv"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", KILLED, path], env=environment).returncode == 9
    left = [p.read_bytes() for p in tmp_path.iterdir()]
    assert left == [b"half"], "hidden, and not one more for each kill"
    with files.whole(path) as part:
        assert part.read_bytes() == b""
        part.write_bytes(b"all")
    assert [p.name for p in tmp_path.iterdir()] == ["clean.mkv"]
    assert path.read_bytes() == b"all"


def test_two_that_write_one_file_at_once_do_not_mix(tmp_path):
    path = tmp_path / "a.txt"
    with files.whole(path) as one:
        one.write_text("one")
        files.write(path, "other")
        assert path.read_text() == "other"
        assert one.read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "one"


def test_where_there_are_no_locks_names_are_never_shared(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_flock", lambda *_, **__: False)
    with files.whole(tmp_path / "a.txt") as one, files.whole(tmp_path / "a.txt") as other:
        assert one != other
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_interrupts_once_and_leaves_the_time_to_tidy_up(name, capsys):
    number, tidied = getattr(signal, name), []
    before = signal.getsignal(number)

    @command
    def main(argv):
        try:
            os.kill(os.getpid(), number)
            for _ in range(500):  # no pause: where another thread takes the signal, nothing ends one
                time.sleep(0.01)
        finally:
            for _ in range(3):
                os.kill(os.getpid(), number)
            tidied.append(True)

    assert main() == 130
    assert tidied
    assert capsys.readouterr().err == "error: interrupted\n"
    assert signal.getsignal(number) == before


def test_an_interruption_that_a_destructor_swallows_comes_once_more():
    """As PyAV's and NumPy's may be under way when Ctrl-C is pressed; Python drops what is raised there."""
    code = """
import os, signal, sys, time
from zoo.errors import command

class Freed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)

def main(argv):
    Freed()
    for _ in range(200):
        time.sleep(0.01)

sys.exit(command(main)([]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")


def test_a_signal_that_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    @command
    def main(argv):
        os.kill(os.getpid(), signal.SIGHUP)
        raise FlagError("not interrupted")

    try:
        assert main() == 2
    finally:
        signal.signal(signal.SIGHUP, before)
