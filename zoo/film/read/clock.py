"""One clock for all streams of a film, from its first time to its last.

Transport and program streams, of which recordings and DVDs are made, count their times in 33 bits from any number, and
begin anew where recordings were joined. What every stream has before and after such a place is found here, and by how
much all of them are moved from there, so that pictures go on one frame later and sound stays in step with them.
"""

import bisect
import collections
import dataclasses
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from av.error import FFmpegError

from zoo.film import pyav

KINDS = ("mpegts", "mpeg")  # FFmpeg's names of those whose times may begin anew
_WRAP = 2**33  # ticks after which their times begin again
_BACK, _ON = Fraction(1, 10), 3600  # seconds back or on from which times begin anew; a shorter gap on is a loss
_STRAY = 4  # packets of a wrong time, after which the old ones go on, at most
_FLAGGED = 2  # packets before a joint that FFmpeg may take for damaged, as their numbers do not go on
_NEAR = 1  # second: a packet so near after another belongs to it
_INTERLEAVED = 2  # seconds: sound may come so much before or after its pictures, at most
_LATE = 10  # seconds: a clock of these kinds that begins later began elsewhere


@dataclasses.dataclass(frozen=True)
class Joint:
    """A place from which all streams are moved. `frame`: its number in the film. `packets`: (index of a stream, number
    of its first packet there); none: from the beginning. `seconds`: added to all times from there."""

    frame: int
    packets: tuple[tuple[int, int], ...]
    seconds: Fraction


@dataclasses.dataclass
class _Run:
    """Packets of one stream whose times follow one another. `first`: the number of the first of them, before which
    `pictures` packets of pictures came; the rest in seconds, `begin` and `end` of what is shown."""

    first: int
    pictures: int
    count: int = 0
    decoded_first: Fraction = Fraction(0)
    decoded_last: Fraction = Fraction(0)
    begin: Fraction = Fraction(0)
    end: Fraction = Fraction(0)

    def is_followed_by(self, at: Fraction) -> bool:
        return self.decoded_last - _BACK <= at <= max(self.end, self.decoded_last) + _ON

    def add(self, decoded: Fraction, shown: Fraction, length: Fraction):
        if not self.count:
            self.decoded_first = decoded
            self.begin, self.end = shown, shown + length
        self.count += 1
        self.decoded_last = decoded
        self.begin, self.end = min(self.begin, shown), max(self.end, shown + length)


def scan(container: Any, pictures: Any, rate: Fraction) -> tuple[tuple[Joint, ...], Fraction | None]:
    """(where the times of a film begin anew, when its last picture ends). Reads all its packets."""
    runs, counts, snapshots = collections.defaultdict(list), collections.Counter(), [{}]
    unwrapped = Clock((), wraps=True)
    for packet in _packets(container):
        index, number = packet.stream_index, counts[packet.stream_index]
        counts[index] += 1
        unwrapped.set(packet)
        at = packet.pts if packet.dts is None else packet.dts
        if at is None or packet.stream.type not in ("video", "audio"):
            continue
        tick, known = pyav.exact(packet.time_base), runs[index]
        if len(known) > 1 and _strayed(known[-1], at * tick) and known[-2].is_followed_by(at * tick):
            known.pop()  # they had only gone astray
            if index == pictures.index:
                snapshots.pop()
        if not known or not known[-1].is_followed_by(at * tick):
            known.append(_Run(number, counts[pictures.index]))
            if index == pictures.index:
                snapshots.append(dict(counts) | {index: number})
        shown = at if packet.pts is None else packet.pts
        length = (packet.duration or 0) * tick or (1 / rate if index == pictures.index else Fraction(0))
        known[-1].add(at * tick, shown * tick, length)
    if not runs[pictures.index]:
        return (), None
    joints = _joined(runs, snapshots[1:], pictures.index, rate)
    begins = [known[0].begin for known in runs.values() if known]
    joints = moved(joints, -min(begins) if min(begins) < 0 or min(begins) > _LATE else Fraction(0))
    last = joints[-1].seconds if joints else Fraction(0)
    return joints, runs[pictures.index][-1].end + last


def _strayed(run: _Run, at: Fraction) -> bool:
    """Whether a run had a wrong time, as far as the next packet's time tells."""
    return run.count <= _STRAY and not run.decoded_last - _BACK <= at <= run.end + _NEAR


def _packets(container: Any) -> Iterable[Any]:
    packets = container.demux()
    while True:
        try:
            packet = next(packets)
        except (StopIteration, FFmpegError):  # it ends, or breaks off
            return
        if packet.size:
            yield packet


def _joined(
    runs: dict[int, list[_Run]], snapshots: list[dict[int, int]], pictures: int, rate: Fraction
) -> tuple[Joint, ...]:
    """A joint for each run of pictures after the first. `snapshots`: of each run of pictures, the packets of every
    stream that came before it."""
    joints, seconds = [], Fraction(0)
    for k in range(1, len(runs[pictures])):
        before, after = runs[pictures][k - 1 : k + 1]
        firsts = dict(snapshots[k])
        least = before.end - after.begin
        for index, known in runs.items():
            near = [n for n in range(1, len(known)) if abs(known[n].pictures - after.first) <= _INTERLEAVED * rate]
            if index != pictures and near:
                n = min(near, key=lambda n: abs(known[n].pictures - after.first))
                firsts[index] = known[n].first
                least = max(least, known[n - 1].decoded_last - known[n].decoded_first + Fraction(1, 90000))
        seconds += least
        joints.append(Joint(after.first, tuple(sorted(firsts.items())), seconds))
    return tuple(joints)


def moved(joints: tuple[Joint, ...], seconds: Fraction) -> tuple[Joint, ...]:
    """The joints of a film all of which is moved by so much."""
    if not seconds:
        return joints
    return (Joint(0, (), seconds), *(dataclasses.replace(j, seconds=j.seconds + seconds) for j in joints))


class Clock:
    """Puts the packets of a film's streams on one clock, in the order in which the file has them. `wraps`: whether
    times are counted in 33 bits."""

    def __init__(self, joints: tuple[Joint, ...], *, wraps: bool):
        self._joints, self._counts = joints, collections.Counter()
        self._wraps, self._last = wraps, None

    def set(self, packet: Any) -> bool:
        """Moves one packet; all those before it, if of its stream, were given. Returns whether it stands
        just before a joint, where FFmpeg takes packets for damaged."""
        if not packet.size:
            return False
        if self._wraps:
            packet.pts, packet.dts = self._unwrapped(packet.pts), self._unwrapped(packet.dts)
        index, number = packet.stream_index, self._counts[packet.stream_index]
        self._counts[index] += 1
        first = lambda joint: dict(joint.packets).get(index, 0)
        past = bisect.bisect_right(self._joints, number, key=first)
        if past:
            ticks = round(self._joints[past - 1].seconds / pyav.exact(packet.time_base))
            packet.pts, packet.dts = (None if t is None else t + ticks for t in (packet.pts, packet.dts))
        return past < len(self._joints) and number >= first(self._joints[past]) - _FLAGGED

    def _unwrapped(self, ticks: int | None) -> int | None:
        """The time nearest to the one before that is the same in 33 bits."""
        if ticks is not None and self._last is not None:
            ticks = self._last + (ticks - self._last + _WRAP // 2) % _WRAP - _WRAP // 2
        self._last = self._last if ticks is None else ticks
        return ticks


def notes(joints: tuple[Joint, ...]) -> list[str]:
    """What is moved, in sentences without their full stops and their subject, the film."""
    said, before = [], Fraction(0)
    for joint in joints:
        by, before = joint.seconds - before, joint.seconds
        move = f"all streams are moved {_seconds(abs(by))} {'later' if by > 0 else 'earlier'}"
        if joint.packets:
            said.append(f"has times that begin anew at frame {joint.frame}: {move} from there")
        else:
            begins = "before time 0" if by > 0 else f"at {_seconds(-by)} of its clock"
            said.append(f"begins {begins}: {move}, so that the first of them begins at 0")
    return said


def _seconds(time: Fraction) -> str:
    return f"{float(time):.6f}".rstrip("0").rstrip(".") + " s"
