"""Where the cells of a feature map lie in the photograph, and how values go from one to the other.

Every stride of a ResNet keeps the first pixel: cell i of a map with stride s is centred on pixel s * i, whatever the
photograph's size. Resizing by size alone (PyTorch's `align_corners=False`, or `True` but at sizes s * n + 1) is off by
up to half a cell, some 4 pixels at stride 8.

Letters: B images, C channels, h w cells, H W pixels.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from episodes.fewshot.geometry import Placement


def upsample(maps_BChw: Tensor, size: Sequence[int], stride: int) -> Tensor:
    """Values at the cells -> values at the pixels, (B, C, H, W), bilinear; past the last cell its value stays."""
    rows_Hh, columns_Ww = (
        linear_weights(pixels, cells, stride, maps_BChw)
        for pixels, cells in zip(size, maps_BChw.shape[-2:], strict=True)
    )
    with torch.autocast(maps_BChw.device.type, enabled=False):  # logits stay in float32
        return rows_Hh @ maps_BChw @ columns_Ww.T


def spread(values_BHW: Tensor, size: Sequence[int], stride: int) -> Tensor:
    """Transpose of `upsample`: a pixel's value is dealt out to the cells that it is interpolated from: (B, h, w)."""
    rows_Hh, columns_Ww = (
        linear_weights(pixels, cells, stride, values_BHW)
        for pixels, cells in zip(values_BHW.shape[-2:], size, strict=True)
    )
    return rows_Hh.T @ values_BHW @ columns_Ww


def average(values_BHW: Tensor, size: Sequence[int], stride: int) -> Tensor:
    """Values at the pixels -> their mean over the pixels nearest to each cell: (B, h, w).

    >>> average(torch.tensor([[[3.0, 6, 0, 0, 0, 8]]]), (1, 2), 4).tolist()
    [[[4.5, 2.0]]]
    """
    sides = []
    for pixels, cells in zip(values_BHW.shape[-2:], size, strict=True):
        cell = ((torch.arange(pixels, device=values_BHW.device) + stride // 2) // stride).clamp(max=cells - 1)
        nearest = F.one_hot(cell, cells).T.to(values_BHW.dtype)
        sides.append(nearest / nearest.sum(1, keepdim=True).clamp(min=1))
    rows_hH, columns_wW = sides
    return rows_hH @ values_BHW @ columns_wW.T


def label_maps(logits_BPhw: Tensor, stride: int, placement: Placement, original: bool) -> Tensor:
    """The class with the highest logit at each pixel, the first of equal ones: uint8 (B, H, W).

    Equals `argmax(1)` of the upsampled logits. As upsampling is linear it is enough to upsample each class's lead over
    the background, one class at a time, so that no float map of all classes ever exists at full size.

    Args:
        logits_BPhw: At the cells, background first.
        stride, placement, original: Which pixels, see `pixel_weights`.
    """
    rows_Hh, columns_Ww = (
        weights.to(logits_BPhw) for weights in pixel_weights(logits_BPhw.shape[-2:], stride, placement, original)
    )
    background, *others = logits_BPhw.unbind(1)
    leads = (rows_Hh @ (other - background) @ columns_Ww.mT for other in others)
    best = next(leads)
    labels = (best > 0).to(torch.uint8)
    for label, lead in enumerate(leads, start=2):
        best = best.clamp(min=0) if label == 2 else best
        labels = torch.where(lead > best, label, labels)
        best = torch.maximum(lead, best)
    return labels


def pixel_weights(size: Sequence[int], stride: int, placement: Placement, original: bool) -> tuple[Tensor, Tensor]:
    """The weight of each cell at each pixel, along the rows (H, h) and along the columns (W, w): float64.

    Args:
        size: (h, w) of the feature map.
        stride: Pixels from one cell to the next.
        placement: Of the photograph that was encoded.
        original: Pixels of the photograph itself, as `Placement.restore` makes them, instead of those of the network's
            input.
    """
    sides = zip(size, placement.outer, placement.inner, placement.original, strict=True)
    if not original:
        rows, columns = (_side_weights(cells, stride, outer) for cells, outer, _, _ in sides)
    elif placement.aligned:
        square = max(placement.original)
        rows, columns = (
            _resized_weights(cells, stride, outer, outer, square, True)[:own] for cells, outer, _, own in sides
        )
    else:
        rows, columns = (
            _resized_weights(cells, stride, outer, inner, own, False) for cells, outer, inner, own in sides
        )
    return rows, columns


@lru_cache(maxsize=32)
def _side_weights(cells: int, stride: int, outer: int) -> Tensor:
    """`linear_weights` of the input's pixels."""
    return linear_weights(outer, cells, stride, torch.zeros(0, dtype=torch.float64))


@lru_cache(maxsize=32)
def _resized_weights(cells: int, stride: int, outer: int, inner: int, size: int, align_corners: bool) -> Tensor:
    """The weights of the input's pixels, cropped to `inner` and resized to `size`."""
    # Resizing is linear too: what it makes of each column of the weights are the weights of the resized pixels.
    weights = _side_weights(cells, stride, outer)[:inner].T[None]
    return F.interpolate(weights, size, mode="linear", align_corners=align_corners)[0].T


def linear_weights(pixels: int, cells: int, stride: int, like: Tensor) -> Tensor:
    """(pixels, cells): the weight of each cell in the linear interpolation at each pixel; rows sum to 1.

    >>> linear_weights(4, 2, 2, torch.zeros(0)).tolist()
    [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.0, 1.0]]
    """
    exact = torch.promote_types(like.dtype, torch.float32)  # half precisions do not hold every pixel's number
    position = (torch.arange(pixels, device=like.device, dtype=exact) / stride).clamp(max=cells - 1)
    cell = torch.arange(cells, device=like.device, dtype=exact)
    return (1 - (position[:, None] - cell).abs()).clamp(min=0).to(like.dtype)
