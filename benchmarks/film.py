"""How fast films are restored: from a file to a file as `python -m zoo restore` does it, FFV1 of 10 bits and 4:2:2 on
both sides. Each stage is timed alone too: decode, device, encode. Also that the memory does not grow with the film, and
the most that the largest frames take.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import jax
import numpy as np

from benchmarks import processes
from benchmarks.measure import TINY, Rounds, compare, reason, rounded
from zoo import color
from zoo.budget import Budget
from zoo.color import Layout
from zoo.errors import ZooError
from zoo.film import formats, job, plan
from zoo.film.engine import Engine, Given
from zoo.film.plan import Options
from zoo.film.read import source
from zoo.film.read.decoding import Losses
from zoo.film.write import encode
from zoo.made import leaves
from zoo.memory import keep_freed
from zoo.presets import model_chain

MODELS = ("fast-gaussian", "resnet-gaussian-photos")  # for speed; the best of the shipped
SIZES = {(720, 576): 12, (1920, 1080): 6, (2048, 1556): 4, (4096, 3112): 2}  # frames of a film, at most
FEWEST = 2  # frames
FULL = Rounds(3, 5.0)
LONGEST_S, TOO_LONG_S = 4.0, 30.0  # a pass that would take longer has fewer frames; one of the fewest is then skipped
STAGES = ("decode", "device", "encode")
WHOLE = "end to end"
PIXEL_FORMAT, RATE = "yuv422p10le", 25
GRAIN = 0.03  # standard deviation
LEAVES_PX = 256  # side of the picture that moves, mirrored to fill the frame
LENGTHS, LENGTHS_SIZE, LENGTHS_BATCH = (10, 1000), (192, 144), 4  # of the films whose peaks of memory are compared
LARGEST, LARGEST_COUNT = (4096, 3112), 4  # of the film whose peak of memory is the highest: enough to fill every queue
DRAWN = 25  # different frames in those


def run(*, tiny: bool) -> Iterator[dict[str, Any]]:
    films = [(count, LENGTHS_SIZE, LENGTHS_BATCH) for count in ((2, 8) if tiny else LENGTHS)]
    for count, size, batch in films if tiny else [*films, (LARGEST_COUNT, LARGEST, 0)]:
        yield {"what": "film memory", "model": MODELS[0], "weights": "shipped"} | memory(count, size, batch)
    sizes = {(48, 32): 3} if tiny else SIZES
    s_per_px = dict.fromkeys(MODELS[:1] if tiny else MODELS, 0.0)
    for (width, height), most in sizes.items():
        with tempfile.TemporaryDirectory() as folder:
            film = write(Path(folder) / "film.mkv", width, height, most)
            for model, known in s_per_px.items():
                row = {"what": "film", "model": model, "weights": "shipped", "width": width, "height": height}
                s_per_frame = known * width * height
                if FEWEST * s_per_frame > TOO_LONG_S:
                    yield row | {"skipped": f"a frame would take {s_per_frame:.0f} s"}
                    continue
                count = max(FEWEST, min(most, int(LONGEST_S / s_per_frame) if known else most))
                times = compare(passes(film, model_chain(model, fuse=True), count), TINY if tiny else FULL)
                s_per_px[model] = times[WHOLE].get("wall_s", 0.0) / (count * width * height)
                facts = {"frames": count, "codec": "ffv1", "pixel_format": PIXEL_FORMAT, "times": times}
                yield row | facts | shares(times, count)


def write(path: Path, width: int, height: int, count: int) -> Path:
    """A film of a picture of leaves that moves by two pixels a frame, with grain of its own in each."""
    drawn = np.asarray(leaves.pictures(jax.random.key(0), count=1, size=LEAVES_PX)[0])
    layout, _ = formats.layout(PIXEL_FORMAT, formats.Tags(1, 1, 1, 1), height, width)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=RATE, options={"level": "3", "g": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, PIXEL_FORMAT
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = 1, 1, 1, 1
        made: list[tuple[np.ndarray, ...]] = []
        for k in range(count):
            if k < DRAWN:
                made.append(_planes(drawn, width, height, k, layout))
            frame = formats.frame_of(made[k % DRAWN], PIXEL_FORMAT)
            frame.pts, frame.time_base = k, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def _planes(picture: np.ndarray, width: int, height: int, k: int, layout: Layout) -> tuple[np.ndarray, ...]:
    size = picture.shape[0]
    rows, columns = (np.arange(side) + 2 * k for side in (height, width))
    mirrored = lambda at: np.where(at // size % 2, size - 1 - at % size, at % size)
    rgb = picture[mirrored(rows)][:, mirrored(columns)]
    rgb = rgb + GRAIN * np.random.default_rng(k).standard_normal(rgb.shape, np.float32)
    codes = np.uint16(np.rint(np.clip(rgb, 0, 1) * 65535))
    own = tuple(codes[None, ..., c] for c in (1, 2, 0))
    still = np.zeros((1, height, width, 3), np.float32)
    out = color.changed(own, still, source=Layout("rgb", 16, full=True), target=layout)
    return tuple(np.asarray(plane)[0] for plane in out)


def passes(path: Path, steps: str, count: int) -> dict[str, Any]:
    """The contenders: each passes over the first frames of the film."""
    budget = Budget()
    options, output = Options(frames=count, steps=steps), path.with_name("restored.mkv")
    planned = plan.plan(str(path), output, options)
    film, encoding = planned.film, planned.encoding
    options = plan.settled(options, film, budget)
    frames = list(job.stretch(film, options, job.Count()))
    engine = Engine(options.chain, budget, plan.kind(film), encoding.layout)
    through = lambda: [
        item.planes for item in engine.run(Given(n, frame, engine.up(frame)) for n, frame in enumerate(frames))
    ]
    restored = through()

    def whole(k: int) -> None:
        shutil.rmtree(path.with_name("restored.mkv.part"), ignore_errors=True)
        job.run(planned, options, budget, _about(options), lambda frame, of: None)

    def decode(k: int) -> None:
        for _ in zip(range(count), source.read(film, Losses()), strict=False):
            pass

    def write_again(k: int) -> None:
        part = encode.Segment(path.with_name("segment.mkv"), film, encoding)
        for planes in restored:
            part.write(planes)
        part.close()

    return {WHOLE: whole, "decode": decode, "device": lambda k: through(), "encode": write_again}


def shares(times: dict[str, dict[str, Any]], count: int) -> dict[str, Any]:
    """Frames a second of the whole; milliseconds a frame and shares of the stages, each alone; the slowest of them."""
    if any("wall_s" not in times[name] for name in (WHOLE, *STAGES)):
        return {}
    ms = {name: rounded(1e3 * times[name]["wall_s"] / count) for name in STAGES}
    return {
        "frames_per_s": rounded(count / times[WHOLE]["wall_s"]),
        "ms": ms,
        "share": {name: rounded(value / sum(ms.values())) for name, value in ms.items()},
        "limit": max(ms, key=lambda name: ms[name]),
    }


def memory(count: int, size: tuple[int, int], batch: int) -> dict[str, Any]:
    """The most memory that a process of its own takes that restores a film of so many frames."""
    if jax.default_backend() != "cpu":
        return {"skipped": "the memory of a process says nothing of a device's"}
    width, height = size
    facts = {"frames": count, "width": width, "height": height}
    facts["frames_bytes"] = count * width * height * 4  # 4:2:2, two bytes a sample
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "film.mkv", width, height, count)
        try:
            return facts | processes.ask("-m", "benchmarks.film", str(path), str(batch))
        except ZooError as e:
            return facts | {"failed": reason(e)}


def _about(options: Options) -> dict[str, Any]:
    """What a log says of a run beside what the run finds."""
    return {"sha256": {"weights": options.chain.weights}}


def _restore_one(path: Path, batch: int) -> dict[str, Any]:
    """In the process of its own."""
    options = Options(batch=batch, steps=model_chain(MODELS[0], fuse=True))
    planned = plan.plan(str(path), path.with_name("restored.mkv"), options)
    keep_freed(planned.film.height * planned.film.width)  # as the command
    budget = Budget()
    options = plan.settled(options, planned.film, budget)
    report = job.run(planned, options, budget, _about(options), lambda frame, of: None)
    return {"peak_bytes": processes.most_bytes(), "restored": report.frames}


if __name__ == "__main__":
    print(json.dumps(_restore_one(Path(sys.argv[1]), int(sys.argv[2]))))
