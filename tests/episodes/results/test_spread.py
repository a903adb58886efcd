"""The spread over supports and over queries, by hand."""

import math

import pytest
import torch

from episodes.fewshot.episode import EpisodeSpec
from episodes.results.spread import FEWEST, Spread
from episodes.scoring.records import Record, Records


def row(index: int, support: str, query: str, found: int) -> Record:
    """An episode whose query shows ten pixels of class 3, so many of which are found, and nothing else."""
    spec = EpisodeSpec(index, (3,), ((support,),), (query,))
    return Record(spec, 1, torch.tensor([[90, 0], [10 - found, found]]))


def test_supports_alone_make_the_difference() -> None:
    """Twenty queries, each by two supports, of which one finds all and one finds half."""
    rows = [row(2 * q + s, f"s{s}", f"q{q}", 10 - 5 * s) for q in range(20) for s in range(2)]
    spread = Spread.of(Records.of(rows))
    assert spread.supports == pytest.approx(math.sqrt(20 * 2 * 0.25**2 / 20))
    assert spread.queries == 0


def test_an_episode_that_comes_twice_is_one_and_few_tell_nothing() -> None:
    rows = [row(0, "s", "q", 3), row(1, "s", "q", 3)] + [row(2 + q, "s", f"q{q}", q) for q in range(FEWEST - 1)]
    assert Spread.of(Records.of(rows)) == (None, None)
    more = [*rows, row(50, "s", "other", 4)]
    assert Spread.of(Records.of(more)).queries is not None
