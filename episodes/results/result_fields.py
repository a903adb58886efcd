"""Which fields `result.json` has, and of what type: it may come from a stranger, or be damaged."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from episodes.checks import shown

Test = Callable[[Any], bool]
Fields = Mapping[str, "Test | Fields"]


def check_fields(content: Any) -> None:
    """See whether content of `result.json` is as schema 1 has it, as far as anybody reads it.

    Raises:
        ValueError: if a field is missing or of another type or range; it names the field.
    """
    _check(FIELDS, content, "")
    names = list(content["classes"].values())
    if len(set(names)) != len(names):
        raise ValueError("classes has a duplicate name")
    _check({name: test for name, test in OPTIONAL.items() if name in content}, content, "")
    for table in (content, *([content["wrong_support"]] if "wrong_support" in content else [])):
        for figures in (table["per_class"], table["intervals"]["per_class"]):
            if figures.keys() != set(names):
                raise ValueError("per_class does not match classes")


def _check(fields: Fields, content: Any, where: str) -> None:
    if not isinstance(content, dict):
        raise ValueError(f"{where.rstrip('.') or 'it'} is not a table")
    for name, test in fields.items():
        if name not in content:
            raise ValueError(f"it has no {where}{name}")
        if isinstance(test, Mapping):
            _check(test, content[name], f"{where}{name}.")
        elif not test(content[name]):
            raise ValueError(f"{where}{name} is {shown(content[name])}")


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= 1e12 and math.isfinite(value)


def _fraction(value: Any) -> bool:
    """From 0 to 1, or null."""
    return value is None or (_number(value) and -1e-9 <= value <= 1 + 1e-9)


def _difference(value: Any) -> bool:
    """From -1 to 1, or null."""
    return value is None or (_number(value) and _fraction(abs(value)))


def _interval(value: Any) -> bool:
    """Two fractions, or null."""
    return _interval_of_difference(value) and (value is None or min(value) >= -1e-9)


def _interval_of_difference(value: Any) -> bool:
    """Two differences, or null."""
    return value is None or (
        isinstance(value, list) and len(value) == 2 and all(end is not None and _difference(end) for end in value)
    )


def _count(value: Any) -> bool:
    return type(value) is int and 1 <= value <= 1e12


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _table(value: Any) -> bool:
    return isinstance(value, dict)


def _classes(value: Any) -> bool:
    """Label -> name."""
    return isinstance(value, dict) and all(
        label.isascii() and label.isdecimal() and len(label) < 10 and _text(name) for label, name in value.items()
    )


def _each(test: Test) -> Test:
    return lambda value: isinstance(value, dict) and all(map(test, value.values()))


def _has(fields: Mapping[str, Test]) -> Test:
    return lambda value: (
        isinstance(value, dict) and all(name in value and test(value[name]) for name, test in fields.items())
    )


def _headline(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= {"miou", "fb_iou"} and all(map(_fraction, value.values()))


def _seeds(value: Any) -> bool:
    return _each(_headline)(value) and len(value) > 0


FIGURES = ("miou", "fb_iou", "support_miou", "support_fb_iou")
FIELDS: Fields = {
    **dict.fromkeys(FIGURES, _fraction),
    "per_class": _each(_fraction),
    "classes": _classes,
    "intervals": {**dict.fromkeys(FIGURES, _interval), "per_class": _each(_interval)},
    "seeds": _seeds,
    "deviation": lambda value: value is None or _headline(value),
    "episodes": _count,
    "seconds": lambda value: _number(value) and value >= 0,
    "protocol": {"name": _text, "episodes": _count, "seeds": _count, "geometry": _table},
    "departures": _texts,
    "settings": {
        "data": _text,
        "source": {"fold": lambda value: _text(value) or type(value) is int},
        "way": _count,
        "shot": _count,
    },
    **dict.fromkeys(("pairs", "weights", "versions"), _table),
}
"""Those of every run that kept its counts."""
PRESENCE = ("false_positive_area", "found", "auc", "rejected", "lost")
NEGATIVES: Fields = {
    "episodes": _count,
    "score": _text,
    "threshold": _fraction,
    **dict.fromkeys(PRESENCE, _fraction),
    "intervals": dict.fromkeys(PRESENCE, _interval),
}
SUPPORTS: Mapping[str, Test] = {"right": _fraction, "wrong": _fraction, "gap": _difference}
SUPPORT_INTERVALS: Mapping[str, Test] = {"right": _interval, "wrong": _interval, "gap": _interval_of_difference}
WRONG_SUPPORT: Fields = {
    "episodes": _count,
    "left_out": lambda value: type(value) is int and value >= 0,
    **SUPPORTS,
    "per_class": _each(_has(SUPPORTS)),
    "intervals": {**SUPPORT_INTERVALS, "per_class": _each(_has(SUPPORT_INTERVALS))},
}
OPTIONAL: Fields = {
    "negatives": NEGATIVES,
    "wrong_support": WRONG_SUPPORT,
    "data_notes": _texts,
    "not_drawn": _texts,
    "note": _text,
    "files": _table,
}
"""Those that not every run has."""
