"""What `filmzoo restore` takes, for films and for pictures."""

import dataclasses
from typing import Annotated, Literal

import tyro

from zoo.commands.shared import Numbered, Reads, Stretch, Watched
from zoo.errors import FlagError, choose
from zoo.flags import OnChange, Precision, in_order
from zoo.presets import PRESETS, model_chain


@in_order
@dataclasses.dataclass(frozen=True, kw_only=True)
class Restore(Stretch, Numbered, Watched, Reads):
    """Restore pictures: size, bit depth, alpha, colour profile and names are kept.
    Or a film: every frame at its time, its sound, subtitles, chapters and colour tags are kept."""

    inputs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURE")]
    """Files, folders (searched to their depths) or quoted globs."""
    model: Annotated[str | None, tyro.conf.arg(aliases=["-m"], metavar="NAME|RUN|FILE")] = None
    """A model's name (see `models`), a training run's folder or a file of weights such as x4.pth: short for --steps
    denoise=NAME,fuse, or for upscale, where it makes pictures larger."""
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
    on_change: OnChange = "fail"
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
    mask: Annotated[str | None, tyro.conf.arg(metavar="PICTURE|FOLDER|FILM")] = None
    """Films: changes only what is white here; black pixels stay bit for bit. A folder, numbered pictures or a second
    film hold one mask for each frame."""
    give: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=FILE"), tyro.conf.UseAppendAction] = ()
    """Films: also write what a step finds, such as --give mask=mask.mkv, as a grey film or numbered pictures; may be
    repeated."""
    segment: int = 100
    """Films: frames in a segment; an interrupted run goes on after the last finished one."""
    shard: Annotated[str, tyro.conf.arg(metavar="I/N")] = "1/1"
    """Films: do the I-th of N shares of the segments; the process that is last joins them all."""
    restart: bool = False
    """Films: throw away what an interrupted run left, rather than go on with it."""
    no_verify: bool = False
    """Films: do not read the finished film again to compare each frame and packet with what went in."""
    dry_run: bool = False
    """Print what would be done, as JSON, and do nothing."""


def asked_for(args: Restore) -> list[str]:
    """Those of the flags that say what is to be done."""
    return [flag for flag in ("model", "steps", "preset") if getattr(args, flag) is not None]


def chain_of(args: Restore) -> str:
    """The chain that --model, --steps and --preset ask for. Raises FlagError for none, and for several."""
    asked = asked_for(args)
    if len(asked) > 1:
        raise FlagError(f"--{asked[0]} and --{asked[1]} both say what is to be done; leave one of them out")
    if args.temporal != "auto" and asked != ["model"]:
        raise FlagError("--temporal belongs to --model; with --steps leave out fuse")
    if args.steps:
        return args.steps
    if args.preset:
        return PRESETS[choose("preset", args.preset, PRESETS)].steps
    if not args.model:
        from zoo import registry

        denoisers = ", ".join(name for name, spec in registry.SPECS.items() if spec.task == "denoise")
        raise FlagError(f"say what is to be done, with --preset, --steps, or -m and a model: {denoisers}")
    return model_chain(args.model, fuse=args.temporal == "auto")
