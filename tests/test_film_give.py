"""What steps lay aside, written as films beside the restored one: in one pass, at its times, however it was made."""

import dataclasses
import json
from fractions import Fraction

import av
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests import clips
from tests.test_film_resume import break_at
from tests.test_film_steps import COUNT, SIZE, STEPS, Found, film, masked, restore
from zoo import chain, cli, pictures
from zoo.color import Layout
from zoo.errors import FlagError
from zoo.film.engine import _grey
from zoo.film.read import masks
from zoo.film.write import parts
from zoo.steps.step import NOISY, successors


@dataclasses.dataclass(frozen=True)
class Sure(Found):
    """Gives how bright each pixel is, and another picture of no use to others; where it is bright as a mask."""

    gives = frozenset({"mask", "confidence", NOISY})

    def one(self, window, aside):
        grey = window.now.rgb.mean(-1, keepdims=True)
        more = {"mask": (grey > 0.5) * 1.0, "confidence": grey, NOISY: window.now.rgb}
        return successors(window.now, [window.now.rgb], **more)


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    for name, step in STEPS.items() | {"sure": Sure}.items():
        monkeypatch.setitem(chain.STEPS, name, step)


@pytest.fixture
def reel(folder):
    film(folder / "in.mkv", audio=True)
    return folder


def codes(path) -> np.ndarray:
    return np.stack([clips.planes(frame)[0] for frame in clips.read(path)])


def times(path) -> list:
    return [(frame.time, frame.duration) for frame in clips.read(path)]


def log(path):
    return json.loads(path.with_name(f"{path.name}.json").read_text())


def bright(path) -> np.ndarray:
    """What `sure` finds in grey films of full range."""
    return np.uint8(255 * (codes(path) > 127))


def test_every_code_is_what_the_step_gave(folder):
    """Of a grey film of all codes its brightness is the film itself; the restored one is not touched by it."""
    ramp = [np.uint8((np.arange(34 * 36).reshape(34, 36) + k) % 256) for k in range(4)]
    clips.write(folder / "in.mkv", "gray", 4, pictures=ramp, tags=(1, 2, 1, 1), times=[0, 40, 100, 500])
    words = ["in.mkv", "--steps", "sure"]
    assert restore(*words, "-o", "alone.mkv") == 0
    assert restore(*words, "-o", "out.mkv", "--give", "confidence=sure.mkv", "--give", "mask=mask.mkv") == 0
    assert (folder / "out.mkv").read_bytes() == (folder / "alone.mkv").read_bytes()
    assert np.array_equal(codes(folder / "sure.mkv"), ramp)
    assert np.array_equal(codes(folder / "mask.mkv"), bright(folder / "in.mkv"))
    for name in ("sure.mkv", "mask.mkv"):
        assert times(folder / name) == times(folder / "out.mkv")
        with av.open(str(folder / name)) as made:
            context = made.streams.video[0].codec_context
            assert (context.name, context.pix_fmt, int(context.color_range)) == ("ffv1", "gray", 2)
            assert len(made.streams) == 1, "no sound"
    assert not list(folder.glob("*.part"))


CHAINS = ["sure", "between,sure", "bob,sure,between", "sure,larger", "sure,wide"]


@pytest.mark.parametrize("steps", CHAINS)
def test_any_way_is_the_same_to_the_bit(steps, reel, monkeypatch):
    words = ["in.mkv", "--steps", steps, "--batch", "1"]
    give = lambda name: ["-o", f"{name}.mkv", "--give", f"mask={name}.m.mkv", "--give", f"confidence={name}.c.mkv"]
    assert restore(*words, *give("whole")) == 0
    each = zoo.Chain(steps).rate
    assert restore(*words, *give("segments"), "--segment", "5") == 0
    for shard in ("2/2", "1/2"):
        assert restore(*words, *give("shards"), "--segment", "4", "--shard", shard) == 0
    with monkeypatch.context() as patch:
        break_at(patch, 3 * 6 * each, KeyboardInterrupt())
        assert restore(*words, *give("resumed"), "--segment", "4") == 130
    assert restore(*words, *give("resumed"), "--segment", "4") == 0
    assert restore(*words, *give("stretch"), "--start", "0.12", "--frames", "4") == 0
    for kind in (".mkv", ".m.mkv", ".c.mkv"):
        whole = reel / f"whole{kind}"
        assert len(clips.read(whole)) == COUNT * each
        for name in ("segments", "shards", "resumed"):
            assert clips.same(reel / f"{name}{kind}", whole), (name, kind)
        assert np.array_equal(codes(reel / f"stretch{kind}"), codes(whole)[3 * each : 7 * each])
        for name in ("whole", "stretch"):
            assert [t for t, _ in times(reel / f"{name}{kind}")] == [t for t, _ in times(reel / f"{name}.mkv")]
        assert cli.main(["verify", f"whole{kind}"]) == 0
    sizes = {(f.width, f.height) for kind in ("", ".m", ".c") for f in clips.read(reel / f"whole{kind}.mkv")}
    assert len(sizes) == 1
    assert not list(reel.glob("*.part"))


def test_what_is_given_is_a_mask_for_another_run(reel):
    assert restore("in.mkv", "--steps", "sure", "-o", "out.mkv", "--give", "mask=mask.mkv") == 0
    words = ["in.mkv", "--steps", "enhance=sharpen:amount=1", "--mask", "mask.mkv", "-o", "sharp.mkv"]
    assert restore(*words) == 0
    changed = codes(reel / "sharp.mkv") != codes(reel / "in.mkv")
    mask = codes(reel / "mask.mkv")
    assert changed.any()
    assert not changed[mask == 0].any()


def test_numbered_pictures_have_the_numbers_of_the_restored(folder, monkeypatch):
    for k in range(4):
        picture = pictures.Picture(np.full((20, 24, 3), 60 * k, np.uint8))
        pictures.write(folder / f"in{10 + k:04}.png", picture)
    words = ["in%04d.png", "--steps", "between,sure", "--segment", "2", "--batch", "1"]
    words += ["--give", "confidence=sure/%03d.png", "--give", "mask=mask.mkv", "-o", "out%04d.png"]
    with monkeypatch.context() as patch:
        patch.setattr(parts.Parts, "made", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert restore(*words) == 130, "pictures have their names, and the film has not"
    assert not (folder / "mask.mkv").exists()
    assert restore(*words) == 0
    assert sorted(p.name for p in (folder / "sure").glob("*.png")) == [f"{n:03}.png" for n in range(20, 28)]
    values = [pictures.read(folder / f"sure/{n:03}.png").samples for n in range(20, 28)]
    assert {v.shape for v in values} == {(20, 24, 1)}
    assert [v[0, 0, 0] for v in values] == [0, 30, 60, 90, 120, 150, 180, 180]
    assert [v[0, 0] for v in codes(folder / "mask.mkv")] == [0, 0, 0, 0, 0, 255, 255, 255]
    for name in ("out%04d.png", "sure/%03d.png", "mask.mkv"):
        assert cli.main(["verify", name]) == 0


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".avi"])
def test_other_kinds_of_file_hold_nearly_the_same(suffix, folder):
    grey = [np.full((64, 64), 50 + 40 * k, np.uint8) for k in range(3)]
    clips.write(folder / "in.mkv", "gray", 3, size=(64, 64), tags=(1, 2, 1, 1), pictures=grey)
    assert restore("in.mkv", "--steps", "sure", "-o", "out.mkv", "--give", f"confidence=c{suffix}") == 0
    mask_of = masks.reader(folder / f"c{suffix}", 64, 64, 3)
    assert all(np.abs(255 * mask_of(k) - codes).max() <= 2 for k, codes in enumerate(grey))


def test_dry_run_tells_and_the_log_knows(reel, capsys):
    words = ["in.mkv", "--steps", "sure", "-o", "out.mkv", "--give", "mask=mask.mkv"]
    assert restore(*words, "--dry-run") == 0
    told = json.loads(capsys.readouterr().out)["given"]["mask"]
    assert (told["output"], told["encoder"], told["pixel_format"]) == ("mask.mkv", "ffv1", "gray")
    assert sorted(p.name for p in reel.iterdir()) == ["in.mkv"]
    assert restore(*words) == 0
    assert "mask -> mask.mkv" in capsys.readouterr().err
    known = log(reel / "mask.mkv")
    assert log(reel / "out.mkv")["given"] == {"mask": {"output": "mask.mkv", "sha256": known["sha256"]["output"]}}
    assert (known["given"], known["frames"], len(known["framemd5"]["output"])) == ("mask", COUNT, COUNT)
    data = bytearray((reel / "mask.mkv").read_bytes())
    data[-200] ^= 1
    (reel / "mask.mkv").write_bytes(data)
    assert cli.main(["verify", "mask.mkv"]) == 5
    assert restore(*words) == 2, "what is there is not what its log says"


def test_the_same_command_finds_both_finished(reel, monkeypatch):
    words = ["in.mkv", "--steps", "sure", "-o", "out.mkv", "--give", "mask=mask.mkv"]
    assert restore(*words) == 0
    count = break_at(monkeypatch, 99, None)
    assert restore(*words) == 0
    assert not count
    assert restore(*words[:-2]) == 2, "other settings"
    (reel / "mask.mkv").unlink()
    assert restore(*words) == 2
    assert restore(*words, "-y") == 0
    assert (reel / "mask.mkv").exists()


class Killed(BaseException):
    """As if the process ended here."""


@pytest.mark.parametrize("at", ["made", "name", "remove"])
def test_killed_around_the_moment_when_they_get_their_names(at, reel, monkeypatch):
    words = ["in.mkv", "--steps", "sure", "-o", "out.mkv", "--give", "mask=mask.mkv"]

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(parts.Parts, at, killed)
        with pytest.raises(Killed):
            restore(*words)
    assert (reel / "out.mkv").exists() == (at == "remove")
    assert (reel / "mask.mkv").exists() == (at != "made")
    count = break_at(monkeypatch, 99, None)
    assert restore(*words) == 0
    assert not count
    assert sorted(p.name for p in reel.iterdir()) == ["in.mkv", "mask.mkv", "mask.mkv.json", "out.mkv", "out.mkv.json"]
    assert cli.main(["verify", "mask.mkv"]) == 0


def test_a_segment_of_it_that_was_changed_is_done_again(reel, monkeypatch):
    words = ["in.mkv", "--steps", "sure", "--segment", "4", "--give"]
    assert restore(*words, "mask=whole.m.mkv", "-o", "whole.mkv") == 0
    with monkeypatch.context() as patch:
        break_at(patch, 18, KeyboardInterrupt())
        assert restore(*words, "mask=mask.mkv", "-o", "out.mkv") == 130
    segment = reel / "out.mkv.part" / "000000.mask.mkv"
    segment.write_bytes(segment.read_bytes()[:-10])
    assert restore(*words, "mask=mask.mkv", "-o", "out.mkv") == 0
    assert clips.same(reel / "mask.mkv", reel / "whole.m.mkv")


def test_what_is_not_in_the_file_as_it_was_encoded_is_code_5(reel, monkeypatch):
    words = ["in.mkv", "--steps", "sure", "-o", "out.mkv", "--give", "mask=mask.mkv"]
    finish = parts.Parts.finish

    def other(self, segment, part, record):
        record.given["mask"][3] = "0" * 32
        finish(self, segment, part, record)

    monkeypatch.setattr(parts.Parts, "finish", other)
    assert restore(*words) == 5
    assert not (reel / "mask.mkv").exists()
    assert not (reel / "out.mkv").exists()


REFUSED = [
    (["--give", "mask"], "--give takes NAME=FILE, such as mask=mask.mkv, not 'mask'"),
    (["--give", "dirt=a.mkv"], "no step of sure gives 'dirt'; what is given is: confidence, mask"),
    (["--give", "noisy=a.mkv"], "gives 'noisy'"),
    (["--give", "mask=a.mkv", "--give", "mask=b.mkv"], "--give names mask twice"),
    (["--give", "mask=a.mkv", "--give", "confidence=a.mkv"], "a.mkv is already written by this command"),
    (["--give", "mask=./out.mkv"], "out.mkv is already written by this command"),
    (["--give", "mask=out.mkv.part/a.mkv"], "is already written"),
    (["--give", "mask=in.mkv", "-y"], "in.mkv is an original, which is never overwritten; choose another output"),
    (["--give", "mask=there.mkv"], "there.mkv exists; overwrite it with -y"),
    (["--give", "mask=there.mkv", "--mask", "there.mkv", "-y"], "there.mkv is an original"),
    (["--give", "mask=masks/%02d.png", "--mask", "masks", "-y"], "is an original"),
    (["--give", "mask=masks/%02d.png"], "masks/00.png exists"),
    (["--give", "mask=a.txt"], "a.txt: unknown film suffix '.txt'"),
    (["--give", "mask=a.mp4"], "--give mask=a.mp4: .mp4 cannot hold grey 36x34 px at 25 frames a second; name a .mkv"),
    (["--give", "mask=-"], "only the restored film goes to standard output"),
    (["--give", "mask=a.mkv", "-o", "-"], "--give mask=a.mkv needs a film in a file, not y4m on standard output"),
    (["--give", "mask=a.mkv", "--on-change", "split"], "leave one of them out"),
    (["--give", "mask=a.mkv", "--steps", "wide"], "no step of wide gives 'mask'; leave --give out"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_what_cannot_be_is_said_before_the_work(words, said, reel, capsys):
    clips.write(reel / "there.mkv", "gray", COUNT, size=SIZE)
    masked(reel / "masks")
    before = sorted(p.name for p in reel.rglob("*"))
    assert restore("in.mkv", "--steps", "sure", "-o", "out.mkv", *words) == 2
    assert said in capsys.readouterr().err
    assert sorted(p.name for p in reel.rglob("*")) == before


def test_what_has_no_place_is_said(folder, capsys):
    film(folder / "in.mp4", codec="libx264", aspect=Fraction(16, 15))
    said = {}
    for name in ("a.mkv", "a.avi"):
        words = ["in.mp4", "--steps", "sure", "-o", "out.mkv", "--give", f"mask={name}", "--dry-run"]
        assert restore(*words) == 0
        notes = json.loads(capsys.readouterr().out)["notes"]
        said[name] = [note for note in notes if note.startswith(name)]
    words = "a.avi cannot say of the film: the shape of its samples, 16/15; .mkv can"
    assert said == {"a.mkv": [], "a.avi": [words]}


def test_a_step_lists_what_it_gives(capsys):
    assert cli.main(["steps", "sure"]) == 0
    assert capsys.readouterr().out.endswith("\n  gives confidence, mask (see `restore --give`)\n")
    assert cli.main(["steps", "denoise"]) == 0
    assert "gives" not in capsys.readouterr().out


def test_a_still_gives_none(reel, capsys):
    masked(reel / "masks")
    assert restore("masks/00.png", "--steps", "sure", "-o", "out.png", "--give", "mask=a.png") == 2
    assert "--give, --progress cannot be used with still pictures" in capsys.readouterr().err


def test_other_names_are_other_settings(reel, monkeypatch, capsys):
    words = ["in.mkv", "--steps", "sure", "--segment", "4", "-o", "out.mkv"]
    with monkeypatch.context() as patch:
        break_at(patch, 9, KeyboardInterrupt())
        assert restore(*words) == 130
    assert restore(*words, "--give", "mask=mask.mkv") == 2
    assert "other settings (give was None and is now {'mask': ['ffv1', 'gray']})" in capsys.readouterr().err
    assert restore(*words, "--give", "mask=mask.mkv", "--restart") == 0
    assert len(clips.read(reel / "mask.mkv")) == COUNT


def test_a_chain_gives_as_the_command_does(reel):
    report = zoo.Chain("sure").film("in.mkv", "out.mkv", give={"mask": reel / "mask.mkv"}, frames=5)
    assert report.frames == 5
    assert restore("in.mkv", "--steps", "sure", "-o", "b.mkv", "--give", "mask=b.mask.mkv", "--frames", "5") == 0
    assert clips.same(reel / "mask.mkv", reel / "b.mask.mkv")
    with pytest.raises(FlagError, match=r"no step of sure gives 'dirt'"):
        zoo.Chain("sure").film("in.mkv", "c.mkv", give={"dirt": "dirt.mkv"})
    assert zoo.Chain("sure").gives == ["confidence", "mask"]


def test_only_what_is_asked_for_comes_back_from_the_device(reel, monkeypatch):
    brought, get = [], jax.device_get
    monkeypatch.setattr(jax, "device_get", lambda tree: brought.append(len(jax.tree.leaves(tree))) or get(tree))
    for give, count in ([], 3), (["--give", "mask=mask.mkv"], 4):
        brought.clear()
        assert restore("in.mkv", "--steps", "sure", "-o", "out.mkv", "-y", *give) == 0
        assert brought.count(count) == COUNT


def test_every_value_becomes_its_nearest_code():
    grey = jnp.linspace(-0.5, 1.5, 4001, dtype=jnp.float32)[:, None, None]
    (made,) = _grey(grey, layout=Layout("grey", 8, full=True))
    wanted = (np.asarray(grey[:, :, 0], np.float64) * 255).clip(0, 255)
    assert np.abs(np.asarray(made, np.float64) - wanted).max() < 0.5001
