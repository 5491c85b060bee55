"""Clips of VapourSynth through the zoo: `zoo.vapoursynth.restore(clip, "resnet-gaussian", strength=0.8)`.

A clip is restored as `filmzoo restore` restores a film: by its own planes of codes, of which those stay that nothing
changes. VapourSynth asks for frames in any order; so the clip is cut into blocks. Each is restored with as many frames
around it as its pictures depend on, and is the same whatever was asked for before.
"""

import importlib
import threading
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, cast

import numpy as np

from zoo.budget import Budget
from zoo.chain import Chain, name_of
from zoo.color import Layout
from zoo.errors import FlagError, choose
from zoo.film import outcome, shots
from zoo.film.engine import Engine
from zoo.film.formats import MATRIX_NAMES
from zoo.film.read.source import Frame
from zoo.presets import PRESETS, model_chain
from zoo.steps.step import Fields, Kind

try:
    vs: Any = importlib.import_module("vapoursynth")
except ImportError:
    raise FlagError(
        "VapourSynth is not installed: pip install 'filmzoo[vapoursynth]', with Python 3.12 or later"
    ) from None

_SITINGS = {0: "left", 1: "center", 2: "topleft", 3: "top"}  # VapourSynth's _ChromaLocation
_FIELDS: dict[int, Fields] = {0: "none", 1: "bottom first", 2: "top first"}  # its _FieldBased
_BLOCK = 8  # frames of a block where pictures depend on their neighbours
_FAMILIES = {vs.YUV: "yuv", vs.RGB: "rgb", vs.GRAY: "grey"}
_PLANES = {"rgb": (1, 2, 0)}  # ours are G, B, R


def restore(
    clip: Any,
    model: str | None = None,
    *,
    steps: str | None = None,
    preset: str | None = None,
    strength: float = 1.0,
    keep_grain: float = 0.0,
    tile: int | None = None,
    precision: str = "float32",
    batch: int = 1,
) -> Any:
    """The clip restored, in its own format; larger, or of twice as many frames, where the steps make it so.

    `model`, `steps`, `preset`: what is done, as the flags of `filmzoo restore` say it; one of them. `strength`,
    `keep_grain`, `tile`, `precision` and `batch` are as they are there. Frame properties are kept; durations, fields
    and aspects are what became of them.

    Raises FlagError for steps that need more than a clip (a survey, masks), for a clip whose format or size changes,
    and for one that does not say what its codes mean.
    """
    chain = Chain(_steps(model, steps, preset), batch=batch)
    if not all(0 <= share <= 1 for share in (strength, keep_grain)):
        raise FlagError(f"strength={strength:g} and keep_grain={keep_grain:g} must be from 0 to 1")
    _check(chain)
    kind = _kind(clip)
    kinds = chain.kinds(kind)
    held = [word for word, own in (("strength", strength < 1), ("keep_grain", keep_grain > 0)) if own]
    outcome.check(chain, kinds, held)
    budget = Budget(tile=tile, precision=precision)
    assert kind.layout
    engine = Engine(chain, budget, kind, kind.layout, strength=strength, keep_grain=keep_grain)
    return _through(clip, engine, kinds)


def _steps(model: str | None, steps: str | None, preset: str | None) -> str:
    given = [word for word in (model, steps, preset) if word]
    if len(given) != 1:
        raise FlagError("say what is to be done, by one of model, steps and preset")
    if preset:
        return PRESETS[choose("preset", preset, PRESETS)].steps
    return steps or model_chain(str(model), fuse=True)


def _check(chain: Chain) -> None:
    """Raises FlagError for steps that need what a clip has not."""
    for step in chain.steps:
        needs = {*step.needs} - {"network"} | ({"mask"} if getattr(step, "mask", None) else set())
        if needs:
            mend = getattr(step, "unsurveyed", "leave it out, or use filmzoo restore")
            raise FlagError(f"{name_of(step)} needs a {min(needs)}, which a clip does not bring; {mend}")


def _kind(clip: Any) -> Kind:
    """What goes into the chain, by the clip's format and the properties of its first frame."""
    form = clip.format
    if form is None or not (clip.width and clip.height):
        raise FlagError("the clip's format or size changes; give it one with core.resize")
    whole = form.sample_type == vs.INTEGER and 8 <= form.bits_per_sample <= 16
    floats = form.sample_type == vs.FLOAT and form.bits_per_sample == 32 and form.color_family != vs.YUV
    if not (whole or floats):
        raise FlagError(f"{form.name} is not restored; convert it: core.resize.Bicubic(clip, format=vs.RGBS)")
    said: Mapping[str, Any] = clip.get_frame(0).props
    family = _FAMILIES[form.color_family]
    layout = Layout(
        family,
        form.bits_per_sample,
        (2**form.subsampling_h, 2**form.subsampling_w),
        full=family == "rgb" or floats or _is_full(said),
    )
    if family == "yuv":
        matrix, siting = int(said.get("_Matrix", 2)), int(said.get("_ChromaLocation", 0))
        if matrix not in MATRIX_NAMES or siting not in _SITINGS:
            raise FlagError(
                "the clip does not say its matrix, or has one, or a place of chroma, that is not known here; say it: "
                "core.std.SetFrameProps(clip, _Matrix=vs.MATRIX_BT709)"
            )
        layout = Layout(
            family, layout.depth, layout.cell, matrix=MATRIX_NAMES[matrix], full=layout.full, siting=_SITINGS[siting]
        )
    aspect = Fraction(int(said.get("_SARNum", 1)) or 1, int(said.get("_SARDen", 1)) or 1)
    fields = _FIELDS[int(said.get("_FieldBased", 0))]
    return Kind(clip.height, clip.width, aspect, fields, "grey" if family == "grey" else "rgb", layout=layout)


def _is_full(said: Mapping[str, Any]) -> bool:
    """By the property of today, or that of before 2025, whose numbers are the other way round."""
    return int(said["_Range"]) == 1 if "_Range" in said else int(said.get("_ColorRange", 1)) == 0


def _through(clip: Any, engine: Engine, kinds: list[Kind]) -> Any:
    """The clip in blocks through the engine, and apart again. A frame of the clip between holds the pictures of a
    block, one below the other."""
    given, made, core = kinds[0], kinds[-1], vs.core
    rate, count, reach = made.rate, clip.num_frames, engine.chain.reach
    before, after = (reach.before + 1, reach.after) if any(reach) else (0, 0)  # one more, to be compared with
    size = -(-(_BLOCK if any(reach) else 1) // engine.chain.batch) * engine.chain.batch
    blocks = -(-count // size)
    around = _longer(clip, before, blocks * size - count + after)
    parts = [around[k::size][:blocks] for k in range(before + size + after)]
    tall = core.std.BlankClip(clip, width=made.width, height=made.height * size * rate, length=blocks, keep=True)
    work = _block(engine, given, made, size, before, count)
    tall = core.std.ModifyFrame(tall, [tall, *parts], work)
    pictures = [tall.std.CropAbs(made.width, made.height, 0, k * made.height) for k in range(size * rate)]
    out = core.std.Interleave(pictures, modify_duration=False)[: count * rate]
    if clip.fps:
        out = core.std.AssumeFPS(out, fpsnum=clip.fps.numerator * rate, fpsden=clip.fps.denominator)
    out = out.std.CopyFrameProps(core.std.Interleave([clip] * rate) if rate > 1 else clip)
    changed: dict[str, Any] = {}
    if made.fields != given.fields:
        changed["_FieldBased"] = 0
    if made.aspect != given.aspect:
        changed |= {"_SARNum": made.aspect.numerator, "_SARDen": made.aspect.denominator}
    return out.std.SetFrameProps(**changed) if changed else out


def _longer(clip: Any, before: int, after: int) -> Any:
    """With copies at its ends, which no picture comes of."""
    longer = clip[0] * before + clip if before else clip
    return longer + clip[-1] * after if after else longer


def _block(engine: Engine, given: Kind, made: Kind, size: int, before: int, count: int) -> Callable[..., Any]:
    """What ModifyFrame calls: (number of the block, frames) -> its pictures."""
    busy = threading.Lock()
    layout = given.layout
    assert layout
    order = _PLANES.get(layout.family, tuple(range(len(layout.shapes(1, 1)))))

    def work(n: int, f: list[Any]) -> Any:
        out, first = f[0].copy(), n * size
        frames = [
            (number, Frame(tuple(np.array(cast(Any, frame[p])) for p in order), 0, 0, context=not 0 <= k < size))
            for k, frame in enumerate(f[1:], -before)
            if 0 <= (number := first + k) < count
        ]
        with busy:  # a device does one thing at a time
            restored = [item for item in engine.run(shots.compared(frames, engine)) if not item.source.context]
        for item in restored:
            place = (item.number - first) * made.rate + item.part
            for p, plane in zip(order, item.planes, strict=True):
                height = plane.shape[0]
                np.asarray(cast(Any, out[p]))[place * height : (place + 1) * height] = plane
        return out

    return work
