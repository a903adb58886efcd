"""Metrics: counts against a slow reference, and reductions and their disputed cases by hand."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from episodes.scoring.metrics import Absent, Counts, Score, Vanished, confusion

NAMES = {3: "cat", 7: "gnu", 9: "owl"}


def random_maps(seed: int) -> tuple[Tensor, Tensor, int]:
    """Prediction and truth of 1..4 ways, with some 255; now and then all of it."""
    rng = np.random.default_rng(seed)
    ways = int(rng.integers(1, 5))
    shape = tuple(rng.integers(1, 8, size=rng.integers(2, 4)))
    prediction = rng.integers(0, ways + 1, shape).astype(np.uint8)
    truth = rng.integers(0, ways + 1, shape).astype(np.uint8)
    truth[rng.random(shape) < rng.choice([0, 0.3, 1])] = 255
    return torch.from_numpy(prediction), torch.from_numpy(truth), ways


def test_confusion_against_sets_of_pixels() -> None:
    for seed in range(400):
        prediction, truth, ways = random_maps(seed)
        pixels = list(np.ndindex(*truth.shape))
        said = [{pixel for pixel in pixels if prediction[pixel] == label} for label in range(ways + 1)]
        meant = [{pixel for pixel in pixels if truth[pixel] == label} for label in range(ways + 1)]
        expected = [[len(row & column) for column in said] for row in meant]
        assert confusion(prediction, truth, ways).tolist() == expected


@pytest.mark.parametrize("ways", [1, 2, 13, 14, 15, 20])
def test_bytes_and_integers_count_alike(ways: int) -> None:
    """Up to 14 ways are counted in bytes, in which 255 must land behind all pairs of labels."""
    rng = np.random.default_rng(ways)
    prediction = torch.from_numpy(rng.integers(0, ways + 1, (40, 40)).astype(np.uint8))
    truth = torch.from_numpy(rng.integers(0, ways + 1, (40, 40)).astype(np.uint8))
    truth[:10] = 255
    assert torch.equal(confusion(prediction, truth, ways), confusion(prediction.long(), truth.long(), ways))
    assert confusion(prediction, truth, ways).sum() == 30 * 40


def test_iou_against_sets_of_pixels() -> None:
    for seed in range(200):
        prediction, truth, ways = random_maps(seed)
        score = Score({way: str(way) for way in range(1, ways + 1)}, absent="nan")
        score.add(range(1, ways + 1), confusion(prediction, truth, ways))
        counted = truth != 255
        for way in range(1, ways + 1):
            said, meant = (prediction == way) & counted, truth == way
            union = int((said | meant).sum())
            expected = int((said & meant).sum()) / union if union else math.nan
            assert score.per_class[str(way)] == pytest.approx(expected, nan_ok=True)
        said, meant = (prediction > 0) & counted, (truth > 0) & counted
        binary = [(said & meant).sum() / (said | meant).sum(), (counted & ~(said | meant)).sum()]
        binary[1] = binary[1] / (counted & ~(said & meant)).sum()
        assert score.fb_iou == pytest.approx(float(sum(binary)) / 2, nan_ok=True)


def test_confusion_counts_in_integers() -> None:
    assert confusion(torch.zeros(2, 2), torch.full((2, 2), 255), 1).dtype == torch.int64


def test_a_prediction_is_not_read_where_the_truth_is_255() -> None:
    prediction, truth = torch.tensor([[255, 1]]), torch.tensor([[255, 1]])
    assert confusion(prediction, truth, 1).tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize(("predicted", "true"), [(2, 0), (0, 2), (255, 1), (1, 254)])
def test_labels_out_of_range(predicted: int, true: int) -> None:
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.1, or be 255 in the truth"):
        confusion(torch.tensor([[predicted]]), torch.tensor([[true]]), 1)
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.1, or be 255 in the truth"):
        confusion(torch.tensor([[predicted]]).byte(), torch.tensor([[true]]).byte(), 1)


def test_labels_below_zero() -> None:
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.1"):
        confusion(torch.tensor([[-1]]), torch.tensor([[1]]), 1)


def test_shapes_that_differ() -> None:
    with pytest.raises(ValueError, match=r"prediction \(2, 3\) and truth \(3, 2\) differ in shape"):
        confusion(torch.zeros(2, 3), torch.zeros(3, 2), 1)


def test_iou_of_counts() -> None:
    assert Counts(tp=3, fp=2, fn=1).iou == 0.5
    assert Counts(fp=1).iou == 0
    assert math.isnan(Counts().iou)


def score(vanished: Vanished = "count", absent: Absent = "zero") -> Score:
    """Four episodes: two of class 3, one of class 7 whose pixels vanished, one of class 7; class 9 is never drawn."""
    total = Score(NAMES, vanished, absent)
    total.add((3,), torch.tensor([[10, 2], [1, 3]]))
    total.add((3,), torch.tensor([[5, 0], [4, 10]]))
    total.add((7,), torch.tensor([[20, 4], [0, 0]]))
    total.add((7,), torch.tensor([[6, 1], [1, 4]]))
    return total


def test_counts_are_summed_before_they_are_divided() -> None:
    # 13 / (13 + 2 + 5), where the mean of the two IoUs would be (3/6 + 10/14) / 2.
    assert score().per_class["cat"] == 13 / 20


@pytest.mark.parametrize(
    ("vanished", "gnu", "foreground"),
    [("count", 4 / (4 + 5 + 1), 17 / (17 + 7 + 6)), ("skip", 4 / (4 + 1 + 1), 17 / (17 + 3 + 6))],
)
def test_false_positives_of_a_vanished_class(vanished: Vanished, gnu: float, foreground: float) -> None:
    total = score(vanished)
    assert total.per_class["gnu"] == pytest.approx(gnu)
    assert total.foreground.iou == pytest.approx(foreground)
    assert total.background.iou == pytest.approx(41 / (41 + 6 + 7))
    assert total.fb_iou == pytest.approx((foreground + 41 / 54) / 2)


@pytest.mark.parametrize("vanished", ["count", "skip"])
def test_a_vanished_background(vanished: Vanished) -> None:
    total = Score({3: "cat"}, vanished)
    total.add((3,), torch.tensor([[0, 0], [3, 4]]))
    total.add((3,), torch.tensor([[2, 0], [0, 1]]))
    assert total.background.iou == {"count": 2 / 5, "skip": 1}[vanished]
    assert total.foreground.iou == 5 / 8


@pytest.mark.parametrize(
    ("absent", "miou"), [("zero", (0.65 + 0.4) / 3), ("nan", math.nan), ("skip", (0.65 + 0.4) / 2)]
)
def test_a_class_that_no_episode_drew(absent: Absent, miou: float) -> None:
    """Its own IoU is not known, whatever the mean makes of it."""
    total = score(absent=absent)
    assert list(total.per_class) == ["cat", "gnu", "owl"]
    assert math.isnan(total.per_class["owl"])
    assert total.miou == pytest.approx(miou, nan_ok=True)


@pytest.mark.parametrize(("absent", "miou"), [("zero", 0), ("nan", math.nan), ("skip", math.nan)])
def test_no_episode_at_all(absent: Absent, miou: float) -> None:
    assert Score(NAMES, absent=absent).miou == pytest.approx(miou, nan_ok=True)
    assert math.isnan(Score(NAMES, absent=absent).fb_iou)


def test_zero_also_for_a_drawn_class_of_which_nothing_was_counted() -> None:
    total = Score({3: "cat", 7: "gnu"}, absent="zero")
    total.add((3,), torch.tensor([[0, 0], [0, 8]]))
    total.add((7,), torch.tensor([[9, 0], [0, 0]]))
    assert total.miou == 0.5


def test_two_ways_are_two_classes_and_one_foreground() -> None:
    total = Score({7: "gnu", 3: "cat"})
    total.add((3, 7), torch.tensor([[4, 1, 0], [0, 3, 2], [1, 1, 5]]))
    assert total.per_class == {"gnu": 5 / 9, "cat": 3 / 7}
    assert total.miou == pytest.approx((5 / 9 + 3 / 7) / 2)
    # One for the other is still foreground: 3 + 2 + 1 + 5 of it found, 1 invented, 1 lost.
    assert total.fb_iou == pytest.approx((11 / 13 + 4 / 6) / 2)


def test_the_same_class_in_different_ways() -> None:
    total = Score({3: "cat"})
    total.add((3, 7), torch.tensor([[0, 0, 0], [0, 6, 0], [0, 0, 0]]))
    total.add((7, 3), torch.tensor([[0, 0, 0], [0, 0, 0], [0, 3, 1]]))
    assert total.miou == 7 / 10


def test_the_order_of_episodes_does_not_matter() -> None:
    matrices = [torch.from_numpy(np.random.default_rng(seed).integers(0, 50, (2, 2))) for seed in range(6)]
    forward, backward = Score({1: "ant"}), Score({1: "ant"})
    for one, two in zip(matrices, matrices[::-1], strict=True):
        forward.add((1,), one)
        backward.add((1,), two)
    assert (forward.miou, forward.fb_iou) == (backward.miou, backward.fb_iou)
