"""Score a method over episodes: any callable that maps an Episode to label maps."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from episodes.distributed import ALONE, World
from episodes.fewshot.episode import Episode
from episodes.scoring.methods import Answer, Method, answers, offers
from episodes.scoring.metrics import Score, confusion
from episodes.scoring.photograph_cache import PhotographCache, Prepare
from episodes.scoring.protocols import Protocol
from episodes.scoring.records import Record


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
    rules: Protocol,
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
        method: The callable; of a `BaseMethod` everything that it overrides is used.
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
        raise ValueError("several processes need the names of the classes")
    if cache is not None and cache.prepare != _preparation(method):
        raise ValueError("the cache holds what another method prepared: make one with cache_for")
    queries, supports = (rules.score(names or {}) for _ in range(2))
    records: list[Record] = []
    restores = offers(method, "restore_supports")
    done, paused, start = 0, 0.0, time.perf_counter()
    own = islice(episodes, world.rank, None, world.size)
    with world.together(), nullcontext(cache) if cache else cache_for(method, cache_bytes) as photographs:
        for episode, cached, answer in answered(method, own, photographs, batch):
            classes, predictions = episode.truth_classes, [prediction.cpu() for prediction in answer.queries]
            truths = [cached.truth(query) for query in cached.queries()]
            if len(predictions) != len(truths):
                raise ValueError(f"the method returned {len(predictions)} label maps for {len(truths)} queries")
            counted = _counts(predictions, truths, len(classes))
            shots = len(episode.spec.slots) - len(truths)
            presence = _presence(answer, len(counted), len(classes))
            for slot, (matrix, said) in enumerate(zip(counted, presence, strict=True), start=shots):
                queries.add(classes, matrix)
                records.append(Record(episode.spec, slot, matrix, presence=said))
            if restores:
                labels = [cached.labels(support) for support in cached.supports()]
                for slot, matrix in enumerate(_counts(answer.supports, labels, len(classes))):
                    supports.add(classes, matrix)
                    records.append(Record(episode.spec, slot, matrix))
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
) -> Iterator[tuple[Episode, Episode, Answer]]:
    """Each episode as it came, the same with its photographs from the cache, and what a method answers to it."""
    for together in cache.batches(episodes, batch):
        given = answers(method, [cached for _, cached in together])
        for (episode, cached), answer in zip(together, given, strict=True):
            yield episode, cached, answer


def cache_for(method: Method, cache_bytes: int) -> PhotographCache:
    """A cache for several evaluations of one method: each photograph is prepared once for all that see it alike."""
    return PhotographCache(_preparation(method), cache_bytes)


def _preparation(method: Method) -> Prepare | None:
    return method.prepare if offers(method, "prepare") else None


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
