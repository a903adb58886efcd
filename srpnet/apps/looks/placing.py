"""Photographs of any size brought to the size of the network."""

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from episodes.fewshot.geometry import Geometry, Placement, Resize


class PlacedPhotograph(NamedTuple):
    """A photograph, where it lands, and what lands there: (3, H, W) in [0, 1]."""

    photograph: Image.Image
    placement: Placement
    image: Tensor


def place_photograph(photograph: Image.Image, size: int, resize: Resize = "longest") -> PlacedPhotograph:
    """A photograph in its place, to within one step of 255 of `Placement.image`, and several times as fast."""
    placement = Geometry(size, resize).place(photograph.height, photograph.width)
    small = np.array(photograph.resize(placement.inner[::-1], Image.Resampling.BILINEAR))
    image = torch.from_numpy(small).permute(2, 0, 1).float() / 255
    _, _, right, below = placement.padding
    return PlacedPhotograph(photograph, placement, pad(image, (0, right, 0, below), value=placement.fill))
