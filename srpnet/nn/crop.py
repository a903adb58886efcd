"""Look again closer: a differentiable crop of a photograph, and the way back.

A crop is a `theta`, (2, 3) as `torch.nn.functional.affine_grid` has it: scale and shift alone, from coordinates -1..1
of the crop to coordinates -1..1 of the canvas, both between the centres of the outermost pixels (`align_corners`). A
crop of n pixels whose theta is that of n pixels around an integer centre, n odd, is a plain slice.

Letters: B crops, C channels, H W pixels of the canvas, h w pixels of the crop.

Source: Yin, Yiu, Hu, Tang, "End-to-end face parsing via interlinked convolutional neural networks", 2021, section 3.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]
"""Height and width in pixels."""


def crop_theta(centres_B2: Tensor, sides_B2: Tensor, canvas: Size) -> Tensor:
    """The crops of some width and height around some centres: theta (B, 2, 3).

    Args:
        centres_B2: x and y in pixels of the canvas, of which 0 is the first one's centre; any leading dimensions.
        sides_B2: Width and height in pixels of the canvas; 1 is a single pixel.
        canvas: Its size, at least 2 x 2.

    >>> crop_theta(torch.tensor([[2.0, 1]]), torch.tensor([[3.0, 3]]), (5, 5)).tolist()
    [[[0.5, 0.0, 0.0], [0.0, 0.5, -0.5]]]
    """
    last_2 = torch.tensor([canvas[1] - 1, canvas[0] - 1], dtype=centres_B2.dtype, device=centres_B2.device)
    return theta_of((sides_B2 - 1) / last_2, 2 * centres_B2 / last_2 - 1)


def theta_of(scales_B2: Tensor, shifts_B2: Tensor) -> Tensor:
    """Scales and shifts, each x and y, as theta (B, 2, 3)."""
    return torch.cat([torch.diag_embed(scales_B2), shifts_B2[..., None]], -1)


def inverse(theta_B23: Tensor) -> Tensor:
    """The theta of the way back: crop and inverse are the identity. Scales must not be 0."""
    scales_B2 = 1 / theta_B23[..., :2].diagonal(dim1=-2, dim2=-1)
    return theta_of(scales_B2, -theta_B23[..., 2] * scales_B2)


def compose(first_B23: Tensor, second_B23: Tensor) -> Tensor:
    """The theta of a crop of a crop: `second` lies in coordinates of the crop that `first` is.

    Of a crop whose theta is `c` and a window of the same canvas whose theta is `w`, `compose(inverse(c), w)` samples
    the crop's map where the window lies: the inverse map, for a part of the canvas.
    """
    scales_B2, shifts_B2 = first_B23[..., :2].diagonal(dim1=-2, dim2=-1), first_B23[..., 2]
    inner_B2 = second_B23[..., :2].diagonal(dim1=-2, dim2=-1)
    return theta_of(scales_B2 * inner_B2, scales_B2 * second_B23[..., 2] + shifts_B2)


def sample(
    images_BCHW: Tensor, theta_B23: Tensor, size: Size, mode: Literal["bilinear", "nearest"] = "bilinear"
) -> Tensor:
    """Crops of this size (B, C, h, w), of the images' dtype; what lies outside the canvas is 0.

    Differentiable with respect to the images and, if bilinear, to theta. Half precision is sampled as float32.
    """
    with torch.autocast(images_BCHW.device.type, enabled=False):
        exact = torch.promote_types(images_BCHW.dtype, torch.float32)
        grid_Bhw2 = F.affine_grid(theta_B23.to(exact), [len(theta_B23), 1, *size], align_corners=True)
        sampled = F.grid_sample(images_BCHW.to(exact), grid_Bhw2, mode, "zeros", align_corners=True)
    return sampled.to(images_BCHW.dtype)


def put_back(maps_BChw: Tensor, theta_B23: Tensor, canvas: Size) -> Tensor:
    """Maps of crops where these lie on the canvas (B, C, H, W): the nearest value inside, 0 outside."""
    return sample(maps_BChw, inverse(theta_B23), canvas, "nearest")


def coverage(masks_BHW: Tensor, theta_B23: Tensor) -> Tensor:
    """The share of the pixels of each mask (bool) that lies inside its crop, (B,) float32; NaN for an empty mask."""
    height, width = masks_BHW.shape[-2:]
    inside_BHW = inside(theta_B23, (height, width))
    return (masks_BHW & inside_BHW).sum((1, 2)) / masks_BHW.sum((1, 2))


def inside(theta_B23: Tensor, canvas: Size) -> Tensor:
    """Which pixels of the canvas lie inside each crop, its border included: bool (B, H, W)."""
    axes = []
    for axis, pixels in zip((1, 0), canvas, strict=True):
        position = torch.linspace(-1, 1, pixels, dtype=theta_B23.dtype, device=theta_B23.device)
        scale_B1, shift_B1 = theta_B23[:, axis, axis, None], theta_B23[:, axis, 2, None]
        axes.append((position - shift_B1).abs() <= scale_B1.abs() + 1e-6)  # rounding puts no pixel outside
    rows_BH, columns_BW = axes
    return rows_BH[:, :, None] & columns_BW[:, None, :]
