"""What lies beside a film while it goes through a chain: masks, and the survey."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp

from zoo.chain import Chain
from zoo.errors import InputError
from zoo.film import plan, survey
from zoo.film.plan import Options
from zoo.film.read import masks, source
from zoo.film.read.source import Film
from zoo.steps.step import Aside, Kind, Mask, Planes, Step
from zoo.survey import Survey


def of(film: Film, chain: Chain, frames: int | None, found: Survey | None = None) -> Aside:
    """What steps are given. `frames`: about how many come before the last that is wanted. `found`: the film's survey.
    Its `masks` raise what `masks.reader` does."""
    kinds = chain.kinds(plan.kind(film))

    def mask_of(step: Step) -> Mask:
        kind = next(kind for own, kind in zip(chain.steps, kinds, strict=False) if own is step)
        held = sum(step.reach) + 1 + step.together * chain.batch * jax.local_device_count()
        reader = masks.reader(_masks_of(step), kind.height, kind.width, frames, held)
        return lambda number: jnp.asarray(reader(number))[..., None]

    def original_of(step: Step) -> Callable[[int], Planes]:
        kind = next(kind for own, kind in zip(chain.steps, kinds, strict=False) if own is step)
        return _original(_original_of(step), film, kind)

    return Aside(survey=found, masks=mask_of, originals=original_of)


def _original(path: Path, film: Film, kind: Kind) -> Callable[[int], Planes]:
    """number of a frame -> its planes in another film. Raises InputError where that is of another kind, and for a frame
    that it lacks."""
    other = source.describe(path)
    form = lambda layout: (layout.family, layout.depth, layout.cell, layout.full, layout.alpha)
    if (other.height, other.width, form(other.layout)) != (kind.height, kind.width, form(film.layout)):
        found, wanted = (f"{x.width}x{x.height} {x.pixel_format}" for x in (other, film))
        raise InputError(f"{path} is {found}, but {film.name} {wanted}; what is put back must be of the same kind")
    frames = masks.InStep(other, 1)

    def planes_of(number: int) -> Planes:
        found = frames.planes(number)
        if found is None:
            raise InputError(f"{path} has no frame {number}, and {film.name} has; give the film that this was made of")
        return tuple(map(jnp.asarray, found))

    return planes_of


def control(film: Film, options: Options, frames: int | None) -> Callable[[int], masks.Mask] | None:
    """number of a frame -> where the chain may change it; None where that is everywhere."""
    return options.mask and masks.reader(options.mask, film.height, film.width, frames)


def check(film: Film, options: Options, frames: int | None) -> None:
    """Raises, before any work, what stands against it."""
    survey.check(options.chain, film)
    control(film, options, frames)
    beside = of(film, options.chain, frames)
    for step in options.chain.steps:
        beside.of(step)  # opens what it names


def check_counts(options: Options, frames: int) -> None:
    """Raises InputError where there are more masks than frames of a film that was read to its end."""
    for path in masks_of(options):
        masks.check_count(path, frames)


def masks_of(options: Options) -> list[Path]:
    """What all masks are read from."""
    return [path for path in (options.mask, *map(_masks_of, _masked(options.chain))) if path]


def _masked(chain: Chain) -> list[Step]:
    return [step for step in chain.steps if getattr(step, "mask", None)]


def _original_of(step: Step) -> Path:
    return step.original  # type: ignore[attr-defined]


def _masks_of(step: Step) -> Path:
    return step.mask  # type: ignore[attr-defined]
