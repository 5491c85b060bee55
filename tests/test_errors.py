"""Commands end with a sentence and a code, whatever the system does to them."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from zoo import errors

ROOT = Path(__file__).parents[1]


def raising(problem: BaseException):
    @errors.command
    def main(argv=None):
        raise problem

    return main


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EIO, "reading or writing a.mkv failed (Input/output error); look whether the disk is failing"),
        (errno.ENOENT, "a.mkv is gone, or was never there"),
        (errno.ENOTDIR, "a.mkv is gone, or was never there"),
        (errno.EACCES, "no permission to write or read a.mkv"),
        (errno.ENOSPC, "the disk is full (a.mkv)"),
        (errno.EMFILE, "too many files are open to open a.mkv; raise the limit"),
        (errno.ELOOP, "reading or writing a.mkv failed"),
    ],
)
def test_what_the_system_will_not_do_is_a_sentence(number, words, capsys):
    for name in ("a.mkv", b"a.mkv", "file:a.mkv"):  # the last as FFmpeg says it
        assert raising(OSError(number, os.strerror(number), name))([]) == 1
        assert f"error: {words}" in capsys.readouterr().err


def test_what_a_library_will_not_write_is_a_sentence(capsys):
    assert raising(OSError("encoder error -9 when writing image file"))([]) == 1
    assert "failed (encoder error -9 when writing image file); look whether the disk" in capsys.readouterr().err


def test_a_programming_error_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        raising(ZeroDivisionError())([])


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film of two pictures, for a command that prints something and needs no JAX."""
    folder = tmp_path_factory.mktemp("film")
    for k in (1, 2):
        Image.new("RGB", (16, 16), (40 * k, 0, 0)).save(folder / f"f{k}.png")
    return folder / "f%d.png"


def shell(line: str, film: Path) -> subprocess.CompletedProcess:
    line = line.format(zoo=f"{sys.executable} -m zoo", film=film)
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=ROOT, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("{zoo} probe {film} >&-", 1, "error: standard output is closed"),
        ("{zoo} probe {film} >/dev/full", 1, "error: the disk is full"),
        ("{zoo} probe {film} <&-", 0, ""),
        ("{zoo} probe {film} 2>&-", 0, ""),
        ("{zoo} probe nothing.mkv >&- 2>&-", 3, ""),
        ("{zoo} probe nothing.mkv <&- >&- 2>/dev/full", 3, ""),
        ("{zoo} probe - <&-", 3, "error:"),
        ("{zoo} --help >&-", 0, ""),
        ("{zoo} --help | head -1 >/dev/null", 0, ""),
        ("{zoo} probe {film} | true; exit ${{PIPESTATUS[0]}}", 141, ""),
        ("{zoo} probe nothing.mkv 2>&1 >&- | true; exit ${{PIPESTATUS[0]}}", 3, ""),
    ],
)
def test_closed_streams_end_in_a_code(film, line, code, said):
    """As services and cron give them, and `| head`."""
    done = shell(line, film)
    assert (done.returncode, done.stderr.strip().startswith(said)) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.stderr.count("\n") <= 1


def test_a_closed_stream_is_no_files(film, tmp_path):
    """The next file that is opened must not become the standard output, into which libraries print."""
    done = shell("{zoo} probe {film} 2>&-", film)
    assert json.loads(done.stdout)["width"] == 16
    code = "import os, sys; from zoo import errors; errors.command(lambda argv: os.write(2, b'noise') and 0)(); "
    code += f"f = open({str(tmp_path / 'f')!r}, 'w'); os.write(2, b'noise'); print(f.fileno())"
    done = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "$CODE" 2>&-'],
        env=os.environ | {"CODE": code},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) > 2
    assert (tmp_path / "f").read_bytes() == b""


def test_a_character_that_the_terminal_lacks_is_shown_as_its_number(film, tmp_path):
    (tmp_path / "ß.png").symlink_to(str(film) % 1)
    done = shell(
        f"PYTHONIOENCODING=ascii {{zoo}} restore -m fast-gaussian --dry-run {tmp_path} -o {tmp_path}/out/", film
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
