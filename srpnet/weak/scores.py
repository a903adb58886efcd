"""IoU of classes, counted in whole pixels, with intervals by the bootstrap over photographs.

Letters: N photographs, P classes with background, R replicates.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.scoring.metrics import confusion

REPLICATES = 2000
MEAN = "mIoU"
"""Over all classes and the background, as PASCAL VOC has it; classes of which nothing was counted are left out."""
MEAN_CLASSES = "mIoU of classes"
"""The same without the background."""


@dataclass
class ClassScores:
    """Counts of each photograph.

    Attributes:
        classes: Names; class c is label c + 1.
    """

    classes: Sequence[str]
    _counts: list[NDArray[np.int64]] = field(default_factory=list)

    def add(self, prediction_HW: Tensor, truth_HW: Tensor) -> None:
        """Count a photograph: labels 0..C, and 255 in the truth is not counted."""
        matrix_PP = confusion(prediction_HW, truth_HW, len(self.classes))
        right_P = matrix_PP.diagonal()
        counts_P3 = torch.stack([right_P, matrix_PP.sum(0) - right_P, matrix_PP.sum(1) - right_P], 1)
        self._counts.append(counts_P3.cpu().numpy())

    def ious(self) -> NDArray[np.float64]:
        """Of the background and each class, (P,), as fractions; NaN if nothing was counted."""
        return _iou(np.stack(self._counts).sum(0))

    def content(self, among: Collection[str] | None = None) -> dict[str, Any]:
        """IoU by name: means with a 95 % interval, and of background and classes; None of what was not counted.

        Args:
            among: Names of the classes that means are over; all if not given.
        """
        names = ("background", *self.classes)
        counted = [number for number, name in enumerate(names) if number and (among is None or name in among)]
        counts_NP3, ious_P = np.stack(self._counts), self.ious()
        groups = {MEAN: [0, *counted], MEAN_CLASSES: counted}
        replicates = {name: _replicates(counts_NP3, group) for name, group in groups.items()}
        found: dict[str, Any] = {"photographs": len(self._counts)}
        for name, group in groups.items():
            known = replicates[name][~np.isnan(replicates[name])]
            low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
            found[name] = {"iou": _number(_mean(ious_P[group])), "low": _number(low), "high": _number(high)}
        return found | {"classes": {name: _number(iou) for name, iou in zip(names, ious_P, strict=True)}}


def _replicates(counts_NP3: NDArray[np.int64], group: Sequence[int]) -> NDArray[np.float64]:
    """The mean IoU of some classes in photographs drawn with replacement: (R,)."""
    count = len(counts_NP3)
    generator = np.random.PCG64(0)  # a bit generator's stream never changes
    means = []
    own_NG = counts_NP3[:, list(group)].reshape(count, -1).astype(np.float64)
    for _ in range(REPLICATES):
        drawn_N = (generator.random_raw(count) % count).astype(np.int64)
        summed = np.bincount(drawn_N, minlength=count) @ own_NG
        means.append(_mean(_iou(summed.reshape(-1, 3))))
    return np.array(means)


def _mean(ious: NDArray[np.float64]) -> float:
    known = ious[~np.isnan(ious)]
    return float(known.mean()) if len(known) else float("nan")


def _iou(counts_P3: NDArray[Any]) -> NDArray[np.float64]:
    right, false, missed = np.moveaxis(np.asarray(counts_P3, np.float64), -1, 0)
    with np.errstate(invalid="ignore"):
        return right / (right + false + missed)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
