"""Work done ahead of its use, in threads with bounded queues: the memory does not grow with the film."""

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_END = object()
_POLL_S = 0.1


def ahead(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    """The same items, made in a thread of their own, at most `depth` of them ahead.

    What the thread raises is raised here. Closing this generator ends the thread and closes `items`.
    """
    made: queue.Queue[Any] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: Any) -> bool:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                made.put(item, timeout=_POLL_S)
                return True
        return False

    def work():
        try:
            for item in items:
                if not put((item, None)):
                    break
            else:
                put((_END, None))
        except BaseException as e:
            put((_END, e))
        finally:
            if hasattr(items, "close"):
                items.close()  # type: ignore[attr-defined]

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, problem = made.get()
            if problem is not None:
                raise problem
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        thread.join()


def behind(items: Iterable[T], depth: int, use: Callable[[Iterator[T]], None]) -> None:
    """`use(items)` in a thread of its own, while they are made here, at most `depth` of them ahead of their use.

    What `use` raises is raised here, and ends the making; what the making raises, `use` gets too, from its iterator, so
    that it can tidy up. `items` are closed.
    """
    made: queue.Queue[Any] = queue.Queue(depth)
    failed: list[BaseException] = []  # the making
    broken: list[BaseException] = []  # the use
    ended = threading.Event()

    def taken() -> Iterator[T]:
        while not failed and (item := made.get()) is not _END:
            yield item
        if failed:
            raise failed[0]

    def put(item: Any):
        while not ended.is_set():
            with contextlib.suppress(queue.Full):
                return made.put(item, timeout=_POLL_S)

    def work():
        try:
            use(taken())
        except BaseException as e:
            broken.append(e)
        finally:
            ended.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        for item in items:
            put(item)
            if ended.is_set():
                break
    except BaseException as e:
        failed.append(e)
    finally:
        if hasattr(items, "close"):
            items.close()  # type: ignore[attr-defined]
        put(_END)
        thread.join()
    if failed or broken:
        raise (failed or broken)[0]


@contextlib.contextmanager
def ordinary() -> Iterator[None]:
    """Threads that the block makes real-time become ordinary ones. Where it may, as root in a container, SVT-AV1 makes
    its own and the caller's so, and they then starve everything else on the machine."""
    before = _real_time()
    yield
    for thread in _real_time() - before:
        with contextlib.suppress(OSError):  # ended meanwhile
            os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _real_time() -> set[int]:
    """The threads of this process that are scheduled before all ordinary ones; none where there is no telling."""
    found = set()
    for task in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(OSError):
            if os.sched_getscheduler(int(task.name)) in (os.SCHED_FIFO, os.SCHED_RR):
                found.add(int(task.name))
    return found
