"""How far a film is: a line on a terminal, JSON lines for programs, nothing in a pipe."""

import collections
import json
import sys
import time
from typing import Any

from zoo.errors import visible

_WINDOW_S = 30.0
_EVERY_S = {"line": 0.2, "json": 1.0}


class Progress:
    """Called with (frames done, of how many or None, what is done if it is not the work itself, such as "survey").
    `mode`: auto (a line on a terminal), json or off."""

    def __init__(self, mode: str, name: str):
        self._kind = "json" if mode == "json" else "line" if mode == "auto" and sys.stderr.isatty() else None
        self._name, self._shown, self._wrote = visible(name), 0.0, False
        self._times: collections.deque[tuple[float, int]] = collections.deque()
        self._last: tuple[int, int | None] | None = None
        self._doing: str | None = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: Any):
        if self._last and self._kind:
            self._show(*self._last)
        if self._wrote and self._kind == "line":
            print(file=sys.stderr)

    def __call__(self, frame: int, of: int | None, doing: str | None = None):
        now = time.monotonic()
        if doing != self._doing:
            self._times.clear()
            self._doing = doing
        self._times.append((now, frame))
        while len(self._times) > 2 and now - self._times[0][0] > _WINDOW_S:
            self._times.popleft()
        self._last = frame, of
        if self._kind and now - self._shown >= _EVERY_S[self._kind]:
            self._shown = now
            self._show(frame, of)

    def _show(self, frame: int, of: int | None):
        (begun, first), (now, last) = self._times[0], self._times[-1]
        fps = (last - first) / (now - begun) if now > begun else None  # of the last half minute
        left = None if fps is None or of is None else max(of - frame, 0) / fps
        self._wrote = True
        if self._kind == "json":
            percent = None if of is None else round(100 * frame / of, 2)
            state = {"frame": frame, "of": of, "percent": percent, "fps": fps, "eta_s": left}
            state |= {"doing": self._doing} if self._doing else {}
            print(json.dumps(state), file=sys.stderr, flush=True)
            return
        share = "" if of is None else f"/{of} ({100 * frame / of:.2f}%)"
        clock = "" if left is None else f" eta={_clock(left)}"
        speed = "" if fps is None else f" fps={fps:.3g}"
        name = f"{self._name} {self._doing}" if self._doing else self._name
        print(f"\r{name} frame={frame}{share}{speed}{clock}   ", end="", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    """`00:26:14`; a reel may take days: `100:26:14`."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
