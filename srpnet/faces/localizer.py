"""Where the parts of a face are: crops, from a coarse segmentation.

Letters: B faces, L labels, P parts, H W pixels of the coarse map.
"""

import torch
from torch import Tensor, nn

from srpnet.nn.crop import theta_of

WIDTHS = (1, 2, 4, 8)
"""Of the four pairs of convolutions, in units of the first's: a slim VGG16."""


class Localizer(nn.Module):
    """A slim VGG16 with a linear end (Yin et al. 2021, 3.2): eight convolutions, an average pool after each pair.

    The article describes a ReLU at the end; shifts have a sign, so there is none.

    Args:
        labels: L of the coarse map.
        side: H = W of the coarse map, a multiple of 16.
        width: Channels of the first pair; the paper's is 64.
        scales: Of the crops of the P parts before anything is learned, around the middle of the canvas.
    """

    def __init__(self, labels: int, side: int, width: int, scales: tuple[float, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = labels
        for factor in WIDTHS:
            for _ in range(2):
                outputs = factor * width
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
                inputs = outputs
            layers.append(nn.AvgPool2d(2))
        self.features = nn.Sequential(*layers)
        self.last = nn.Linear(inputs * (side // 16) ** 2, 4 * len(scales))
        # Adam moves every weight by as much, and of so many inputs alike that would move a crop off the canvas.
        self.damping = self.last.in_features**-0.5
        with torch.no_grad():
            self.last.bias.copy_(torch.tensor([[scale, scale, 0, 0] for scale in scales]).flatten())

    def forward(self, probabilities_BLHW: Tensor) -> Tensor:
        """Probabilities of the coarse labels -> theta of each part's crop (B, P, 2, 3), float32."""
        features = self.features(probabilities_BLHW).flatten(1).float() * self.damping
        with torch.autocast(features.device.type, enabled=False):  # bfloat16 does not tell neighbouring pixels apart
            values_BP4 = self.last(features).unflatten(1, (-1, 4))
        return theta_of(values_BP4[..., :2], values_BP4[..., 2:])
