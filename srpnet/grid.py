"""Where the cells of a feature map lie in the photograph, and how values go from one to the other.

Every stride of a ResNet keeps the first pixel: cell i of a map with stride s is centred on pixel s * i, whatever the
photograph's size. Resizing by size alone (PyTorch's `align_corners=False`, or `True` but at sizes s * n + 1) is off by
up to half a cell, some 4 pixels at stride 8.

Letters: B images, C channels, h w cells, H W pixels.
"""

import torch
from torch import Tensor


def upsample(maps_BChw: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Values at the cells -> values at the pixels, (B, C, H, W), bilinear; past the last cell its value stays."""
    rows_Hh, columns_Ww = (
        linear_weights(pixels, cells, stride, maps_BChw)
        for pixels, cells in zip(size, maps_BChw.shape[-2:], strict=True)
    )
    return rows_Hh @ maps_BChw @ columns_Ww.T


def spread(values_BHW: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Transpose of `upsample`: a pixel's value is dealt out to the cells that it is interpolated from: (B, h, w)."""
    rows_Hh, columns_Ww = (
        linear_weights(pixels, cells, stride, values_BHW)
        for pixels, cells in zip(values_BHW.shape[-2:], size, strict=True)
    )
    return rows_Hh.T @ values_BHW @ columns_Ww


def average(values_BHW: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Values at the pixels -> their mean over the pixels nearest to each cell: (B, h, w)."""
    rows_hH, columns_wW = (
        nearest_weights(pixels, cells, stride, values_BHW)
        for pixels, cells in zip(values_BHW.shape[-2:], size, strict=True)
    )
    return rows_hH @ values_BHW @ columns_wW.T


def linear_weights(pixels: int, cells: int, stride: int, like: Tensor) -> Tensor:
    """(pixels, cells): the weight of each cell in the linear interpolation at each pixel; rows sum to 1.

    >>> linear_weights(4, 2, 2, torch.zeros(0)).tolist()
    [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.0, 1.0]]
    """
    exact = torch.promote_types(like.dtype, torch.float32)  # half precisions do not hold every pixel's number
    position = (torch.arange(pixels, device=like.device, dtype=exact) / stride).clamp(max=cells - 1)
    cell = torch.arange(cells, device=like.device, dtype=exact)
    return (1 - (position[:, None] - cell).abs()).clamp(min=0).to(like.dtype)


def nearest_weights(pixels: int, cells: int, stride: int, like: Tensor) -> Tensor:
    """(cells, pixels): the weight of each pixel in the mean around each cell; rows sum to 1.

    >>> nearest_weights(6, 2, 4, torch.zeros(0)).tolist()
    [[0.5, 0.5, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.25, 0.25, 0.25, 0.25]]
    """
    cell_of = ((torch.arange(pixels, device=like.device) + stride // 2) // stride).clamp(max=cells - 1)
    owned = torch.nn.functional.one_hot(cell_of, cells).T.to(like.dtype)
    return owned / owned.sum(1, keepdim=True).clamp(min=1)
