"""The flags of a film become the options of its plan."""

from pathlib import Path

from zoo.commands.restore.flags import Restore, chain_of
from zoo.errors import FlagError
from zoo.film.plan import Options
from zoo.film.read.source import PIPE
from zoo.film.write import streams


def options_of(args: Restore) -> Options:
    """What the flags mean for a film. Raises FlagError for what cannot be."""
    for flag in ("strength", "keep_grain"):
        if not 0 <= getattr(args, flag) <= 1:
            raise FlagError(f"--{flag.replace('_', '-')} must be from 0 to 1, not {getattr(args, flag):g}")
    drop = frozenset(filter(None, args.drop.split(",")))
    if unknown := drop - set(streams.KINDS):
        raise FlagError(f"cannot drop {', '.join(sorted(unknown))}; the kinds are: {', '.join(streams.KINDS)}")
    pairs = [word.partition("=") for word in args.e]
    if wrong := [key for key, equals, _ in pairs if not (key and equals)]:
        raise FlagError(f"-e takes KEY=VALUE, such as crf=16, not {wrong[0]!r}")
    if args.batch != "auto" and not (args.batch.isdecimal() and int(args.batch) > 0):
        raise FlagError(f"--batch must be auto or a number of frames, not {args.batch!r}")
    if args.segment < 1:
        raise FlagError(f"--segment must be 1 or more, not {args.segment}")
    give = [word.partition("=") for word in args.give]
    if wrong := [word for word, (name, _, path) in zip(args.give, give, strict=True) if not (name and path)]:
        raise FlagError(f"--give takes NAME=FILE, such as mask=mask.mkv, not {wrong[0]!r}")
    if give and args.on_change == "split":
        raise FlagError("--give writes one film, and --on-change split several; leave one of them out")
    options = Options(
        encoder=args.codec,
        pixel_format=args.pix_fmt,
        encoder_options=tuple((key, value) for key, _, value in pairs),
        drop=drop,
        matrix=args.colorspace,
        range=args.color_range,
        strict_color=args.strict_color,
        on_change=args.on_change,
        force_hdr=args.force_hdr,
        rate=args.a_second(),
        gaps=args.gaps,
        strength=args.strength,
        keep_grain=args.keep_grain,
        steps=chain_of(args),
        batch=0 if args.batch == "auto" else int(args.batch),
        segment=args.segment,
        shard=_shard(args.shard, output=args.output),
        mask=None if args.mask is None else Path(args.mask),
        give=tuple((name, Path(path)) for name, _, path in give),
        restart=args.restart,
        verify=not args.no_verify,
    )
    return args.cut(options)


def _shard(text: str, output: str | None) -> tuple[int, int]:
    """`3/8`: the third of eight processes."""
    which, slash, of = text.partition("/")
    if not (slash and which.isdecimal() and of.isdecimal() and 1 <= int(which) <= int(of)):
        raise FlagError(f"--shard must be such as 3/8, the third of eight processes, not {text!r}")
    if int(of) > 1 and output == PIPE:
        raise FlagError("standard output cannot be shared by several shards; write a file with -o")
    return int(which), int(of)
