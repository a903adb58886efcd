"""Does the support decide what is found? The score beside that with supports of other classes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from episodes.results.bootstrap import FIGURES, Floats, Resampling, intervals, mean_figures
from episodes.scoring.protocols import Protocol
from episodes.scoring.records import Record, Records

COLUMNS = ("right", "wrong", "gap")
"""Under the right support, under the wrong one, and by how much the first is better."""


class Paired(NamedTuple):
    """The queries of a run under right and under wrong supports, in the same order.

    What was found under the wrong ones is counted for the classes of the ordinary episode, with whose truth it was
    compared. Episodes for which there is no wrong support are in neither.
    """

    right: Sequence[Record]
    wrong: Sequence[Record]

    @classmethod
    def of(cls, records: Records, wrong: Records) -> "Paired":
        """Those of the ordinary episodes and of the same ones under wrong supports.

        Raises:
            ValueError: if the two are not of the same episodes.
        """
        asked = {(row.seed, row.spec.index, row.slot): row for row in records.role("query").rows}
        found = {(row.seed, row.spec.index, row.slot): row for row in wrong.role("query").rows}
        if not found.keys() <= asked.keys() or any(len(asked[key].matrix) != len(found[key].matrix) for key in found):
            raise ValueError("the wrong supports are of other episodes")
        right = [asked[key] for key in found]
        return cls(right, [row._replace(spec=own.spec) for row, own in zip(found.values(), right, strict=True)])

    def figures(self, names: Mapping[int, str], rules: Protocol) -> tuple[Floats, Floats]:
        """mIoU, FB-IoU, then the IoU of each class, under the right supports and under the wrong ones."""
        right, wrong = (
            np.array(mean_figures(list(Records(tuple(rows)).scores(names, rules).values()))) for rows in self
        )
        return right, wrong


def wrong_support(
    records: Records, wrong: Records, names: Mapping[int, str], rules: Protocol, resampling: Resampling
) -> dict[str, Any]:
    """The mIoU and the IoU of each class under right and wrong supports, and the gap between them, for `result.json`.

    All are of the same queries and their intervals of the same replicates. Where supports are resampled, it is those
    of the ordinary episodes.

    Args:
        records: Of the ordinary episodes.
        wrong: Of the same ones under wrong supports.
        names: Label -> name of the classes that are tested.
        rules: What both are counted by.
        resampling: How replicates are drawn.
    """
    rows = Paired.of(records, wrong)
    right, other = rows.figures(names, rules)
    figures = [
        [None if np.isnan(value) else float(value) for value in column] for column in (right, other, right - other)
    ]
    drawn = resampling.figures(rows, names, rules)
    replicates = [None] * 3 if drawn is None else [drawn[:, 0], drawn[:, 1], drawn[:, 0] - drawn[:, 1]]
    labels = [*FIGURES, *map(str, names)]  # labels, as a class may be called mIoU
    spread = [[ends and list(ends) for ends in intervals(column, labels).values()] for column in replicates]

    def told(columns: Sequence[Sequence[Any]]) -> dict[str, Any]:
        miou, _, *classes = (dict(zip(COLUMNS, row, strict=True)) for row in zip(*columns, strict=True))
        return {**miou, "per_class": dict(zip(names.values(), classes, strict=True))}

    counted = [len({(row.seed, row.spec.index) for row in part.rows}) for part in (records, wrong)]
    left_out = counted[0] - counted[1]
    return {"episodes": counted[1], "left_out": left_out, **told(figures), "intervals": told(spread)}
