"""A painted line, such as a wire, followed from frame to frame.

Across the line, at many points along it, the picture is compared with what the line looked like where it was painted
and a frame ago. Of all shifts and turns of the whole line the best is taken; then each point moves on its own, its
neighbours with it (dynamic programming); then a smooth change of the painted shape is fitted. That says nothing of
movement along the line: an end that lies in the picture is looked for along it, by a patch around it.

Places are (x, y) in pixels; the centre of the first pixel is (0, 0). Frames are arrays [h w c] of 8 bits.
"""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

_STEP_PX = 0.5  # between samples across the line
_POINTS = 24, 160  # along it: the fewest, the most
_REACH_PX, _REACH = 10, 1 / 43  # across the line: at least, and as a share of the picture's width
_FREE_PX = 2.5  # that a point moves on its own
_BEND_COST = 4.0  # codes, of a pixel between neighbours
_FAR_COST = 0.02  # codes, of a square pixel from where the line was
_MOST_UNLIKE, _MOST_CONTRAST = 40.0, 30.0  # codes that count
_CONTRAST = 0.5  # how much a line that stands out counts beside one that looks alike
_KEY, _RECENT = 0.5, 0.2  # shares of the painted look and of the newest one
_BEND = 2  # order of the polynomial by which the shape changes
_PATCH_PX, _SLIDE_PX = 10, 8  # half the side of the patch around an end, and how far that slides in a frame
_SLIDE_COST = 0.15  # codes, of a pixel of it

Line = Float[np.ndarray, "_ 2"]
Frame = Shaped[np.ndarray, "h w c"]
Frames = Shaped[np.ndarray, "t h w c"]


class Followed(NamedTuple):
    """A line in one frame. `unlike`: how little it looks as it did, in codes: large where it was lost."""

    line: Line
    unlike: float


def resampled(line: Line, count: int | None = None) -> Line:
    """So many points at equal distances along it."""
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
    count = count or int(np.clip(along[-1] / 2, *_POINTS))
    at = np.linspace(0, along[-1], count)
    return np.stack([np.interp(at, along, line[:, k]) for k in range(2)], 1)


def followed(frames: Frames, line: Line, width_px: float) -> list[Followed]:
    """The line in each frame; it is painted on the first."""
    key = resampled(line)
    tracker = _Tracker(frames[0], key, width_px)
    return [Followed(key, 0.0), *map(tracker.follow, frames[1:])]


def through(frames: Frames, painted: Mapping[int, Line], width_px: float) -> list[Followed]:
    """The line in every frame of a shot, painted on some of them: followed both ways from each, and between two of them
    the nearer counts more."""
    keys, found = sorted(painted), []
    before = followed(frames[keys[0] :: -1], painted[keys[0]], width_px)
    found += before[:0:-1]
    for a, b in itertools.pairwise(keys):
        forth = followed(frames[a : b + 1], painted[a], width_px)
        back = followed(frames[a : b + 1][::-1], painted[b], width_px)[::-1]
        found += [_between(x, y, k / (b - a)) for k, (x, y) in enumerate(zip(forth, back, strict=True))][:-1]
    return found + followed(frames[keys[-1] :], painted[keys[-1]], width_px)


def _between(one: Followed, other: Followed, share: float) -> Followed:
    line = (1 - share) * one.line + share * resampled(other.line, len(one.line))
    return Followed(line, min(one.unlike, other.unlike))


class _Tracker:
    def __init__(self, frame: Frame, key: Line, width_px: float):
        self._key, self._line, self._half = key, key, width_px / 2 + 0.5
        self._reach = max(_REACH_PX, _REACH * frame.shape[1])
        self._look = self._recent = _across(frame, key, self._half)
        self._ends = {end: _patch(frame, key[end]) for end in (0, -1) if _within(key[end], frame)}

    def follow(self, frame: Frame) -> Followed:
        around = _across(frame, self._line, self._half + self._reach)
        cost, offsets = self._costs(around)
        path = _path(cost, offsets)
        moved = self._line + path[:, None] * _normals(self._line)
        line = self._key + _smooth(moved - self._key)
        for end, patch in self._ends.items():
            line, self._ends[end] = _slid(frame, line, end, patch)
        self._line = line
        seen = _across(frame, line, self._half)
        unlike = float(np.abs(seen - self._look).mean())
        self._recent = (1 - _RECENT) * self._recent + _RECENT * seen
        return Followed(line, unlike)

    def _costs(self, around: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(of each point and offset how unlike the line it is, the offsets in pixels)."""
        look = _KEY * self._look + (1 - _KEY) * self._recent
        inner, count = look.shape[1], around.shape[1] - look.shape[1] + 1
        windows = np.lib.stride_tricks.sliding_window_view(around, inner, axis=1)  # [n m c inner]
        unlike = np.abs(windows - look.swapaxes(1, 2)[:, None]).mean((2, 3))
        grey, side = around.mean(-1), round(1 / _STEP_PX)
        middle, at = grey[:, inner // 2 :][:, :count], np.arange(count)
        flanks = grey[:, np.maximum(0, at - side)], grey[:, np.minimum(grey.shape[1] - 1, at + inner - 1 + side)]
        contrast = np.minimum(*(np.abs(middle - flank) for flank in flanks))
        cost = np.minimum(unlike, _MOST_UNLIKE) - _CONTRAST * np.minimum(contrast, _MOST_CONTRAST)
        padded = np.pad(cost, ((2, 2), (0, 0)), mode="edge")
        cost = sum(w * padded[k : k + len(cost)] for k, w in enumerate((1, 4, 6, 4, 1))) / 16
        offsets = (at - count // 2) * _STEP_PX
        return cost + _FAR_COST * offsets**2, offsets


def _path(cost: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The offset of each point: near the best shift and turn of all, neighbours alike."""
    count, middle = len(cost), len(offsets) // 2
    reach = -offsets[0]
    shifts = np.arange(-0.8 * reach, 0.8 * reach + 0.1, _STEP_PX)
    turns = np.arange(-0.5 * reach, 0.5 * reach + 0.1, 1.0)
    both = np.stack(np.meshgrid(shifts, turns, indexing="ij"), -1).reshape(-1, 2)
    along = np.linspace(-1, 1, count)
    index = np.rint((both[:, :1] + both[:, 1:] * along) / _STEP_PX).astype(int) + middle
    index = index.clip(0, len(offsets) - 1)
    best = index[np.argmin(cost[np.arange(count), index].mean(1))]
    free = round(_FREE_PX / _STEP_PX)
    near = (best[:, None] + np.arange(-free, free + 1)).clip(0, len(offsets) - 1)
    near_cost = np.take_along_axis(cost, near, 1)
    bend = _BEND_COST * np.abs(offsets[near[1:, :, None]] - offsets[near[:-1, None, :]])  # [k, here, before]
    total, back = near_cost[0], []
    for k in range(1, count):
        sums = total[None] + bend[k - 1]
        back.append(sums.argmin(1))
        total = sums.min(1) + near_cost[k]
    place = int(total.argmin())
    chosen = [place]
    for row in back[::-1]:
        chosen.append(place := int(row[place]))
    return offsets[near[np.arange(count), chosen[::-1]]]


def _smooth(change: Line) -> Line:
    """The polynomial that most of a change along the line follows."""
    powers = np.linspace(-1, 1, len(change))[:, None] ** np.arange(_BEND + 1)
    weight, fit = np.ones(len(change)), change
    for _ in range(8):
        fit = powers @ np.linalg.lstsq(powers * weight[:, None], change * weight[:, None], rcond=None)[0]
        weight = 1 / np.sqrt(1 + np.sum((fit - change) ** 2, 1))
    return fit


def _slid(frame: Frame, line: Line, end: int, patch: np.ndarray) -> tuple[Line, np.ndarray]:
    """The line, longer or shorter at one end, as far as the patch around it says; and the patch as it is there."""
    beside = line[1 if end == 0 else -2]
    along = (line[end] - beside) / (np.linalg.norm(line[end] - beside) + 1e-9)
    slides = np.arange(-_SLIDE_PX, _SLIDE_PX + 0.1, _STEP_PX)
    cost = [
        np.abs(_patch(frame, line[end] + slide * along) - patch).mean() + _SLIDE_COST * abs(slide) for slide in slides
    ]
    slide = slides[int(np.argmin(cost))]
    length = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
    slide = max(slide, -length / 4)
    share = np.linspace(1, 0, len(line)) if end == 0 else np.linspace(0, 1, len(line))
    line = line + (share * slide)[:, None] * along
    return line, 0.5 * patch + 0.5 * _patch(frame, line[end])


def _across(frame: Frame, line: Line, reach: float) -> Float[np.ndarray, "n m c"]:
    """The picture across the line."""
    count = round(reach / _STEP_PX)
    offsets = np.arange(-count, count + 1) * _STEP_PX
    return _read(frame, line[:, None] + offsets[None, :, None] * _normals(line)[:, None])


def _normals(line: Line) -> Line:
    along = np.gradient(line, axis=0)
    along = along / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)
    return np.stack([-along[:, 1], along[:, 0]], 1)


def _patch(frame: Frame, at: np.ndarray) -> Float[np.ndarray, "p p c"]:
    offsets = np.arange(-_PATCH_PX, _PATCH_PX + 1, 2.0)
    return _read(frame, at + np.stack(np.meshgrid(offsets, offsets), -1))


def _within(at: np.ndarray, frame: Frame) -> bool:
    height, width = frame.shape[:2]
    return bool(_PATCH_PX / 2 < at[0] < width - _PATCH_PX / 2 and _PATCH_PX / 2 < at[1] < height - _PATCH_PX / 2)


def _read(frame: Frame, at: Float[np.ndarray, "*n 2"]) -> np.ndarray:
    """The picture between its pixels; its edge is continued."""
    height, width = frame.shape[:2]
    low = np.floor(at).astype(int)
    right, down = (at[..., k : k + 1] - low[..., k : k + 1] for k in range(2))
    column, row = low[..., 0], low[..., 1]
    get = lambda y, x: frame[y.clip(0, height - 1), x.clip(0, width - 1)].astype(np.float32)
    upper = get(row, column) * (1 - right) + get(row, column + 1) * right
    lower = get(row + 1, column) * (1 - right) + get(row + 1, column + 1) * right
    return upper * (1 - down) + lower * down


def drawn(line: Line, width_px: float, height: int, width: int) -> Shaped[np.ndarray, "h w"]:
    """True within half the width of a line."""
    out, half = np.zeros((height, width), bool), width_px / 2
    for a, b in zip(line[:-1], line[1:], strict=True):
        low, high = np.minimum(a, b) - half, np.maximum(a, b) + half
        left, top = np.floor(low).astype(int).clip(0)
        right, bottom = np.minimum(np.ceil(high).astype(int) + 1, (width, height))
        if left >= right or top >= bottom:
            continue
        at = np.stack(np.meshgrid(np.arange(left, right), np.arange(top, bottom)), -1)
        share = ((at - a) @ (b - a) / max(float((b - a) @ (b - a)), 1e-9)).clip(0, 1)
        out[top:bottom, left:right] |= np.linalg.norm(at - a - share[..., None] * (b - a), axis=-1) <= half
    return out
