"""F1 of the parts of faces, counted in whole pixels, with intervals by the bootstrap over faces.

Letters: N faces, R replicates. A confusion matrix is (9, 9) int64: row is the truth, column the prediction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from episodes.data.sets.face_layouts import PARTS
from srpnet.faces.labels import CROPPED

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

MERGED: Mapping[str, tuple[int, ...]] = {
    "brows": (1, 2),
    "eyes": (3, 4),
    "lips": (6, 8),
    "mouth": (6, 7, 8),
}
"""What is scored together: a pixel is right if it is given any of these labels that it may have."""
OVERALL: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "overall": ((1, 2), (3, 4), (5,), (6, 7, 8)),
    "overall, lips and inner mouth apart": ((1, 2), (3, 4), (5,), (6,), (7,), (8,)),
}
"""F1 of the counts of several groups together. The first is that of Helen's tables (Smith et al. 2013): brows, eyes,
nose and mouth."""
REPLICATES = 2000


class FaceScore(NamedTuple):
    """What is counted of one face.

    Attributes:
        confusion: (9, 9).
        covered: For each cropped part the share of its true pixels inside its crop, NaN if it shows none; empty without
            crops.
        hidden: Numbers of the cropped parts that were hidden from the parser, see `score_faces`.
    """

    confusion: Counts
    covered: tuple[float, ...]
    hidden: tuple[int, ...] = ()


@dataclass(frozen=True)
class Scores:
    """Scores of N faces."""

    faces: Sequence[FaceScore]

    def f1(self) -> dict[str, dict[str, float | None]]:
        """F1 by name: of each label, of merged parts, and overall, with a 95 % interval; None if nothing was counted.

        Replicates that count nothing of a part are left out of its interval.
        """
        confusions_N99 = np.stack([face.confusion for face in self.faces])
        generator = np.random.PCG64(0)  # a bit generator's stream never changes
        drawn = generator.random_raw(REPLICATES * len(self.faces)) % len(self.faces)
        weights_RN = np.stack(
            [np.bincount(row, minlength=len(self.faces)) for row in drawn.reshape(REPLICATES, -1).astype(np.int64)]
        )
        found: dict[str, dict[str, float | None]] = {}
        for name, groups in GROUPS.items():
            counts_N3 = sum((_counts(confusions_N99, group) for group in groups), np.zeros((), np.int64))
            value, replicates = _f1(counts_N3.sum(0)), _f1(weights_RN @ counts_N3)
            known = replicates[~np.isnan(replicates)]
            low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
            numbers = {"f1": float(value), "low": float(low), "high": float(high)}
            found[name] = {key: None if np.isnan(number) else number for key, number in numbers.items()}
        return found

    def coverage(self) -> dict[str, float | None]:
        """The mean share of a part's true pixels inside its crop, by its name, of all, and of those that were hidden.

        Empty without crops.
        """
        if not self.faces[0].covered:
            return {}
        shares_NP = np.array([face.covered for face in self.faces])
        columns = {part.name: shares_NP[:, number] for number, part in enumerate(CROPPED)}
        columns |= {"all": shares_NP.ravel()}
        if any(face.hidden for face in self.faces):
            columns["hidden"] = np.array([face.covered[number] for face in self.faces for number in face.hidden])
        known = {name: column[~np.isnan(column)] for name, column in columns.items()}
        return {name: float(column.mean()) if len(column) else None for name, column in known.items()}

    def shown(self, label: int) -> dict[str, int]:
        """Of how many faces a part is there and found, there and not found, found and not there, and neither."""
        counts = {"found": 0, "missed": 0, "invented": 0, "absent": 0}
        for face in self.faces:
            there, found = face.confusion[label].any(), face.confusion[:, label].any()
            counts[
                {(1, 1): "found", (1, 0): "missed", (0, 1): "invented", (0, 0): "absent"}[int(there), int(found)]
            ] += 1
        return counts

    def content(self) -> dict[str, Any]:
        """All of it, for JSON."""
        inner = PARTS.index("inner mouth") + 1
        return {
            "faces": len(self.faces),
            "f1": self.f1(),
            "coverage": self.coverage(),
            "inner_mouth": self.shown(inner),
        }


GROUPS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    **{name: ((label,),) for label, name in enumerate(PARTS, start=1)},
    **{name: (labels,) for name, labels in MERGED.items()},
    **OVERALL,
}


def f1_of(confusion: Counts, name: str = "overall") -> float:
    """F1 of one of `GROUPS` in a confusion matrix; NaN if nothing of it is there or found."""
    return float(_f1(sum((_counts(confusion[None], group)[0] for group in GROUPS[name]), np.zeros(3, np.int64))))


def _counts(confusions_N99: Counts, labels: tuple[int, ...]) -> Counts:
    """True positives, false positives and false negatives of these labels taken as one: (N, 3)."""
    own = list(labels)
    right = confusions_N99[:, own][:, :, own].sum((1, 2))
    return np.stack(
        [right, confusions_N99[:, :, own].sum((1, 2)) - right, confusions_N99[:, own].sum((1, 2)) - right], 1
    )


def _f1(counts_3: NDArray[Any]) -> Floats:
    """2 TP / (2 TP + FP + FN); NaN of nothing."""
    right, false, missed = np.moveaxis(np.asarray(counts_3, np.float64), -1, 0)
    with np.errstate(invalid="ignore"):
        return 2 * right / (2 * right + false + missed)
