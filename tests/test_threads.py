import contextlib
import threading

import pytest

from zoo.film.threads import ahead, behind


def test_items_come_in_order_and_few_wait():
    most, made, used = 0, 0, []

    def items():
        nonlocal made
        while made < 100:
            made += 1
            yield made

    def use(taken):
        nonlocal most
        for item in taken:
            most = max(most, made - item)
            used.append(item)

    behind(items(), 3, use)
    assert used == [*range(1, 101)]
    assert most <= 3 + 2  # and the one in the hand of either side
    made = 0
    with contextlib.closing(ahead(items(), 3)) as taken:
        assert [*taken] == used


def test_items_are_made_in_the_calling_thread_and_used_in_another():
    made, used = [], []

    def items():
        made.append(threading.current_thread())
        yield

    behind(items(), 1, lambda taken: used.extend(threading.current_thread() for _ in taken))
    assert made == [threading.current_thread()] != used
    assert not used[0].is_alive()


@pytest.mark.parametrize("problem", [ValueError("no frame"), KeyboardInterrupt()])
def test_who_uses_hears_what_became_of_the_making(problem):
    heard = []

    def items():
        yield from range(9)
        raise problem

    def use(taken):
        try:
            for _ in taken:
                pass
        except BaseException as e:
            heard.append(e)
            raise RuntimeError("could not tidy up") from e

    with pytest.raises(type(problem)):
        behind(items(), 2, use)
    assert heard == [problem]


def test_what_breaks_in_use_ends_the_making():
    made, closed = [], []

    def items():
        try:
            for k in range(1000):
                made.append(k)
                yield k
        finally:
            closed.append(True)

    def use(taken):
        for item in taken:
            if item == 5:
                raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        behind(items(), 2, use)
    assert closed
    assert len(made) <= 5 + 2 + 3
