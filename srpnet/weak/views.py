"""A photograph as students take it: a square, at a multiple of its size, with its mirror image."""

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from episodes.data.source import Array
from srpnet.weak.encoders import Levels
from srpnet.weak.students import Students


class View(NamedTuple):
    """Images as the students' trained parts take them, and their (height, width)."""

    levels: Levels
    size: tuple[int, int]


def scaled_pair(students: Students, images_B3HW: Tensor, scale: float) -> tuple[View, View]:
    """Images at a multiple of their size, and their mirror images."""
    height, width = (max(32, round(scale * side)) for side in images_B3HW.shape[-2:])
    if scale != 1:
        images_B3HW = F.interpolate(images_B3HW, (height, width), mode="bilinear", align_corners=False, antialias=True)
    plain, mirrored = (View(students.lower(images), (height, width)) for images in (images_B3HW, images_B3HW.flip(-1)))
    return plain, mirrored


def stretched(photograph: Array, size: int) -> Image.Image:
    """A photograph as a square."""
    return Image.fromarray(photograph).resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0)


def as_tensor(image: Image.Image) -> Tensor:
    """(3, H, W) uint8."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
