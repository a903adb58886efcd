"""Score a method over episodes: any callable that maps an Episode to label maps."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from episodes.distributed import ALONE, World
from episodes.fewshot.episode import Episode, Photograph
from episodes.scoring.metrics import Score, confusion
from episodes.scoring.photograph_cache import PhotographCache, Prepare
from episodes.scoring.protocols import Protocol as Rules
from episodes.scoring.records import Record


class Method(Protocol):
    """What is scored: an Episode in, one uint8 label map (0..N) for each query out, of the size of `episode.truth`."""

    def __call__(self, episode: Episode, /) -> Sequence[Tensor] | Tensor: ...


@runtime_checkable
class Prepares(Protocol):
    """A method that computes something for a photograph alone, which the evaluator then keeps for other episodes."""

    def prepare(self, photograph: Photograph, /) -> Any:
        """What the method will find in `photograph.prepared`. The pixels are not there any more by then."""
        ...


@runtime_checkable
class PreparesMany(Protocol):
    """The same for several photographs at once, which a GPU likes better."""

    def prepare_many(self, photographs: Sequence[Photograph], /) -> Sequence[Any]:
        """What `prepare` would return, for each."""
        ...


@runtime_checkable
class RestoresSupports(Protocol):
    """A method that can also segment its own supports: the ceiling of what its queries can reach."""

    def restore_supports(self, episode: Episode, /) -> Sequence[Tensor]:
        """One label map for each support, at the network's input size."""
        ...


class Answer(NamedTuple):
    """The label maps of one episode: of its queries, and of its supports if the method restores them.

    A method may also say of each query how sure it is that the query shows each of the N ways at all: N finite numbers,
    the higher the surer, in every episode or in none. Of a method that does not, the share of the query that is called
    a way is taken. Only `AnswersMany` can say so.
    """

    queries: Sequence[Tensor]
    supports: Sequence[Tensor] = ()
    presence: Sequence[Sequence[float]] = ()


@runtime_checkable
class AnswersMany(Protocol):
    """A method that takes several episodes at once."""

    def answer_many(self, episodes: Sequence[Episode], /) -> Sequence[Answer]:
        """What the method and its `restore_supports` would return, for each."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """What a run found.

    Attributes:
        queries: The score on the queries.
        supports: The score of the method on its own supports, if it can tell.
        episodes: How many were scored.
        seconds: Time spent on them, loading of photographs included, `on_episode` not.
        records: What each query, and each restored support, of this process's episodes was counted as.
    """

    queries: Score
    supports: Score | None
    episodes: int
    seconds: float
    records: Sequence[Record] = ()


def evaluate(
    method: Method,
    episodes: Iterable[Episode],
    rules: Rules,
    names: Mapping[int, str] | None = None,
    *,
    cache_bytes: int = 2 << 30,
    cache: PhotographCache | None = None,
    batch: int = 8,
    world: World = ALONE,
    on_episode: Callable[[Episode, list[Tensor], Tensor], None] = lambda *_: None,
) -> Evaluation:
    """Score a method. Photographs are read ahead in threads, whatever the method offers.

    Args:
        method: The callable; `Prepares`, `PreparesMany`, `RestoresSupports` and `AnswersMany` are used if it offers
            them.
        episodes: What to segment.
        rules: The protocol's rules for counting.
        names: Label of the source -> name, for every class that is tested; None: the classes that come, by number.
        cache_bytes: How much of prepared photographs is kept, the least recently used going first. The scores do not
            depend on it.
        cache: From `cache_for` of this method, with what earlier evaluations left there; then it stays open.
        batch: Episodes that are worked on together.
        world: The processes that share the episodes: this one takes every `world.size`-th, and all get the same scores.
        on_episode: Called after each of this process's episodes with the episode, its predictions and its confusion
            counts.

    Raises:
        InputError: if a photograph cannot be loaded; with several processes, on all of them.
        ValueError: if the method returns another number of maps than queries, maps of another size, or presence scores
            that are not a finite number for each way; or if several processes are not told the names; or if the cache
            is another method's.
    """
    if names is None and world.size > 1:
        raise ValueError("several processes must be told the names of the classes")
    if cache is not None and cache.prepare != _preparation(method):
        raise ValueError("the cache holds what another method prepared: make one with cache_for")
    queries, supports = (rules.score(names or {}) for _ in range(2))
    records: list[Record] = []
    restores = isinstance(method, RestoresSupports)
    done, paused, start = 0, 0.0, time.perf_counter()
    own = islice(episodes, world.rank, None, world.size)
    with world.together(), nullcontext(cache) if cache else cache_for(method, cache_bytes) as photographs:
        for together in photographs.batches(own, batch):
            answers = _answers(method, [cached for _, cached in together])
            for (episode, cached), answer in zip(together, answers, strict=True):
                classes, predictions = episode.spec.classes, [prediction.cpu() for prediction in answer.queries]
                truths = [cached.truth(query) for query in cached.queries()]
                if len(predictions) != len(truths):
                    raise ValueError(f"the method returned {len(predictions)} label maps for {len(truths)} queries")
                counted = _counts(predictions, truths, len(classes))
                shots = len(episode.spec.slots) - len(truths)
                presence = _presence(answer, len(counted), len(classes))
                for slot, (each, said) in enumerate(zip(counted, presence, strict=True), start=shots):
                    queries.add(classes, each)
                    records.append(Record(episode.spec, slot, each, presence=said))
                if restores:
                    labels = [cached.labels(support) for support in cached.supports()]
                    for slot, each in enumerate(_counts(answer.supports, labels, len(classes))):
                        supports.add(classes, each)
                        records.append(Record(episode.spec, slot, each))
                done, pause = done + 1, time.perf_counter()
                on_episode(episode, predictions, torch.stack(counted).sum(0))
                paused += time.perf_counter() - pause
    for score in (queries, supports):
        if names is None:
            score.names = {label: f"class {label}" for label in sorted(score.classes)}
        score.sum(world)
    done = int(world.sum(torch.tensor(done)))
    seconds = time.perf_counter() - start - paused
    return Evaluation(queries, supports if restores else None, done, seconds, records)


def answered(
    method: Method, episodes: Iterable[Episode], cache: PhotographCache, batch: int = 8
) -> Iterator[tuple[Episode, Answer]]:
    """What a method answers to each episode, whose photographs come from the cache."""
    for together in cache.batches(episodes, batch):
        answers = _answers(method, [cached for _, cached in together])
        yield from zip((episode for episode, _ in together), answers, strict=True)


def cache_for(method: Method, cache_bytes: int) -> PhotographCache:
    """A cache for several evaluations of one method: each photograph is prepared once for all that see it alike."""
    return PhotographCache(_preparation(method), cache_bytes)


def _preparation(method: Method) -> Prepare | None:
    if isinstance(method, PreparesMany):
        return method.prepare_many
    if isinstance(method, Prepares):
        return _OneByOne(method.prepare)
    return None


@dataclass(frozen=True)
class _OneByOne:
    """`prepare_many` of a method that only has `prepare`."""

    prepare: Callable[[Photograph], Any]

    def __call__(self, photographs: Sequence[Photograph]) -> list[Any]:
        return [self.prepare(photograph) for photograph in photographs]


def _answers(method: Method, episodes: Sequence[Episode]) -> Sequence[Answer]:
    if isinstance(method, AnswersMany):
        return method.answer_many(episodes)
    restore = method.restore_supports if isinstance(method, RestoresSupports) else None
    return [Answer(list(method(episode)), restore(episode) if restore else ()) for episode in episodes]


def _presence(answer: Answer, queries: int, ways: int) -> list[tuple[float, ...]]:
    """The presence scores of each query, checked; empty ones if there are none."""
    if not len(answer.presence):
        return [()] * queries
    said = [tuple(float(score) for score in scores) for scores in answer.presence]
    if len(said) != queries or any(len(scores) != ways or not all(map(math.isfinite, scores)) for scores in said):
        raise ValueError(f"presence must be {ways} finite numbers for each of {queries} queries, not {said}")
    return said


def _counts(predictions: Sequence[Tensor], truths: Sequence[Tensor], ways: int) -> list[Tensor]:
    """The confusion counts of each label map."""
    return [confusion(prediction.cpu(), truth, ways) for prediction, truth in zip(predictions, truths, strict=True)]
