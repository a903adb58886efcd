"""Boundary F: against a slow reference, and cases by hand."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from episodes.scoring.boundaries import BoundaryCounts


def outline(labels: Tensor, truth: Tensor) -> set[tuple[int, int]]:
    """The outline of class 1, pixel by pixel."""
    pixels = set(np.ndindex(*labels.shape))
    return {
        (y, x)
        for y, x in pixels
        if labels[y, x] == 1 and truth[y, x] != 255
        for other in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1))
        if other in pixels and labels[other] != 1 and truth[other] != 255
    }


def test_counts_against_sets_of_pixels() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        shape, tolerance = tuple(rng.integers(1, 12, size=2)), int(rng.integers(0, 4))
        prediction, truth = (torch.from_numpy(rng.integers(0, 3, shape).astype(np.uint8)) for _ in range(2))
        truth[torch.from_numpy(rng.random(shape) < rng.choice([0, 0.3, 1]))] = 255
        said, meant = outline(prediction, truth), outline(truth, truth)

        def near(some: set[tuple[int, int]], others: set[tuple[int, int]], tolerance: int = tolerance) -> int:
            return sum(any(math.dist(one, other) <= tolerance for other in others) for one in some)

        expected = (len(said), near(said, meant), len(meant), near(meant, said))
        assert BoundaryCounts.of(prediction, truth, tolerance=tolerance) == expected


def square(left: int) -> Tensor:
    labels = torch.zeros(20, 30, dtype=torch.uint8)
    labels[5:15, left : left + 10] = 1
    return labels


@pytest.mark.parametrize(("shift", "f"), [(0, 1.0), (3, 1.0), (15, 0.0)])
def test_an_outline_may_lie_some_pixels_away(shift: int, f: float) -> None:
    assert BoundaryCounts.of(square(2 + shift), square(2)).f == f


def test_further_away_only_the_crossing_parts_count() -> None:
    assert 0 < BoundaryCounts.of(square(7), square(2)).f < 1


def test_nothing_where_there_is_something_is_zero_and_nothing_at_all_is_nan() -> None:
    nothing = torch.zeros(20, 30, dtype=torch.uint8)
    assert BoundaryCounts.of(nothing, square(2)).f == BoundaryCounts.of(square(2), nothing).f == 0
    assert math.isnan(BoundaryCounts.of(nothing, nothing).f)


def test_photographs_add_up() -> None:
    one, other = BoundaryCounts.of(square(2), square(2)), BoundaryCounts.of(square(12), square(2))
    assert one.plus(other) == BoundaryCounts.of(torch.cat([square(2), square(12)]), torch.cat([square(2), square(2)]))


def test_maps_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match="not both"):
        BoundaryCounts.of(torch.zeros(2, 3), torch.zeros(3, 2))
