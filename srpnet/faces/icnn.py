"""iCNN: four rows of a pyramid that exchange what they see, layer by layer (Zhou et al. 2015; Yin et al. 2021, 3.1).

Letters: B images, C channels, L labels, H W pixels. All convolutions keep the size of their row.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = (8, 16, 24, 32)
"""Of the rows, from full resolution to an eighth of it."""
LAYERS = 3
"""Interlinking layers."""


class ICNN(nn.Module):
    """Logits of L labels for every pixel of an image.

    Args:
        labels: L, the background among them.
    """

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.enter = nn.ModuleList(_convolution(3, own, nn.Tanh()) for own in CHANNELS)
        self.interlink = nn.ModuleList(_Interlinking() for _ in range(LAYERS))
        pairs = pairwise(CHANNELS)
        self.integrate = nn.ModuleList(_convolution(own + below, own, nn.Tanh()) for own, below in pairs)
        inner = 2 * labels + 8
        self.head = nn.Sequential(
            _convolution(CHANNELS[0], inner, nn.Tanh()),
            nn.Conv2d(inner, labels, 5, padding=2),
            nn.Conv2d(labels, labels, 9, padding=4),
        )

    def forward(self, images_B3HW: Tensor) -> Tensor:
        """Images, RGB in [0, 1] -> logits (B, L, H, W), float32."""
        pyramid = [images_B3HW]
        for _ in CHANNELS[1:]:
            pyramid.append(_halved(pyramid[-1]))
        rows = [enter(image) for enter, image in zip(self.enter, pyramid, strict=True)]
        for layer in self.interlink:
            rows = layer(rows)
        merged = rows[-1]
        for integrate, row in zip(reversed(self.integrate), reversed(rows[:-1]), strict=True):
            merged = integrate(torch.cat([row, _enlarged(merged, row)], 1))
        return self.head(merged).float()


class _Interlinking(nn.Module):
    """Each row sees itself and its neighbours, all as the layer before left them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.ModuleList(
            nn.Sequential(
                _convolution(sum(CHANNELS[max(0, row - 1) : row + 2]), own, nn.ReLU()),
                _convolution(own, own, nn.ReLU()),
            )
            for row, own in enumerate(CHANNELS)
        )

    def forward(self, rows: Sequence[Tensor]) -> list[Tensor]:
        seen = [[row] for row in rows]
        for upper in range(len(rows) - 1):
            seen[upper + 1].insert(0, _halved(rows[upper]))
            seen[upper].append(_enlarged(rows[upper + 1], rows[upper]))
        return [own(torch.cat(inputs, 1)) for own, inputs in zip(self.rows, seen, strict=True)]


def _convolution(inputs: int, outputs: int, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 5, padding=2), nn.BatchNorm2d(outputs), activation)


def _halved(maps: Tensor) -> Tensor:
    return F.max_pool2d(maps, 3, stride=2, padding=1)


def _enlarged(maps: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(maps, like.shape[-2:], mode="nearest")
