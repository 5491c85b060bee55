"""The survey of a film: one pass of decoding before the work, kept beside the segments."""

import contextlib
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from zoo import color, files
from zoo.chain import Chain, name_of
from zoo.color import Layout
from zoo.errors import FlagError
from zoo.film.read.source import PIPE, Film, Frame
from zoo.film.write.parts import Parts
from zoo.survey import ROW, Survey, measured

_AT_ONCE = 8  # frames


def wanted(chain: Chain) -> list[str]:
    """The steps of a chain that need one."""
    return [name_of(step) for step in chain.steps if "survey" in step.needs]


def check(chain: Chain, film: Film) -> None:
    """Raises FlagError for a film that cannot be read twice."""
    if film.name == PIPE and (names := wanted(chain)):
        raise FlagError(
            f"{names[0]} looks at the whole film first, and standard input can be read once; name a file, or "
            + next(
                getattr(step, "unsurveyed", f"leave {names[0]} out") for step in chain.steps if "survey" in step.needs
            )
        )


def made(
    frames: Iterable[tuple[int, Frame]], layout: Layout, retried: Callable[[Callable[[], Any]], Any]
) -> Iterator[np.ndarray]:
    """Rows of a survey, some frames at a time. `retried`: see `zoo.tiles.retried`."""
    last = None
    groups = iter(frames)
    while some := list(itertools.islice(groups, _AT_ONCE)):
        before = some[0] if last is None else last
        shown = [before, *some] + [some[-1]] * (_AT_ONCE - len(some))  # one shape, one program

        def work(shown: list[tuple[int, Frame]] = shown) -> dict[str, np.ndarray]:
            planes = zip(*(frame.planes for _, frame in shown), strict=True)
            lumas = color.luma(tuple(jnp.asarray(np.stack(plane)) for plane in planes), layout=layout)
            return jax.device_get(measured(lumas))

        found = retried(work)
        rows = np.zeros(len(some), ROW)
        for key, values in found.items():
            rows[key] = values[: len(some)]
        rows["number"], rows["context"] = zip(*((number, frame.context) for number, frame in some), strict=True)
        if last is None:
            rows["new"][0] = 1  # nothing is before it
        last = some[-1]
        yield rows


def of(
    frames: Iterable[tuple[int, Frame]],
    layout: Layout,
    retried: Callable[[Callable[[], Any]], Any],
    progress: Callable[[int], None],
) -> Survey:
    """The survey of frames, which come with their numbers. `progress(done)` is called on the way."""
    done, rows = 0, []
    for some in made(frames, layout, retried):
        rows.append(some)
        progress(done := done + len(some))
    return Survey(np.concatenate(rows))


def kept(parts: Parts, depends: Any, make: Callable[[], Survey]) -> Survey:
    """The survey that lies beside the segments, made where there is none yet: once, whatever processes there are.
    `depends`: all that it depends on, as JSON."""
    name = hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:16]
    with parts.surveying() as folder:
        path = folder / f"survey-{name}.npy"
        if (found := read(path)) is None:
            found = make()
            keep(path, found)
    return found


def read(path: Path) -> Survey | None:
    """A survey that was kept; None where there is none, or what is there is none."""
    with contextlib.suppress(OSError, ValueError, EOFError):
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
        if rows.dtype == ROW and rows.ndim == 1 and len(rows) and _whole(rows):
            return Survey(np.array(rows))
    return None


def _whole(rows: np.ndarray) -> bool:
    """Whether numbers follow one another and measures are numbers."""
    follow = (np.diff(rows["number"]) == 1).all()
    return bool(follow and all(np.isfinite(rows[key]).all() for key in ROW.names or () if ROW[key].base.kind == "f"))


def keep(path: Path, survey: Survey) -> None:
    """Writes a survey, whole."""
    with files.whole(path) as part, part.open("wb") as file:
        np.save(file, survey.rows, allow_pickle=False)
