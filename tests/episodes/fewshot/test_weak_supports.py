"""Weak supports: boxes by hand, and points and scribbles that never say what is wrong."""

from typing import get_args

import pytest
import torch
from torch import Tensor

from episodes.draws import Draws
from episodes.errors import InputError
from episodes.fewshot.episode import EpisodeSpec
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.scenes.loading import Loader
from episodes.fewshot.settings import Annotation
from episodes.fewshot.weak_supports import POINTS, weakened
from episodes.scoring.plans.settings import PlanSettings
from tests.episodes.fakes import Fake
from tests.episodes.scored import MAPS, episodes


def drawn(labels: Tensor, annotation: Annotation, seed: int = 0) -> Tensor:
    return weakened(labels, annotation, Draws("test", seed))


def two_ways(size: int = 100) -> Tensor:
    """A large way 1, a small way 2 before it, a strip of 255."""
    labels = torch.zeros(size, size, dtype=torch.uint8)
    labels[10:60, 10:50] = 1
    labels[20:30, 40:60] = 2
    labels[80:82] = 255
    return labels


def test_a_mask_stays() -> None:
    assert drawn(two_ways(), "mask") is not None
    assert drawn(two_ways(), "mask").equal(two_ways())


def test_boxes_by_hand() -> None:
    labels = torch.tensor(
        [
            [0, 1, 0, 0, 0],
            [1, 255, 2, 0, 255],
            [0, 1, 1, 0, 0],
        ],
        dtype=torch.uint8,
    )
    assert drawn(labels, "box").tolist() == [
        [1, 1, 1, 0, 0],
        [1, 1, 2, 0, 255],
        [1, 1, 1, 0, 0],
    ]


@pytest.mark.parametrize("annotation", ["points", "scribble"])
def test_points_and_scribbles_say_nothing_that_is_wrong(annotation: Annotation) -> None:
    labels = two_ways()
    for seed in range(20):
        found = drawn(labels, annotation, seed)
        said = found != 255
        assert found[said].equal(labels[said])
        assert set(found.unique().tolist()) == {0, 1, 2, 255}
        assert 0.001 < said.float().mean() < 0.1


def test_points_are_as_many_as_said() -> None:
    for seed in range(20):
        found = drawn(two_ways(), "points", seed)
        for label in (0, 1, 2):
            assert 1 <= (found == label).sum() <= POINTS * 9  # 3 x 3 pixels each at this size


def test_a_scribble_is_a_line() -> None:
    labels = torch.ones(200, 200, dtype=torch.uint8)
    lengths = [(drawn(labels, "scribble", seed) == 1).sum().item() / 5 for seed in range(20)]
    assert sum(lengths) / 20 > 100


@pytest.mark.parametrize("annotation", get_args(Annotation))
def test_what_is_not_there_is_not_made_up(annotation: Annotation) -> None:
    nothing = torch.zeros(50, 50, dtype=torch.uint8)
    assert set(drawn(nothing, annotation).unique().tolist()) <= {0, 255}
    everything = torch.ones(50, 50, dtype=torch.uint8)
    assert set(drawn(everything, annotation).unique().tolist()) <= {1, 255}
    unknown = torch.full((50, 50), 255, dtype=torch.uint8)
    assert drawn(unknown, annotation).equal(unknown)
    pixel = nothing.clone()
    pixel[7, 9] = 1
    assert (drawn(pixel, annotation) == 1).nonzero().tolist() == [[7, 9]]


@pytest.mark.parametrize("annotation", get_args(Annotation))
def test_the_same_in_all_episodes(annotation: Annotation) -> None:
    specs = [EpisodeSpec(index, (1,), (("va",),), (query,)) for index, query in enumerate(("vb", "vd"))]
    first, second = (each.support_labels(each.supports()[0]) for each in episodes(specs, annotation=annotation))
    assert first.equal(second)
    assert not (first == 1).equal(torch.zeros_like(first))


def test_padding_is_not_background() -> None:
    episode = Loader(Fake(MAPS), Geometry(60, "letterbox"), annotation="box").build(
        EpisodeSpec(0, (1,), (("wide",),), ("vb",))
    )
    (support,) = episode.supports()
    assert (episode.support_labels(support) == 255).equal(~support.valid)


def test_a_kind_that_does_not_exist() -> None:
    with pytest.raises(InputError, match="`support` must be mask or box or scribble or points, not 'sketch'"):
        PlanSettings(support="sketch")  # type: ignore[arg-type]
