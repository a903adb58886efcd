"""The six parts of a face that are cut out, and their labels among the nine of a face (0 is background)."""

from typing import NamedTuple

import torch
from torch import Tensor

from episodes.data.sets.face_layouts import PARTS

LABELS = len(PARTS) + 1


class Part(NamedTuple):
    """A part that has a crop.

    Attributes:
        name: Of the part.
        kind: Which part network sees it: a number of `srpnet.faces.settings.KINDS`.
        labels: Its labels among the nine, one after the other; its network's are 1, 2, ... and 0 for all else.
        mirrored: Whether its network sees it mirrored, as if it were its twin of the other side.
    """

    name: str
    kind: int
    labels: tuple[int, ...]
    mirrored: bool = False


CROPPED = (
    Part("left brow", 0, (1,)),
    Part("right brow", 0, (2,), mirrored=True),
    Part("left eye", 1, (3,)),
    Part("right eye", 1, (4,), mirrored=True),
    Part("nose", 2, (5,)),
    Part("mouth", 3, (6, 7, 8)),
)


def part_masks(labels_BHW: Tensor) -> Tensor:
    """Where each part is, all its labels together: bool (B, P, H, W)."""
    return torch.stack([(labels_BHW >= part.labels[0]) & (labels_BHW <= part.labels[-1]) for part in CROPPED], 1)


def own_labels(labels_BHW: Tensor, part: Part) -> Tensor:
    """Of the nine labels those of a part, numbered from 1 on, and 0 for all others; int64."""
    own_BHW = labels_BHW.long() - (part.labels[0] - 1)
    return torch.where((own_BHW > 0) & (own_BHW <= len(part.labels)), own_BHW, 0)


def box_centres(masks_BPHW: Tensor) -> tuple[Tensor, Tensor]:
    """The middle of the box around each mask, x and y in pixels (B, P, 2) float32, and whether there is one (B, P).

    Of an empty mask it is the middle of the image.
    """
    ends = []
    for axis in (3, 2):
        shown = masks_BPHW.any(5 - axis).to(torch.uint8)  # along x, then along y
        first = shown.argmax(2)
        last = shown.shape[2] - 1 - shown.flip(2).argmax(2)
        ends.append((first + last) / 2)
    return torch.stack(ends, 2).float(), masks_BPHW.flatten(2).any(2)


def centroids(masks_BPHW: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of the pixels of each mask, x and y (B, P, 2) float32, and whether there are any (B, P).

    Of an empty mask it is the middle of the image. Of the mouth it is that of the union of its labels: the mean of
    their centroids would follow an inner mouth that is not there.
    """
    count_BP = masks_BPHW.flatten(2).sum(2)
    means = []
    for axis in (3, 2):
        pixels = masks_BPHW.shape[axis]
        position = torch.arange(pixels, device=masks_BPHW.device, dtype=torch.float32)
        along = masks_BPHW.sum(5 - axis, dtype=torch.float32)
        mean = (along * position).sum(2) / count_BP.clamp(min=1)
        means.append(torch.where(count_BP > 0, mean, (pixels - 1) / 2))
    return torch.stack(means, 2), count_BP > 0
