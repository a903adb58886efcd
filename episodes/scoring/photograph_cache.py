"""Photographs for an evaluation: read ahead in threads, prepared once, kept while there is room."""

import os
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, replace
from itertools import islice
from typing import Any, NamedTuple, Self, TypeVar

from torch import Tensor

from episodes.fewshot.episode import AnyPhotograph, Episode, Photograph

T = TypeVar("T")
Load = Callable[[str, int], AnyPhotograph]
Prepare = Callable[[Sequence[Photograph]], Sequence[Any]]
AHEAD = 2
"""Batches of episodes whose photographs are read while an earlier one is worked on."""
TOGETHER = 8
"""Photographs that are worked on in one call, at most."""


class Wanted(NamedTuple):
    """How a photograph is loaded."""

    id: str
    slot: int
    load: Load


class Kept(NamedTuple):
    """A prepared photograph, the bytes that it takes, and `load`, as the key may name what lives in it by address."""

    photograph: AnyPhotograph
    size: int
    load: Load


class PhotographCache:
    """Serves the photographs of evaluations of one method. Those of equal `Episode.key` are loaded and prepared once.

    Photographs that were prepared are kept, the least recently used leaving first; without `prepare` none is.

    Args:
        prepare: What a method makes of photographs, which are then served as `PreparedPhotograph`, without pixels.
        limit: Bytes of prepared photographs that are kept. Those of the batch at hand are there in any case.
    """

    def __init__(self, prepare: Prepare | None, limit: int) -> None:
        self.prepare, self._limit, self._bytes = prepare, limit, 0
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._reading: dict[Hashable, Future[AnyPhotograph]] = {}
        self._threads = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "photographs")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def batches(self, episodes: Iterable[Episode], size: int) -> Iterator[list[tuple[Episode, Episode]]]:
        """Episodes in batches of `size`, in order: each as it came, and with its photographs from the cache."""
        coming = chunks(episodes, size)
        window: deque[list[Episode]] = deque()
        while True:
            for more in islice(coming, AHEAD + 1 - len(window)):
                window.append(more)
                for key, wanted in _wanted(more).items():
                    self._read(key, wanted)
            if not window:
                return
            now = window.popleft()
            yield list(zip(now, self._serve(now), strict=True))

    def _read(self, key: Hashable, wanted: Wanted) -> None:
        if key not in self._kept and key not in self._reading:
            self._reading[key] = self._threads.submit(wanted.load, wanted.id, wanted.slot)

    def _serve(self, batch: list[Episode]) -> list[Episode]:
        wanted = _wanted(batch)
        held = {key: self._use(key) for key in wanted if key in self._kept}
        missing = [key for key in wanted if key not in held]
        for key in missing:  # most are being read; not those that have left since they were looked for
            self._read(key, wanted[key])
        for keys in chunks(missing, TOGETHER):
            photographs = [self._reading.pop(key).result() for key in keys]
            if self.prepare is not None:
                loaded = [photograph for photograph in photographs if isinstance(photograph, Photograph)]
                prepared = zip(loaded, self.prepare(loaded), strict=True)
                photographs = [photograph.with_prepared(made) for photograph, made in prepared]
                for key, photograph in zip(keys, photographs, strict=True):
                    self._keep(key, photograph, wanted[key].load)
            held |= zip(keys, photographs, strict=True)
        return [replace(episode, load=_from(held, episode)) for episode in batch]

    def _use(self, key: Hashable) -> AnyPhotograph:
        self._kept.move_to_end(key)
        return self._kept[key].photograph

    def _keep(self, key: Hashable, photograph: AnyPhotograph, load: Load) -> None:
        size = bytes_of([getattr(photograph, field.name) for field in fields(photograph)])
        self._kept[key] = Kept(photograph, size, load)
        self._bytes += size
        while self._bytes > self._limit:
            self._bytes -= self._kept.popitem(last=False)[1].size


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items; the last may be shorter.

    >>> list(chunks("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _wanted(batch: Iterable[Episode]) -> dict[Hashable, Wanted]:
    """Key -> how to load it, for every photograph of the episodes, each once."""
    wanted: dict[Hashable, Wanted] = {}
    for episode in batch:
        for slot, id in enumerate(episode.spec.slots):
            wanted.setdefault(episode.key(id, slot), Wanted(id, slot, episode.load))
    return wanted


def _from(held: Mapping[Hashable, AnyPhotograph], episode: Episode) -> Load:
    """Loads the photographs of an episode from those that are held."""
    return lambda id, slot: held[episode.key(id, slot)]


def bytes_of(content: Any) -> int:
    """Bytes of the tensors in a value, also inside lists, tuples and dicts."""
    if isinstance(content, Tensor):
        return content.nbytes
    if isinstance(content, Mapping):
        content = content.values()
    elif not isinstance(content, list | tuple):
        return 0
    return sum(bytes_of(part) for part in content)
