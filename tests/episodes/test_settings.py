"""Settings: what a field says of itself is checked, built from values, flattened and asked for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest

from episodes.errors import InputError
from episodes.settings import build, check, declared, flat, may_change, setting


@dataclass(frozen=True)
class Inner:
    """A recipe with a name of its own."""

    prefix: ClassVar[str] = "inner."

    weight: float = setting(1.0, "How much.", low=0, high=10, above=True)
    soft: bool = setting(True, "Softly.", off="--inner-hard")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Outer:
    """Settings of every kind."""

    steps: int = setting(5, "How many.", low=1, high=9, may_change="on resuming")
    weight: float = setting(0.5, "How much.", low=0, high=1, flag="--lambda")
    kind: Literal["a", "b"] = setting("a", "Which.")
    stride: Literal[8, 16] | None = setting(None, "How far.")
    name: str | None = setting(None, "Whose.", may_change="among processes")
    record: Mapping[str, Any] = setting(dict, "What else.", flag=None)
    inner: Inner = Inner()

    def __post_init__(self) -> None:
        check(self)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"steps": 0}, "`steps` must be a whole number from 1 to 9, not 0"),
        ({"steps": True}, "`steps` must be a whole number"),
        ({"weight": math.nan}, "`weight` must be a number from 0 to 1, not nan"),
        ({"kind": "c"}, "`kind` must be a or b, not 'c'"),
        ({"stride": 32}, "`stride` must be 8 or 16, not 32"),
        ({"stride": "8"}, "`stride` must be 8 or 16, not '8'"),
        ({"name": 3}, "`name` must be text, not 3"),
        ({"record": []}, "`record` must be a Mapping"),
        ({"inner_weight": 0.0}, "`inner.weight` must be a number above 0 and at most 10, not 0.0"),
        ({"inner_soft": 1}, "`inner.soft` must be true or false, not 1"),
    ],
)
def test_what_a_field_says_is_checked(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        build(Outer, values)


def test_values_reach_their_fields_and_the_rest_have_their_defaults() -> None:
    built = build(Outer, {"weight": 0.25, "inner_weight": 2.0, "stride": 16, "unknown": 1})
    assert built == Outer(weight=0.25, stride=16, inner=Inner(weight=2.0))
    assert build(Outer, {}) == Outer()


def test_two_settings_of_one_name_are_told_apart() -> None:
    named = {each.path: (each.name, each.key, each.flag) for each in declared(Outer)}
    assert named["weight"] == ("weight", "weight", "--lambda")
    assert named["inner.weight"] == ("inner.weight", "inner_weight", "--inner-weight")
    assert named["record"][2] is None


def test_what_may_change_is_asked_of_the_fields() -> None:
    assert may_change(Outer(), "on resuming") == {"steps", "name"}
    assert may_change(Outer(), "among processes") == {"name"}
    assert may_change({"outer": Outer(), "n": 3}, "among processes") == {"outer.name"}


def test_settings_are_flattened_to_plain_values() -> None:
    assert flat(Outer(record={"a": (1, 2)}))["record.a"] == "1, 2"
    assert flat(Outer())["inner.soft"] is True
    assert flat({"x": Inner(), "y": 1}) == {"x.weight": 1.0, "x.soft": True, "y": 1}
