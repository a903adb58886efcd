"""Can a method tell that a class is not there? What it makes of photographs with the class and without."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from episodes.results.bootstrap import Floats, Resampling, intervals
from episodes.scoring.records import Records


@dataclass(frozen=True)
class Presence:
    """What a method makes of photographs with the class and without, as fractions, or None if nothing was counted.

    Attributes:
        false_positive_area: The share of a photograph without the class that is labelled as the class, on average.
        found: The share of photographs without the class in which any pixel is labelled as the class.
        auc: The probability that of a photograph with the class and one without, the first has the higher presence
            score, ties counting a half: the area under the ROC curve.
        rejected: The share of photographs without the class whose presence score is below the threshold.
        lost: The same of photographs with the class.
    """

    false_positive_area: float | None
    found: float | None
    auc: float | None
    rejected: float | None
    lost: float | None


@dataclass(frozen=True)
class PresenceScores:
    """Every (query, class) of a run and of its negative episodes, as arrays of one length.

    Attributes:
        shown: Whether the truth has a pixel of the class.
        negative: Whether it is of a negative episode.
        score: The method's presence score.
        area: The share of the counted pixels that is labelled as the class.
    """

    shown: Floats
    negative: Floats
    score: Floats
    area: Floats

    @classmethod
    def of(cls, positives: Records, negatives: Records, said: bool = True) -> "PresenceScores":
        """Those of the queries, with the method's scores, or the area if it has none or `said` is False.

        A photograph that lost its class to label 255 does not show it.
        """
        rows = []
        for negative, records in enumerate((positives, negatives)):
            for row in records.role("query").rows:
                counted = max(1, int(row.matrix.sum()))
                for way in range(1, len(row.matrix)):
                    area = int(row.matrix[:, way].sum()) / counted
                    score = row.presence[way - 1] if said and row.presence else area
                    rows.append((float(row.matrix[way].sum() > 0), float(negative), score, area))
        return cls(*np.array(rows, np.float64).reshape(-1, 4).T)

    def presence(self, weights: Floats, threshold: float | None) -> Floats:
        """The figures of `Presence`, (replicates, figures), NaN where there is nothing to count.

        Args:
            weights: (replicates, scores), how often each counts.
            threshold: Below it a class is declared absent; None leaves that out.
        """
        present, absent, negative = weights * self.shown, weights * (1 - self.shown), weights * self.negative
        low = np.full_like(self.score, np.nan) if threshold is None else (self.score < threshold).astype(np.float64)
        columns = [
            _share(negative, self.area),
            _share(negative, (self.area > 0).astype(np.float64)),
            self._auc(present, absent),
            _share(absent, low),
            _share(present, low),
        ]
        return np.stack(columns, axis=1)

    def _auc(self, present: Floats, absent: Floats) -> Floats:
        """Each present one beats the absent ones of lower scores, and half of those of its own score."""
        order = np.argsort(self.score)
        _, starts = np.unique(self.score[order], return_index=True)
        gains, others = (np.add.reduceat(weights[:, order], starts, axis=1) for weights in (present, absent))
        below = np.cumsum(others, axis=1) - others / 2
        with np.errstate(invalid="ignore"):
            return (gains * below).sum(1) / (present.sum(1) * absent.sum(1))


def presence(
    positives: Records, negatives: Records, resampling: Resampling, threshold: float | None = None
) -> dict[str, Any]:
    """The figures of `Presence` with their 95 % intervals, for `result.json`.

    Args:
        positives: Of the ordinary episodes.
        negatives: Of the negative ones. The presence scores of the method count if all records have them.
        resampling: How replicates are drawn: query photographs, as for the IoU.
        threshold: Below this presence score a class is declared absent.
    """
    rows = [*positives.role("query").rows, *negatives.role("query").rows]
    said = all(row.presence for row in rows)
    scores = PresenceScores.of(positives, negatives, said)
    names = [field.name for field in fields(Presence)]
    (own,) = scores.presence(np.ones((1, len(scores.score))), threshold)
    ways = [len(row.matrix) - 1 for row in rows]
    drawn, count = [], 0
    for weights in resampling.weights(rows):
        drawn.append(scores.presence(np.repeat(weights, ways, axis=1), threshold))
        if (count := count + len(weights)) >= resampling.replicates:
            break
    spread = intervals(np.concatenate(drawn)[: resampling.replicates], names)
    return {
        "episodes": len({(row.seed, row.spec.index) for row in negatives.rows}),
        **asdict(Presence(*(None if np.isnan(value) else float(value) for value in own))),
        "score": "of the method" if said else "area",
        "threshold": threshold,
        "intervals": {name: None if interval is None else list(interval) for name, interval in spread.items()},
    }


def _share(weights: Floats, values: Floats) -> Floats:
    """The weighted mean of the values for each replicate; NaN if nothing counts."""
    with np.errstate(invalid="ignore"):
        return (weights * values).sum(1) / weights.sum(1)
