"""Chains for what people mostly want, by name."""

from typing import Any, NamedTuple

from zoo.errors import FlagError, choose


class Preset(NamedTuple):
    about: str
    steps: str  # as --steps takes them


PRESETS: dict[str, Preset] = {
    "film-noise": Preset("noise of a sensor or a scanner off a film", "denoise=resnet-gaussian,fuse"),
    "film-noise-fast": Preset("the same, at three times the speed", "denoise=fast-gaussian,fuse"),
    "film-grain-fast": Preset("the grain of film stock, which is softer than noise", "denoise=fast-grain,fuse"),
}


def chain_of(args: Any) -> str:
    """The chain that the flags --model, --steps and --preset ask for. Raises FlagError for none, and for several."""
    asked = [flag for flag in ("model", "steps", "preset") if getattr(args, flag)]
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


def model_chain(model: str, *, fuse: bool) -> str:
    """What -m NAME is short for."""
    from zoo.steps import grammar

    return f"denoise=model={grammar.escaped(str(model))}{',fuse' if fuse else ''}"
