"""Count in integers, then reduce: confusion counts, class IoU, mIoU, FB-IoU."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from episodes.data.source import IGNORE
from episodes.distributed import World

Vanished = Literal["count", "skip"]
Absent = Literal["zero", "nan", "skip"]
Foreground = Literal["any", "sum"]


def confusion(prediction: Tensor, truth: Tensor, ways: int) -> Tensor:
    """Confusion counts (N+1, N+1) int64: row is the truth, column the prediction, 0 the background.

    Args:
        prediction: (..., H, W) uint8 in 0..N.
        truth: the same shape, 0..N and 255; pixels with 255 are not counted.
        ways: N.

    Raises:
        ValueError: if shapes differ or a label is out of range.

    >>> confusion(torch.tensor([[0, 1, 1, 1]]), torch.tensor([[0, 0, 1, 255]]), 1).tolist()
    [[1, 1], [0, 1]]
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)} differ in shape")
    classes = ways + 1
    if _fit_in_bytes(prediction, truth, classes):
        # In one byte a pixel this takes a tenth of the time. 255 in the truth lands behind all that counts, as
        # 255 * classes + prediction, modulo 256, is at least 256 - classes.
        codes = truth * classes + prediction
    else:
        counted = truth != IGNORE
        rows, columns = truth[counted].long(), prediction[counted].long()
        labels = torch.cat([rows, columns])
        if labels.numel() and not 0 <= labels.min() <= labels.max() <= ways:
            raise ValueError(f"labels must lie in 0..{ways}, or be {IGNORE} in the truth")
        codes = rows * classes + columns
    return torch.bincount(codes.flatten(), minlength=classes**2)[: classes**2].reshape(classes, classes)


def _fit_in_bytes(prediction: Tensor, truth: Tensor, classes: int) -> bool:
    """Whether all labels are bytes in their range, few enough that each pair of them is a byte too."""
    if prediction.dtype != torch.uint8 or truth.dtype != torch.uint8 or classes > 15 or not truth.numel():
        return False
    return bool(prediction.max() < classes) and bool((truth + 1).max() <= classes)  # 255 + 1 is 0


@dataclass
class Counts:
    """True positives, false positives and false negatives of one class, in pixels."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    @property
    def iou(self) -> float:
        """TP / (TP + FP + FN), NaN if there is nothing to divide by.

        >>> Counts(tp=1, fp=2, fn=1).iou
        0.25
        """
        union = self.tp + self.fp + self.fn
        return self.tp / union if union else math.nan

    def add(self, matrix: Tensor, label: int, vanished: Vanished) -> None:
        """Add class `label` of a confusion matrix."""
        tp = int(matrix[label, label])
        fn = int(matrix[label].sum()) - tp
        if vanished == "skip" and tp + fn == 0:
            return
        self.tp += tp
        self.fn += fn
        self.fp += int(matrix[:, label].sum()) - tp


@dataclass
class Score:
    """The running total over episodes, and its reductions. IoUs are fractions in [0, 1].

    Attributes:
        names: Label of the source -> class name, for every class that is tested.
        vanished: What to do with the false positives of a class whose pixels are nowhere in the query's truth (all
            became 255, or were cropped away): `count` them, or `skip` them as PANet does.
        absent: What a class of which nothing was counted, as no episode drew it, is to the mean: an IoU of `zero`
            (PFENet, HSNet), `nan` (PANet, and so is the mean), or nothing (`skip`, SSP). Its own IoU is NaN.
        foreground_of: The foreground of the FB-IoU: `any` way is as good as another, or the counts of all ways are
            summed, so that a way taken for another is an error (`sum`, PANet). The same for one way.
        asked: Labels of the classes that episodes drew.
    """

    names: Mapping[int, str]
    vanished: Vanished = "count"
    absent: Absent = "zero"
    classes: dict[int, Counts] = field(default_factory=dict)
    foreground: Counts = field(default_factory=Counts)
    background: Counts = field(default_factory=Counts)
    foreground_of: Foreground = "any"
    asked: set[int] = field(default_factory=set)

    def add(self, classes: Sequence[int], matrix: Tensor) -> None:
        """Add the confusion counts (N+1, N+1) of one query of an episode with these N classes of the source."""
        self.asked.update(classes)
        for way, label in enumerate(classes):
            self.classes.setdefault(label, Counts()).add(matrix, way + 1, self.vanished)
            if self.foreground_of == "sum":
                self.foreground.add(matrix, way + 1, self.vanished)
        binary = torch.stack([matrix[0], matrix[1:].sum(0)])
        binary = torch.stack([binary[:, 0], binary[:, 1:].sum(1)], dim=1)
        self.background.add(binary, 0, self.vanished)
        if self.foreground_of == "any":
            self.foreground.add(binary, 1, self.vanished)

    def sum(self, world: World) -> None:
        """Add what the other processes counted. All must know the same names, and have met no class beyond them."""
        parts = [*(self.classes.setdefault(label, Counts()) for label in self.names), self.foreground, self.background]
        total = world.sum(torch.tensor([[part.tp, part.fp, part.fn] for part in parts]))
        for part, counts in zip(parts, total.tolist(), strict=True):
            part.tp, part.fp, part.fn = counts
        drawn = world.sum(torch.tensor([int(label in self.asked) for label in self.names]))
        self.asked.update(label for label, count in zip(self.names, drawn.tolist(), strict=True) if count)

    @property
    def per_class(self) -> dict[str, float]:
        """Class name -> IoU; NaN for a class of which nothing was counted."""
        return {name: self.classes.get(label, Counts()).iou for label, name in self.names.items()}

    @property
    def miou(self) -> float:
        """The mean of the class IoUs; see `absent` for those of which nothing was counted."""
        ious = list(self.per_class.values())
        if self.absent == "skip":
            ious = [iou for iou in ious if not math.isnan(iou)]
        if self.absent == "zero":
            ious = [0.0 if math.isnan(iou) else iou for iou in ious]
        return sum(ious) / len(ious) if ious else math.nan

    @property
    def fb_iou(self) -> float:
        """FB-IoU: the mean of foreground IoU and background IoU."""
        return (self.foreground.iou + self.background.iou) / 2
