"""Iterative query inference against a loop over pixels; absent classes, padding, batches, gradients."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from episodes.errors import InputError
from srpnet.fewshot.prototypes import EPSILON
from srpnet.fewshot.query_inference import infer, query_background
from srpnet.fewshot.settings import QueryInference
from srpnet.nn.settings import Similarity
from srpnet.nn.similarity import cosine, fidelity

LOW = QueryInference(rounds=1, foreground=0.4, background=0.3)
"""Thresholds that random features reach."""


def slow_infer(
    features_Chw: Tensor, prototypes_PC: Tensor, iqi: QueryInference, alpha: float, floor: float = 0
) -> Tensor:
    """One query by fidelity, a pixel at a time: each class has a list of prototypes and of their weights."""
    classes, (height, width) = len(prototypes_PC), features_Chw.shape[1:]
    collection = [[(prototype, 1.0)] for prototype in prototypes_PC]

    def logits() -> Tensor:
        values = torch.zeros(classes, height, width, dtype=torch.float64)
        for label, y, x in torch.cartesian_prod(*(torch.arange(n) for n in values.shape)).tolist():
            feature, scores = features_Chw[:, y, x], []
            for prototype, weight in collection[label]:
                cos = feature @ prototype / (feature.norm() * prototype.norm())
                scores.append(weight * max(cos.item(), 0) ** 2)
            score = sum(scores) / sum(weight for _, weight in collection[label])
            values[label, y, x] = alpha * (score if label else max(score, floor))
        return values

    for _ in range(iqi.rounds):
        probabilities = logits().softmax(0)
        for label in range(classes):
            threshold = iqi.foreground if label else iqi.background
            pooled, total = torch.zeros(len(features_Chw), dtype=torch.float64), 0.0
            for y in range(height):
                for x in range(width):
                    if (probability := probabilities[label, y, x].item()) > threshold:
                        weight = probability if iqi.soft else 1.0
                        pooled, total = pooled + weight * features_Chw[:, y, x], total + weight
            if total:
                collection[label].append((pooled / (total + EPSILON), iqi.weight))
    return logits()


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_equals_the_loop(noise: Callable[..., Tensor], rounds: int, soft: bool, weight: float) -> None:
    features, prototypes = noise(2, 5, 3, 4), noise(3, 5, seed=1)
    iqi = replace(LOW, rounds=rounds, soft=soft, weight=weight)
    got = infer(features, prototypes, alpha=4, iqi=iqi)
    for query in range(2):
        expected = slow_infer(features[query], prototypes, iqi, 4)
        torch.testing.assert_close(got[query], expected, rtol=0, atol=1e-9)
    if rounds:
        assert (got - infer(features, prototypes, alpha=4)).abs().max() > 0.1


@pytest.mark.parametrize(("name", "similar"), [("fidelity", fidelity), ("cosine", cosine)])
def test_without_rounds_the_logits_are_scaled_similarities(
    noise: Callable[..., Tensor], name: Similarity, similar: Any
) -> None:
    features, prototypes = noise(2, 5, 3, 4), noise(3, 5, seed=1)
    expected = 7 * similar(features, prototypes.expand(2, -1, -1))
    for iqi in (None, QueryInference(rounds=0)):
        torch.testing.assert_close(infer(features, prototypes, similarity=name, alpha=7, iqi=iqi), expected)


def two_regions() -> tuple[Tensor, Tensor]:
    """A query, half of it background; prototypes of background, of the other half, and of an absent class."""
    prototypes = torch.eye(3, dtype=torch.float64)
    features = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
    features[0, 0, :, :2] = features[0, 1, :, 2:] = 1
    features[0, 1, :, :2] = features[0, 0, :, 2:] = 0.1
    return features, prototypes


@pytest.mark.parametrize("floor", [0.1, 0.5])
def test_a_floor_under_the_background_equals_the_loop(noise: Callable[..., Tensor], floor: float) -> None:
    features, prototypes, iqi = noise(1, 5, 3, 4), noise(3, 5, seed=1), replace(LOW, rounds=2)
    got = infer(features, prototypes, alpha=4, iqi=iqi, background_floor=floor)
    torch.testing.assert_close(got[0], slow_infer(features[0], prototypes, iqi, 4, floor), rtol=0, atol=1e-9)
    assert (got - infer(features, prototypes, alpha=4, iqi=iqi)).abs().max() > 0.01


def test_what_is_like_nothing_known_is_background_by_the_floor_alone() -> None:
    """A cell at 60 degrees to the class and at 90 to the background: fidelity 0.25 and 0."""
    features = torch.tensor([0.5, 0.75**0.5, 0])[None, :, None, None]
    prototypes = torch.tensor([[0.0, 0, 1], [1, 0, 0]])
    for floor, best in ((None, 1), (0.2, 1), (0.3, 0)):
        logits = infer(features, prototypes, alpha=10, background_floor=floor)
        torch.testing.assert_close(logits.flatten(), torch.tensor([10 * (floor or 0), 2.5]))
        assert logits.argmax() == best


def test_an_absent_class_breeds_no_prototype() -> None:
    features, prototypes = two_regions()
    logits = [infer(features, prototypes, iqi=QueryInference(rounds=rounds)) for rounds in (0, 1, 3)]
    assert all((later[:, 2] == logits[0][:, 2]).all() for later in logits[1:])
    assert (logits[1][0, 1, :, 2:] > logits[0][0, 1, :, 2:]).all()


@pytest.mark.parametrize("weight", [0.5, 100.0])
def test_no_confident_pixel_at_all_changes_nothing(noise: Callable[..., Tensor], weight: float) -> None:
    features, prototypes = noise(1, 5, 3, 4), noise(3, 5, seed=1)
    iqi = QueryInference(rounds=3, foreground=0.99, background=0.99, weight=weight)
    torch.testing.assert_close(infer(features, prototypes, alpha=0.1, iqi=iqi), infer(features, prototypes, alpha=0.1))


def test_each_threshold_serves_its_own_classes() -> None:
    features, prototypes = two_regions()
    plain = infer(features, prototypes)
    only_foreground = infer(features, prototypes, iqi=QueryInference(rounds=1, background=1 - 1e-12))
    assert (only_foreground[:, 0] == plain[:, 0]).all()
    assert (only_foreground[:, 1] != plain[:, 1]).any()
    only_background = infer(features, prototypes, iqi=QueryInference(rounds=1, foreground=1 - 1e-12))
    assert (only_background[:, 0] != plain[:, 0]).any()
    assert (only_background[:, 1] == plain[:, 1]).all()


def test_padding_is_never_pooled(noise: Callable[..., Tensor]) -> None:
    features, prototypes = noise(2, 5, 4, 4), noise(3, 5, seed=1)
    valid = torch.ones(2, 4, 4, dtype=torch.float64)
    valid[0, 3:], valid[1, :, 2:] = 0, 0
    changed = torch.where(valid[:, None] > 0, features, 5 * noise(2, 5, 4, 4, seed=2))
    iqi = replace(LOW, rounds=3)
    before, after = (infer(each, prototypes, valid, alpha=4, iqi=iqi) for each in (features, changed))
    inside = (valid > 0)[:, None].expand_as(before)
    torch.testing.assert_close(after[inside], before[inside])
    unaware = [infer(each, prototypes, alpha=4, iqi=iqi)[inside] for each in (features, changed)]
    assert (unaware[0] - unaware[1]).abs().max() > 0.01
    cropped = infer(features[1:, :, :, :2], prototypes, alpha=4, iqi=iqi)
    torch.testing.assert_close(before[1:, :, :, :2], cropped)


def test_a_query_that_is_all_padding_adds_nothing(noise: Callable[..., Tensor]) -> None:
    features, prototypes = noise(1, 5, 4, 4), noise(2, 5, seed=1)
    got = infer(features, prototypes, torch.zeros(1, 4, 4), alpha=4, iqi=LOW)
    assert (got == infer(features, prototypes, alpha=4)).all()


def test_a_cell_that_is_half_padding_weighs_half() -> None:
    """Two kinds of pixels of class 1, one of them on the edge of the photograph: hard pooling weighs them 2 to 1."""
    features = torch.zeros(1, 2, 1, 3, dtype=torch.float64)
    features[0, :, 0] = torch.tensor([[1, 0], [0.9, 0.1], [0, 1]]).T
    prototypes, valid = torch.tensor([[0.0, 1], [1, 0]]).double(), torch.tensor([[[1, 0.5, 0]]]).double()
    iqi = QueryInference(rounds=1, background=0.999999, foreground=0.6, soft=False)
    got = infer(features, prototypes, valid, alpha=1, similarity="cosine", iqi=iqi)
    # Confident of class 1 are the first two; together they weigh 1.5. A third of (0.9, 0.1) and two of (1, 0).
    own = torch.tensor([2 / 3 + 0.3, 0.1 / 3], dtype=torch.float64)
    similar = torch.stack([features[0, :, 0, x] @ own / features[0, :, 0, x].norm() / own.norm() for x in range(3)])
    plain = infer(features, prototypes, alpha=1, similarity="cosine")
    torch.testing.assert_close(got[0, 1, 0], (plain[0, 1, 0] + similar) / 2, rtol=0, atol=1e-6)


def test_queries_of_a_batch_do_not_see_each_other(noise: Callable[..., Tensor]) -> None:
    features, prototypes, valid = noise(3, 5, 4, 4), noise(4, 5, seed=1), (noise(3, 4, 4, seed=2) > -0.5).double()
    iqi = replace(LOW, rounds=2)
    together = infer(features, prototypes, valid, alpha=4, iqi=iqi)
    for query in range(3):
        alone = infer(features[query : query + 1], prototypes, valid[query : query + 1], alpha=4, iqi=iqi)
        torch.testing.assert_close(together[query : query + 1], alone)


def test_equal_prototypes_get_equal_logits(noise: Callable[..., Tensor]) -> None:
    features, prototype = noise(1, 5, 4, 4), noise(1, 5, seed=1)
    logits = infer(features, prototype.repeat(2, 1), iqi=replace(LOW, rounds=3, background=0.4))
    assert (logits[:, 0] == logits[:, 1]).all()


def test_gradients_flow_through_the_rounds(noise: Callable[..., Tensor]) -> None:
    features, prototypes = noise(2, 5, 4, 4).requires_grad_(), noise(3, 5, seed=1).requires_grad_()
    loss = infer(features, prototypes, alpha=4, iqi=replace(LOW, rounds=2)).softmax(1)[:, 1].sum()
    for gradient in torch.autograd.grad(loss, (features, prototypes)):
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0


def test_gradients_equal_differences_when_pooling_is_hard(noise: Callable[..., Tensor]) -> None:
    """The choice of pixels has no gradient; with hard pooling it has none in truth either, so the check is exact."""
    iqi = replace(LOW, rounds=2, soft=False)
    inputs = noise(1, 3, 3, 2).requires_grad_(), noise(2, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda maps, prototypes: infer(maps, prototypes, alpha=4, iqi=iqi), inputs)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"rounds": -1}, "`iqi.rounds` must be a whole number from 0 to 100, not -1"),
        ({"rounds": 10**9}, "`iqi.rounds` must be a whole number from 0 to 100, not 1000000000"),
        ({"rounds": True}, "`iqi.rounds` must be a whole number .*, not True"),
        ({"rounds": 2.0}, "`iqi.rounds` must be a whole number .*, not 2.0"),
        ({"foreground": 0.0}, "thresholds are probabilities"),
        ({"foreground": 1.0}, "thresholds are probabilities"),
        ({"background": 1.5}, "`iqi.background` must be a number from 0 to 1"),
        ({"weight": 0.0}, "`iqi.weight` must be a number above 0 and at most 1000, not 0"),
        ({"weight": -1.0}, "`iqi.weight` must be a number above 0"),
        ({"weight": float("inf")}, "`iqi.weight` must be a number above 0"),
        ({"soft": 1}, "`iqi.soft` must be true or false, not 1"),
    ],
)
def test_impossible_recipes_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        QueryInference(**options)


# ------------------------------------------------------------------------------------------- own background


def test_the_querys_background_is_the_mean_of_the_less_similar_half() -> None:
    features = torch.tensor([[[[1.0, 3.0], [5.0, 9.0]], [[0.0, 2.0], [5.0, 9.0]]]])
    alike = torch.tensor([[[0.1, 0.2], [0.8, 0.9]]])
    assert query_background(features, alike).tolist() == [[2.0, 1.0]]
    padded = torch.tensor([[[0.0, 0.5], [1.0, 1.0]]])  # of the three that are photograph, two are the half
    assert query_background(features, alike, padded).tolist() == [[4.0, 3.5]]
    assert query_background(features, alike, torch.zeros(1, 2, 2)).tolist() == [[0.0, 0.0]]


def test_a_query_lends_the_background_that_no_support_shows() -> None:
    """A close-up once made everything the class."""
    features = torch.zeros(1, 2, 4, 4, dtype=torch.float64)
    features[:, 0], features[:, 1] = 0.3, 1.0
    features[:, 0, :2, :2], features[:, 1, :2, :2] = 1.0, 0.2
    prototypes = torch.tensor([[0.0, 0.0], [1.0, 0.1]], dtype=torch.float64)
    found = infer(features, prototypes, iqi=QueryInference()).argmax(1)[0]
    assert found[:2, :2].all()
    assert found.sum() == 4
    for iqi in (None, QueryInference(own_background=False)):
        assert infer(features, prototypes, iqi=iqi).argmax(1).all()


def test_each_query_of_a_batch_has_its_own_case(noise: Callable[..., Tensor]) -> None:
    features, prototypes = noise(2, 6, 3, 3).abs(), noise(2, 3, 6, seed=1).abs()
    prototypes[1, 0] = 0
    together = infer(features, prototypes, iqi=LOW)
    for place in (0, 1):
        alone = infer(features[place : place + 1], prototypes[place], iqi=LOW)
        torch.testing.assert_close(together[place : place + 1], alone)
    assert not torch.allclose(together[1], infer(features, prototypes, iqi=replace(LOW, own_background=False))[1])


def test_gradients_of_several_uses_are_those_of_each_added(noise: Callable[..., Tensor]) -> None:
    """To the last bit: they are summed within each use before they are summed among them, so that runs repeat."""
    features = noise(2, 16, 12, 12).relu().requires_grad_()
    uses = [infer(features, noise(3, 16, seed=seed), iqi=replace(LOW, rounds=2)).square().mean() for seed in (1, 2)]
    first, second = (torch.autograd.grad(use, features, retain_graph=True)[0] for use in uses)
    (together,) = torch.autograd.grad(uses[0] + uses[1], features)
    assert torch.equal(together, first + second)
