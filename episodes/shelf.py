"""Photographs for an evaluation: read ahead in threads, prepared once, kept while there is room."""

import os
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, replace
from itertools import islice
from typing import Any, Self, TypeVar

from torch import Tensor

from episodes.episode import Episode, Photograph

T = TypeVar("T")
Load = Callable[[str, int], Photograph]
Prepare = Callable[[Sequence[Photograph]], Sequence[Any]]
AHEAD = 2
"""Batches of episodes whose photographs are read while an earlier one is worked on."""
TOGETHER = 8
"""Photographs that are worked on in one call, at most."""


class Shelf:
    """Serves the photographs of one evaluation, in which the geometry is fixed, so that an id is enough for a key.

    Photographs that were prepared are kept, the least recently used leaving first; without `prepare` none is.

    Args:
        prepare: What a method makes of photographs, found later in `Photograph.prepared`. The pixels of a prepared
            photograph are dropped, its labels stay.
        limit: Bytes of prepared photographs that are kept. Those of the batch at hand are there in any case.
    """

    def __init__(self, prepare: Prepare | None, limit: int) -> None:
        self._prepare, self._limit, self._bytes = prepare, limit, 0
        self._kept: OrderedDict[str, tuple[Photograph, int]] = OrderedDict()
        self._reading: dict[str, Future[Photograph]] = {}
        self._threads = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "photographs")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def batches(self, episodes: Iterable[Episode], size: int) -> Iterator[list[tuple[Episode, Episode]]]:
        """Episodes in batches of `size`, in order: each as it came, and with its photographs from the shelf."""
        coming = chunks(episodes, size)
        window: deque[list[Episode]] = deque()
        while True:
            for more in islice(coming, AHEAD + 1 - len(window)):
                window.append(more)
                for id, (load, slot) in _wanted(more).items():
                    self._read(id, load, slot)
            if not window:
                return
            now = window.popleft()
            yield list(zip(now, self._serve(now), strict=True))

    def _read(self, id: str, load: Load, slot: int) -> None:
        if id not in self._kept and id not in self._reading:
            self._reading[id] = self._threads.submit(load, id, slot)

    def _serve(self, batch: list[Episode]) -> list[Episode]:
        wanted = _wanted(batch)
        held = {id: self._use(id) for id in wanted if id in self._kept}
        missing = [id for id in wanted if id not in held]
        for id in missing:  # most are being read; not those that have left since they were looked for
            self._read(id, *wanted[id])
        for ids in chunks(missing, TOGETHER):
            photographs = [self._reading.pop(id).result() for id in ids]
            if self._prepare is not None:
                prepared = self._prepare(photographs)
                photographs = [
                    replace(photograph, image=photograph.image.new_empty(3, 0, 0), prepared=made)
                    for photograph, made in zip(photographs, prepared, strict=True)
                ]
                for photograph in photographs:
                    self._keep(photograph)
            held |= zip(ids, photographs, strict=True)

        def load(id: str, slot: int) -> Photograph:
            return held[id]

        return [replace(episode, load=load) for episode in batch]

    def _use(self, id: str) -> Photograph:
        self._kept.move_to_end(id)
        return self._kept[id][0]

    def _keep(self, photograph: Photograph) -> None:
        size = bytes_of([getattr(photograph, field.name) for field in fields(photograph)])
        self._kept[photograph.id] = (photograph, size)
        self._bytes += size
        while self._bytes > self._limit:
            _, (_, freed) = self._kept.popitem(last=False)
            self._bytes -= freed


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items; the last may be shorter.

    >>> list(chunks("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _wanted(batch: Iterable[Episode]) -> dict[str, tuple[Load, int]]:
    """Id -> how to load it and its first slot, for every photograph of the episodes, each once."""
    wanted: dict[str, tuple[Load, int]] = {}
    for episode in batch:
        for slot, id in enumerate(episode.spec.slots):
            wanted.setdefault(id, (episode.load, slot))
    return wanted


def bytes_of(content: Any) -> int:
    """Bytes of the tensors in a value, also inside lists, tuples and dicts."""
    if isinstance(content, Tensor):
        return content.nbytes
    if isinstance(content, Mapping):
        content = content.values()
    elif not isinstance(content, list | tuple):
        return 0
    return sum(bytes_of(part) for part in content)
