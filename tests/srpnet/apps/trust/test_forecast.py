"""From what examples say of themselves to what is to be expected."""

import math
from dataclasses import replace

import pytest

from srpnet.apps.trust.calibration import GROUPS, Group, Linear, calibration
from srpnet.apps.trust.evidence import Evidence
from srpnet.apps.trust.forecast import SURE, features, forecast

PLAIN = Group(Linear(0.1, {"others": 0.5, "fitted": 0.25}), -0.2, 0.4, (0.1, 0.2))
ALL = dict.fromkeys(GROUPS, PLAIN)


def evidence(*others: float, fitted: float = math.nan) -> Evidence:
    count = len(others)
    return Evidence(
        tuple(f"{i}.jpg" for i in range(count)), (0.2,) * count, (0.9,) * count, others, (0.5,) * count, fitted
    )


def test_what_is_expected_by_hand() -> None:
    found = forecast(evidence(0.6, 0.4, fitted=0.8), ALL)
    assert found.iou == pytest.approx(0.1 + 0.5 * 0.5 + 0.25 * 0.8)
    scale = SURE + 0.2 / math.sqrt(2)  # the standard deviation of two
    assert (found.low, found.high) == pytest.approx((found.iou - 0.2 * scale, found.iou + 0.4 * scale))
    assert (found.examples, found.weakest, found.found) == (2, "1.jpg", 0.4)


def test_a_share_stays_one_and_a_single_example_is_not_the_weakest() -> None:
    found = forecast(evidence(1.0, fitted=1.0), dict.fromkeys(GROUPS, replace(PLAIN, high=9.0)))
    assert found.high == 1.0
    assert found.weakest is None


def test_an_example_in_which_nothing_is_seen_counts_as_not_found() -> None:
    assert features(evidence(math.nan, 0.5))["others"] == 0.25
    assert features(evidence(0.4))["fitted"] == 0.4  # nothing is fitted to a single one


def test_what_the_package_brings() -> None:
    """A better example never makes the forecast worse, and the interval holds the expected value."""
    groups = calibration()
    assert groups.keys() == GROUPS.keys()
    for group in groups.values():
        assert all(weight >= 0 for weight in group.iou.weights.values())
        assert group.iou.weights.keys() == features(evidence(0.5)).keys()
        assert group.low < 0 < group.high
        assert list(group.absent) == sorted(group.absent)
    for count in (1, 3, 5):
        low, high = (forecast(evidence(*[iou] * count)).iou for iou in (0.2, 0.8))
        assert low < high
