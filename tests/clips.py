"""Tiny films for the tests, made and read with PyAV alone, and networks plain enough to know what they must give."""

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import cli, registry
from zoo.models.network import OneToOne


@dataclasses.dataclass(frozen=True)
class Config(OneToOne):
    task: str = "denoise"
    multiple: int = 2
    halo: int | None = 0


class Identity(nnx.Module):
    def __init__(self):
        self.config = Config()

    def __call__(self, x):
        return x


class Lighter(Identity):
    """Halfway to white."""

    def __call__(self, x):
        return jnp.float32(0.5) + x / 2


def restore(*words: str) -> int:
    """The exit code of the command, with a model that the fixture `identity` puts in the place of any."""
    return cli.main(["restore", *words, "-m", "any"])


def files(folder: Path) -> list[str]:
    """The names of all that is in a folder, to its depths."""
    return sorted(path.name for path in folder.rglob("*"))


def stand_in(monkeypatch, network: Callable[[], nnx.Module] = Identity):
    """Every name is a model whose weights ship: such a network."""
    monkeypatch.setattr(registry, "load", lambda name: network())
    monkeypatch.setattr(registry, "card", lambda name: {"sha256": "0" * 64})
    monkeypatch.setattr(registry, "config_of", lambda name: network().config)


def frame(pixel_format: str, seed: int, width: int = 36, height: int = 34) -> av.VideoFrame:
    """Random codes, over the whole range that the format can hold."""
    out, rng = av.VideoFrame(width, height, pixel_format), np.random.default_rng(seed)
    bits = out.format.components[0].bits
    for plane in out.planes:
        if bits > 8:
            codes = rng.integers(0, 2**bits, plane.buffer_size // 2).astype("<u2")
        else:
            codes = rng.integers(0, 256, plane.buffer_size).astype("u1")
        plane.update(codes.tobytes())
    return out


def planes(picture: av.VideoFrame) -> list[np.ndarray]:
    """What a decoded frame holds, without the ends of its rows."""
    deep = picture.format.components[0].bits > 8
    held = []
    for plane in picture.planes:
        rows = np.frombuffer(plane, "<u2" if deep else "u1").reshape(plane.height, -1)
        samples = plane.line_size // (1 + deep) if plane.width == 0 else plane.width
        packed = 4 if picture.format.name in ("bgr0", "bgra") else 1
        rows = rows[:, : samples * packed]
        held.append(rows.reshape(plane.height, -1, 4)[..., :3] if picture.format.name == "bgr0" else rows)
    return held


def write(
    path: Path,
    pixel_format: str = "yuv420p",
    count: int = 5,
    *,
    codec: str = "ffv1",
    size: tuple[int, int] = (36, 34),
    times: list[int] | None = None,
    rate: Fraction | int = 25,
    tags: tuple[int, int, int, int] = (1, 1, 1, 1),
    aspect: Fraction | None = None,
    audio: bool = False,
    channels: str = "mono",
    options: dict[str, str] | None = None,
    pictures: list[np.ndarray] | None = None,
) -> Path:
    """A film of random frames, or of `pictures`. `times`: of the frames, in milliseconds. `tags`: matrix, range,
    primaries, transfer. `audio`: 0.2 s of sound, in packets of 10 ms, and all else that a film may hold."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = tags
        if times:
            context.time_base = Fraction(1, 1000)
        if aspect:
            context.sample_aspect_ratio = aspect
        sound = out.add_stream("pcm_s16le", rate=8000, layout=channels) if audio else None
        if sound:
            sound.metadata["language"], stream.metadata["title"] = "deu", "the picture"
            out.metadata["title"] = "Probe"
            out.set_chapters(
                [{"id": 1, "start": 0, "end": 90, "time_base": Fraction(1, 1000), "metadata": {"title": "A"}}]
            )
            out.add_attachment("font.ttf", "application/x-truetype-font", b"not quite a font")
        for k in range(count):
            picture = (
                av.VideoFrame.from_ndarray(pictures[k], pixel_format) if pictures else frame(pixel_format, k, *size)
            )
            picture.pts, picture.time_base = (k, 1 / Fraction(rate)) if times is None else (times[k], Fraction(1, 1000))
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
        if sound:
            count = sound.codec_context.layout.nb_channels
            for at in range(0, 1600, 80):
                samples = np.arange(at, at + 80).repeat(count).astype(np.int16)
                heard = av.AudioFrame.from_ndarray(samples[None], "s16", channels)
                heard.sample_rate, heard.pts = 8000, at
                out.mux(sound.encode(heard))
            out.mux(sound.encode(None))
    return path


def read(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as film:
        return list(film.decode(film.streams.video[0]))


def same(one: Path, other: Path) -> bool:
    """Whether two films hold the same codes at the same times."""
    a, b = read(one), read(other)
    return [f.time for f in a] == [f.time for f in b] and all(
        np.array_equal(p, q) for f, g in zip(a, b, strict=True) for p, q in zip(planes(f), planes(g), strict=True)
    )
