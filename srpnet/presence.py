"""Does a photograph show the class at all? What was found in it is compared with the supports' object, deep down.

The features that prototypes are made of were trained to part an object from its background, whatever the object is, on
episodes whose query always shows the class: they hardly tell a sheep from a horse. The deepest stage of the backbone,
before the reduction, tells them better (docs/results.md).

Letters in names: B photographs, S supports, N ways, P = N + 1 classes with background, D channels of the deepest stage,
h w feature size, y x the coarse grid.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

COARSE = 4
"""Cells of the feature map along a side of a coarse one: a deep map of 2048 channels is kept in less room so."""


def coarse(maps_BChw: Tensor) -> Tensor:
    """Means over squares of cells, (B, C, y, x)."""
    return avg_pool2d(maps_BChw, COARSE, ceil_mode=True, count_include_pad=False)


def described(deep_BDyx: Tensor, weights_BNhw: Tensor) -> Tensor:
    """What each photograph shows of each way: the weighted mean of its deep features as a unit vector (B, N, D).

    The zero vector where all weights are 0.

    Args:
        deep_BDyx: The deepest stage, coarse.
        weights_BNhw: The weight of each cell of the feature map, 0 or more.
    """
    total_BND = torch.einsum("bdyx,bnyx->bnd", deep_BDyx.float(), coarse(weights_BNhw.float()))
    return normalize(total_BND, dim=2)


def found(logits_BPhw: Tensor) -> Tensor:
    """How much of each cell was found to be each way (B, N, h, w): its probability where no other is higher, else 0."""
    probability_BPhw = logits_BPhw.softmax(1)
    best_BPhw = probability_BPhw == probability_BPhw.amax(1, keepdim=True)
    return (probability_BPhw * best_BPhw)[:, 1:]


def examples(shown_SND: Tensor, membership_SN: Tensor) -> Tensor:
    """What the supports show of each way together, as unit vectors (N, D).

    Args:
        shown_SND: What each support shows of each way, see `described`.
        membership_SN: bool, whether support s is a shot of way n.
    """
    return normalize((shown_SND * membership_SN[..., None]).sum(0), dim=1)


def presence(examples_BND: Tensor, found_BND: Tensor) -> Tensor:
    """The cosine of what was found and what the supports show, in [0, 1]; 0 where nothing was found: (B, N).

    Args:
        examples_BND: See `examples`.
        found_BND: What was found of each way in each photograph, see `described`.
    """
    return (found_BND * examples_BND).sum(2).clamp(0, 1)
