"""Films through made-up steps: of another rate or size, on planes, with masks; unbroken, resumed, sharded alike."""

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import av
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from benchmarks.processes import ask, devices
from tests import clips
from tests.test_film_resume import break_at
from zoo import chain, cli, color, pictures
from zoo.color import Layout
from zoo.errors import FlagError
from zoo.film import outcome
from zoo.film.read import source
from zoo.film.write import timecode
from zoo.resize import resized
from zoo.steps.step import Aside, Kind, Moment, at_another_size, successors, successors_on_planes

COUNT, SIZE = 12, (36, 34)


@dataclasses.dataclass(frozen=True)
class Made:
    """What the made-up steps have alike."""

    on = "rgb"
    reach = (0, 0)
    rate = 1
    together = False
    needs = gives = frozenset()

    def kind(self, kind):
        return kind

    def identity(self):
        return {name: str(value) for name, value in dataclasses.asdict(self).items()}

    def __call__(self, windows, aside):
        return [self.one(window, aside) for window in windows]


@dataclasses.dataclass(frozen=True)
class Bob(Made):
    """Both fields of a frame as pictures: lines of the other field are those above or below."""

    rate: int = 2
    on = "planes"
    reach = (1, 1)

    def kind(self, kind):
        return dataclasses.replace(kind, fields="none")

    def one(self, window, aside):
        first = 0 if aside.kind.fields != "bottom first" else 1
        odd = [which ^ first for which in range(self.rate)]
        fields = [[self._field(plane, lines) for plane in window.now.planes] for lines in odd]
        return successors_on_planes(window.now, [tuple(field) for field in fields])

    def _field(self, plane, odd):
        known = plane[odd::2]
        lines = jnp.repeat(known, 2, axis=0)
        missing = len(plane) - len(lines)
        return jnp.concatenate([lines, lines[-1:]])[: len(plane)] if missing > 0 else lines[: len(plane)]


@dataclasses.dataclass(frozen=True)
class Between(Made):
    """A picture between each two, as their mean."""

    reach = (0, 1)
    rate = 2

    def one(self, window, aside):
        later = window.after[0].rgb if window.after else window.now.rgb
        return successors(window.now, [window.now.rgb, (window.now.rgb + later) / 2])


@dataclasses.dataclass(frozen=True)
class Larger(Made):
    """Twice the size by a network, then any, with samples of another shape."""

    width: int = 80
    height: int = 60
    aspect: str = "4/5"
    together = True

    def kind(self, kind):
        return dataclasses.replace(kind, height=self.height, width=self.width, aspect=Fraction(self.aspect))

    def at_once(self, kind, aside):
        return 4

    def one(self, window, aside):
        return successors(at_another_size(window.now, self._larger), [self._larger(window.now.rgb)])

    def _larger(self, x):
        twice = jnp.repeat(jnp.repeat(x, 2, axis=0), 2, axis=1)
        return resized(twice, self.height, self.width, kernel="linear")


@dataclasses.dataclass(frozen=True)
class Wide(Made):
    """Looks ten pictures back and ten on."""

    reach = (10, 10)

    def one(self, window, aside):
        seen = [m.rgb for m in (*window.before, window.now, *window.after)]
        return successors(window.now, [sum(seen[1:], seen[0]) / len(seen)])


@dataclasses.dataclass(frozen=True)
class Masked(Made):
    """White where the mask is."""

    mask: Path
    needs = frozenset({"mask"})

    def one(self, window, aside):
        mask = aside.mask(window.now.number)
        return successors(window.now, [window.now.rgb * (1 - mask) + mask])


@dataclasses.dataclass(frozen=True)
class Found(Made):
    """Gives a mask of what is bright."""

    gives = frozenset({"mask"})

    def one(self, window, aside):
        return successors(window.now, [window.now.rgb], mask=(window.now.rgb.mean(-1, keepdims=True) > 0.5) * 1.0)


@dataclasses.dataclass(frozen=True)
class Darker(Made):
    """Half as bright where the mask of an earlier step is."""

    def one(self, window, aside):
        return successors(window.now, [window.now.rgb * (1 - window.now.aside["mask"] / 2)])


@dataclasses.dataclass(frozen=True)
class Darkened(Made):
    """Half as bright in the right half."""

    def one(self, window, aside):
        half = jnp.arange(window.now.rgb.shape[1])[:, None] * 2 >= window.now.rgb.shape[1]
        return successors(window.now, [window.now.rgb * (1 - half / 2)])


STEPS = {kind.__name__.lower(): kind for kind in (Bob, Between, Larger, Wide, Masked, Found, Darker, Darkened)}
CHAINS = ["bob", "between", "larger", "wide", "found,darker", "between,masked=masks", "bob,wide,between,larger"]


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    for name, step in STEPS.items():
        monkeypatch.setitem(chain.STEPS, name, step)


def restore(*words: str) -> int:
    return cli.main(["restore", *words, "--progress", "off"])


def film(path, **more):
    """Slow changes in a texture, with a cut at the eighth frame."""
    rng = np.random.default_rng(0)
    shape = (SIZE[1] * 3 // 2, SIZE[0])
    base = np.kron(rng.integers(20, 220, (shape[0] // 3, shape[1] // 3)), np.ones((3, 3)))
    frames = [np.uint8(base[:: -1 if k >= 8 else 1] + k) for k in range(COUNT)]
    return clips.write(path, "yuv420p", COUNT, pictures=frames, **more)


def masked(path):
    """A mask for each frame: that of frame k is white from column k on."""
    path.mkdir()
    for k in range(COUNT):
        codes = np.zeros((SIZE[1], SIZE[0], 1), np.uint8)
        codes[:, k:] = 255
        pictures.write(path / f"{k:02}.png", pictures.Picture(codes))


def log(path):
    return json.loads(path.with_name(f"{path.name}.json").read_text())


@pytest.mark.parametrize("steps", CHAINS)
def test_any_way_is_the_same_to_the_bit(steps, folder, monkeypatch, capsys):
    film(folder / "in.mkv")
    masked(folder / "masks")
    words = ["in.mkv", "--steps", steps, "--batch", "1", "-o"]
    assert restore(*words, "whole.mkv") == 0
    whole = log(folder / "whole.mkv")
    each = zoo.Chain(steps).rate
    assert whole["frames"] == COUNT * each == len(clips.read(folder / "whole.mkv"))
    assert len(whole["framemd5"]["input"]) == COUNT
    for length in ("1", "4", "7"):
        assert restore(*words, f"{length}.mkv", "--segment", length) == 0
        assert clips.same(folder / f"{length}.mkv", folder / "whole.mkv"), length
    for shard in ("2/2", "1/2"):
        assert restore(*words, "shards.mkv", "--segment", "4", "--shard", shard) == 0
    break_at(monkeypatch, 6 * each, KeyboardInterrupt())
    assert restore(*words, "resumed.mkv", "--segment", "4") == 130
    assert restore(*words, "resumed.mkv", "--segment", "4") == 0
    for name in ("shards.mkv", "resumed.mkv"):
        assert clips.same(folder / name, folder / "whole.mkv"), name
        assert {key: log(folder / name)[key] for key in ("shots", "flicker")} == {
            key: whole[key] for key in ("shots", "flicker")
        }
    assert restore(*words, "stretch.mkv", "--start", "0.12", "--frames", "4") == 0
    assert log(folder / "stretch.mkv")["framemd5"]["output"] == whole["framemd5"]["output"][3 * each : 7 * each]
    assert cli.main(["verify", "whole.mkv"]) == 0


def test_a_network_on_eight_devices_gives_what_one_does(folder):
    film(folder / "in.mkv")
    words = ["-m", "zoo", "restore", str(folder / "in.mkv"), "--segment", "4", "--batch", "2", "--progress", "off"]
    words += ["--steps", "between,denoise=fast-gaussian,wide,larger", "-o"]
    code = (
        "import sys; from tests.test_film_steps import STEPS; from zoo import chain, cli; chain.STEPS.update(STEPS); "
    )
    code += "print(cli.main(sys.argv[1:]))"
    for count in (1, 8):
        assert ask("-c", code, *words[2:], str(folder / f"{count}.mkv"), **devices(count)) == 0
    assert clips.same(folder / "1.mkv", folder / "8.mkv")


# ---- another rate


TIMES = [0, 40, 80, 130, 170, 300, 340, 380, 420, 460, 500, 540]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_every_picture_stands_at_its_share_of_its_frame(suffix, folder):
    """Of a variable rate too; nothing lasts into the next frame, and a gap stays one."""
    film(folder / f"in{suffix}", times=TIMES, codec="libx264" if suffix == ".mp4" else "ffv1")
    words = ["-c:v", "libx264"] if suffix == ".mp4" else []
    assert restore(f"in{suffix}", "--steps", "between", "-o", f"out{suffix}", "--segment", "5", *words) == 0
    own, made = (clips.read(folder / f"{name}{suffix}") for name in ("in", "out"))
    begins = [Fraction(f.pts) * f.time_base for f in own]
    lengths = [f.duration * f.time_base for f in own]
    ends = [min(b + d, n) for b, d, n in zip(begins, lengths, [*begins[1:], 9], strict=True)]
    halves = [(b + e) / 2 for b, e in zip(begins, ends, strict=True)]
    wanted = [t for pair in zip(begins, halves, strict=True) for t in pair]
    found = [Fraction(f.pts) * f.time_base for f in made]
    tick = made[0].time_base if suffix == ".mkv" else 0
    assert all(abs(a - b) <= tick for a, b in zip(found, wanted, strict=True)), (found, wanted)


def test_sound_stays_in_step(folder):
    film(folder / "in.mkv", audio=True)
    for words in ([], ["--start", "0.08", "--frames", "3"]):
        assert restore("in.mkv", "--steps", "between", "-o", "out.mkv", "-y", *words) == 0
        assert restore("in.mkv", "--steps", "wide", "-o", "plain.mkv", "-y", *words) == 0
        assert heard(folder / "out.mkv") == heard(folder / "plain.mkv") != []


def heard(path):
    with av.open(str(path)) as container:
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(container.streams.audio[0]) if p.size]


@pytest.mark.parametrize(
    ("rate", "code", "wanted"),
    [
        (25, "10:00:00:12", "10:00:00:24"),
        (Fraction(30000, 1001), "00:01:00;02", "00:01:00;04"),
        (Fraction(24000, 1001), "01:00:00:23", "01:00:00:46"),
    ],
)
def test_timecode_counts_the_pictures(rate, code, wanted, folder):
    assert timecode.later(code, 0, Fraction(rate), 2) == wanted
    assert timecode.later(code, 5, Fraction(rate), 2) == timecode.later(wanted, 10, 2 * Fraction(rate))


def test_timecode_is_written_at_the_new_rate(folder):
    with av.open(str(folder / "in.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.metadata["timecode"] = 64, 48, "10:00:00:12"
        for k in range(4):
            out.mux(stream.encode(clips.frame("yuv420p", k, 64, 48)))
        out.mux(stream.encode(None))
    for suffix in (".mkv", ".mov", ".mxf"):
        assert restore("in.mkv", "--steps", "between", "-o", f"out{suffix}") == 0
        with av.open(str(folder / f"out{suffix}")) as made:
            words = [made.metadata, *(stream.metadata for stream in made.streams)]
            assert {v for said in words for k, v in said.items() if k.lower() == "timecode"} == {"10:00:00:24"}, suffix
            assert made.streams.video[0].guessed_rate == 50


def test_flags_of_time_count_frames_and_so_does_the_note(folder, capsys):
    film(folder / "in.mkv")
    assert restore("in.mkv", "--steps", "between", "-o", "out.mkv", "--frames", "3") == 0
    assert len(clips.read(folder / "out.mkv")) == 6
    said = capsys.readouterr().err
    assert "of each frame of in.mkv come 2 pictures, 50 a second; --start, --end, --frames and --segment count" in said


def test_numbered_pictures_and_y4m_go_on_without_a_gap(folder, capfdbinary):
    for k in range(4):
        pictures.write(folder / f"in{10 + k:04}.png", pictures.Picture(np.full((20, 24, 3), 40 * k, np.uint8)))
    words = ["in%04d.png", "--steps", "between", "--segment", "1", "--batch", "1"]
    assert restore(*words, "-o", "out%04d.png") == 0
    assert sorted(p.name for p in folder.glob("out*.png")) == [f"out{n:04}.png" for n in range(20, 28)]
    values = [pictures.read(folder / f"out{n:04}.png").samples[0, 0, 0] for n in range(20, 28)]
    assert values == [0, 20, 40, 60, 80, 100, 120, 120]
    assert cli.main(["verify", "out%04d.png"]) == 0
    capfdbinary.readouterr()
    assert restore(*words, "-o", "-") == 0
    piped = capfdbinary.readouterr().out
    assert b" F48:1 " in piped.split(b"\n")[0]
    assert piped.count(b"FRAME\n") == 8


# ---- another size


def test_another_size_is_written_and_said(folder, capsys):
    """RGB is that of the step; samples have their shape, and chroma lies where it lay."""
    film(folder / "in.mkv", tags=(5, 1, 5, 6), aspect=Fraction(16, 15))
    assert restore("in.mkv", "--steps", "larger", "-o", "out.mkv") == 0
    assert "in.mkv becomes 80x60 with samples of 4/5, made anew of RGB" in capsys.readouterr().err
    own, made = source.describe("in.mkv"), source.describe("out.mkv")
    assert (made.width, made.height, made.aspect, made.tags) == (80, 60, Fraction(4, 5), own.tags)
    assert made.layout == own.layout
    for one, other in zip(clips.read(folder / "in.mkv"), clips.read(folder / "out.mkv"), strict=True):
        rgb = color.to_rgb(tuple(jnp.asarray(plane)[None] for plane in clips.planes(one)), layout=own.layout)[0]
        larger = jax.image.resize(rgb.repeat(2, 0).repeat(2, 1), (60, 80, 3), "linear")
        for codes, wanted in zip(clips.planes(other), color.from_rgb(larger[None], layout=own.layout), strict=True):
            np.testing.assert_allclose(codes.astype(int), np.asarray(wanted[0]).astype(int), atol=1)


def test_a_matrix_is_that_of_the_new_size_and_said(folder):
    """Of HD, Rec. 709 for what was television's; primaries stay what they were."""
    film(folder / "in.mkv", tags=(2, 1, 2, 2))
    assert restore("in.mkv", "--steps", "larger=width=1280:height=720", "-o", "out.mkv") == 0
    own, made = source.describe("in.mkv"), source.describe("out.mkv")
    assert (own.layout.matrix, made.layout.matrix, made.tags.primaries) == ("smpte170m", "bt709", 6)
    hd = dataclasses.replace(own, height=720, width=1280, layout=dataclasses.replace(own.layout, matrix="bt709"))
    small = outcome.film(hd, [Kind(720, 1280), Kind(240, 320)])
    assert small.tags.matrix == 1


def test_alpha_is_resized_too(folder):
    codes = np.zeros((20, 24, 4), np.uint8)
    codes[:, 12:, 3] = 255
    for k in range(2):
        pictures.write(folder / f"in{k}.png", pictures.Picture(codes))
    assert restore("in%d.png", "--steps", "larger=width=48:height=40", "-o", "out%d.png") == 0
    alpha = pictures.read(folder / "out0.png").samples[..., 3]
    assert alpha.shape == (40, 48)
    assert (alpha[:, :22] == 0).all()
    assert (alpha[:, 26:] == 255).all()
    still = zoo.Chain("larger=width=48:height=40")(codes)
    np.testing.assert_array_equal(still[..., 3], alpha)


@pytest.mark.parametrize("flag", ["--strength=0.5", "--keep-grain=0.5", "--mask=mask.png"])
@pytest.mark.parametrize(("steps", "said"), [("larger", "needs pictures of the film's own size"), ("bob", "has none")])
def test_controls_that_cannot_be_are_refused(flag, steps, said, folder, capsys):
    film(folder / "in.mkv")
    pictures.write(folder / "mask.png", pictures.Picture(np.full((34, 36, 1), 255, np.uint8)))
    assert restore("in.mkv", "--steps", steps, "-o", "out.mkv", flag) == 2
    err = capsys.readouterr().err
    assert said in err
    assert flag.partition("=")[0] in err


def test_a_mask_is_that_of_the_frame_at_double_rate(folder):
    clips.write(folder / "in.mkv", "yuv444p", COUNT)
    masked(folder / "masks")
    assert restore("in.mkv", "--steps", "between,filter=gaussian:sigma_px=2", "--mask", "masks", "-o", "out.mkv") == 0
    own, made = (clips.read(folder / f"{name}.mkv") for name in ("in", "out"))
    for k, frame in enumerate(made):
        for one, other in zip(clips.planes(own[k // 2]), clips.planes(frame), strict=True):
            assert np.array_equal(one[:, : k // 2], other[:, : k // 2]), k
        assert not np.array_equal(clips.planes(own[k // 2])[0], clips.planes(frame)[0])


# ---- on planes


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "gray16le", "gbrp10le"])
@pytest.mark.parametrize("more", ["", ",darkened"])
def test_known_codes_stay_to_the_bit_at_double_rate(pixel_format, more, folder):
    """Codes of any value; where a later step on RGB changes nothing, too."""
    clips.write(folder / "in.mkv", pixel_format, 4)
    assert restore("in.mkv", "--steps", f"bob{more}", "-o", "out.mkv", "--batch", "1") == 0
    own, made = (clips.read(folder / f"{name}.mkv") for name in ("in", "out"))
    assert {f.format.name for f in made} == {pixel_format}
    for k, frame in enumerate(made):
        for one, other in zip(clips.planes(own[k // 2]), clips.planes(frame), strict=True):
            known = slice(k % 2, None, 2)
            kept = slice(None) if not more else slice(0, one.shape[1] // 4)
            assert np.array_equal(one[known, kept], other[known, kept]), k
            assert np.array_equal(other[: len(other) // 2 * 2 : 2, kept], other[1::2, kept])


def test_what_was_deinterlaced_is_said_to_be_progressive(folder, capsys):
    clips.write(folder / "in.mkv", options={"field_order": "tt"})
    assert source.describe("in.mkv").field_order == "top first"
    assert restore("in.mkv", "--steps", "wide", "-o", "woven.mkv") == 0
    assert "let deinterlace be the first step" in capsys.readouterr().err
    assert source.describe("woven.mkv").field_order == "top first"
    assert restore("in.mkv", "--steps", "bob", "-o", "out.mkv") == 0
    assert "woven" not in capsys.readouterr().err
    assert source.describe("out.mkv").field_order == "progressive"


def test_steps_on_planes_see_the_samples_of_a_still():
    picture = np.random.default_rng(0).integers(0, 256, (21, 20, 4), np.uint8)
    out = zoo.Chain("bob=1")(picture)
    assert np.array_equal(out[::2], picture[::2])
    assert np.array_equal(out[1::2, :, :3], picture[:-1:2, :, :3])
    with pytest.raises(FlagError, match="bob makes 2 pictures of one, and a still is one"):
        zoo.Chain("bob")(picture)


def test_rgb_is_made_of_the_planes_once(monkeypatch, folder):
    made, convert = [], color.picture
    monkeypatch.setattr(color, "picture", lambda planes, layout: made.append(1) or convert(planes, layout=layout))
    kind = Kind(34, 36, layout=Layout("yuv", 8, (2, 2)))
    frames = [
        Moment(k, k == 0, (jnp.zeros((34, 36), jnp.uint8), *[jnp.zeros((17, 18), jnp.uint8)] * 2)) for k in range(3)
    ]
    assert len(list(zoo.Chain("bob").run(frames, Aside(kind=kind)))) == 6
    assert not made
    assert len(list(zoo.Chain("bob,wide,between").run(frames, Aside(kind=kind)))) == 12
    assert len(made) == 6


def test_what_holds_for_one_size_alone_is_named_at_another(folder, capsys):
    """An EXR's depth, and where its samples lie."""
    window = pictures.picture.Window(1, 2, (0, 0, 40, 40))
    depth = (("Z", np.ones((20, 24), np.float32)),)
    for k in range(2):
        held = pictures.Picture(np.full((20, 24, 3), 0.5, np.float32), window=window, others=depth)
        pictures.write(folder / f"in{k}.exr", held)
    assert restore("in%d.exr", "--steps", "larger", "-o", "out%d.exr") == 0
    assert "not kept in out%d.exr: data window, channel Z" in capsys.readouterr().err
    made = pictures.read(folder / "out1.exr")
    assert (made.samples.shape, made.window, made.others) == ((60, 80, 3), None, ())
    assert cli.main(["restore", "in0.exr", "--steps", "larger", "-o", "still.exr"]) == 0
    assert "not kept at another size: data window, channel Z" in capsys.readouterr().err
    assert pictures.read(folder / "still.exr").samples.shape == (60, 80, 3)
