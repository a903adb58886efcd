"""Which of several ways was found: known values by hand, and nothing new with one way."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.plain import PlainMethod
from episodes.fewshot.geometry import Geometry
from srpnet.fewshot.evaluation.method import SRPNetMethod
from srpnet.fewshot.naming import TRAINED, connected, name_regions
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.presence import Recogniser
from srpnet.nn.device import Runtime
from tests.srpnet.conftest import Noise

FP32 = Runtime(torch.device("cpu"), "fp32")
ALPHA = 10.0
WAYS = torch.eye(2, 3)[None]  # what the supports show of ways 1 and 2: e0 and e1


@pytest.fixture
def recogniser(network: SRPNet) -> Recogniser:
    """Of deep cells twice as wide as cells."""
    return Recogniser(network, torch.device("cpu"))


def logits_of(*ways: list[list[float]]) -> Tensor:
    """Logits (1, P, h, w) from those of each way, over a background of 0."""
    ways_Nhw = torch.tensor(ways)
    return torch.cat([torch.zeros_like(ways_Nhw[:1]), ways_Nhw])[None]


def labels_of(logits_BPhw: Tensor) -> list[list[int]]:
    labels: list[list[int]] = logits_BPhw[0].argmax(0).tolist()
    return labels


def deep_of(*columns: list[float]) -> Tensor:
    """The deepest stage (1, D, 1, x), column by column."""
    return torch.tensor(columns).T[None, :, None]


def test_cells_that_touch_at_a_side_or_corner_are_one_region() -> None:
    mask = torch.tensor([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]]).bool()
    regions = connected(mask)
    assert sorted(region.nonzero().tolist() for region in regions) == [
        [[0, 0], [1, 1]],
        [[0, 3], [1, 3]],
        [[3, 0], [3, 1], [3, 2]],
    ]
    assert connected(torch.zeros(2, 3, dtype=torch.bool)).shape == (0, 2, 3)


def test_a_long_region_is_one_and_noise_is_what_a_flood_fills(noise: Noise) -> None:
    snake = torch.zeros(41, 41, dtype=torch.bool)
    snake[::2] = True
    snake[1::4, -1] = snake[3::4, 0] = True
    assert torch.equal(connected(snake), snake[None])
    mask = noise(30, 40) > 0.3
    left, found = {tuple(cell) for cell in mask.nonzero().tolist()}, []
    while left:
        region, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            region.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge += near
        found.append(sorted(region))
    assert sorted(sorted(map(tuple, region.nonzero().tolist())) for region in connected(mask)) == sorted(found)


def test_one_region_is_named_as_a_whole(recogniser: Recogniser) -> None:
    """Three of its cells look like way 1 and one like way 2; both opinions by hand."""
    logits = logits_of([[2, 2, 2, 1.0, -5]], [[1, 1, 1, 2.0, -1]])
    assert labels_of(logits) == [[1, 1, 1, 2, 0]]
    named = name_regions(logits, deep_of(*[[0.0, 1, 0]] * 3), WAYS, recogniser, ALPHA)
    assert labels_of(named) == [[2, 2, 2, 2, 0]]
    # Deep: 0 and 1. Trained, part by part: 0.2 and 0.1, then 0.1 and 0.2.
    behind = [ALPHA * (1 + TRAINED * (0.1 - 0.2))] * 3 + [ALPHA * (1 + TRAINED * (0.2 - 0.1))]
    assert named[0, 2, 0].tolist() == pytest.approx([2, 2, 2, 2, -1])
    assert named[0, 1, 0].tolist() == pytest.approx([*(2 - each for each in behind), -1 - behind[-1]])
    assert torch.equal(named[:, 0], logits[:, 0])


def test_touching_objects_keep_names_of_their_own(recogniser: Recogniser) -> None:
    logits = logits_of([[3, 3, 3, 0.5, 0.5, 0.5]], [[0.5, 0.5, 0.5, 3, 3, 3]])
    two_kinds = name_regions(logits, deep_of([1.0, 0, 0], [0.5, 0.5, 0], [0.0, 1, 0]), WAYS, recogniser, ALPHA)
    assert labels_of(two_kinds) == [[1, 1, 1, 2, 2, 2]]
    one_kind = name_regions(logits, deep_of([1.0, 0, 0], [1.0, 0, 0], [1.0, 0, 0]), WAYS, recogniser, ALPHA)
    assert labels_of(one_kind) == [[1, 1, 1, 1, 1, 1]]


def test_regions_apart_are_named_apart(recogniser: Recogniser) -> None:
    logits = logits_of([[1, 1, -1, -1, -1, 1, 1.0]], [[0.9, 0.9, -1, -1, -1, 0.9, 0.9]])
    named = name_regions(logits, deep_of([1.0, 0, 0], [0.0] * 3, [0.0] * 3, [0.0, 1, 0]), WAYS, recogniser, ALPHA)
    assert labels_of(logits) == [[1, 1, 0, 0, 0, 1, 1]]
    assert labels_of(named) == [[1, 1, 0, 0, 0, 2, 2]]
    assert torch.equal(named[..., 3], logits[..., 3])  # no region is near


def test_what_is_background_stays_background(recogniser: Recogniser, noise: Noise) -> None:
    nothing = -noise(1, 3, 4, 6).float().abs()
    nothing[:, 0] = 0
    deep, shown = noise(2, 5, 2, 3).float().abs(), noise(2, 3, 5, seed=1).float().abs()
    assert torch.equal(name_regions(nothing, deep[:1], shown[:1, :2], recogniser, ALPHA), nothing)
    logits = noise(2, 4, 4, 6, seed=2).float()
    named = name_regions(logits, deep, shown, recogniser, ALPHA)
    assert torch.equal(named[:, 0], logits[:, 0])
    foreground = logits[:, 1:].amax(1) > logits[:, 0]
    assert torch.equal(named.argmax(1) > 0, foreground)
    assert torch.allclose(named[:, 1:].amax(1), logits[:, 1:].amax(1))
    assert torch.equal(named[1:], name_regions(logits[1:], deep[1:], shown[1:], recogniser, ALPHA))


def test_one_way_is_left_as_it_is(recogniser: Recogniser, noise: Noise) -> None:
    logits = noise(2, 2, 4, 6)
    assert name_regions(logits, noise(2, 5, 2, 3), noise(2, 1, 5), recogniser, ALPHA) is logits


def test_the_classifier_of_the_weights_says_what_counts(
    network: SRPNet, monkeypatch: pytest.MonkeyPatch, noise: Noise
) -> None:
    channels = network.backbone.channels[-1]
    deep, weights = noise(channels, 2, 2).float(), torch.ones(1, 2, 2)
    shown, classifier = noise(2, channels, seed=1).float(), noise(7, channels, seed=2).float()
    plain = Recogniser(network, torch.device("cpu")).resemblance(deep, weights, shown)
    state = network.backbone.state_dict()
    monkeypatch.setattr("srpnet.nn.weights.get_weights", lambda *_, **__: (None, state))
    network.config = replace(network.config, backbone_sha256="0" * 64)
    assert torch.equal(Recogniser(network, torch.device("cpu")).resemblance(deep, weights, shown), plain)
    state["fc.weight"] = classifier[:, :-1]  # of another stage
    assert torch.equal(Recogniser(network, torch.device("cpu")).resemblance(deep, weights, shown), plain)
    state["fc.weight"] = classifier
    scores, examples = (each @ (classifier - classifier.mean(0)).T for each in (deep.mean((1, 2)), shown))
    expected = torch.nn.functional.cosine_similarity(scores[None], examples)
    found = Recogniser(network, torch.device("cpu")).resemblance(deep, weights, shown)
    assert torch.allclose(found[0], expected, atol=1e-5)
    assert not torch.allclose(found, plain)


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_the_plain_way_says_the_same(network: SRPNet, squares: Callable[..., Any], resize: Any) -> None:
    episodes = [squares(Geometry(96, resize), way=3, shot=2)[index] for index in range(3)]
    answers = [engine(network, FP32, naming="regions").answer(episodes) for engine in (SRPNetMethod, PlainMethod)]
    by_pixels = SRPNetMethod(network, FP32).answer(episodes)
    for own, other, before in zip(*answers, by_pixels, strict=True):
        assert torch.equal(own.queries[0], other.queries[0])
        assert not own.presence
        assert all(map(torch.equal, own.supports, before.supports))
    assert any(not torch.equal(own.queries[0], old.queries[0]) for own, old in zip(answers[0], by_pixels, strict=True))


def test_with_one_way_label_maps_are_those_of_pixels(network: SRPNet, squares: Callable[..., Any]) -> None:
    episodes = [squares(Geometry(96), shot=2)[index] for index in range(3)]
    for own, other in zip(
        *(SRPNetMethod(network, FP32, naming=naming).answer(episodes) for naming in ("regions", "pixels")), strict=True
    ):
        assert torch.equal(own.queries[0], other.queries[0])
