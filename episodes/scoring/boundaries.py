"""Boundary F: how well the outline of a class is found, to within some pixels. Counted in integers, then reduced.

Source: Csurka, Larlus, Perronnin, "What is a good evaluation measure for semantic segmentation?", BMVC 2013; Perazzi et
al., "A benchmark dataset and evaluation methodology for video object segmentation", CVPR 2016 (section 5.1).
"""

import math
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from episodes.data.source import IGNORE


class BoundaryCounts(NamedTuple):
    """Pixels of the outlines of one class, in one photograph or several.

    Attributes:
        predicted, correct: Of the predicted outline, and how many of them lie near the true one.
        true, found: Of the true outline, and how many of them lie near the predicted one.
    """

    predicted: int = 0
    correct: int = 0
    true: int = 0
    found: int = 0

    @classmethod
    def of(cls, prediction: Tensor, truth: Tensor, label: int = 1, tolerance: int = 3) -> Self:
        """Count one photograph.

        Args:
            prediction: (H, W), labels.
            truth: (H, W), labels, and 255. Outlines inside of 255, or between a class and 255, are not counted.
            label: The class.
            tolerance: How far, in pixels of the photograph, outlines may lie from each other.

        Raises:
            ValueError: if shapes differ, or are not (H, W).
        """
        if prediction.shape != truth.shape or truth.ndim != 2:
            raise ValueError(f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)} are not both (H, W)")
        counted = truth != IGNORE
        predicted, true = (outline(labels == label, counted) for labels in (prediction, truth))
        near_predicted, near_true = (widened(each, tolerance) for each in (predicted, true))
        counts = (predicted, predicted & near_true, true, true & near_predicted)
        return cls(*(int(each.sum()) for each in counts))

    def plus(self, other: "BoundaryCounts") -> Self:
        """Both together."""
        return type(self)(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def f(self) -> float:
        """The harmonic mean of precision and recall, in [0, 1]; NaN if there is no outline at all.

        >>> BoundaryCounts(predicted=4, correct=2, true=4, found=4).f
        0.6666666666666666
        """
        if not self.predicted or not self.true:
            return 0.0 if self.predicted or self.true else math.nan
        precision, recall = self.correct / self.predicted, self.found / self.true
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def outline(mask_HW: Tensor, counted_HW: Tensor) -> Tensor:
    """The pixels of a mask that touch, by a side, one that is not in it; where either does not count, they do not.

    >>> mask = torch.tensor([[False, True, True, True]])
    >>> outline(mask, torch.ones_like(mask)).int().tolist()
    [[0, 1, 0, 0]]
    """
    edge_HW = torch.zeros_like(mask_HW)
    outside_HW = ~mask_HW & counted_HW
    edge_HW[1:] |= outside_HW[:-1]
    edge_HW[:-1] |= outside_HW[1:]
    edge_HW[:, 1:] |= outside_HW[:, :-1]
    edge_HW[:, :-1] |= outside_HW[:, 1:]
    return edge_HW & mask_HW & counted_HW


def widened(mask_HW: Tensor, pixels: int) -> Tensor:
    """All that lies no further than so many pixels from a mask."""
    steps = torch.arange(-pixels, pixels + 1, device=mask_HW.device)
    disc = (steps[:, None] ** 2 + steps**2 <= pixels**2).float()
    return conv2d(mask_HW[None, None].float(), disc[None, None], padding=pixels)[0, 0] > 0.5
