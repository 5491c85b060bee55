"""Films through made-up steps: of another rate or size, on planes, with masks; unbroken, resumed, sharded alike."""

import dataclasses
import json
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests import clips
from tests.test_film_resume import break_at
from zoo import chain, cli
from zoo.steps.step import successors, successors_on_planes

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
        return dataclasses.asdict(self)

    def __call__(self, windows, aside):
        return [self.one(window, aside) for window in windows]


@dataclasses.dataclass(frozen=True)
class Bob(Made):
    """Both fields of a frame as pictures: lines of the other field are those above or below."""

    on = "planes"
    reach = (1, 1)
    rate = 2

    def kind(self, kind):
        return dataclasses.replace(kind, fields="none")

    def one(self, window, aside):
        first = 0 if aside.kind.fields != "bottom first" else 1
        fields = [[self._field(plane, top ^ first) for plane in window.now.planes] for top in (0, 1)]
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
        twice = jnp.repeat(jnp.repeat(window.now.rgb, 2, axis=0), 2, axis=1)
        return successors(window.now, [jax.image.resize(twice, (self.height, self.width, 3), "linear")])


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


STEPS = {kind.__name__.lower(): kind for kind in (Bob, Between, Larger, Wide, Masked, Found, Darker)}
CHAINS = ["bob", "between", "larger", "wide", "found,darker", "bob,wide,between,larger"]


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    for name, step in STEPS.items():
        monkeypatch.setitem(chain.STEPS, name, step)


def restore(*words: str) -> int:
    return cli.main(["restore", *words, "--progress", "off"])


def film(path, pixel_format="yuv420p", **more):
    """Slow changes in a texture, with a cut at the eighth frame."""
    rng = np.random.default_rng(0)
    shape = (SIZE[1] * 3 // 2, SIZE[0]) if pixel_format == "yuv420p" else (SIZE[1], SIZE[0], 3)
    base = np.kron(
        rng.integers(20, 220, (shape[0] // 3, shape[1] // 3, *shape[2:])), np.ones((3, 3, *[1] * len(shape[2:])))
    )
    frames = [np.uint8(base[:: -1 if k >= 8 else 1] + k) for k in range(COUNT)]
    return clips.write(path, pixel_format, COUNT, pictures=frames, **more)


def log(path):
    return json.loads(path.with_name(f"{path.name}.json").read_text())


@pytest.mark.parametrize("steps", CHAINS)
def test_any_way_is_the_same_to_the_bit(steps, folder, monkeypatch, capsys):
    film(folder / "in.mkv")
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
