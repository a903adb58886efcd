"""Label maps from class activation maps, by two thresholds: what lies between them is left out.

Letters: B images, C classes, K the most tags of an image, H W pixels, h w pixels at which maps are refined.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from episodes.data.source import IGNORE
from srpnet.training.log import highest
from srpnet.weak.refinement import refine


def dynamic_threshold(done: float, start: float, end: float) -> float:
    """The upper threshold after a share of the steps: from start to end by a cosine (paper, eq. 4).

    >>> [round(dynamic_threshold(done, 0.7, 0.55), 3) for done in (0, 0.5, 1)]
    [0.7, 0.625, 0.55]
    """
    return start - (start - end) / 2 * (1 - math.cos(math.pi * done))


@torch.no_grad()
def pseudo_labels(
    cams_BChw: Tensor,
    tags_BC: Tensor,
    images_B3hw: Tensor,
    thresholds: tuple[float, float],
    size: Sequence[int],
    refined: bool = True,
) -> Tensor:
    """uint8 (B, H, W): c + 1 where class c is seen for sure, 0 where no class is, 255 in between.

    Args:
        cams_BChw: In [0, 1].
        tags_BC: 1 where an image shows the class; it is given no other.
        images_B3hw: RGB of the maps' size, for refinement.
        thresholds: The upper and the lower score of the background. A pixel is a class's if that wins over the upper
            one, and background if nothing wins over the lower one.
        size: (H, W).
        refined: By PAR.
    """
    count = max(1, int((tags_BC > 0).sum(1).max()))
    there_BK, classes_BK = (tags_BC > 0).to(torch.uint8).topk(count, 1)
    height, width = cams_BChw.shape[-2:]
    own_BKhw = cams_BChw.float().gather(1, classes_BK[..., None, None].expand(-1, -1, height, width))
    absent_BK11 = (there_BK == 0)[..., None, None]
    scores = []
    for threshold in thresholds:
        background_B1hw = own_BKhw.new_full((len(own_BKhw), 1, height, width), threshold)
        logits = torch.cat([background_B1hw, own_BKhw.masked_fill(absent_BK11, -math.inf)], 1)
        scores.append(logits.softmax(1))
    both = torch.cat(scores, 1)
    if refined:
        both = refine(images_B3hw, both)
    both = F.interpolate(both, list(size), mode="bilinear", align_corners=False)
    certain_BHW, possible_BHW = (highest(scores).long() for scores in both.chunk(2, 1))
    numbers_BK = torch.cat([torch.zeros_like(classes_BK[:, :1]), classes_BK + 1], 1)
    labels_BHW = numbers_BK.gather(1, certain_BHW.flatten(1)).view_as(certain_BHW)
    between_BHW = (certain_BHW == 0) & (possible_BHW > 0)
    return labels_BHW.masked_fill(between_BHW, IGNORE).to(torch.uint8)
