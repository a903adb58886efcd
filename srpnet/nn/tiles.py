"""A feature map of a large photograph, in tiles that overlap by what each cell sees: as if it were made at once."""

from collections.abc import Callable

import torch
from torch import Tensor


def tiled(encode: Callable[[Tensor], Tensor], image_3HW: Tensor, stride: int, halo: int, tile: int = 1024) -> Tensor:
    """The feature map (C, h, w) of an image, from tiles.

    Args:
        encode: Images (B, 3, H, W) -> features (B, C, h, w), h and w H and W over `stride`, rounded up.
        image_3HW: The image.
        stride: Pixels from one cell to the next.
        halo: How far a cell sees, in pixels, or more; a multiple of `stride`. With less, tiles show.
        tile: The side of what is taken from each tile, in pixels; likewise.

    Raises:
        ValueError: if `halo` or `tile` is no multiple of `stride`.
    """
    if halo % stride or tile % stride:
        raise ValueError(f"halo {halo} and tile {tile} must be multiples of the stride {stride}")
    height, width = image_3HW.shape[-2:]
    rows = []
    for top in range(0, height, tile):
        row = []
        for left in range(0, width, tile):
            above, before = max(top - halo, 0), max(left - halo, 0)
            part_3HW = image_3HW[:, above : top + tile + halo, before : left + tile + halo]
            first, start = (top - above) // stride, (left - before) // stride
            cells = tile // stride
            row.append(encode(part_3HW[None])[0, :, first : first + cells, start : start + cells])
        rows.append(torch.cat(row, dim=2))
    return torch.cat(rows, dim=1)
