"""How well will it do? From what a few examples say of themselves, the IoU to expect on other photographs."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from srpnet.apps.trust.calibration import Group, calibration, group_name
from srpnet.apps.trust.evidence import Evidence

SURE = 0.1
"""Disagreement of examples that are all found alike."""


class Forecast(NamedTuple):
    """What to expect of photographs that show the class.

    Attributes:
        examples: How many there are.
        iou: The expected mean IoU over photographs, 0 to 1.
        low, high: Of ten tasks like this, nine lie between.
        weakest: The example of which the others find least; None of a single one.
        found: How much of it they find, IoU.
    """

    examples: int
    iou: float
    low: float
    high: float
    weakest: str | None
    found: float

    def summary(self, name: str = "it") -> str:
        """The expected IoU and its range, in words.

        >>> Forecast(3, 0.71, 0.52, 0.88, "b.jpg", 0.4).summary("cup")
        'Forecast for photographs that show cup: IoU about 71 % (52 to 88 % in nine of ten cases like this)'
        """
        iou, low, high = (f"{100 * value:.0f}" for value in (self.iou, self.low, self.high))
        span = f"({low} to {high} % in nine of ten cases like this)"
        return f"Forecast for photographs that show {name}: IoU about {iou} % {span}"

    @property
    def advice(self) -> str | None:
        """What to add, in words; None if there is no need."""
        if self.weakest is None:
            return "A second example would make the forecast surer, and most likely the masks better"
        if self.found < self.iou:
            return f"Add an example like {self.weakest}, of which the others find least"
        return None


def features(evidence: Evidence) -> dict[str, float]:
    """What the expected IoU depends on: means over the examples, each 0 to 1.

    An example of which the network sees nothing counts as not found.
    """
    others = _mean(evidence.others)
    return {
        "others": others,
        "fitted": others if math.isnan(evidence.fitted) else evidence.fitted,
        "alone": _mean(evidence.alone),
        "presence": _mean(evidence.presence),
    }


def disagreement(evidence: Evidence) -> float:
    """How much less sure a forecast is: the more, the more the examples differ in how well they are found."""
    others = _known(evidence.others)
    return SURE + (stdev(others) if len(others) > 1 else 0.0)


def forecast(evidence: Evidence, groups: Mapping[str, Group] | None = None) -> Forecast:
    """What to expect of a class, from its examples.

    Args:
        evidence: Of the examples.
        groups: What is known of tasks; by default the `calibration` that comes with the package.
    """
    group = (groups or calibration())[group_name(len(evidence.others))]
    expected = group.iou(features(evidence))
    scale = disagreement(evidence)
    low, iou, high = (min(1.0, max(0.0, expected + away * scale)) for away in (group.low, 0.0, group.high))
    several = len(evidence.names) > 1
    found = min(_known(evidence.others))
    return Forecast(len(evidence.others), iou, low, high, evidence.weakest if several else None, found)


def _known(values: Sequence[float]) -> list[float]:
    return [0.0 if math.isnan(value) else value for value in values]


def _mean(values: Sequence[float]) -> float:
    return fmean(_known(values))
