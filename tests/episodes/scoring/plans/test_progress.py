"""Progress: a bar at a terminal, silence elsewhere, and whatever a caller asks for instead."""

from io import StringIO

from rich.console import Console

from episodes.fewshot.folds import Fold
from episodes.fewshot.settings import DataSettings
from episodes.score import score
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.progress import bar
from episodes.scoring.plans.settings import PlanSettings
from tests.episodes.fakes import Fake
from tests.episodes.scored import MAPS, perfect


def shown(terminal: bool, wanted: bool = True) -> str:
    stream = StringIO()
    with bar(wanted, Console(file=stream, force_terminal=terminal, width=80)) as tell:
        tell(1, 4, 0.25)
        tell(3, 4, 0.75)
    return stream.getvalue()


def test_a_terminal_shows_how_far_it_is() -> None:
    assert "Evaluating" in shown(terminal=True)
    assert "3/4" in shown(terminal=True)


def test_elsewhere_nothing_is_shown() -> None:
    assert shown(terminal=False) == ""
    assert shown(terminal=True, wanted=False) == ""


def test_score_tells_whoever_asks() -> None:
    data = DataSettings("fake", min_pixels=10)
    settings = PlanSettings(data, episodes=5, size=32, classes=("ant", "bee"))
    told: list[tuple[int, int]] = []
    score(
        plans(settings, fold=Fold(data, Fake(MAPS))),
        perfect,
        {},
        on_episode=lambda done, every, _: told.append((done, every)),
    )
    assert told == [(number, 5) for number in range(6)]  # from the start, so that somebody can say how long it takes
