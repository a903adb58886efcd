"""Score a method over episodes: any callable that maps an Episode to label maps."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from episodes.episode import Episode, Photograph
from episodes.metrics import Score, confusion
from episodes.protocols import Protocol as Rules


class Method(Protocol):
    """What is scored: an Episode in, one uint8 label map (0..N) for each query out, of the size of `episode.truth`."""

    def __call__(self, episode: Episode, /) -> Sequence[Tensor] | Tensor: ...


@runtime_checkable
class Prepares(Protocol):
    """A method that computes something for a photograph alone, which the evaluator then keeps for other episodes."""

    def prepare(self, photograph: Photograph, /) -> Any:
        """What the method will find in `photograph.prepared`."""
        ...


@runtime_checkable
class RestoresSupports(Protocol):
    """A method that can also segment its own supports: the ceiling of what its queries can reach."""

    def restore_supports(self, episode: Episode, /) -> Sequence[Tensor]:
        """One label map for each support, at the network's input size."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """What a run found.

    Attributes:
        queries: The score on the queries.
        supports: The score of the method on its own supports, if it can tell.
        episodes: How many were scored.
        seconds: Time spent on them, loading of photographs included, `on_episode` not.
    """

    queries: Score
    supports: Score | None
    episodes: int
    seconds: float


def evaluate(
    method: Method,
    episodes: Iterable[Episode],
    names: Mapping[int, str],
    rules: Rules,
    *,
    cache_bytes: int = 2 << 30,
    on_episode: Callable[[Episode, list[Tensor], Tensor], None] = lambda *_: None,
) -> Evaluation:
    """Score a method.

    Args:
        method: The callable; `Prepares` and `RestoresSupports` are used if it offers them.
        episodes: What to segment.
        names: Label of the source -> name, for every class that is tested.
        rules: The protocol's rules for counting.
        cache_bytes: How much of prepared photographs is kept, the least recently used going first. The scores do not
            depend on it.
        on_episode: Called after each episode with the episode, its predictions and its confusion counts.

    Raises:
        ValueError: if the method returns another number of maps than queries, or maps of another size.
    """
    queries = Score(names, rules.vanished, rules.absent)
    supports = Score(names, rules.vanished, rules.absent) if isinstance(method, RestoresSupports) else None
    cache = PreparedCache(method, cache_bytes) if isinstance(method, Prepares) else None
    done, seconds, start = 0, 0.0, time.perf_counter()
    for episode in episodes:
        if cache is not None:
            episode = replace(episode, load=cache.wrap(episode.load))
        classes = episode.spec.classes
        truths = [episode.truth(photograph) for photograph in episode.queries()]
        predictions = [prediction.cpu() for prediction in method(episode)]
        if len(predictions) != len(truths):
            raise ValueError(f"the method returned {len(predictions)} label maps for {len(truths)} queries")
        counted = [confusion(*pair, len(classes)) for pair in zip(predictions, truths, strict=True)]
        for each in counted:
            queries.add(classes, each)
        matrix = torch.stack(counted).sum(0)
        if supports is not None and isinstance(method, RestoresSupports):
            restored = zip(method.restore_supports(episode), episode.supports(), strict=True)
            for prediction, photograph in restored:
                supports.add(classes, confusion(prediction.cpu(), episode.labels(photograph), len(classes)))
        done, seconds = done + 1, seconds + time.perf_counter() - start
        on_episode(episode, predictions, matrix)
        start = time.perf_counter()
    return Evaluation(queries, supports, done, seconds)


class PreparedCache:
    """Photographs by id with what the method prepared, the least recently used leaving first.

    It serves one evaluation, in which the geometry is fixed, so an id is enough for a key.
    """

    def __init__(self, method: Prepares, limit: int) -> None:
        self._method, self._limit, self._bytes = method, limit, 0
        self._kept: OrderedDict[str, tuple[Photograph, int]] = OrderedDict()

    def wrap(self, load: Callable[[str, int], Photograph]) -> Callable[[str, int], Photograph]:
        """The same loader, but each photograph comes prepared."""

        def prepared(id: str, slot: int) -> Photograph:
            if id in self._kept:
                self._kept.move_to_end(id)
                return self._kept[id][0]
            photograph = load(id, slot)
            photograph = replace(photograph, prepared=self._method.prepare(photograph))
            self._keep(photograph)
            return photograph

        return prepared

    def _keep(self, photograph: Photograph) -> None:
        size = bytes_of([getattr(photograph, field.name) for field in fields(photograph)])
        self._kept[photograph.id] = (photograph, size)
        self._bytes += size
        while self._bytes > self._limit and len(self._kept) > 1:
            _, (_, freed) = self._kept.popitem(last=False)
            self._bytes -= freed


def bytes_of(content: Any) -> int:
    """Bytes of the tensors in a value, also inside lists, tuples and dicts."""
    if isinstance(content, Tensor):
        return content.nbytes
    if isinstance(content, Mapping):
        content = content.values()
    elif not isinstance(content, list | tuple):
        return 0
    return sum(bytes_of(part) for part in content)
