"""Episodes: names that contradict themselves are refused, and photographs are loaded when asked for."""

import json
from dataclasses import asdict
from typing import Any

import pytest
import torch

from episodes.fewshot.episode import Episode, EpisodeSpec, Photograph, episode_labels
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.scenes.loading import Loader
from tests.episodes.fakes import Fake, label_map

SPEC = EpisodeSpec(4, (3, 1), (("a", "b"), ("c",)), ("q", "r"))


def recorded() -> tuple[Episode, list[tuple[str, int]]]:
    """An episode whose loader notes what it was asked for, and gives the request back."""
    asked: list[tuple[str, int]] = []

    def load(id: str, slot: int) -> Any:
        asked.append((id, slot))
        return (id, slot)

    return Episode(SPEC, load), asked


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"supports": (("a",),)}, "episode 4: 2 classes, 1 ways"),
        ({"classes": (3, 1, 2)}, "3 classes, 2 ways"),
        ({"classes": (3, 3)}, "classes must be different"),
        ({"classes": (), "supports": ()}, "at least one"),
        ({"supports": (("a",), ())}, "every way needs a support"),
        ({"queries": ()}, "the episode a query"),
        ({"classes": (3, 0)}, "0 is not a class"),
        ({"classes": (3, -1)}, "-1 is not a class"),
        ({"classes": (255, 3)}, "255 is not a class"),
        ({"queries": ("q", "c")}, "c is both support and query"),
    ],
)
def test_a_spec_that_contradicts_itself(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        EpisodeSpec(**(asdict(SPEC) | fields))


def test_the_same_query_twice() -> None:
    with pytest.raises(ValueError, match="query"):
        EpisodeSpec(4, (1,), (("a",),), ("q", "q"))


def test_one_support_may_stand_for_two_ways() -> None:
    assert EpisodeSpec(0, (1, 2), (("a",), ("a",)), ("q",)).supports == (("a",), ("a",))


def test_specs_hash_compare_and_survive_json() -> None:
    stored = json.loads(json.dumps(asdict(SPEC)))
    again = EpisodeSpec(
        stored["index"],
        tuple(stored["classes"]),
        tuple(map(tuple, stored["supports"])),
        tuple(stored["queries"]),
    )
    assert again == SPEC
    assert hash(again) == hash(SPEC)


def test_labels_become_ways() -> None:
    labels = torch.tensor([[0, 3, 1], [2, 255, 254]], dtype=torch.uint8)
    mapped = episode_labels(labels, (3, 1))
    assert mapped.tolist() == [[0, 1, 2], [0, 255, 0]]
    assert mapped.dtype == torch.uint8
    assert labels.tolist() == [[0, 3, 1], [2, 255, 254]]


def test_the_order_of_classes_decides_the_way() -> None:
    labels = torch.tensor([[1, 2]], dtype=torch.uint8)
    assert episode_labels(labels, (1, 2)).tolist() == [[1, 2]]
    assert episode_labels(labels, (2, 1)).tolist() == [[2, 1]]


def test_ignored_classes_become_255_unless_they_are_asked_for() -> None:
    labels = torch.tensor([[0, 1, 2, 3]], dtype=torch.uint8)
    assert episode_labels(labels, (2,), frozenset({2, 3})).tolist() == [[0, 0, 1, 255]]


def test_label_maps_may_be_stacked() -> None:
    labels = torch.tensor([[[[7]]], [[[255]]]], dtype=torch.uint8)
    assert episode_labels(labels, (7,)).tolist() == [[[[1]]], [[[255]]]]


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    episode, asked = recorded()
    assert episode.support_ways.tolist() == [0, 0, 1]
    assert episode.support_ways.dtype == torch.int64
    assert asked == []


def test_slots_number_supports_way_by_way_then_queries() -> None:
    episode, asked = recorded()
    assert episode.queries() == [("q", 3), ("r", 4)]
    assert asked == [("q", 3), ("r", 4)]
    assert episode.supports() == [("a", 0), ("b", 1), ("c", 2)]


def mixed(**fields: Any) -> tuple[Episode, Photograph]:
    """An episode of a 16 x 64 query that is letterboxed to 32 x 32; it shows classes 3 and 5 and some 255."""
    source = Fake({"va": label_map({3: 1}), "vq": label_map({3: 512, 5: 128, 255: 128}, 16, 64)})
    spec = EpisodeSpec(0, (3,), (("va",),), ("vq",))
    episode = Loader(source, Geometry(32, "letterbox"), **fields).build(spec)
    (query,) = episode.queries()
    return episode, query


def test_truth_at_input_size() -> None:
    episode, query = mixed()
    truth = episode.truth(query)
    # Half the size: 8 rows of 32 pixels, of which 4 are class 3, 1 is class 5 and 1 is 255; 24 rows of padding.
    assert truth[:, 0].tolist() == [1] * 4 + [0] + [255] + [0, 0] + [255] * 24
    assert (truth == truth[:, :1]).all()
    assert torch.equal(truth, episode.labels(query))


def test_truth_at_original_size() -> None:
    episode, query = mixed(score_at="original")
    truth = episode.truth(query)
    assert truth.shape == (16, 64)
    assert truth[:, 0].tolist() == [1] * 8 + [0, 0] + [255, 255] + [0] * 4
    assert episode.labels(query).shape == (32, 32)


@pytest.mark.parametrize("score_at", ["input", "original"])
def test_truth_without_the_ignored_classes(score_at: str) -> None:
    episode, query = mixed(ignored=frozenset({5}), score_at=score_at)
    plain, _ = mixed(score_at=score_at)
    changed = episode.truth(query)[plain.truth(query) != episode.truth(query)]
    assert changed.numel() == {"input": 32, "original": 128}[score_at]
    assert (changed == 255).all()
