"""What lies aside of a film: its survey, and masks as pictures and as films, each with steps made up for it."""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Annotated, ClassVar

import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests import clips
from zoo import chain, cli, masks, pictures
from zoo.errors import FlagError, InputError
from zoo.film import survey
from zoo.film.read import masks as film_masks
from zoo.film.write.encode import Segment
from zoo.steps.step import successors

FULL = (1, 2, 1, 1)


@dataclasses.dataclass(frozen=True)
class Levelled:
    """Scales each picture so that the median luma of its shot becomes a half, and mixes in a neighbour."""

    on: ClassVar[str] = "rgb"
    reach: ClassVar[tuple[int, int]] = (1, 1)
    rate: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"survey"})
    gives: ClassVar[frozenset[str]] = frozenset()
    together: ClassVar[bool] = False

    def kind(self, kind):
        return kind

    def __call__(self, windows, aside):
        return [successors(window.now, [self._one(window, aside)]) for window in windows]

    def _one(self, window, aside):
        scale = 0.5 / float(np.median(aside.survey.shot(window.now.number)["luma"][:, 3]))
        mixed = sum((m.rgb for m in (*window.before, *window.after)), window.now.rgb)
        return (scale * mixed / (1 + len(window.before) + len(window.after))).clip(0, 1)

    def identity(self):
        return {}


@dataclasses.dataclass(frozen=True)
class Marked(Levelled):
    """Makes white what the mask of a frame and of the one before it mark."""

    mask: Annotated[Path | None, "where"] = None
    needs: ClassVar[frozenset[str]] = frozenset({"mask"})

    def _one(self, window, aside):
        marks = [aside.mask(m.number) for m in (*window.before, window.now)]
        return jnp.maximum(window.now.rgb, sum(marks) / len(marks))

    def identity(self):
        return {"mask": self.mask and masks.sum_of(self.mask)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A film of 14 frames of which the last six are darker and others, and its masks in every form."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(chain.STEPS, "levelled", Levelled)
    monkeypatch.setitem(chain.STEPS, "marked", Marked)
    rng = np.random.default_rng(0)
    wide = np.kron(rng.integers(60, 200, (6, 12)), np.ones((8, 8)))
    frames = [np.uint8(wide[:34, k : k + 36] if k < 8 else wide[::-1][:34, k : k + 36] // 3) for k in range(14)]
    clips.write(tmp_path / "in.mkv", "gray", 14, pictures=frames, audio=True, tags=FULL)
    marks = [np.zeros((34, 36), np.uint8) for _ in frames]
    for k, mark in enumerate(marks):
        mark[2 * k : 2 * k + 4, 10:20] = 255
    clips.write(tmp_path / "marks.mkv", "gray", 14, pictures=marks, tags=FULL)
    (tmp_path / "marks").mkdir()
    for k, mark in enumerate(marks):
        pictures.write(tmp_path / f"marks/m{k:02}.png", pictures.Picture(mark[..., None]))
    return tmp_path


def restore(*words: str) -> int:
    return cli.main(["restore", "in.mkv", "--progress", "off", *words])


def luma(path: str) -> np.ndarray:
    return np.stack([clips.planes(frame)[0] for frame in clips.read(Path(path))])


def broken_at(monkeypatch, number: int):
    """The encoder is interrupted at its frame `number`."""
    write, count = Segment.write, []

    def breaking(self, planes):
        count.append(1)
        if len(count) == number:
            raise KeyboardInterrupt
        write(self, planes)

    monkeypatch.setattr(Segment, "write", breaking)


CHAINS = ["levelled", "marked=mask=marks.mkv", "marked=mask=marks.mkv,levelled,marked=mask=marks/m%02d.png"]


@pytest.mark.parametrize("steps", CHAINS)
def test_segments_kills_and_shards_give_the_whole(steps, folder, monkeypatch):
    assert restore("-o", "whole.mkv", "--steps", steps) == 0
    assert not np.array_equal(luma("whole.mkv"), luma("in.mkv"))
    words = ["--steps", steps, "--segment", "3"]
    assert restore("-o", "segments.mkv", *words) == 0
    for k in (2, 1):
        assert restore("-o", "shards.mkv", *words, "--shard", f"{k}/2") == 0
    with monkeypatch.context() as patch:
        broken_at(patch, 8)
        assert restore("-o", "killed.mkv", *words) == 130
    assert restore("-o", "killed.mkv", *words) == 0
    for name in ("segments", "shards", "killed"):
        assert clips.same(folder / f"{name}.mkv", folder / "whole.mkv"), name
        assert not (folder / f"{name}.mkv.part").exists()


def test_a_step_sees_the_whole_shot(folder):
    """Also of a stretch, as far as it and the chain reach."""
    assert restore("-o", "out.mkv", "--steps", "levelled") == 0
    medians = np.median(luma("in.mkv"), axis=(1, 2)) / 255
    for shot in (slice(8), slice(8, 14)):
        before, after = (luma(name)[shot] for name in ("in.mkv", "out.mkv"))
        scale = 0.5 / np.median(medians[shot])
        mixed = np.stack([before[max(0, k - 1) : k + 2].astype(float).mean(axis=0) for k in range(len(before))])
        assert np.abs((scale * mixed).clip(0, 255) - after).max() <= 1
    assert restore("-o", "cut.mkv", "--steps", "levelled", "--start", "0.08", "--frames", "3") == 0
    scale = 0.5 / np.median(medians[0:6])  # 2 to 4, one frame after, and two before: one is for cuts
    mixed = luma("in.mkv")[2:5].astype(float)
    mixed = np.stack([luma("in.mkv")[k - 1 : k + 2].astype(float).mean(axis=0) for k in (2, 3, 4)])
    assert np.abs((scale * mixed).clip(0, 255) - luma("cut.mkv")).max() <= 1


def test_the_film_is_surveyed_once(folder, monkeypatch, capsys):
    made, of = [], survey.of
    monkeypatch.setattr(survey, "of", lambda *of_what: made.append(1) or of(*of_what))
    words = ["-o", "out.mkv", "--steps", "levelled", "--segment", "4"]
    with monkeypatch.context() as patch:
        broken_at(patch, 6)
        assert restore(*words) == 130
    kept = [path for path in (folder / "out.mkv.part").iterdir() if path.suffix == ".npy"]
    assert len(kept) == 1
    sum_of_survey = survey.Survey(np.load(kept[0])).sha256
    assert cli.main(["restore", "in.mkv", *words, "--progress", "json"]) == 0
    assert len(made) == 1
    assert json.loads((folder / "out.mkv.json").read_text())["survey"] == sum_of_survey
    assert cli.main(["restore", "in.mkv", *words, "-y", "--progress", "json"]) == 0
    assert len(made) == 2
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert {line.get("doing") for line in told} == {"survey", None}
    assert {line["of"] for line in told} == {14}


def test_segments_of_another_survey_are_done_again(folder, monkeypatch):
    words = ["-o", "out.mkv", "--steps", "levelled", "--segment", "4"]
    with monkeypatch.context() as patch:
        broken_at(patch, 6)
        assert restore(*words) == 130
    (kept,) = (folder / "out.mkv.part").glob("*.npy")
    rows = np.load(kept)
    rows["luma"] *= 0.8
    np.save(kept, rows)
    assert restore(*words) == 0
    one = luma("out.mkv")
    assert restore("-o", "whole.mkv", "--steps", "levelled") == 0
    assert all((a > b).any() for a, b in zip(one, luma("whole.mkv"), strict=True)), "of one survey, first to last"


@pytest.mark.parametrize("form", ["marks.mkv", "marks", "marks/m%02d.png"])
def test_masks_in_every_form_are_one(form, folder):
    marked = np.stack([pictures.read(folder / f"marks/m{k:02}.png").samples[..., 0] for k in range(14)])
    assert restore("-o", "out.mkv", "--steps", "enhance=sharpen:amount=1", "--mask", form) == 0
    changed = luma("out.mkv") != luma("in.mkv")
    assert changed.any()
    assert not changed[marked == 0].any()
    assert restore("-o", "step.mkv", "--steps", f"marked=mask={form}") == 0
    now, before = luma("step.mkv")[5], luma("in.mkv")[5]
    share = (marked[5] / 255 + marked[4] / 255) / 2
    assert np.abs(now - np.maximum(before, 255 * share)).max() <= 0.5


@pytest.mark.parametrize("count", [4, 13, 15, 30])
@pytest.mark.parametrize("words", [["marked=mask=other.mkv"], ["levelled", "--mask", "other.mkv"]])
def test_another_number_of_masks_is_refused(words, count, folder, capsys):
    clips.write(folder / "other.mkv", "gray", count)
    assert restore("-o", "out.mkv", "--steps", *words) == 3
    message = capsys.readouterr().err
    assert f"other.mkv holds {count} masks" in message
    assert "frame 13" in message or "14 frames" in message
    assert not (folder / "out.mkv").exists()
    if count > 13:  # of a stretch only those that it needs
        assert restore("-o", "out.mkv", "--steps", *words, "--frames", "5", "--restart") == 0


def test_masks_of_another_size_are_refused_before_the_work(folder, capsys):
    clips.write(folder / "small.mkv", "gray", 14, size=(32, 34))
    for words in (["--steps", "marked=mask=small.mkv"], ["--steps", "levelled", "--mask", "small.mkv"]):
        assert restore("-o", "out.mkv", *words) == 3
        assert "the mask small.mkv is 32x34 px, but the film is 36x34" in capsys.readouterr().err
        assert not (folder / "out.mkv.part").exists()


def test_few_masks_wait_in_memory_and_what_is_past_is_decoded_again(folder):
    read = film_masks.reader(folder / "marks.mkv", 34, 36, 14, held=2)
    wanted = [pictures.read(folder / f"marks/m{k:02}.png").samples[..., 0] / 255 for k in range(14)]
    for number in (0, 1, 5, 4, 13, 12, 2, 3):
        np.testing.assert_array_equal(read(number), wanted[number].astype(np.float32))
        assert len(read._held) <= 2  # type: ignore[attr-defined]


def test_a_film_with_another_mask_is_another_film(folder, monkeypatch, capsys):
    words = ["-o", "out.mkv", "--steps", "marked=mask=marks.mkv", "--segment", "4"]
    with monkeypatch.context() as patch:
        broken_at(patch, 6)
        assert restore(*words) == 130
    clips.write(folder / "marks.mkv", "gray", 14)
    assert restore(*words) == 2
    assert "other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--steps", "marked"], 2, "marked needs a mask: give marked=mask=FILE"),
        (["--steps", "marked=mask="], 2, "marked: mask= names no file"),
        (["--steps", "marked=mask=none.mkv"], 3, "none.mkv does not exist"),
        (["--steps", "marked=mask=m%02d.png"], 3, "no picture is called m%02d.png"),
    ],
)
def test_what_is_wrong_is_said_before_the_work(words, code, said, folder, capsys):
    assert restore("-o", "out.mkv", *words) == code
    assert said in capsys.readouterr().err
    assert not (folder / "out.mkv.part").exists()


def test_a_pipe_and_a_still_have_no_survey(folder, capsys, monkeypatch):
    from zoo.film.read import source

    described = source.describe("in.mkv")
    monkeypatch.setattr(source, "describe", lambda *_, **__: dataclasses.replace(described, name="-"))
    assert cli.main(["restore", "-", "-o", "out.mkv", "--steps", "levelled"]) == 2
    assert "levelled looks at the whole film first, and standard input can be read once" in capsys.readouterr().err
    picture = np.zeros((34, 36, 1), np.uint8)
    with pytest.raises(FlagError, match="levelled looks at a whole film first, and a still is none"):
        zoo.Chain("levelled")(picture)
    assert cli.main(["restore", "marks/m00.png", "-o", "out.png", "--steps", "levelled"]) == 2


def test_a_still_has_a_mask(folder):
    grey = np.full((34, 36, 1), 60, np.uint8)
    out = zoo.Chain("marked=mask=marks/m03.png")(grey)
    mark = pictures.read(folder / "marks/m03.png").samples
    assert np.array_equal(out, np.where(mark == 255, 255, 60))
    with pytest.raises(InputError, match=r"m03\.png is 36x34 px, but the picture is 36x30"):
        zoo.Chain("marked=mask=marks/m03.png")(grey[:30])


def test_preview_shows_what_restore_gives(folder):
    steps = "levelled,marked=mask=marks.mkv"
    assert cli.main(["preview", "in.mkv", "--steps", steps, "--at", "0.36"]) == 0
    assert restore("-o", "out.mkv", "--steps", steps) == 0
    paper = pictures.read(folder / "in_preview.png").samples
    assert np.abs(paper[24 : 24 + 34, 40 : 40 + 36, 0].astype(int) - luma("out.mkv")[9]).max() <= 1


def test_two_processes_that_begin_at_once_survey_once(folder):
    from concurrent.futures import ThreadPoolExecutor

    from zoo.film.write.parts import Parts

    made = []

    def make() -> survey.Survey:
        made.append(1)
        rows = np.zeros(3, survey.ROW)
        rows["number"] = range(3)
        return survey.Survey(rows)

    def one(k: int) -> str:
        with contextlib.closing(Parts(Path("out.mkv"), {}, shard=(k, 4))) as parts:
            return survey.kept(parts, ["film"], make).sha256

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(one, range(1, 5)))) == 1
    assert len(made) == 1


def test_a_chain_restores_films_as_the_command_does(folder):
    steps = "levelled,marked=mask=marks.mkv"
    report = zoo.Chain(steps).film("in.mkv", folder / "library.mkv", frames=9)
    assert (report.frames, report.lost) == (9, 0)
    assert restore("-o", "command.mkv", "--steps", steps, "--frames", "9") == 0
    assert clips.same(folder / "library.mkv", folder / "command.mkv")
    for film, output, flags, said in (
        ("in.mkv", "library.mkv", {}, "library.mkv exists"),
        ("marks/m00.png", "out.png", {}, "is a picture"),
        ("in.mkv", "out.mkv", {"dry_run": True}, "are of the command"),
    ):
        with pytest.raises(FlagError, match=said):
            zoo.Chain(steps).film(film, output, **flags)
