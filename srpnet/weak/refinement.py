"""Pixel-adaptive refinement (PAR; Ru et al., AFA, CVPR 2022, section 3.3): maps follow the edges of the photograph.

Letters: B images, K maps, N = 48 neighbours, H W pixels.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

DILATIONS = (1, 2, 4, 8, 12, 24)
OFFSETS = tuple(
    (down * dilation, across * dilation)
    for dilation in DILATIONS
    for down in (-1, 0, 1)
    for across in (-1, 0, 1)
    if (down, across) != (0, 0)
)
"""Of the neighbours, in pixels: eight directions at six distances."""
SHARPNESS = 0.3
POSITION = 0.01
"""What the nearness of a neighbour adds to its weight, beside its likeness."""
ROUNDS = 10
TINY = 1e-8


@torch.no_grad()
def refine(images_B3HW: Tensor, maps_BKHW: Tensor, rounds: int = ROUNDS) -> Tensor:
    """Each pixel of a map becomes a weighted sum of its 48 neighbours, those like it first, again and again.

    Neighbours are views of one padded image, visited in turn: 48 copies of it are never made, only their weights.

    Args:
        images_B3HW: RGB, on any scale: differences count by their spread around each pixel.
        maps_BKHW: Of the same size; scores of any number of maps.
        rounds: How often.

    Returns:
        (B, K, H, W). Weights add up to 1.01, so maps grow a little, alike everywhere.
    """
    weights_BNHW = neighbour_weights(images_B3HW)
    refined_BKHW = maps_BKHW.float()
    for _ in range(rounds):
        summed_BKHW = torch.zeros_like(refined_BKHW)
        for number, shifted_BKHW in enumerate(_neighbours(refined_BKHW)):
            summed_BKHW.addcmul_(shifted_BKHW, weights_BNHW[:, number, None])
        refined_BKHW = summed_BKHW
    return refined_BKHW


def neighbour_weights(images_B3HW: Tensor) -> Tensor:
    """The weight of each neighbour of each pixel, (B, 48, H, W): by likeness, and a little by nearness."""
    images_B3HW = images_B3HW.float()
    count = len(OFFSETS)
    mean_B3HW, squares_B3HW = torch.zeros_like(images_B3HW), torch.zeros_like(images_B3HW)
    for shifted_B3HW in _neighbours(images_B3HW):
        mean_B3HW += shifted_B3HW / count
    for shifted_B3HW in _neighbours(images_B3HW):
        squares_B3HW += (shifted_B3HW - mean_B3HW).square_()
    scale_B3HW = 1 / (((squares_B3HW / (count - 1)).sqrt() + TINY) * SHARPNESS)
    unlike_BNHW = images_B3HW.new_empty(len(images_B3HW), count, *images_B3HW.shape[-2:])
    for number, shifted_B3HW in enumerate(_neighbours(images_B3HW)):
        torch.mean(((shifted_B3HW - images_B3HW) * scale_B3HW).square_(), 1, out=unlike_BNHW[:, number])
    distances_N = torch.tensor([math.hypot(*offset) for offset in OFFSETS], device=images_B3HW.device)
    far_N = (distances_N / (distances_N.std() + TINY) / SHARPNESS).square()
    return torch.softmax(-unlike_BNHW, 1) + POSITION * torch.softmax(-far_N, 0)[:, None, None]


def _neighbours(maps_BKHW: Tensor) -> Iterator[Tensor]:
    """The maps shifted by each offset, as views; past the border its values stay."""
    most = DILATIONS[-1]
    height, width = maps_BKHW.shape[-2:]
    padded = F.pad(maps_BKHW, (most, most, most, most), mode="replicate")
    for down, across in OFFSETS:
        yield padded[..., most + down : most + down + height, most + across : most + across + width]
