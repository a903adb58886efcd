"""The network as a method to be scored: label maps, prepared features, restored supports."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from benchmarks.plain import PlainMethod
from episodes.fewshot.episode import EpisodeSpec
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.scenes.loading import Loader
from episodes.scoring.evaluate import cache_for, evaluate
from episodes.scoring.methods import offers
from episodes.scoring.metrics import confusion
from episodes.scoring.protocols import PROTOCOLS
from srpnet.fewshot.evaluation.method import SRPNetMethod, membership
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.prototypes import support_prototypes
from srpnet.fewshot.settings import QueryInference
from srpnet.nn.device import Runtime
from srpnet.nn.grid import upsample
from srpnet.training.log import highest
from tests.episodes.fakes import Fake, label_map

FP32 = Runtime(torch.device("cpu"), "fp32")


@pytest.fixture
def method(network: SRPNet) -> SRPNetMethod:
    return SRPNetMethod(network.train(), FP32)


def test_it_offers_what_the_evaluator_can_use(method: SRPNetMethod) -> None:
    assert offers(method, "prepare")
    assert offers(method, "restore_supports")
    assert not method.predictor.network.training


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "letterbox-8", "longest"])
@pytest.mark.parametrize(("score_at", "size"), [("input", None), ("original", (48, 64))])
@pytest.mark.parametrize("way", [1, 2])
def test_label_maps_have_the_size_of_the_truth(
    method: SRPNetMethod, squares: Callable[..., Any], resize: Any, score_at: Any, size: Any, way: int
) -> None:
    episode = replace(squares(Geometry(96, resize), way=way, shot=2)[4], score_at=score_at)
    (prediction,) = method(episode)
    assert prediction.dtype == torch.uint8
    assert prediction.shape == episode.truth(episode.queries()[0]).shape
    assert size is None or prediction.shape == size
    assert set(prediction.unique().tolist()) <= set(range(way + 1))
    confusion(prediction, episode.truth(episode.queries()[0]), way)


def test_it_equals_the_network_by_hand(method: SRPNetMethod, squares: Callable[..., Any]) -> None:
    episode, network = squares(way=2, shot=2)[1], method.predictor.network
    supports, (query,) = episode.supports(), episode.queries()
    with torch.inference_mode():
        features = torch.cat([network.encode(support.image[None]) for support in supports])
        labels = torch.stack([episode.labels(support) for support in supports])
        prototypes = support_prototypes(features, labels, membership(episode))
        logits = network.segment(network.encode(query.image[None]), prototypes, iqi=method.iqi)
        restored = network.segment(features, prototypes)
    assert torch.equal(method(episode)[0], upsample(logits, (64, 64), 8)[0].argmax(0).byte())
    assert len(method.restore_supports(episode)) == 4
    for prediction, scores in zip(method.restore_supports(episode), restored, strict=True):
        assert torch.equal(prediction, upsample(scores[None], (64, 64), 8)[0].argmax(0).byte())


def test_at_the_original_size_padding_is_cut_off_before_the_scores_come_back(
    method: SRPNetMethod, squares: Callable[..., Any]
) -> None:
    """Of 48 x 64 in a square of 96, the lower quarter is padding: 72 rows of scores become 48."""
    episode = replace(squares(Geometry(96, "letterbox"))[1], score_at="original")
    (query,) = episode.queries()
    with torch.inference_mode():
        features = [method.predictor.network.encode(each.image[None]) for each in (*episode.supports(), query)]
        labels = torch.stack([episode.labels(support) for support in episode.supports()])
        prototypes = support_prototypes(features[0], labels, membership(episode))
        logits = method.predictor.network.segment(features[1], prototypes, query.valid[None], method.iqi)
        scores = upsample(logits, (96, 96), 8)[..., :72, :]
        expected = F.interpolate(scores, (48, 64), mode="bilinear", align_corners=False)[0].argmax(0)
    assert torch.equal(method(episode)[0], expected.byte())


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_the_highest_score_is_argmax(noise: Callable[..., torch.Tensor], classes: int) -> None:
    scores = noise(3, classes, 6, 7).requires_grad_()
    got = highest(scores)
    assert (got.dtype, got.shape, got.requires_grad) == (torch.uint8, (3, 6, 7), False)
    assert torch.equal(got, scores.argmax(1).byte())


def test_of_equal_scores_the_first_is_the_highest() -> None:
    scores = torch.tensor([[0.0, 1, 1, 0], [0, 1, 0, 2], [0, 0, 1, 2]]).reshape(1, 3, 2, 2)
    assert highest(scores).tolist() == [[[0, 0], [0, 1]]]


def test_padding_of_a_query_is_told_to_the_network(
    method: SRPNetMethod, squares: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, segment = [], method.predictor.network.segment

    def listen(features: Any, prototypes: Any, valid: Any = None, iqi: Any = None) -> Any:
        told.append(valid)
        return segment(features, prototypes, valid, iqi)

    monkeypatch.setattr(method.predictor.network, "segment", listen)
    method(squares(Geometry(64, "letterbox"))[0])
    valid, of_support = told
    assert valid[:, :48].all()
    assert not valid[:, 48:].any()
    assert of_support is None  # which needs no query inference


def test_membership_follows_the_spec(squares: Callable[..., Any]) -> None:
    episode = squares(way=2)[0]
    spec = replace(episode.spec, supports=(("1-1", "1-2"), ("2-1",)))
    assert membership(replace(episode, spec=spec)).tolist() == [[True, False], [True, False], [False, True]]


def test_prepared_features_are_used(
    method: SRPNetMethod, squares: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    episode = squares()[2]
    plain, restored = method(episode), method.restore_supports(episode)

    def load(id: str, slot: int) -> Any:
        photograph = episode.load(id, slot)
        return photograph.with_prepared(prepared[id])

    photographs = [*episode.supports(), *episode.queries()]
    prepared = {photograph.id: method.prepare([photograph])[0] for photograph in photographs}
    assert all(each.features_hwC.shape == (8, 8, 8) for each in prepared.values())
    monkeypatch.setattr(method.predictor.network, "encode", None)
    assert torch.equal(method(replace(episode, load=load))[0], plain[0])
    assert torch.equal(method.restore_supports(replace(episode, load=load))[0], restored[0])


def test_an_evaluation_encodes_each_photograph_once(
    method: SRPNetMethod, squares: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = method.predictor.network.backbone
    encoded, forward = [], backbone.forward
    monkeypatch.setattr(
        backbone, "forward", lambda some, **options: encoded.append(len(some)) or forward(some, **options)
    )
    episodes = [squares(shot=2)[0]] * 3
    evaluation = evaluate(method, episodes, PROTOCOLS["hsnet"], {1: "red"})
    assert sum(encoded) == 3
    assert evaluation.episodes == 3
    assert 0 < evaluation.supports.miou <= 1


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "letterbox-8", "longest"])
@pytest.mark.parametrize("score_at", ["input", "original"])
@pytest.mark.parametrize(("way", "shot"), [(1, 1), (1, 3), (3, 2)])
def test_the_plain_way_counts_the_same(
    network: SRPNet, squares: Callable[..., Any], resize: Any, score_at: Any, way: int, shot: int
) -> None:
    """In float64, to the last pixel, with a cache too small for the run."""
    eager = QueryInference(rounds=2, foreground=0.4, background=0.4)
    drawn = [squares(Geometry(72, resize), way=way, shot=shot)[index % 4] for index in range(6)]
    drawn = [replace(episode, score_at=score_at) for episode in drawn]
    found = []
    for engine in (SRPNetMethod, PlainMethod):
        counted: list[Any] = []
        method = engine(network.double(), FP32, eager)
        scores = evaluate(
            method,
            drawn,
            PROTOCOLS["hsnet"],
            {1: "red", 2: "green", 3: "blue"},
            cache_bytes=100_000,
            batch=4,
            on_episode=lambda *done, counted=counted: counted.append(done[2].tolist()),
        )
        found.append((counted, scores.queries, scores.supports))
    assert found[0] == found[1]
    assert 0 < found[0][1].miou < 1


def test_the_plain_way_encodes_everything_each_time(
    network: SRPNet, squares: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    method = PlainMethod(network, FP32)
    encoded, encode = [], method.network.encode
    monkeypatch.setattr(method.network, "encode", lambda images: encoded.append(len(images)) or encode(images))
    evaluate(method, [squares(shot=2)[0]] * 3, PROTOCOLS["hsnet"], {1: "red"})
    assert sum(encoded) == 9


def test_what_was_encoded_together_is_freed_alone(method: SRPNetMethod, squares: Callable[..., Any]) -> None:
    episode = squares()[0]
    for encoded in method.prepare([*episode.supports(), *episode.queries()]):
        features = encoded.features_hwC
        assert features.untyped_storage().nbytes() == features.nbytes


def test_query_inference_is_the_networks_own_unless_told(network: SRPNet, squares: Callable[..., Any]) -> None:
    eager = QueryInference(rounds=3, foreground=0.01, background=0.01, weight=100)
    assert SRPNetMethod(network, FP32).iqi == network.config.iqi
    maps = [SRPNetMethod(network, FP32, iqi)(squares()[0])[0] for iqi in (QueryInference(rounds=0), eager)]
    assert not torch.equal(*maps)


def test_bfloat16_gives_nearly_the_same_map(network: SRPNet, squares: Callable[..., Any]) -> None:
    half = SRPNetMethod(network, Runtime(torch.device("cpu"), "bf16"), QueryInference(rounds=0))
    assert half.prepare(squares()[0].queries())[0].features_hwC.dtype == torch.bfloat16
    exact = SRPNetMethod(network, FP32, QueryInference(rounds=0))
    agreement = (half(squares()[0])[0] == exact(squares()[0])[0]).float().mean()
    assert agreement > 0.9


@pytest.mark.parametrize(
    "changes", [{"annotation": "box"}, {"support_ignore": "background"}, {"ignored": frozenset({2})}]
)
def test_what_a_support_teaches_is_kept_for_episodes_that_teach_the_same(
    method: SRPNetMethod, changes: dict[str, Any]
) -> None:
    """Two evaluations on one cache find what each finds alone, whatever they make of the supports' masks."""
    maps = {f"v{number}": label_map({1: 300 + 40 * number, 2: 200, 255: 100}) for number in range(4)}
    specs = [EpisodeSpec(number, (1,), ((f"v{number}",),), (f"v{(number + 1) % 4}",)) for number in range(4)]
    loader = Loader(Fake(maps), Geometry(64))
    plans = [[each.build(spec) for spec in specs] for each in (loader, replace(loader, **changes))]
    alone = [evaluate(method, plan, PROTOCOLS["hsnet"], {1: "ant"}).records for plan in plans]
    with cache_for(method, 1 << 30) as cache:
        shared = [evaluate(method, plan, PROTOCOLS["hsnet"], {1: "ant"}, cache=cache).records for plan in plans]
    counts = [[record.matrix.tolist() for record in records] for records in alone]
    assert [[record.matrix.tolist() for record in records] for records in shared] == counts
    assert counts[0] != counts[1]
