"""Work in threads: in order, a few items ahead, and nothing left half done."""

import threading
from collections.abc import Iterator
from itertools import count, islice

import pytest

from episodes.threads import map_in_threads


def test_results_keep_their_order() -> None:
    gate = threading.Event()

    def call(item: int) -> int:
        if item == 0:
            gate.wait(5)  # until a later one is done
        else:
            gate.set()
        return -item

    assert list(map_in_threads(call, range(10), workers=3)) == [-item for item in range(10)]


def test_only_a_few_are_begun_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in count():
            taken.append(item)
            yield item

    results = map_in_threads(str, items(), workers=2)
    assert taken == []
    assert list(islice(results, 5)) == list("01234")
    assert len(taken) == 7


def test_calls_are_made_in_threads_and_items_taken_in_the_callers() -> None:
    takers: list[int] = []

    def items() -> Iterator[int]:
        takers.append(threading.get_ident())
        yield 1

    (maker,) = map_in_threads(lambda _: threading.get_ident(), items())
    assert takers == [threading.get_ident()] != [maker]


@pytest.mark.parametrize("ending", [KeyboardInterrupt, ValueError])
def test_what_has_begun_is_done_when_the_items_fail(ending: type[BaseException]) -> None:
    gate, done = threading.Event(), list[int]()

    def call(item: int) -> None:
        gate.wait(5)
        done.append(item)

    def items() -> Iterator[int]:
        yield from (1, 2)
        gate.set()
        raise ending

    with pytest.raises(ending):
        list(map_in_threads(call, items(), workers=2))
    assert sorted(done) == [1, 2]


def test_an_error_of_a_call_comes_in_its_place() -> None:
    results = map_in_threads(lambda item: 1 // item, [1, 0, 1], workers=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_what_has_begun_is_done_when_no_more_is_asked_for() -> None:
    done: list[int] = []
    results = map_in_threads(done.append, range(9), workers=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert sorted(done) == [0, 1, 2]
