"""How sure a score is: intervals by the bootstrap over photographs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from episodes.checks import LARGEST_SEED, check_type, check_whole
from episodes.scoring.metrics import Counts, Score
from episodes.scoring.protocols import Protocol
from episodes.scoring.records import Record

Floats = NDArray[np.float64]

REPLICATES = 2000
LEVEL = 0.95
AT_A_TIME = 100
"""Replicates that are worked on together."""
PATIENCE = 50
"""How many draws a replicate may take on average, before there are too few photographs for an interval."""


class Interval(NamedTuple):
    """The middle 95 % of what a figure is over the replicates, as fractions."""

    low: float
    high: float


@dataclass(frozen=True)
class Resampling:
    """How replicates of a run are drawn.

    The photographs of a data set are a sample of the world, and the episodes ask for each of them many times: so
    photographs are drawn with replacement, and each brings all its episodes. Counts are summed before the IoU is taken,
    and the classes stay the same: a replicate that lost one is drawn again. Several seeds of a protocol share the
    draw, and a figure is the mean over them. (The bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap,
    1993, chapter 13, percentile interval.)

    Attributes:
        supports: Draw the support photographs too, apart from the queries; an episode then counts as often as its query
            was drawn, times the number of draws of its supports.
        replicates: How many, up to a million.
        seed: Of the draws, which are the same everywhere; 0 or more.

    Raises:
        InputError: if one is out of its range.
    """

    supports: bool = False
    replicates: int = REPLICATES
    seed: int = 0

    def __post_init__(self) -> None:
        check_type(self, bool, "supports")
        check_whole(self, 1, 1_000_000, "replicates")
        check_whole(self, 0, LARGEST_SEED, "seed")

    def figures(self, runs: Sequence[Sequence[Record]], names: Mapping[int, str], rules: Protocol) -> Floats | None:
        """Figures of every replicate: (replicates, runs, figures), these as in `figures`.

        None if there are too few photographs for intervals.

        Args:
            runs: Records of one method or of several, of the same photographs in the same order: all are given the
                same replicates.
            names, rules: See `Score`.
        """
        if not runs or not runs[0]:
            return None
        tables = [np.array([_counts(row, names, rules) for row in records], np.float64) for records in runs]
        seeds = np.array([row.seed for row in runs[0]])
        members = [seeds == seed for seed in np.unique(seeds)]
        present = [[table[run].sum(0).any(1) for run in members] for table in tables]
        found: list[list[list[float]]] = []
        for tries, weights in enumerate(self.weights(runs[0]), start=1):
            sums = [
                [np.einsum("br,rck->bck", weights[:, run], table[run], optimize=True) for run in members]
                for table in tables
            ]
            kept = np.ones(len(weights), bool)
            for own, there in zip(sums, present, strict=True):
                for summed, classes in zip(own, there, strict=True):
                    kept &= (summed.any(2) | ~classes).all(1)
            for replicate in np.flatnonzero(kept):
                scores = [[_score(summed[replicate], names, rules) for summed in own] for own in sums]
                found.append([mean_figures(own) for own in scores])
                if len(found) == self.replicates:
                    return np.array(found)
            if tries * AT_A_TIME > PATIENCE * max(len(found), AT_A_TIME):
                return None
        return None

    def weights(self, rows: Sequence[Record]) -> Iterator[Floats]:
        """How often each row counts in each replicate, (AT_A_TIME, rows) at a time, for ever."""
        # A bit generator's stream never changes, while what numpy makes of it may.
        generator = np.random.PCG64(self.seed)
        photographs = _places([row.photograph for row in rows])
        supports = [[id for way in row.spec.supports for id in way] for row in rows]
        known = {id: position for position, id in enumerate(dict.fromkeys(id for ids in supports for id in ids))}
        while True:
            weights = _drawn(generator, int(photographs.max()) + 1)[:, photographs]
            if self.supports:
                drawn = _drawn(generator, len(known))
                weights = weights * np.stack([drawn[:, [known[id] for id in ids]].sum(1) for ids in supports], axis=1)
            yield weights


FIGURES = ("mIoU", "FB-IoU")
"""The figures that come before those of the classes."""


def figures(score: Score) -> list[float]:
    """mIoU, FB-IoU, then the IoU of each class."""
    return [score.miou, score.fb_iou, *score.per_class.values()]


def mean_figures(scores: Sequence[Score]) -> list[float]:
    """The mean of each figure over the runs. A class counts in those runs in which something of it was counted."""
    table = [figures(score) for score in scores]
    headline = [sum(column) / len(table) for column in list(zip(*table, strict=True))[: len(FIGURES)]]
    return headline + [mean_of_known(column) for column in list(zip(*table, strict=True))[len(FIGURES) :]]


def mean_of_known(values: Sequence[float]) -> float:
    """The mean of those that are not NaN; NaN if none is.

    >>> mean_of_known([0.5, math.nan, 0.25]), mean_of_known([math.nan])
    (0.375, nan)
    """
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def intervals(replicates: Floats | None, names: Sequence[str]) -> dict[str, Interval | None]:
    """Name -> interval of each figure of (replicates, figures); None where a replicate has no such figure."""
    if replicates is None:
        return dict.fromkeys(names)
    tail = 100 * (1 - LEVEL) / 2
    found: dict[str, Interval | None] = {}
    for name, values in zip(names, replicates.T, strict=True):
        low, high = np.percentile(values, [tail, 100 - tail])
        found[name] = None if np.isnan(values).any() else Interval(float(low), float(high))
    return found


def _counts(row: Record, names: Mapping[int, str], rules: Protocol) -> list[list[int]]:
    """TP, FP, FN of every class, of the foreground and of the background, by the protocol's rules."""
    score = rules.score(names)
    score.add(row.spec.classes, row.matrix)
    parts = [*(score.classes.get(label, Counts()) for label in names), score.foreground, score.background]
    return [[part.tp, part.fp, part.fn] for part in parts]


def _score(table: Floats, names: Mapping[int, str], rules: Protocol) -> Score:
    """The other way: a score of such counts."""
    *classes, foreground, background = (Counts(*map(int, counts)) for counts in table.tolist())
    by_label = dict(zip(names, classes, strict=True))
    return replace(rules.score(names), classes=by_label, foreground=foreground, background=background)


def _places(ids: Sequence[str]) -> NDArray[np.int64]:
    """Each id as a number, equal ids alike."""
    known = {id: position for position, id in enumerate(dict.fromkeys(ids))}
    return np.array([known[id] for id in ids], np.int64)


def _drawn(generator: np.random.PCG64, count: int) -> Floats:
    """How often each of so many was drawn in as many draws, (AT_A_TIME, count)."""
    picked = (generator.random_raw(AT_A_TIME * count) % count).reshape(AT_A_TIME, count)
    return np.stack([np.bincount(row, minlength=count) for row in picked.astype(np.int64)]).astype(np.float64)
