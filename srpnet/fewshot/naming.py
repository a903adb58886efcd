"""With several ways: which of them was found? Each connected region is named as a whole, by two opinions.

The trained features part objects from their background, whatever the object is, and hardly tell one kind from another;
the deepest ImageNet stage tells kinds apart, and has no edges (`srpnet.fewshot.presence`). So where anything is, the
trained features say alone: where any way exceeds the background. Which way it is, both say.

Letters in names: B photographs, N ways, P = N + 1 classes with background, R regions, D channels of the deepest stage,
h w feature size, y x size of the deepest stage.
"""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from srpnet.fewshot.presence import Recogniser
from srpnet.nn.grid import average

TRAINED = 0.4
"""Weight of the trained features' opinion beside that of the deepest stage, chosen on base classes."""


def name_regions(
    logits_BPhw: Tensor, deep_BDyx: Tensor, examples_BND: Tensor, recogniser: Recogniser, alpha: float
) -> Tensor:
    """The logits of photographs, in which each region of the foreground is highest in one way.

    The foreground, the cells where any way exceeds the background, stays what it is, and so does its lead over the
    background. A region that the trained features split among several ways may show objects that touch: its parts are
    named one by one, half by what the deepest stage sees in the part alone and half by what it sees in all of it.

    Args:
        logits_BPhw: Of the trained features. With one way there is nothing to name.
        deep_BDyx: From `Recogniser.describe`.
        examples_BND: What the supports show of each way, from `examples`.
        recogniser: Compares the two.
        alpha: Scale of the logits: divided by it they are similarities, as those of the deepest stage are.
    """
    if logits_BPhw.shape[1] == 2:
        return logits_BPhw
    named = [
        torch.cat([logits_Phw[:1], _named(logits_Phw, deep_Dyx, examples_ND, recogniser, alpha)])
        for logits_Phw, deep_Dyx, examples_ND in zip(logits_BPhw, deep_BDyx, examples_BND, strict=True)
    ]
    return torch.stack(named)


def _named(logits_Phw: Tensor, deep_Dyx: Tensor, examples_ND: Tensor, recogniser: Recogniser, alpha: float) -> Tensor:
    """The logits of the ways (N, h, w) in one photograph."""
    ways_Nhw, (best_hw, way_hw) = logits_Phw[1:], logits_Phw[1:].max(0)
    foreground_hw = best_hw > logits_Phw[0]
    if not foreground_hw.any():
        return ways_Nhw
    regions_Rhw = connected(foreground_hw)
    parts_Rhw = torch.cat([connected(foreground_hw & (way_hw == way)) for way in range(len(ways_Nhw))])
    found_hw = 1 - logits_Phw.softmax(0)[0]
    size, cells = deep_Dyx.shape[-2:], (parts_Rhw * found_hw).flatten(1)

    def resemblance(masks_Rhw: Tensor) -> Tensor:
        return recogniser.resemblance(deep_Dyx, average(masks_Rhw * found_hw, size, recogniser.ratio), examples_ND)

    region_of_R = (parts_Rhw.flatten(1).float() @ regions_Rhw.flatten(1).float().T).argmax(1)
    deep_RN = (resemblance(parts_Rhw) + resemblance(regions_Rhw)[region_of_R]) / 2
    trained_RN = cells @ ways_Nhw.flatten(1).T / cells.sum(1, keepdim=True) / alpha
    evidence_RN = deep_RN + TRAINED * trained_RN
    behind_RN = alpha * (evidence_RN - evidence_RN.amax(1, keepdim=True))
    behind_Nhw = torch.einsum("rn,rhw->nhw", behind_RN, parts_Rhw.to(behind_RN))
    # Pixels between a region and the next cell are interpolated from both: that cell gets the region's name, too.
    near_hw = max_pool2d(foreground_hw[None].float(), 3, stride=1, padding=1)[0] > 0
    spread_Nhw = max_pool2d(behind_Nhw.masked_fill(~foreground_hw, -torch.inf), 3, stride=1, padding=1)
    behind_Nhw = torch.where(foreground_hw, behind_Nhw, spread_Nhw)
    return torch.where(near_hw, best_hw + behind_Nhw, ways_Nhw)


def connected(mask_hw: Tensor) -> Tensor:
    """The connected regions of a mask, by sides and corners: bool (R, h, w).

    >>> connected(torch.tensor([[True, False, True]])).int().tolist()
    [[[1, 0, 0]], [[0, 0, 1]]]
    """
    label_hw = torch.arange(1, mask_hw.numel() + 1, device=mask_hw.device).view(mask_hw.shape).double() * mask_hw
    before_hw = torch.zeros_like(label_hw)
    while not torch.equal(label_hw, before_hw):
        before_hw = label_hw
        label_hw = max_pool2d(label_hw[None], 3, stride=1, padding=1)[0] * mask_hw
        # A cell takes the label of the cell that its label names, so that long regions need few rounds.
        label_hw = torch.cat([label_hw.new_zeros(1), label_hw.flatten()])[label_hw.long()]
    return label_hw == label_hw[mask_hw].unique()[:, None, None]
