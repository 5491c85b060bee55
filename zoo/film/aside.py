"""What lies beside a film while it goes through a chain: masks, and the survey."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp

from zoo.chain import Chain
from zoo.film import plan, survey
from zoo.film.plan import Options
from zoo.film.read import masks
from zoo.film.read.source import Film
from zoo.steps.step import Aside, Mask, Step
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

    return Aside(survey=found, masks=mask_of)


def control(film: Film, options: Options, frames: int | None) -> Callable[[int], masks.Mask] | None:
    """number of a frame -> where the chain may change it; None where that is everywhere."""
    return options.mask and masks.reader(options.mask, film.height, film.width, frames)


def check(film: Film, options: Options, frames: int | None) -> None:
    """Raises, before any work, what stands against it."""
    survey.check(options.chain, film)
    control(film, options, frames)
    beside = of(film, options.chain, frames)
    for step in _masked(options.chain):
        beside.of(step)


def check_counts(options: Options, frames: int) -> None:
    """Raises InputError where there are more masks than frames of a film that was read to its end."""
    for path in masks_of(options):
        masks.check_count(path, frames)


def masks_of(options: Options) -> list[Path]:
    """What all masks are read from."""
    return [path for path in (options.mask, *map(_masks_of, _masked(options.chain))) if path]


def _masked(chain: Chain) -> list[Step]:
    return [step for step in chain.steps if getattr(step, "mask", None)]


def _masks_of(step: Step) -> Path:
    return step.mask  # type: ignore[attr-defined]
