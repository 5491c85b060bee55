"""Work done ahead of its use, in threads with bounded queues: the memory does not grow with the film."""

import contextlib
import queue
import threading
from collections.abc import Generator, Iterable
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
