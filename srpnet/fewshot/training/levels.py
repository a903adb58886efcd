"""The backbone's levels, each at its own stride, packed to be kept, and reduced by a head to features.

Letters in names: B images, L numbers of all levels of an image, h w cells and C channels of one level.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from srpnet.fewshot.network import SRPNet
from srpnet.nn.grid import upsample


def levels(network: SRPNet, images_B3HW: Tensor) -> list[Tensor]:
    """The levels of images, RGB in [0, 1], each (B, C, h, w), finest first, before they become a pyramid."""
    normalised = ((images_B3HW - network.mean) / network.std).contiguous(memory_format=torch.channels_last)
    maps: list[Tensor] = network.backbone(normalised)
    return maps


def packed(levels_1Chw: Sequence[Tensor]) -> Tensor:
    """The levels of one image as (L,) numbers: each in the order (h, w, C), one after the other."""
    return torch.cat([level_1Chw[0].permute(1, 2, 0).flatten() for level_1Chw in levels_1Chw])


def level_shapes(network: SRPNet, size: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(h, w, C) of each level of images of a size (H, W)."""
    backbone = network.backbone
    return [
        (-(-size[0] // stride), -(-size[1] // stride), channels)
        for stride, channels in zip(backbone.strides, backbone.channels, strict=True)
    ]


def reduced_levels(network: SRPNet, packed_BL: Tensor, size: tuple[int, ...]) -> Tensor:
    """What `SRPNet.encode` makes of images (B, C, h, w), up to rounding, from their levels: all that a head trains.

    A 1 x 1 convolution and an interpolation commute, so each level is reduced on its own grid: less than half of the
    time where the training stride is 16.

    Args:
        network: With a head.
        packed_BL: See `packed`.
        size: (H, W) of the images.
    """
    if packed_BL.device.type == "cpu" and len(packed_BL) > 1:  # as in `SRPNet.encode`
        return torch.cat([reduced_levels(network, packed_1L, size) for packed_1L in packed_BL.split(1)])
    assert network.reduce is not None
    assert network.reduce.bias is not None
    shapes = level_shapes(network, size)
    parts = packed_BL.split([math.prod(shape) for shape in shapes], dim=1)
    kernels = network.reduce.weight.split(network.backbone.channels, dim=1)
    features_BChw: Tensor = network.reduce.bias[:, None, None]
    for part_BL, shape, kernel, stride in zip(parts, shapes, kernels, network.backbone.strides, strict=True):
        level_BChw = conv2d(part_BL.unflatten(1, shape).permute(0, 3, 1, 2), kernel)
        if (finer := stride // network.stride) > 1:
            level_BChw = upsample(level_BChw, shapes[0][:2], finer)
        features_BChw = features_BChw + level_BChw
    return features_BChw.relu() if network.config.relu else features_BChw
