"""From presence to the risk of accepting a photograph."""

import numpy as np
import pytest

from srpnet.apps.trust.calibration import GROUPS, Group, Linear
from srpnet.apps.trust.risk import PRIOR, p_value, risks

GROUP = Group(Linear(0, {}), 0, 0, tuple((np.arange(99) + 1) / 100))
ALL = dict.fromkeys(GROUPS, GROUP)


def test_the_share_of_photographs_without_the_object_that_look_like_it() -> None:
    assert p_value(0, 1, groups=ALL) is None  # nothing is found
    assert p_value(0.001, 1, groups=ALL) == 1
    assert p_value(0.9001, 1, groups=ALL) == pytest.approx(0.1)
    assert p_value(1, 1, groups=ALL) == pytest.approx(0.01)


def test_photographs_of_the_persons_own_without_the_object_count() -> None:
    """Four of them weigh as much as all that is known of other classes."""
    assert p_value(0.5001, 1, [0.1, 0.2, 0.6, 0.0], ALL) == pytest.approx((0.5 + 1 / 4) / 2)
    assert p_value(0.9001, 1, [0.1] * PRIOR, ALL) == pytest.approx(0.05)


def test_the_more_photographs_show_it_the_more_are_accepted() -> None:
    """One in twenty looks like it by chance: alone it is not accepted, beside nineteen that are certain it is."""
    assert risks([0.05] + [0.9] * 19)[0] > 0.5
    assert risks([0.05, None, None])[0] == risks([0.05])[0]  # what is not found is no candidate
    assert risks([0.05] + [0.001] * 19)[0] <= 0.05
    assert risks([]) == []


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_of_the_accepted_no_more_are_wrong_than_is_said(share: float) -> None:
    """Over many runs in which photographs without the object are like those that calibrate."""
    generator, wrong = np.random.default_rng(0), []
    for _ in range(300):
        shows = generator.random(60) < share
        presence = np.where(shows, 0.8 + 0.2 * generator.random(60), generator.random(60))
        accepted = np.array(risks([p_value(value, 1, groups=ALL) for value in presence])) <= 0.1
        wrong.append((accepted & ~shows).sum() / max(1, accepted.sum()))
    assert np.mean(wrong) <= 0.12
