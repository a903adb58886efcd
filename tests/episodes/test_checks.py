"""Numbers that are NaN, infinite or absurd, and values of another type, are refused in one line."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from episodes.checks import check_choice, check_number, check_type, check_whole
from episodes.errors import InputError
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.settings import DataSettings
from episodes.results.bootstrap import Resampling
from episodes.scoring.plans.settings import PlanSettings

NONE_OF_THEM = [math.nan, math.inf, -math.inf, "3", None, [3], {"a": 1}, True, 10**400, -1]


@pytest.mark.parametrize("value", [*NONE_OF_THEM, 3.0, 101, "9" * 5000])
def test_no_whole_number(value: Any) -> None:
    with pytest.raises(InputError, match=r"^`my_field` must be a whole number from 0 to 100, not ") as caught:
        check_whole(SimpleNamespace(my_field=value), 0, 100, "my_field")
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("value", [*NONE_OF_THEM, 0, 100.5])
def test_no_number(value: Any) -> None:
    with pytest.raises(InputError, match=r"^`x` must be a number above 0 and at most 100, not "):
        check_number(SimpleNamespace(x=value), 0, 100, "x", above=True)


def test_numbers_in_range() -> None:
    settings = SimpleNamespace(a=0, b=100, c=np.int64(3), d=np.float32(0.5), e=1.5, f=True, g="head")
    check_whole(settings, 0, 100, "a", "b", "c")
    check_number(settings, 0, 100, "a", "b", "c", "d", "e")
    check_type(settings, bool, "f")
    check_choice(settings, ("head", "all"), "g")
    with pytest.raises(InputError, match="`a` must be true or false, not 0"):
        check_type(settings, bool, "a")
    with pytest.raises(InputError, match="`f` must be 1 or 2, not True"):
        check_choice(settings, (1, 2), "f")


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        (PlanSettings, {"episodes": [10**12, 0, True], "seeds": [1001], "way": [0, 10**12], "shot": [-1, 1.5]}),
        (
            PlanSettings,
            {"query_count": [10**6], "seed": [-1, 2**63], "size": [10**5, 0, 8], "negatives": [math.nan, 2]},
        ),
        (DataSettings, {"folds": [0, 10**12], "fold": ["1", True, 10**12], "min_pixels": [0, 10**12], "data": [None]}),
        (Resampling, {"replicates": [0, 10**9], "seed": [-1], "supports": [1]}),
        (Geometry, {"size": [10**5, 4097, math.inf, 64.0, "64"]}),
    ],
)
def test_absurd_settings(settings: Any, values: dict[str, list[Any]]) -> None:
    for name, refused in values.items():
        for value in refused:
            with pytest.raises(InputError):
                settings(**{name: value})
