"""A face parser: coarse network, crops, part networks, and the way back (Yin et al. 2021, section 3).

Letters: B faces, C W W the square canvas, n n the coarse network's input, L labels, P cropped parts, s s pixels of a
crop.
"""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srpnet.faces.icnn import ICNN
from srpnet.faces.labels import CROPPED, LABELS, centroids, part_masks
from srpnet.faces.localizer import Localizer
from srpnet.faces.settings import KINDS, Cropper, ParserSettings
from srpnet.nn.crop import crop_theta, put_back, sample
from srpnet.training.log import highest


class FaceParser(nn.Module):
    """Labels every pixel of a face: the nine of `srpnet.faces.labels`.

    Args:
        config: Its settings.
        seed: Of its weights.
    """

    def __init__(self, config: ParserSettings, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):  # PyTorch initialises layers from its global state
            torch.default_generator.manual_seed(seed)
            self.coarse = ICNN(LABELS)
            self.parts = nn.ModuleList(ICNN(labels) for labels in labels_of_kinds())
            self.localizer = None
            if config.cropper == "localizer":
                scales = tuple((side - 1) / (config.canvas - 1) for side in self.sides)
                self.localizer = Localizer(LABELS, config.input, config.localizer_width, scales)

    @property
    def sides(self) -> tuple[int, ...]:
        """Of the crop of each of the P parts, in pixels."""
        return tuple(self.config.crops[part.kind] for part in CROPPED)

    @property
    def cropper(self) -> Cropper:
        """What finds the parts."""
        return self.config.cropper

    def place(self, device: torch.device) -> Self:
        """Move to a device, with weights channels last, as convolutions like them there."""
        return self.to(device).to(memory_format=torch.channels_last)

    def segment_coarsely(self, canvas_B3WW: Tensor) -> Tensor:
        """Photographs on their canvas, RGB in [0, 1] -> logits of the nine labels (B, L, n, n)."""
        return self.coarse(_last(shrunk(canvas_B3WW, self.config.input)))

    def locate(self, coarse_BLnn: Tensor, cropper: Cropper | None = None) -> Tensor:
        """Coarse logits -> theta of each part's crop (B, P, 2, 3), by this cropper or the parser's own."""
        if self.localizer is None or cropper == "centroid":
            return self.crops_by_centroid(highest(coarse_BLnn))
        return self.localizer(_last(coarse_BLnn.softmax(1)))

    def crops_by_centroid(self, labels_Bnn: Tensor) -> Tensor:
        """The two-step cropper of the older iCNN: a crop around the centroid of what was found of each part."""
        found_BP2, _ = centroids(part_masks(labels_Bnn))
        pixels = self.config.canvas / labels_Bnn.shape[-1]
        return self.crops_around((found_BP2 + 0.5) * pixels - 0.5)

    def crops_around(self, centres_BP2: Tensor) -> Tensor:
        """The crop of each part around a centre in pixels of the canvas: theta (B, P, 2, 3)."""
        sides_P = torch.tensor(self.sides, dtype=centres_BP2.dtype, device=centres_BP2.device)
        canvas = self.config.canvas
        return crop_theta(centres_BP2, sides_P[:, None].expand_as(centres_BP2), (canvas, canvas))

    def segment_parts(self, canvas_B3WW: Tensor, theta_BP23: Tensor) -> list[Tensor]:
        """Logits of each part's own labels in its crop: P tensors (B, L, s, s)."""
        found: list[Tensor] = [canvas_B3WW] * len(CROPPED)
        for kind, network in enumerate(self.parts):
            side = (self.config.crops[kind],) * 2
            members = [number for number, part in enumerate(CROPPED) if part.kind == kind]
            crops = [sample(canvas_B3WW, theta_BP23[:, number], side) for number in members]
            seen = [_facing(number, crop) for number, crop in zip(members, crops, strict=True)]
            for number, logits in zip(members, network(_last(torch.cat(seen))).split(len(canvas_B3WW)), strict=True):
                found[number] = _facing(number, logits)
        return found

    def merge(self, parts: Sequence[Tensor], theta_BP23: Tensor) -> Tensor:
        """Logits of the parts in their crops -> a score for each of the nine labels on the canvas, (B, L, W, W).

        Background is what no part claims: the product of 1 - (1 - its background, mapped back) over the parts.
        """
        canvas = (self.config.canvas,) * 2
        scores, background = [], torch.ones((), device=theta_BP23.device)
        for logits, theta_B23 in zip(parts, theta_BP23.unbind(1), strict=True):
            probabilities = logits.softmax(1)
            claimed = torch.cat([1 - probabilities[:, :1], probabilities[:, 1:]], 1)
            claimed_BLWW = put_back(claimed, theta_B23, canvas)
            background = background * (1 - claimed_BLWW[:, :1])
            scores.append(claimed_BLWW[:, 1:])
        return torch.cat([background, *scores], 1)

    def forward(self, canvas_B3WW: Tensor, cropper: Cropper | None = None) -> tuple[Tensor, Tensor]:
        """Photographs on their canvas, RGB in [0, 1] -> scores (B, L, W, W), see `merge`, and theta (B, P, 2, 3)."""
        theta_BP23 = self.locate(self.segment_coarsely(canvas_B3WW), cropper)
        return self.merge(self.segment_parts(canvas_B3WW, theta_BP23), theta_BP23), theta_BP23


def labels_of_kinds() -> list[int]:
    """How many labels each part network has, the background among them."""
    first = {part.kind: len(part.labels) + 1 for part in CROPPED}
    return [first[kind] for kind in range(len(KINDS))]


def shrunk(canvas_BCWW: Tensor, side: int) -> Tensor:
    """The canvas at the size of the coarse network's input: each pixel is the mean of those that it covers."""
    return canvas_BCWW if canvas_BCWW.shape[-1] == side else F.interpolate(canvas_BCWW, (side, side), mode="area")


def _facing(number: int, images: Tensor) -> Tensor:
    """What the network of a part sees, and what it says: mirrored, where the part is the twin of another."""
    return images.flip(-1) if CROPPED[number].mirrored else images


def _last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)
