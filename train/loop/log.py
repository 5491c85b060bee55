"""What a run says: a progress line for people, `metrics.jsonl` for programs, TensorBoard events where asked."""

import contextlib
import dataclasses
import json
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from train.loop.settings import Settings
from zoo import checked, files
from zoo.errors import FlagError, InputError, visible

QUIET_S = 10.0  # between lines where standard error is no terminal
_MOST_BYTES = 1 << 30  # of a log; a note has some hundred
RETURN = "\r\x1b[K"  # to the start of a terminal's line, and clear it


def say(sentence: str) -> None:
    """A line of its own, from the first process alone."""
    if jax.process_index() == 0:
        print((RETURN if sys.stderr.isatty() else "") + visible(sentence), file=sys.stderr, flush=True)


def counter(what: str) -> Callable[[int, int], None]:
    """A callback (done, total) that shows how far something has come."""
    last = [time.monotonic()]

    def show(done: int, total: int) -> None:
        now = time.monotonic()
        if jax.process_index() == 0 and sys.stderr.isatty():
            print(f"{RETURN}{what}: {done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)
        elif done == total or now - last[0] > QUIET_S:
            last[0] = now
            say(f"{what}: {done}/{total}")

    return show


class Log:
    """`metrics.jsonl` holds one line a note, in order of steps; notes after `step` (of a run that died) are dropped,
    and that of a run's end, which will come again."""

    def __init__(self, settings: Settings, step: int, total: int):
        self.path, self.total = settings.folder / "metrics.jsonl", total
        self.silent = jax.process_index() != 0
        self._recent: deque[tuple[float, int]] = deque(maxlen=20)
        self._validation, self._last_line = "", 0.0
        self._events: Any = None
        if settings.tensorboard and not self.silent:
            self._events = _events(settings.folder / "tensorboard", step)
        if not self.silent and self.path.exists():
            before = [line for line, note in _notes(self.path) if note and note.step <= step and not note.finished]
            files.write(self.path, b"".join(line + b"\n" for line in before))

    def note(self, step: int, images: int, values: dict[str, Any]) -> None:
        """Adds a line to the log. Values that are not finite become null: JSON has no NaN."""
        if self.silent:
            return
        with self.path.open("a") as f:
            f.write(json.dumps({"step": step, "images": images, **_finite(values)}) + "\n")
        for name, value in values.items() if self._events else ():
            if isinstance(value, float):
                self._events.add_scalar(name, value, images)

    def progress(self, images: int, losses: dict[str, float]) -> None:
        """Shows where the run stands: at once on a terminal, now and then in a file."""
        now = time.monotonic()
        self._recent.append((now, images))
        (t0, n0), terminal = self._recent[0], sys.stderr.isatty()
        rate = (images - n0) / (now - t0) if now > t0 else 0.0
        if self.silent or not (terminal or now - self._last_line > QUIET_S or images >= self.total):
            return
        self._last_line = now
        left = f"{_clock((self.total - images) / rate)}" if rate else "--:--"
        parts = " ".join(f"{k} {v:.4g}" for k, v in losses.items())
        line = f"{images}/{self.total} images  {parts}  {rate:.1f} images/s  eta {left}{self._validation}"
        print(RETURN + line if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)

    def validated(self, found: str) -> None:
        """Shown in the progress lines from now on."""
        self._validation = f"  valid {found}"

    def close(self) -> None:
        if self._events:
            self._events.close()


def _events(folder: Path, step: int) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise FlagError("--tensorboard needs tensorboardX: pip install 'filmzoo[report]'") from None
    return SummaryWriter(str(folder), purge_step=step)


@dataclasses.dataclass(frozen=True)
class Validation:
    """The network on pictures that it does not learn from, dB."""

    restored_db: float | None
    more: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Note:
    """A line of `metrics.jsonl`."""

    step: int
    more: dict[str, Any]
    images: int = 0
    validation: Validation | None = None

    @property
    def finished(self) -> bool:
        return "finished" in self.more


def notes(path: Path) -> list[Note]:
    """What a run noted; a line that is no note is left out."""
    return [note for _, note in _notes(path) if note]


def _notes(path: Path) -> Iterator[tuple[bytes, Note | None]]:
    """The lines of a log; no note for one that was cut short by a kill, or changed."""
    for line in checked.content(path, most=_MOST_BYTES).splitlines():
        note = None
        with contextlib.suppress(InputError):
            note = checked.parse(line, Note, str(path))
        yield line, note


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _clock(seconds: float) -> str:
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m:02}:{s:02}"
