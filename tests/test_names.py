"""What a name or a word in a file may do: name a file, and be shown. Nothing else."""

import json
import os
from pathlib import Path

import av
import numpy as np
import pytest

from tests import clips
from tests.clips import restore
from zoo import cli, pictures
from zoo.film.write import outputs

pytestmark = pytest.mark.usefixtures("identity", "folder")

EVIL = "a\x1b]0;owned\x07\x9b31m\u202egnp"  # sets a terminal's title and colour, turns the direction of writing


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
    assert restore(f"{EVIL}.mkv", "--strength", "0.5") == 2, "it exists"
    assert cli.main(["compare", f"{EVIL}.mkv", f"{EVIL}_restored.mkv"]) == 0
    assert restore(f"{EVIL}.png") == 3
    told += "".join(capfd.readouterr())
    assert "\\u001b]0;owned\\u0007\\u009b31m\\u202egnp" in told
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & {*told}


def test_a_name_is_a_file_and_no_protocol(folder):
    clips.write(folder / "one.mkv", count=2)
    for name in ("reel:1.mkv", "concat:one.mkv|one.mkv", "http:/nowhere/two.mkv", "file:three.mkv"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        clips.write(folder / "x.mkv", count=1).rename(name)
        assert restore(name, "-o", f"out:{Path(name).name}") == 0
        assert clips.same(folder / name, folder / f"out:{Path(name).name}")
        assert restore(name) == 0
        assert clips.same(folder / name, Path(name).with_stem(f"{Path(name).stem}_restored").absolute())
    for name in ("concat:one.mkv|one.mkv!", "file:one.mkv", "subfile,,start,0,end,99,,:one.mkv", "data:,x"):
        assert restore(name, "-o", "never.mkv") == 3
        assert cli.main(["compare", "one.mkv", name]) == 3


LISTS = {
    "list.mkv": "ffconcat version 1.0\nfile secret.mkv\n",
    "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mkv\n#EXT-X-ENDLIST\n",
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mkv\n#EXT-X-ENDLIST\n",
    "list.avi": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 33\n",
    "list.ts": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>',
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_other_files_is_no_film(folder, name, capsys):
    clips.write(folder / "secret.mkv", count=1)
    Path(name).write_text(LISTS[name])
    assert restore(name, "-o", "out.mkv") == 3
    assert cli.main(["probe", name]) == 3
    assert name in capsys.readouterr().err
    assert not Path("out.mkv").exists()


@pytest.mark.parametrize("kind", ["mkv", "mp4", "png", "folder"])
def test_names_that_are_no_utf_8(folder, kind, capfd):
    name = os.fsdecode(b"caf\xe9")
    if kind == "folder":
        Path(name).mkdir()
        name = f"{name}/f%02d.png"
        for k in range(2):
            pictures.write(name % k, pictures.Picture(np.full((16, 16, 3), k, np.uint8)))
    elif kind == "png":
        pictures.write(name := f"{name}.png", pictures.Picture(np.zeros((16, 16, 3), np.uint8)))
    else:
        name = f"{name}.{kind}"
        clips.write(folder / name, count=1, size=(64, 64), codec="ffv1" if kind == "mkv" else "mpeg4")
    assert restore(name) == 0
    assert restore(name, "-o", os.fsdecode(b"out\xff.png" if kind == "png" else b"out\xff.mkv")) == 0
    assert restore(name, "--dry-run", "-y") == 0
    assert cli.main(["probe", name]) == 0
    assert cli.main(["preview", name, "-m", "any"]) == 0
    assert cli.main(["compare", name, name, "--plot", "plot.png"]) == 0
    assert "\\udce9" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["", "pipe.mkv", "/dev/null", "none.mkv", "folder.mkv"])
def test_what_is_no_file_is_a_sentence(folder, name):
    os.mkfifo("pipe.mkv")
    Path("folder.mkv").mkdir()
    for words in (["probe", name], ["preview", name, "-m", "any"], ["compare", name, name], ["restore", name, "-mx"]):
        assert cli.main(words) == 3


def test_a_folder_that_is_called_a_dot_has_a_name(folder):
    pictures.write("one.png", pictures.Picture(np.zeros((16, 16, 3), np.uint8)))
    assert cli.main(["probe", "."]) == 0
    assert cli.main(["preview", ".", "-m", "any"]) == 0
    assert Path(f"{folder.name}_preview.png").exists()
    assert outputs.beside(Path("/")) == Path("/film_restored.mkv")
