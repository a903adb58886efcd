"""What was learned on classes that are not tested: `calibration.json`, as `benchmarks/forecast.py` writes it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

GROUPS = {"one": 1, "few": 2, "many": 5}
"""Name -> fewest examples of a task that is forecast by it."""


@dataclass(frozen=True)
class Linear:
    """A linear function of named values, of which those that count are not negative: more evidence never harms.

    Attributes:
        constant: What it is where all values are 0.
        weights: Name -> how much a value counts.
    """

    constant: float
    weights: Mapping[str, float]

    def __call__(self, values: Mapping[str, float]) -> float:
        """Its value."""
        return self.constant + sum(weight * values[name] for name, weight in self.weights.items())


@dataclass(frozen=True)
class Group:
    """What is known of tasks with so many examples.

    Attributes:
        iou: The expected IoU, see `srpnet.apps.trust.forecast.features`.
        low, high: How far the true IoU lies from that, as multiples of the `disagreement` of the examples: 5 and 95 %
            of tasks lie below.
        absent: The presence of what is found in photographs that do not show the object, ascending, evenly spread.
    """

    iou: Linear
    low: float
    high: float
    absent: tuple[float, ...]


def group_name(examples: int) -> str:
    """Of tasks with so many examples.

    >>> [group_name(examples) for examples in (1, 2, 4, 5, 9)]
    ['one', 'few', 'few', 'many', 'many']
    """
    return max((fewest, name) for name, fewest in GROUPS.items() if fewest <= examples)[1]


@cache
def _read() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((files("srpnet.apps.trust") / "calibration.json").read_text(encoding="utf-8"))
    return content


@cache
def calibration() -> Mapping[str, Group]:
    """Name of a group -> what is known of it."""
    return {name: group_of(fields) for name, fields in _read()["groups"].items()}


def calibrated_network() -> str:
    """The `sha256` of the `Predictor` whose tasks these are."""
    return str(_read()["network"])


def group_of(fields: Mapping[str, Any]) -> Group:
    """A group, of what JSON makes of it."""
    return Group(Linear(**fields["iou"]), fields["low"], fields["high"], tuple(fields["absent"]))
