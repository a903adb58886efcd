"""Whether a photograph shows the class: known values, and the same the plain way."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn.functional import cosine_similarity

from benchmarks.plain import PlainMethod
from episodes.errors import InputError
from episodes.fewshot.geometry import Geometry
from srpnet.fewshot.evaluation.method import SRPNetMethod
from srpnet.fewshot.network import SRPNet, build
from srpnet.fewshot.predictor import Predictor
from srpnet.fewshot.presence import Recogniser, described, examples, way_weights
from srpnet.fewshot.settings import NetworkSettings
from srpnet.nn.device import Runtime
from tests.backbones import TinyWeights
from tests.srpnet.conftest import Noise, TinySettings

FP32 = Runtime(torch.device("cpu"), "fp32")


def test_what_is_found_is_the_probability_of_the_best_class() -> None:
    logits = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 3.0]]).T[None, :, :, None]  # 3 cells
    probability = logits[0, :, :, 0].softmax(0)
    weights = way_weights(logits)[0, :, :, 0]
    assert torch.equal(weights, torch.stack([probability[1], probability[2]]) * torch.tensor([[1, 0, 0], [0, 0, 1]]))


def test_described_is_the_direction_of_the_weighted_mean(noise: Noise) -> None:
    deep, weights = noise(2, 5, 2, 3), noise(2, 3, 2, 3, seed=1).abs()
    weights[1, 2] = 0
    vectors = described(deep, weights)
    for b in range(2):
        for n in range(3):
            total = torch.zeros(5, dtype=torch.float64)
            for y in range(2):
                for x in range(3):
                    total += weights[b, n, y, x] * deep[b, :, y, x]
            assert torch.allclose(vectors[b, n], total / total.norm().clamp(min=1e-12))


def test_supports_speak_for_their_own_way_alone() -> None:
    shown = torch.eye(4).view(2, 2, 4)  # support 0 shows (e0, e1) of the two ways, support 1 (e2, e3)
    vectors = examples(shown, torch.tensor([[True, False], [False, True]]))
    assert torch.equal(vectors, torch.stack([torch.eye(4)[0], torch.eye(4)[3]]))


def test_presence_is_a_cosine_and_0_where_nothing_was_found(network: SRPNet, noise: Noise) -> None:
    """Cells of 8 pixels, deep cells of 16: at a border the deep cell has only one row or column of them."""
    recogniser = Recogniser(network, torch.device("cpu"))
    assert (recogniser.stride, recogniser.ratio) == (16, 2)
    deep, example = noise(1, 6, 2, 2, dtype=torch.float32), noise(2, 6, seed=1, dtype=torch.float32)
    logits = torch.full((1, 3, 4, 4), -9.0)
    logits[:, 0] = 0
    logits[0, 1, :2, :2] = 50  # way 1 fills what the first deep cell sees, and more; way 2 is nowhere
    scores = recogniser.presence(deep, logits, torch.nn.functional.normalize(example, dim=1)[None])
    cells = torch.zeros(2, 2)
    for y in range(4):
        for x in range(4):
            if y < 2 and x < 2:
                place = (min((y + 1) // 2, 1), min((x + 1) // 2, 1))
                count = [sum(min((i + 1) // 2, 1) == side for i in range(4)) for side in place]
                cells[place] += 1 / (count[0] * count[1])
    total = (deep[0] * cells).sum((1, 2))
    assert scores.shape == (1, 2)
    assert float(scores[0, 0]) == pytest.approx(max(0.0, float(cosine_similarity(total, example[0], dim=0))), abs=1e-6)
    assert scores[0, 1] == 0


def test_padding_does_not_count(network: SRPNet, noise: Noise) -> None:
    recogniser = Recogniser(network, torch.device("cpu"))
    deep, example = noise(1, 6, 2, 2).float().abs(), noise(1, 6, seed=1).float().abs()
    logits = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)], 1)
    valid = torch.ones(1, 32, 32, dtype=torch.bool)
    valid[:, 8:] = False
    changed = deep.clone()
    changed[:, :, 1] = 7  # the lower row of deep cells is padding alone
    scores = [recogniser.presence(each, logits, example[None], valid) for each in (deep, changed)]
    assert torch.equal(*scores)
    assert not torch.equal(*(recogniser.presence(each, logits, example[None]) for each in (deep, changed)))


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@pytest.mark.parametrize("way", [1, 2])
def test_the_plain_way_says_the_same(network: SRPNet, squares: Callable[..., Any], resize: Any, way: int) -> None:
    episodes = [squares(Geometry(96, resize), way=way, shot=2)[index] for index in range(3)]
    answers = [engine(network, FP32, presence=True).answer(episodes) for engine in (SRPNetMethod, PlainMethod)]
    for own, other in zip(*answers, strict=True):
        assert torch.equal(own.queries[0], other.queries[0])
        assert torch.tensor(own.presence).shape == (1, way)
        assert own.presence[0] == pytest.approx(other.presence[0], abs=1e-5)
        assert all(0 <= score <= 1 for score in own.presence[0])
    assert len({answer.presence[0][0] for answer in answers[0]}) == 3


def test_a_copy_of_the_support_is_surest(network: SRPNet, squares: Callable[..., Any]) -> None:
    recogniser = Recogniser(network, torch.device("cpu"))
    episode = squares()[0]
    (support,), (query,) = episode.supports(), episode.queries()
    deep = [recogniser.describe(each.image[None]) for each in (support, query)]
    shown = recogniser.shown(deep[0], episode.labels(support)[None], 1)
    mask = torch.nn.functional.avg_pool2d((episode.labels(support)[None, None] == 1).float(), 8)
    logits = torch.cat([1 - mask, mask], 1) * 1000
    copy, other = (float(recogniser.presence(each, logits, shown)[0, 0]) for each in deep)
    assert copy > 0.95
    assert copy > other


def test_a_fine_tuned_network_is_told_by_its_imagenet_weights(
    network: SRPNet, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = noise(1, 3, 64, 48, dtype=torch.float32).sigmoid()
    state = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    expected = Recogniser(network, torch.device("cpu")).describe(images)
    monkeypatch.setattr("srpnet.nn.weights.get_weights", lambda *_, **__: (None, state))
    with torch.no_grad():
        network.backbone.conv1.weight.mul_(3)
    network.config = replace(network.config, trained="all")
    assert torch.equal(Recogniser(network, torch.device("cpu")).describe(images), expected)
    network.config = replace(network.config, trained="head")
    assert not torch.equal(Recogniser(network, torch.device("cpu")).describe(images), expected)


@pytest.mark.parametrize(
    ("stages", "output_stride", "changed", "shared"),
    [
        ((2, 3, 4), 8, None, 2),  # stage 3 is dilated in the network
        ((2, 3, 4), 8, "layer3", 2),
        ((2, 3, 4), 8, "layer2", 1),
        ((2, 3, 4), 8, "conv1", 0),
        ((1, 4), 8, None, 1),
        ((4,), 32, None, 4),
        ((3, 4), 32, "layer4", 3),
    ],
)
def test_stages_that_are_alike_are_computed_once(
    tiny: TinySettings,
    noise: Noise,
    cache: TinyWeights,
    stages: tuple[int, ...],
    output_stride: Any,
    changed: str | None,
    shared: int,
) -> None:
    """To the last bit as if the network and the recogniser had each begun with the images."""
    network = build(tiny(stages=stages, output_stride=output_stride, trained="all", width=None))
    if changed is not None:
        with torch.no_grad():
            next(network.backbone.get_submodule(changed).parameters()).mul_(1.1)
    predictor = Predictor(network, FP32)
    assert predictor.recogniser.shared == shared
    images = noise(2, 3, 64, 48, dtype=torch.float32).sigmoid()
    encoded, levels = predictor.encode(images, deep=True, fit=True), predictor.levels(images)
    assert torch.equal(encoded.features_BChw, predictor.encode(images).features_BChw)
    assert encoded.deep_BDyx is not None
    assert torch.equal(encoded.deep_BDyx, levels[-1])
    assert [torch.equal(*pair) for pair in zip(encoded.levels_BChw, levels, strict=True)] == [True] * len(stages)


def test_nothing_is_said_that_was_not_asked_for(network: SRPNet, squares: Callable[..., Any]) -> None:
    for engine in (SRPNetMethod, PlainMethod):
        assert not engine(network, FP32).answer([squares()[0]])[0].presence


def test_a_threshold_out_of_range() -> None:
    with pytest.raises(InputError, match="`present_above` must be a number from 0 to 1, not 2"):
        NetworkSettings(present_above=2)
    assert replace(NetworkSettings(), present_above=0.5).present_above == 0.5
