"""`python -m zoo restore noisy.png -o clean.png -m NAME`, `probe`, `preview`, `compare`, `verify`, `doctor` and
`models` (installed as `filmzoo`).

JAX and the models are imported inside the commands, so that `--help` and mistakes in flags answer at once.
"""

import dataclasses
import glob
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from zoo import bounds
from zoo.errors import FlagError, choose, command
from zoo.flags import Precision, check_names


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Reads:
    """Of every command that reads pictures."""

    max_pixels: int | None = None
    """The most pixels that one picture or frame may have; left out: by its file's size and the free memory."""


@dataclasses.dataclass(frozen=True)
class Restore(_Reads):
    """Restore pictures: size, bit depth, alpha, colour profile and names are kept.
    Or a film: every frame at its time, its sound, subtitles, chapters and colour tags are kept."""

    inputs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURE")]
    """Files, folders (searched to their depths) or quoted globs."""
    model: Annotated[str | None, tyro.conf.arg(aliases=["-m"], metavar="NAME|RUN")] = None
    """A model's name (see `models`) or the folder of a training run: short for --steps denoise=NAME,fuse."""
    steps: Annotated[str | None, tyro.conf.arg(metavar="STEP,...")] = None
    """What is done, step by step, such as denoise=fast-gaussian:strength=0.7,fuse (see `steps`)."""
    preset: str | None = None
    """Steps under a name (see `presets`)."""
    output: Annotated[str | None, tyro.conf.arg(aliases=["-o"], metavar="FILE|FOLDER")] = None
    """A file for one picture, else a folder; left out: NAME_restored beside each picture."""
    yes: Annotated[bool, tyro.conf.arg(aliases=["-y"])] = False
    """Overwrite results that exist. An input is never overwritten."""
    tile: int | None = None
    """Largest side, in pixels, of what goes through a device at once; left out: by the model."""
    precision: Precision = "float32"
    """Of what the network computes. bfloat16 gives nearly the same, faster on an accelerator, slower on a CPU."""
    codec: Annotated[str | None, tyro.conf.arg(aliases=["-c:v"], metavar="ENCODER")] = None
    """Films: FFmpeg's name of the encoder. Left out: ffv1 for .mkv, libx265 for .mp4, prores_ks for .mov."""
    pix_fmt: Annotated[str | None, tyro.conf.arg(metavar="FORMAT")] = None
    """Films: FFmpeg's pixel format to write. Left out: the film's own or nearest, never fewer bits if avoidable."""
    e: Annotated[tuple[str, ...], tyro.conf.arg(aliases=["-e"], metavar="KEY=VALUE"), tyro.conf.UseAppendAction] = ()
    """Films: an option for the encoder, such as -e crf=16; may be repeated."""
    drop: Annotated[str, tyro.conf.arg(metavar="KIND,...")] = ""
    """Films: what is not copied: audio, subtitle, attachment, data, video (covers), chapters."""
    colorspace: str | None = None
    """Films: their colour matrix where the file does not say it or is wrong: bt709, smpte170m, bt470bg, bt2020nc.
    Of pictures: the matrix of the film that they become."""
    color_range: str | None = None
    """Films: their range of codes: tv (limited) or pc (full)."""
    strict_color: bool = False
    """Films: refuse one that does not say its colour, rather than guess."""
    on_change: Literal["fail", "first", "split"] = "fail"
    """Films whose shape of samples, colour tags or order of fields change in the middle: fail refuses them there; first
    goes on under what the first frame says; split writes NAME.1.mkv, NAME.2.mkv and so on, also where the size or the
    pixel format changes."""
    force_hdr: bool = False
    """Films: restore PQ and HLG as if they were SDR."""
    strength: float = 1.0
    """Films: how much of the change is applied, 0 to 1."""
    keep_grain: float = 0.0
    """Films: the share of the removed grain that flat areas get back, 0 to 1."""
    temporal: Literal["auto", "off"] = "auto"
    """Films, with -m: auto fuses restored frames with their neighbours where these differ as grain does; off does
    not."""
    batch: str = "auto"
    """Films: frames that go through the device at once."""
    start: Annotated[str | None, tyro.conf.arg(metavar="TIME")] = None
    """Films: where to begin: seconds, or a time such as 00:01:20.5, from the first frame."""
    end: Annotated[str | None, tyro.conf.arg(metavar="TIME")] = None
    """Films: where to stop: the first frame that is not restored."""
    frames: int | None = None
    """Films: how many frames to restore, from the start."""
    mask: Annotated[str | None, tyro.conf.arg(metavar="PICTURE|FOLDER")] = None
    """Films: changes only what is white here; black pixels stay bit for bit. A folder holds one mask for each frame."""
    segment: int = 100
    """Films: frames in a segment; an interrupted run goes on after the last finished one."""
    shard: Annotated[str, tyro.conf.arg(metavar="I/N")] = "1/1"
    """Films: do the I-th of N shares of the segments; the process that is last joins them all."""
    rate: str = "24"
    """Sequences of pictures: frames a second, such as 25 or 24000/1001."""
    gaps: Literal["fail", "copy"] = "fail"
    """Sequences of pictures: whether a missing number stops the work or becomes a copy of the frame before."""
    restart: bool = False
    """Films: throw away what an interrupted run left, rather than go on with it."""
    no_verify: bool = False
    """Films: do not read the finished film again to compare each frame and packet with what went in."""
    progress: Literal["auto", "json", "off"] = "auto"
    """Films: how progress is shown; json: a line a second on standard error."""
    dry_run: bool = False
    """Print what would be done, as JSON, and do nothing."""


@dataclasses.dataclass(frozen=True)
class Probe(_Reads):
    """Say what a film is, as JSON: size, rate, colour, fields, streams; and what `restore` would say to it."""

    film: Annotated[str, tyro.conf.Positional]
    """A film, or numbered pictures such as frame.%%06d.dpx."""


@dataclasses.dataclass(frozen=True)
class Preview(_Reads):
    """Make one picture of frames as they are and as models or chains restore them, with the place that changes most."""

    film: Annotated[str, tyro.conf.Positional]
    """A film, or numbered pictures such as frame.%%06d.dpx."""
    models: Annotated[str, tyro.conf.arg(aliases=["-m"], metavar="NAME|RUN,...")] = ""
    """Models to see, with commas between; each restores as `restore -m` does."""
    steps: Annotated[str | None, tyro.conf.arg(metavar="STEP,...")] = None
    """A chain to see, beside the models."""
    output: Annotated[str | None, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = None
    """The PNG to write; left out: NAME_preview.png here."""
    at: Annotated[str, tyro.conf.arg(metavar="TIME")] = "0"
    """The first frame's time: seconds, or a time such as 00:01:20.5."""
    frames: int = 1
    """How many frames, from there."""
    yes: Annotated[bool, tyro.conf.arg(aliases=["-y"])] = False
    """Overwrite a sheet that exists."""


@dataclasses.dataclass(frozen=True)
class Compare(_Reads):
    """Measure two films against each other, frame by frame: PSNR, SSIM, MAE and the flicker of both, as JSON."""

    a: Annotated[str, tyro.conf.Positional]
    """A film, or numbered pictures such as frame.%%06d.dpx."""
    b: Annotated[str, tyro.conf.Positional]
    """What it is compared with."""
    output: Annotated[str | None, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = None
    """The JSON to write; left out: it is printed."""
    plot: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """A plot to draw of it: .png, .svg or .pdf."""
    clip: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """A film to write with the first at the left and the second at the right; .mkv is lossless."""
    difference: float = 0.0
    """Shows in the clip, right of both, their difference so many times amplified, grey where there is none."""
    yes: Annotated[bool, tyro.conf.arg(aliases=["-y"])] = False
    """Overwrite results that exist. An input is never overwritten."""
    start: Annotated[str | None, tyro.conf.arg(metavar="TIME")] = None
    """Where to begin: seconds, or a time such as 00:01:20.5, from the first frame."""
    b_start: Annotated[str | None, tyro.conf.arg(metavar="TIME")] = None
    """Where the same stretch begins in B, if elsewhere; one that `restore --start` has cut out begins at 0."""
    end: Annotated[str | None, tyro.conf.arg(metavar="TIME")] = None
    """Where to stop: the first frame that is not compared."""
    frames: int | None = None
    """How many frames to compare, from the start."""
    rate: str = "24"
    """Sequences of pictures: frames a second, such as 25 or 24000/1001."""
    gaps: Literal["fail", "copy"] = "fail"
    """Sequences of pictures: whether a missing number stops the work or becomes a copy of the frame before."""
    progress: Literal["auto", "json", "off"] = "auto"
    """How progress is shown; json: a line a second on standard error."""


@dataclasses.dataclass(frozen=True)
class Verify:
    """Say whether a restored film is still what was written, by the log beside it; if not, which frame differs."""

    film: Annotated[str, tyro.conf.Positional]
    """A film that `restore` wrote, or its numbered pictures such as frame.%%06d.dpx."""


@dataclasses.dataclass(frozen=True)
class Doctor:
    """Say, as JSON, whether this installation works: versions, devices, encoders, and one frame restored."""


@dataclasses.dataclass(frozen=True)
class Steps:
    """List the steps of `restore --steps`, or the options of one."""

    step: Annotated[str | None, tyro.conf.Positional] = None
    """The one whose options are shown."""


@dataclasses.dataclass(frozen=True)
class Presets:
    """List the presets of `restore --preset`, with the steps that each stands for."""


@dataclasses.dataclass(frozen=True)
class Models:
    """List the models of the zoo."""

    json: bool = False
    """As JSON."""


@command
def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns its exit code (see zoo.errors)."""
    check_names(argv, Restore, Probe, Preview, Compare, Verify, Doctor, Steps, Presets, Models)
    commands: Any = Restore | Probe | Preview | Compare | Verify | Doctor | Steps | Presets | Models
    chosen = tyro.cli(commands, args=argv, prog="filmzoo", config=(tyro.conf.FlagCreatePairsOff,))
    bounds.allow(getattr(chosen, "max_pixels", None))
    if isinstance(chosen, Probe):
        from zoo.film import command as film

        return film.probe(chosen.film)
    if isinstance(chosen, Verify):
        from zoo.film import command as film

        return film.verify(chosen.film)
    if isinstance(chosen, Preview):
        from zoo.film import command as film

        return film.preview(chosen)
    if isinstance(chosen, Compare):
        from zoo.film import command as film

        return film.compare(chosen)
    if isinstance(chosen, Doctor):
        from zoo.film import doctor

        print(json.dumps(doctor.report(), indent=1))
        return 0
    if isinstance(chosen, Presets):
        return presets()
    if isinstance(chosen, Steps):
        return steps(chosen)
    return restore(chosen) if isinstance(chosen, Restore) else models(chosen)


def restore(args: Restore) -> int:
    from zoo.presets import chain_of

    chain_of(args)  # what is wrong with it is said before all else
    if films := [name for name in args.inputs if _is_film(name, args.output)]:
        if len(args.inputs) > 1:
            raise FlagError(f"{films[0]} is a film; restore films one at a time")
        from zoo.film import command as film

        return film.restore(args, films[0])
    from zoo import still

    return still.restore(args)


def _is_film(name: str, output: str | None) -> bool:
    """Whether an input is a film: a pipe, a numbered sequence, a file of another kind than the pictures', or pictures
    that are to become a film."""
    from zoo import pictures

    numbered = lambda path: "%" in Path(path).name and Path(path).suffix.lower() in pictures.SUFFIXES
    path = Path(name)
    if path.is_file():  # whatever signs there are in its name
        return not pictures.is_picture(path)
    if name == "-" or numbered(name):
        return True
    if path.is_dir() or glob.has_magic(name):
        if output is None:
            return False
        from zoo.film.write import encode

        return numbered(output) or Path(output).suffix.lower() in encode.SUFFIXES
    return path.suffix.lower() not in ("", *pictures.SUFFIXES)


def steps(args: Steps) -> int:
    from zoo.chain import STEPS
    from zoo.steps import grammar

    if args.step is None:
        width = max(map(len, STEPS))
        print("\n".join(f"{name:{width}}  {grammar.about(step)}" for name, step in STEPS.items()))
    else:
        print(grammar.described(args.step, STEPS[choose("step", args.step, STEPS)]))
    return 0


def presets() -> int:
    from zoo.presets import PRESETS

    for name, preset in PRESETS.items():
        print(f"{name}: {preset.about}\n    --steps {preset.steps}")
    return 0


def models(args: Models) -> int:
    from zoo import registry

    rows = [
        {
            "name": name,
            "task": spec.task,
            "parameters": _parameters(config := registry.config_of(name)),
            "multiple": config.multiple,
            "halo": config.halo,
            "licence": spec.licence,
            "weights": registry.has_weights(name),
            "about": spec.about,
        }
        for name, spec in registry.SPECS.items()
    ]
    print(json.dumps(rows, indent=1) if args.json else _table(rows))
    return 0


def _parameters(config: Any) -> int:
    """How many numbers a network of this config learns, counted without making them."""
    import jax
    from flax import nnx

    network = nnx.eval_shape(lambda: config.build(nnx.Rngs(0)))
    return sum(p.size for p in jax.tree.leaves(nnx.state(network, nnx.Param)))


def _table(rows: list[dict[str, Any]]) -> str:
    """Aligned columns, the same on a terminal and in a pipe."""
    columns = [name for name in rows[0] if name != "about"]
    words = {"True": "yes", "False": "no", "None": "not tiled"}
    cells = [columns] + [[words.get(str(row[name]), str(row[name])) for name in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)
