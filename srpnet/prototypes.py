"""Masked average pooling: from support features and masks to one prototype a class, and one for the background.

Letters in names: S supports, B images, N ways, P = N + 1 prototypes (background first), C channels, h w feature size,
H W mask size.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from episodes.errors import InputError
from srpnet.grid import average, spread

Pooling = Literal["feature", "mask"]
EPSILON = 1e-6


def pooling_weights(mask_BHW: Tensor, size: tuple[int, int], stride: int, pooling: Pooling) -> Tensor:
    """The weight of each feature cell in the average, (B, h, w), from a mask at the size of the photograph.

    SRPNet does not fix the size at which the average is taken (method, 3):

    - `feature`: the mask is averaged around each cell, so that small objects survive.
    - `mask`: as if the features were upsampled bilinearly to the mask (PANet, sec. 3.3). Since sum_x (U f)(x) m(x) =
      sum_y f(y) (U' m)(y), it is enough to bring the mask down by the transposed interpolation U'.

    Args:
        mask_BHW: Weights in [0, 1].
        size: (h, w) of the features.
        stride: Pixels from one cell to the next.
        pooling: One of the two.
    """
    return (average if pooling == "feature" else spread)(mask_BHW, size, stride)


def masked_average_pooling(features_BChw: Tensor, weights_Bhw: Tensor) -> Tensor:
    """sum_x F(x) m(x) / (sum_x m(x) + eps) for each image: (B, C). An all-zero mask gives zeros."""
    total_B1 = weights_Bhw.sum((1, 2))[:, None]
    return torch.einsum("bchw,bhw->bc", features_BChw, weights_Bhw) / (total_B1 + EPSILON)


def support_prototypes(
    features_SChw: Tensor,
    labels_SHW: Tensor,
    membership_SN: Tensor,
    stride: int = 8,
    pooling: Pooling = "feature",
    ids: Sequence[str] | None = None,
) -> Tensor:
    """The prototypes of an episode, (N+1, C): background first, then way 1..N.

    A class's prototype is the mean of its shots' masked averages; a shot without a pixel of the class leaves the mean.
    The background's is the mean over all supports, of the pixels labelled 0 (method, 3). Where no support shows any, as
    in a close-up, it is the zero vector, which resembles nothing.

    Args:
        features_SChw: Support features.
        labels_SHW: uint8, 0 background, 1..N the way, 255 neither.
        membership_SN: bool, whether support s is a shot of way n. Ways may have unequal numbers of shots.
        stride: Pixels from one feature cell to the next.
        pooling: See `pooling_weights`.
        ids: Names of the supports, for the error.

    Raises:
        InputError: if a way has no pixel in any of its shots.
    """
    size = (features_SChw.shape[-2], features_SChw.shape[-1])
    supports, ways = membership_SN.shape
    ids = ids or [f"support {s + 1}" for s in range(supports)]
    prototypes = []
    for label in range(ways + 1):
        shots = membership_SN[:, label - 1] if label else torch.ones_like(membership_SN[:, 0])
        mask_SHW = (labels_SHW == label) & shots[:, None, None]
        filled = mask_SHW.flatten(1).any(1)
        if not filled.any() and not label:
            prototypes.append(features_SChw.new_zeros(features_SChw.shape[1]))
            continue
        if not filled.any():
            named = ", ".join(id for id, shot in zip(ids, shots.tolist(), strict=True) if shot) or ", ".join(ids)
            raise InputError(f"no pixel of way {label} is left in the support mask of {named}: give another mask")
        weights = pooling_weights(mask_SHW[filled].to(features_SChw.dtype), size, stride, pooling)
        prototypes.append(masked_average_pooling(features_SChw[filled], weights).mean(0))
    return torch.stack(prototypes)
