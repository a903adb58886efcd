"""Masked average pooling: from support features and masks to one prototype a class, and one for the background.

Letters in names: S supports, B images, N ways, P = N + 1 prototypes (background first), C channels, h w feature size,
H W mask size.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from episodes.errors import InputError
from srpnet.fewshot.settings import Pooling
from srpnet.nn.grid import average, spread

EPSILON = 1e-6


POOLINGS: dict[Pooling, Callable[[Tensor, Sequence[int], int], Tensor]] = {"feature": average, "mask": spread}
"""How a mask at the pixels becomes the weight of each cell in the average; SRPNet does not fix its size (method, 3).

- `feature`: the mask is averaged around each cell, so that small objects survive.
- `mask`: as if the features were upsampled bilinearly to the mask (PANet, sec. 3.3). Since sum_x (U f)(x) m(x) =
  sum_y f(y) (U' m)(y), it is enough to bring the mask down by the transposed interpolation U'.
"""


def masked_average_pooling(features_BChw: Tensor, weights_Bhw: Tensor) -> Tensor:
    """sum_x F(x) m(x) / (sum_x m(x) + eps) for each image: (B, C). An all-zero mask gives zeros.

    With several masks an image, (B, P, h, w), the result is (B, P, C).
    """
    total = weights_Bhw.sum((-2, -1))[..., None]
    return torch.einsum("bchw,b...hw->b...c", features_BChw, weights_Bhw) / (total + EPSILON)


class Pooled(NamedTuple):
    """Of each support and class: the masked average (S, P, C), and whether it shows the class at all (S, P)."""

    averages_SPC: Tensor
    shows_SP: Tensor


def joined(pooled: Sequence[Pooled]) -> Pooled:
    """The supports of several as those of one."""
    return Pooled(*(torch.cat(part) for part in zip(*pooled, strict=True)))


def pool_supports(features_SChw: Tensor, labels_SHW: Tensor, ways: int, stride: int, pooling: Pooling) -> Pooled:
    """The masked averages of each support alone, in float32 at least; see `support_prototypes` for the arguments."""
    masks_SPHW = labels_SHW[:, None] == torch.arange(ways + 1, device=labels_SHW.device)[:, None, None]
    with torch.autocast(features_SChw.device.type, enabled=False):
        features_SChw = features_SChw.to(torch.promote_types(features_SChw.dtype, torch.float32))
        weights_SPhw = POOLINGS[pooling](masks_SPHW.to(features_SChw.dtype), features_SChw.shape[-2:], stride)
        return Pooled(masked_average_pooling(features_SChw, weights_SPhw), masks_SPHW.flatten(2).any(2))


def counted(pooled: Pooled, membership_SN: Tensor) -> Tensor:
    """Which supports count for which class (S, P): those that show it, and of those for a way its shots alone."""
    return pooled.shows_SP & torch.nn.functional.pad(membership_SN, (1, 0), value=True)


def mean_prototypes(pooled: Pooled, membership_SN: Tensor, ids: Sequence[str] | None = None) -> Tensor:
    """The prototypes of an episode from the masked averages of its supports; see `support_prototypes`.

    Raises:
        InputError: if a way has no pixel in any of its shots.
    """
    counts_SP = counted(pooled, membership_SN)
    shots_P = counts_SP.sum(0)
    if not shots_P[1:].all():
        way = int((shots_P[1:] == 0).nonzero()[0])
        ids = ids or [f"support {s + 1}" for s in range(len(membership_SN))]
        named = ", ".join(id for id, shot in zip(ids, membership_SN[:, way].tolist(), strict=True) if shot)
        raise InputError(
            f"no pixel of way {way + 1} is left in the support mask of {named or ', '.join(ids)}: give another mask"
        )
    total_PC = torch.where(counts_SP[..., None], pooled.averages_SPC, 0).sum(0)
    return total_PC / shots_P.clamp(min=1)[:, None]


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
    in a close-up, it is the zero vector, which resembles nothing, see `QueryInference.own_background`.

    Args:
        features_SChw: Support features.
        labels_SHW: uint8, 0 background, 1..N the way, 255 neither.
        membership_SN: bool, whether support s is a shot of way n. Ways may have unequal numbers of shots.
        stride: Pixels from one feature cell to the next.
        pooling: See `POOLINGS`.
        ids: Names of the supports, for the error.

    Raises:
        InputError: if a way has no pixel in any of its shots.
    """
    pooled = pool_supports(features_SChw, labels_SHW, membership_SN.shape[1], stride, pooling)
    return mean_prototypes(pooled, membership_SN, ids)
