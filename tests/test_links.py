"""Links: a folder that leads back to itself is read once, and nothing is written through a link that leads away."""

import numpy as np
import pytest
from PIL import Image

from train.loop import workdir
from zoo import cli, files, pictures
from zoo.errors import FlagError, InputError
from zoo.film.read import sequence
from zoo.film.write.parts import Parts


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize("count", [1, 3])
def test_a_folder_that_leads_back_to_itself_is_read_once(tmp_path, count):
    """With three such links there would be 3^40 ways to each picture."""
    real = [picture(tmp_path / "in/a.png"), picture(tmp_path / "in/deep/b.png")]
    for k in range(count):
        (tmp_path / f"in/0{k}").symlink_to(tmp_path / "in")
        (tmp_path / f"in/deep/0{k}").symlink_to("..")
    assert pictures.find(tmp_path / "in") == real


def test_links_to_pictures_and_to_other_folders_are_followed(tmp_path):
    """As those make films of stills that are shown for long."""
    picture(tmp_path / "elsewhere/c.png")
    picture(tmp_path / "in/a.png")
    (tmp_path / "in/b.png").symlink_to("a.png")
    (tmp_path / "in/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/.hidden").mkdir()
    picture(tmp_path / "in/.hidden/d.png")
    names = [path.relative_to(tmp_path / "in").as_posix() for path in pictures.find(tmp_path / "in")]
    assert names == ["a.png", "b.png", "more/c.png"]


def test_pictures_are_not_written_through_a_link_that_leaves_the_folder(tmp_path, capsys):
    picture(tmp_path / "in/sub/a.png")
    (tmp_path / "else").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/sub").symlink_to(tmp_path / "else")
    command = ["restore", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "-m", "fast-gaussian"]
    assert cli.main(command) == 2
    assert "a link that leaves" in capsys.readouterr().err
    assert not [*(tmp_path / "else").iterdir()]


def test_what_is_written_takes_the_place_of_a_link(tmp_path):
    """Also the hidden file that it is first, whose name can be foreseen."""
    (other := tmp_path / "other.png").write_bytes(b"mine")
    (tmp_path / "a.png").symlink_to(other)
    with files.whole(tmp_path / "a.png") as part:
        hidden = part.name
    (tmp_path / "a.png").unlink()
    (tmp_path / hidden).symlink_to(other)
    files.write(tmp_path / "a.png", b"new")
    assert other.read_bytes() == b"mine"
    assert (tmp_path / "a.png").read_bytes() == b"new"


def test_a_film_s_parts_and_a_run_do_not_leave_their_folders(tmp_path):
    (tmp_path / "else").mkdir()
    (tmp_path / "out.mkv.part").symlink_to(tmp_path / "else")
    with pytest.raises(FlagError, match="is a link, through which nothing is written"):
        Parts(tmp_path / "out.mkv", {})
    (tmp_path / "run").mkdir()
    (tmp_path / "run/checkpoints").symlink_to(tmp_path / "else")
    with pytest.raises(FlagError, match="a link that leaves"), workdir.held(tmp_path / "run"):
        raise AssertionError
    assert not [*(tmp_path / "else").iterdir()]


@pytest.mark.parametrize("gaps", ["copy", "fail"])
@pytest.mark.parametrize("name", ["f%d.png", ""])
def test_a_number_far_off_is_no_gap(tmp_path, gaps, name):
    for k in (1, 2, 99_999_999_999):
        picture(tmp_path / f"f{k}.png")
    with pytest.raises(InputError, match=r"more than 100000 pictures .*most between 2 and 99999999999; move what"):
        sequence.find(str(tmp_path / name) if name else str(tmp_path), gaps)
