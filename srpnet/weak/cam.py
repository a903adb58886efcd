"""Class activation maps: where a classifier sees its class.

Letters: B images, C classes, H W pixels or cells.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

TINY = 1e-5


def normalised(maps_BCHW: Tensor) -> Tensor:
    """Each map minus its minimum, over its maximum then, in [0, 1]; a map that is the same everywhere is 0."""
    above_BCHW = maps_BCHW - maps_BCHW.amin((2, 3), keepdim=True)
    return above_BCHW / (above_BCHW.amax((2, 3), keepdim=True) + TINY)


@torch.no_grad()
def activation_maps(scales: Sequence[tuple[Tensor, Tensor]], tags_BC: Tensor) -> Tensor:
    """CAMs of the tagged classes, (B, C, H, W) in [0, 1]; those of other classes are 0.

    The maximum of a photograph's map and its mirror image's, summed over scales, then normalised class by class.

    Args:
        scales: For each scale the maps (B, C, H, W) of the photographs, and those of their mirror images, as these lie;
            all of one size.
        tags_BC: 1 where the photograph shows the class, else 0.
    """
    summed_BCHW = torch.stack([torch.maximum(plain, mirrored.flip(-1)) for plain, mirrored in scales]).sum(0)
    return normalised(summed_BCHW.float().relu()) * tags_BC[:, :, None, None]
