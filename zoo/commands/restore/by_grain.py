"""The preset of those who name none, by the grain that is seen."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from zoo import grain, pictures, presets
from zoo.commands.restore.flags import Restore
from zoo.errors import InputError, say

_STILLS = 5  # pictures that are looked at


def with_preset(args: Restore, film: str | None) -> Restore:
    """`args` with a preset. What was chosen, and why, is said."""
    found = grain.estimate(_moments(args, film) if film else _stills(args))
    name, why = presets.for_grain(found, film=bool(film))
    say(f"nothing says what is to be done, so it is --preset {name} ({presets.PRESETS[name].steps}): {why}")
    return dataclasses.replace(args, preset=name)


def _moments(args: Restore, film: str) -> Iterator[np.ndarray]:
    from zoo.film import plan
    from zoo.film.read import glimpse

    how = plan.Options(
        matrix=args.colorspace, range=args.color_range, rate=args.a_second(), gaps=args.gaps, on_change="first"
    )
    return glimpse.pairs(plan.describe(film, how))


def _stills(args: Restore) -> Iterator[np.ndarray]:
    """Some of the pictures; what cannot be read is said by the work itself."""
    files = sorted({path for pattern in args.inputs for path in pictures.find(pattern)})
    for path in files[:: max(1, len(files) // _STILLS)][:_STILLS]:
        try:
            samples = pictures.read(path).samples
        except (InputError, PermissionError):
            continue
        top = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1
        colour = samples[..., :3] if samples.shape[-1] >= 3 else np.repeat(samples[..., :1], 3, axis=-1)
        yield np.nan_to_num(colour.astype(np.float32) / top).clip(0, 1)[None]
