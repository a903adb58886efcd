"""Reading and writing in threads, ahead of and behind the work of the main one."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

WORKERS = min(4, os.cpu_count() or 1)


def map_in_threads(call: Callable[[T], R], items: Iterable[T], workers: int = WORKERS) -> Iterator[R]:
    """`map(call, items)`, but the calls are made in threads, a few items ahead (`workers`) of what is asked for.

    The items are taken in the caller's thread, so one may feed another: of
    `map_in_threads(write, map(work, map_in_threads(read, names)))` threads read and write, and the caller's works.
    However it ends (by an error of a call or of the items, by Ctrl-C, or because no more is asked for), the calls that
    have begun are waited for: nothing is left half done.

    >>> list(map_in_threads(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    with ThreadPoolExecutor(workers) as pool:
        begun: deque[Future[R]] = deque()
        for item in items:
            begun.append(pool.submit(call, item))
            if len(begun) > workers:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
