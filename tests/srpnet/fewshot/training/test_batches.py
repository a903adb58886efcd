"""Batches: what is loaded where, and bad input that keeps its words."""

from typing import Any

import pytest

from episodes.errors import InputError
from srpnet.fewshot.training.batches import EpisodeTensors
from srpnet.training.workers import Items
from tests.srpnet.runs import Begin


class Broken:
    """Episodes of which one cannot be loaded."""

    def __init__(self, episodes: Any, at: int, error: Exception) -> None:
        self.episodes, self.at, self.error = episodes, at, error

    def __getitem__(self, index: int) -> Any:
        if index == self.at:
            raise self.error
        return self.episodes[index]


def test_an_episode_that_cannot_be_loaded_comes_as_a_value(episodes: Any) -> None:
    error = InputError("photograph 7 is damaged: fetch it again")
    items = Items(Broken(episodes, 1, error), EpisodeTensors.of, count=3)
    assert len(items) == 3
    assert items[1] is error
    assert items[0].classes == episodes[0].spec.classes
    with pytest.raises(ZeroDivisionError):
        Items(Broken(episodes, 1, ZeroDivisionError()), EpisodeTensors.of, count=3)[1]


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_input_keeps_its_words_whoever_loads_it(begin: Begin, episodes: Any, workers: int) -> None:
    """Raised in a worker it would arrive with that one's stack trace in its message."""
    run = begin(steps=3, batch=2, workers=workers)
    with pytest.raises(InputError) as caught:
        run.train(Broken(episodes, 3, InputError("photograph 7 is damaged: fetch it again")))
    assert str(caught.value) == "photograph 7 is damaged: fetch it again"
    assert run.step == 1
