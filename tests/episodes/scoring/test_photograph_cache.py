"""Photographs of an evaluation: read ahead, prepared once, kept while there is room; the score never depends on it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from episodes.errors import InputError
from episodes.fewshot.episode import Episode, EpisodeSpec, Photograph, PreparedPhotograph
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.scenes.augmentation import Augmentation
from episodes.fewshot.scenes.loading import Loader
from episodes.scoring.evaluate import Evaluation, cache_for, evaluate
from episodes.scoring.methods import Answer
from tests.episodes.fakes import Fake
from tests.episodes.scored import MAPS, NAMES, RULES, SPECS, Threshold, episodes, matrices, perfect, run


def test_each_photograph_is_prepared_once() -> None:
    method = Threshold()
    found = run(method)
    assert sorted(method.prepared) == ["va", "vb", "vc", "vd"]
    assert (found.queries.miou, found.queries.fb_iou) == (1, 1)


# On the cache a photograph takes 4 bytes a pixel for its red, and 1 each for labels, valid pixels and original labels.
KEPT = 7 * 1024


def chain(*ids: str) -> list[EpisodeSpec]:
    """An episode for each id but the first, whose query it is; the id before is the support."""
    return [EpisodeSpec(index, (1,), ((one,),), (two,)) for index, (one, two) in enumerate(pairwise(ids))]


def test_the_least_recently_used_photograph_goes_first() -> None:
    method = Threshold()
    # Room for two. va and vb come in, vc puts out va, vb stays as it was used last, va puts out vc.
    run(method, chain("va", "vb", "vc", "vb", "va"), cache_bytes=2 * KEPT + 100, batch=1)
    assert method.prepared == ["va", "vb", "vc", "va"]


def test_prepared_lists_count_too() -> None:
    for limit, times in ((4 * KEPT, 4), (4 * KEPT - 1, 5)):
        method = Threshold(list)
        run(method, chain("va", "vb", "vc", "vd", "va"), cache_bytes=limit, batch=1)
        assert len(method.prepared) == times


@pytest.mark.parametrize("batch", [1, 2, 3, 8])
@pytest.mark.parametrize("limit", [0, 2 * KEPT, 1 << 30])
def test_scores_depend_on_no_batch_and_no_cache(batch: int, limit: int) -> None:
    specs = [replace(spec, index=index) for index, spec in enumerate([*SPECS, *SPECS[::-1], *SPECS])]
    expected = [matrix for spec in specs for matrix in matrices(Threshold(), episodes([spec]))]
    assert matrices(Threshold(), episodes(specs), cache_bytes=limit, batch=batch) == expected
    backwards = matrices(Threshold(), episodes(specs[::-1]), cache_bytes=limit, batch=batch)
    assert backwards == expected[::-1]


def test_the_pixels_of_a_prepared_photograph_are_dropped() -> None:
    class Looks(Threshold):
        def __call__(self, episode: Episode) -> list[Tensor]:
            kinds.update(map(type, (*episode.supports(), *episode.queries())))
            return super().__call__(episode)

    kinds: set[type] = set()
    run(Looks())
    assert kinds == {PreparedPhotograph}


def test_many_are_prepared_and_answered_at_once() -> None:
    class Many(Threshold):
        def __init__(self) -> None:
            super().__init__()
            self.prepares: list[int] = []
            self.answers: list[int] = []

        def prepare(self, photographs: Sequence[Photograph]) -> list[Any]:
            self.prepares.append(len(photographs))
            return super().prepare(photographs)

        def answer(self, episodes: Sequence[Episode]) -> list[Answer]:
            self.answers.append(len(episodes))
            return [Answer(self(episode)) for episode in episodes]

    method = Many()
    assert run(method, batch=3).queries == run(Threshold()).queries
    assert (method.prepares, method.answers) == ([4], [3, 1])


def test_on_episode_gets_the_photographs_themselves() -> None:
    shapes = []
    run(Threshold(), on_episode=lambda episode, *_: shapes.append(episode.queries()[0].image.shape))
    assert shapes == [(3, 32, 32)] * 4


def test_an_unreadable_photograph_ends_the_run_with_its_own_error() -> None:
    with pytest.raises(InputError, match="gone is not there"):
        run(perfect, [*SPECS, EpisodeSpec(4, (1,), (("va",),), ("gone",))])


def test_photographs_are_not_prepared_for_a_plain_function() -> None:
    seen = []
    run(lambda episode: seen.extend(isinstance(q, Photograph) for q in episode.queries()) or perfect(episode))
    assert seen == [True] * 4


def test_episodes_are_drawn_as_they_are_needed() -> None:
    """Two batches ahead of the one at hand, so that endless episodes can be scored while they last."""
    drawn, ahead = [], []

    def stream() -> Any:
        for episode in episodes([SPECS[0]] * 20):
            drawn.append(episode)
            yield episode

    evaluate(perfect, stream(), RULES, NAMES, batch=2, on_episode=lambda *_: ahead.append(len(drawn)))
    assert ahead == [6, 6, 8, 8, 10, 10, 12, 12, 14, 14, 16, 16, 18, 18, 20, 20, 20, 20, 20, 20]


def counts(found: Evaluation) -> list[list[list[int]]]:
    return [record.matrix.tolist() for record in found.records]


@pytest.mark.parametrize("other", ["source", "geometry", "augmentation", "its own load"])
def test_equal_ids_are_not_equal_photographs(other: str) -> None:
    """One cache serves two evaluations whose photographs have the same ids, and differ otherwise."""
    colours = {id: np.where(labels == 1, 2, np.where(labels == 2, 1, labels)) for id, labels in MAPS.items()}
    first = Loader(Fake(MAPS), Geometry(32))
    second = {
        "source": replace(first, source=Fake(colours)),
        "geometry": replace(first, geometry=Geometry(48)),
        "augmentation": replace(first, augmentation=Augmentation(flip=1)),
        "its own load": replace(first, geometry=Geometry(48)),
    }[other]

    def built(loader: Loader) -> list[Episode]:
        made = [loader.build(spec) for spec in SPECS]
        return [replace(each, origin=None) for each in made] if other == "its own load" else made

    method = Threshold()
    with cache_for(method, 1 << 30) as cache:
        shared = [evaluate(method, built(loader), RULES, NAMES, cache=cache) for loader in (first, second)]
    for loader, found in zip((first, second), shared, strict=True):
        assert counts(found) == counts(evaluate(Threshold(), built(loader), RULES, NAMES))


def test_augmented_photographs_are_loaded_for_each_place() -> None:
    """As one epoch differs from the next, so does a photograph in two episodes."""
    loader = Loader(Fake(MAPS), Geometry(32), Augmentation(flip=0.5))
    specs = [EpisodeSpec(index, (1,), (("vb",),), ("va",)) for index in range(16)]
    seen: list[list[float]] = []

    def method(episode: Episode) -> list[Tensor]:
        seen.append(episode.supports()[0].image.flatten().tolist())
        return perfect(episode)

    evaluate(method, map(loader.build, specs), RULES, NAMES, batch=16)
    assert seen == [loader.build(spec).supports()[0].image.flatten().tolist() for spec in specs]
    assert any(each != seen[0] for each in seen)


def test_a_shelf_serves_one_method() -> None:
    with (
        cache_for(Threshold(), 0) as cache,
        pytest.raises(ValueError, match="the cache holds what another method prepared: make one with cache_for"),
    ):
        evaluate(Threshold(), episodes(), RULES, NAMES, cache=cache)
