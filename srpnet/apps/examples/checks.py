"""Do examples make sense? Whether the network restores their masks, and whether a mask looks inverted.

Letters in names: S supports, N ways, P = N + 1 classes with background, C channels, h w feature size, H W pixels.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from episodes.data.source import IGNORE, Array
from srpnet.fewshot.network import SRPNet
from srpnet.nn.grid import upsample

RESTORED = 0.45
"""An example that restores less of its mask deserves a second look; chosen on base classes (docs/results.md)."""
BORDER = 0.7
"""So does a mask that paints more of the photograph's border; likewise."""
SMALL, THIN = 256, 7
"""The size at which a mask is looked at for strokes, and the width that they do not have there."""
NOTHING = np.zeros(0, dtype=np.float32)


class SupportCheck(NamedTuple):
    """What was taken of a support, and whether it makes sense.

    Attributes:
        name: Its path, or its number.
        mask: What was read of its mask, in words: "10 % object, 3 % ignored".
        restored: How well the network finds the mask again, IoU of each class (N,), see `restoration`.
        border: How much of the photograph's border is painted, see `border_share`.
        mistaken: In a photograph that shows no class, the share of it that the network takes for one; else None.
        strokes: Whether the mask looks like strokes across the object, see `looks_like_strokes`.
        alone, others: The same as `restored` by the example itself, and by the other examples as a photograph is
            segmented; NaN where none of them shows the class. See `srpnet.apps.examples.judgement`.
    """

    name: str
    mask: str
    restored: NDArray[np.float32]
    border: float
    mistaken: float | None = None
    strokes: bool = False
    alone: NDArray[np.float32] = NOTHING
    others: NDArray[np.float32] = NOTHING

    @property
    def least(self) -> float:
        """What is restored of the class that is restored least; NaN if the network sees none of them in the mask."""
        return _least(self.restored)

    @property
    def least_alone(self) -> float:
        """The same by the example itself."""
        return _least(self.alone)

    @property
    def least_of_others(self) -> float:
        """The same by the other examples."""
        return _least(self.others)

    @property
    def summary(self) -> str:
        """What was read, and how much of it the network finds, in words."""
        if self.mistaken is not None:
            return f"{self.mask}; the network finds it in {100 * self.mistaken:.0f} % of the photograph"
        if math.isnan(self.least):
            return f"mask: {self.mask}; is too small for the network"
        itself = self.least if math.isnan(self.least_alone) else self.least_alone
        found = f"from your example the network recovers {100 * itself:.0f} % of its mask"
        others = "" if math.isnan(self.least_of_others) else f", from the others {100 * self.least_of_others:.0f} %"
        return f"mask: {self.mask}; {found}{others}"

    @property
    def doubts(self) -> list[str]:
        """A sentence for each thing that deserves a second look, by `RESTORED` and `BORDER`."""
        doubts = []
        if self.least < RESTORED:
            doubts.append(
                f"the network recovers too little of the mask of {self.name}: is it the mask of this photograph, and "
                "is the object what is painted?"
            )
        if self.border > BORDER:
            doubts.append(
                f"the mask of {self.name} paints {100 * self.border:.0f} % of the photograph's border: is it inverted? "
                "What is painted is the object"
            )
        if self.strokes:
            doubts.append(
                f"what is painted in the mask of {self.name} is thin: are these strokes? Then draw green ones on the "
                "object and red ones elsewhere, and give them as scribbles"
            )
        return doubts


def weakest(checks: Sequence[SupportCheck]) -> SupportCheck | None:
    """The example of which the others find least; None if there are no two of a class."""
    compared = [check for check in checks if not math.isnan(check.least_of_others)]
    return min(compared, key=lambda check: check.least_of_others, default=None)


def _least(values: NDArray[np.float32]) -> float:
    """The least of those that are not NaN; NaN if there is none."""
    seen = values[~np.isnan(values)]
    return float(seen.min()) if seen.size else float("nan")


def restoration(network: SRPNet, features_SChw: Tensor, labels_SHW: Tensor, prototypes_PC: Tensor) -> Tensor:
    """How well the prototypes restore the masks that they were made of: IoU of each support and way (S, N), in [0, 1].

    It is without query inference, as in training, where the supports are restored too, and in the support mIoU of an
    evaluation. Pixels labelled 255 are ignored. NaN where a mask does not show the way.

    An inverted mask is restored as well as the right one, or better: see `border_share`.

    Args:
        network: Whose features these are.
        features_SChw: From `encode`.
        labels_SHW: uint8, 0 background, 1..N, 255 neither, at the size of the images that were encoded.
        prototypes_PC: From `prototypes`.
    """
    logits_SPhw = network.segment(features_SChw, prototypes_PC)
    predicted_SHW = upsample(logits_SPhw, labels_SHW.shape[-2:], network.stride).argmax(1)
    return ious(predicted_SHW, labels_SHW, len(prototypes_PC) - 1)


def ious(predicted_SHW: Tensor, labels_SHW: Tensor, ways: int) -> Tensor:
    """IoU of each support and way (S, N); pixels labelled 255 are ignored; NaN where the labels do not show the way."""
    ways_N11 = torch.arange(1, ways + 1, device=labels_SHW.device)[:, None, None]
    painted_SNHW = labels_SHW[:, None] == ways_N11
    restored_SNHW = (predicted_SHW[:, None] == ways_N11) & (labels_SHW[:, None] != IGNORE)
    shared_SN = (painted_SNHW & restored_SNHW).sum((2, 3))
    union_SN = (painted_SNHW | restored_SNHW).sum((2, 3))
    return torch.where(painted_SNHW.flatten(2).any(2), shared_SN / union_SN, torch.nan)


def mistaken_share(network: SRPNet, features_1Chw: Tensor, labels_HW: Tensor, prototypes_PC: Tensor) -> float:
    """How much of what is labelled 0 in a photograph is taken for a class, 0 to 1, without query inference.

    Args:
        network, features_1Chw, prototypes_PC: As for `restoration`.
        labels_HW: uint8, 0 background, 255 unknown, at the size of the image that was encoded.
    """
    logits_1Phw = network.segment(features_1Chw, prototypes_PC)
    predicted_HW = upsample(logits_1Phw, labels_HW.shape, network.stride)[0].argmax(0)
    return float((predicted_HW[labels_HW == 0] > 0).float().mean())


def looks_like_strokes(labels: Array) -> bool:
    """Whether a mask (H, W) may be strokes and not an area: long, and nowhere thicker than a fortieth of its side.

    So does the mask of a spoon. It is a question, not an error.
    """
    painted = (labels > 0) & (labels != IGNORE)
    if 2 * (labels == 0).sum() < labels.size or not painted.any():  # a mask says of most pixels that they are not it
        return False
    small = Image.fromarray(painted).convert("L")
    small.thumbnail((SMALL, SMALL), Image.Resampling.BOX)
    small = small.point([255 * (value > 64) for value in range(256)])
    rows, columns = np.nonzero(np.asarray(small))
    thick = np.asarray(small.filter(ImageFilter.MinFilter(THIN))).any()
    return bool(not thick and len(rows) and max(np.ptp(rows), np.ptp(columns)) > SMALL / 5)


def border_share(labels: Array) -> float:
    """How much of the photograph's outermost pixels a label map (H, W) paints: 0 to 1; pixels labelled 255 left out.

    >>> border_share(np.array([[0, 0, 0], [1, 1, 1], [0, 255, 0]], dtype=np.uint8))
    0.2857142857142857
    """
    border = np.concatenate([labels[0], labels[-1], labels[1:-1, 0], labels[1:-1, -1]])
    counted = border[border != IGNORE]
    return float((counted > 0).mean()) if counted.size else 0.0
