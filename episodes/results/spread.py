"""Does a score rest on which supports were drawn, or on which queries? The spread of the IoU over each."""

import math
from collections.abc import Hashable, Iterable
from statistics import fmean
from typing import NamedTuple

from episodes.scoring.metrics import Score
from episodes.scoring.records import Record, Records

FEWEST = 10
"""Episodes beyond one of each group, below which a spread is not known."""


class Spread(NamedTuple):
    """Standard deviations of the IoU of an episode, as fractions; None where too few episodes share what is held fast.

    Attributes:
        supports: Of one query by other supports of its class, pooled over the queries.
        queries: Of other queries by the same supports, pooled over the sets of supports.
    """

    supports: float | None
    queries: float | None

    @classmethod
    def of(cls, records: Records) -> "Spread":
        """Over the queries of a run. An episode that was drawn twice counts once."""
        rows = {(row.spec.classes, row.spec.supports, row.photograph): row for row in records.role("query").rows}
        by_query, by_supports = dict[Hashable, list[float]](), dict[Hashable, list[float]]()
        for (classes, supports, query), row in rows.items():
            if not math.isnan(iou := _iou(row)):
                by_query.setdefault((classes, query), []).append(iou)
                by_supports.setdefault((classes, supports), []).append(iou)
        return cls(_pooled(by_query.values()), _pooled(by_supports.values()))


def _iou(row: Record) -> float:
    """The mean over the ways; NaN if there was nothing to find."""
    score = Score({})
    score.add(row.spec.classes, row.matrix)
    counted = [iou for label in row.spec.classes if not math.isnan(iou := score.classes[label].iou)]
    return fmean(counted) if counted else math.nan


def _pooled(groups: Iterable[list[float]]) -> float | None:
    """The standard deviation within groups, each about its own mean."""
    squares, freedom = 0.0, 0
    for values in groups:
        mean = fmean(values)
        squares += sum((value - mean) ** 2 for value in values)
        freedom += len(values) - 1
    return math.sqrt(squares / freedom) if freedom >= FEWEST else None
