"""Whether a photograph shows the class: known values, and the same from both engines."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn.functional import cosine_similarity

from episodes.errors import InputError
from episodes.geometry import Geometry
from srpnet.method import PlainMethod, SRPNetMethod
from srpnet.network import SRPNet
from srpnet.presence import coarse, described, examples, found, presence
from srpnet.runtime import Runtime
from srpnet.settings import NetworkSettings
from tests.srpnet.conftest import Noise

FP32 = Runtime(torch.device("cpu"), "fp32")


def test_coarse_is_the_mean_of_four_by_four_cells_and_of_fewer_at_the_border() -> None:
    cells = torch.arange(30.0).view(1, 1, 5, 6)
    expected = [[cells[0, 0, :4, :4].mean(), cells[0, 0, :4, 4:].mean()], [cells[0, 0, 4, :4].mean(), 28.5]]
    assert torch.allclose(coarse(cells), torch.tensor(expected))


def test_what_is_found_is_the_probability_of_the_best_class() -> None:
    logits = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 3.0]]).T[None, :, :, None]  # 3 cells
    probability = logits[0, :, :, 0].softmax(0)
    weights = found(logits)[0, :, :, 0]
    assert torch.equal(weights, torch.stack([probability[1], probability[2]]) * torch.tensor([[1, 0, 0], [0, 0, 1]]))


def test_described_is_the_direction_of_the_weighted_mean(noise: Noise) -> None:
    deep, weights = noise(2, 5, 2, 2, dtype=torch.float32), noise(2, 3, 8, 8, seed=1, dtype=torch.float32).abs()
    weights[1, 2] = 0
    vectors = described(deep, weights)
    for b in range(2):
        for n in range(3):
            total = sum(
                weights[b, n, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4].mean() * deep[b, :, y, x]
                for y in range(2)
                for x in range(2)
            )
            assert isinstance(total, torch.Tensor)
            assert torch.allclose(vectors[b, n], total / total.norm().clamp(min=1e-12), atol=1e-6)


def test_supports_speak_for_their_own_way_alone() -> None:
    shown = torch.eye(4).view(2, 2, 4)  # support 0 shows (e0, e1) of the two ways, support 1 (e2, e3)
    vectors = examples(shown, torch.tensor([[True, False], [False, True]]))
    assert torch.equal(vectors, torch.stack([torch.eye(4)[0], torch.eye(4)[3]]))


def test_presence_is_a_cosine_and_0_where_nothing_was_found(noise: Noise) -> None:
    example, other = noise(2, 7), noise(3, 2, 7, seed=1)
    unit = torch.nn.functional.normalize(example, dim=1)
    other[2, 1] = 0
    scores = presence(unit, torch.nn.functional.normalize(other, dim=2))
    assert scores.shape == (3, 2)
    assert torch.allclose(scores, cosine_similarity(other, example[None], dim=2).clamp(0, 1))
    assert scores[2, 1] == 0


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@pytest.mark.parametrize("way", [1, 2])
def test_both_engines_say_the_same(network: SRPNet, squares: Callable[..., Any], resize: Any, way: int) -> None:
    episodes = [squares(Geometry(96, resize), way=way, shot=2)[index] for index in range(3)]
    answers = [engine(network, FP32, presence=True).answer_many(episodes) for engine in (SRPNetMethod, PlainMethod)]
    for own, other in zip(*answers, strict=True):
        assert torch.equal(own.queries[0], other.queries[0])
        assert torch.tensor(own.presence).shape == (1, way)
        assert own.presence[0] == pytest.approx(other.presence[0], abs=1e-5)
        assert all(0 <= score <= 1 for score in own.presence[0])
    assert len({answer.presence[0][0] for answer in answers[0]}) == 3


def test_a_query_that_is_its_own_support_is_sure(network: SRPNet, squares: Callable[..., Any]) -> None:
    """What was found in a copy of the support, were it the mask itself, has a cosine of 1 with it."""
    episode = squares()[0]
    (support,) = episode.supports()
    features, deep = network.encode_deep(support.image[None])
    labels = episode.labels(support)[None]
    shown = network.shown(features, deep, labels, 1)
    mask = torch.nn.functional.avg_pool2d((labels[:, None] == 1).float(), 8)
    logits = torch.cat([1 - mask, mask], 1) * 1000
    assert float(network.presence(deep, logits, shown)[0, 0]) > 0.9


def test_nothing_is_said_that_was_not_asked_for(network: SRPNet, squares: Callable[..., Any]) -> None:
    for engine in (SRPNetMethod, PlainMethod):
        assert not engine(network, FP32).answer_many([squares()[0]])[0].presence


def test_the_features_are_those_of_encode(network: SRPNet, noise: Noise) -> None:
    images = noise(2, 3, 64, 48, dtype=torch.float32).sigmoid()
    features, deep = network.eval().encode_deep(images)
    assert torch.equal(features, network.encode(images))
    assert deep.shape == (2, network.backbone.channels[-1], 2, 2)


def test_a_threshold_out_of_range() -> None:
    with pytest.raises(InputError, match="present_above is a cosine from 0 to 1, not 2"):
        NetworkSettings(present_above=2)
    assert replace(NetworkSettings(), present_above=0.5).present_above == 0.5
