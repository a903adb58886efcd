"""Photographs for training: stretched, zoomed, mirrored, and a strong view of each.

Letters: S S pixels of the network's input, T T of a strong view, N photographs, V versions, C classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from episodes.data.image_tags import TaggedPhotographs
from episodes.data.source import Array
from episodes.draws import Draws
from srpnet.weak.settings import WeakAugmentation
from srpnet.weak.views import as_tensor, stretched

STRONG_SCALE = 0.75
"""Of a strong view, as a share of the photograph's size."""
STRONG_CHANGES, STRONG_STRENGTH = 5, 10 / 30
"""RandAugment (Cubuk et al. 2020) with n = 5 and m = 10 of 30."""
GREY = (124, 116, 104)
"""ImageNet's mean colour, around photographs that are smaller than the input."""


class TaggedItem(NamedTuple):
    """What a step learns from one photograph.

    Attributes:
        item: Its index, int64; it says how far training is.
        number: Of the photograph, int64.
        tags_C: 1 for what it shows, else 0.
        mirrored: Whether it is mirrored, bool.
        strong_flipped: Whether the strong view lies the other way than that, bool.
        image_3SS, strong_3TT: uint8; empty if they are kept in memory.
        valid_SS: bool, False on padding.
    """

    item: Tensor
    number: Tensor
    tags_C: Tensor
    mirrored: Tensor
    strong_flipped: Tensor
    image_3SS: Tensor
    strong_3TT: Tensor
    valid_SS: Tensor


@dataclass
class TaggedItems:
    """Endless photographs by index: every epoch all of them, in another order, each changed anew.

    Args:
        photographs: Which.
        size: S.
        augmentation: How they are changed.
        seed: What the order and the changes follow from, beside the index.
        kept: Leave the pixels out, which are in memory; then all is as in `kept_views`.
    """

    photographs: TaggedPhotographs
    size: int
    augmentation: WeakAugmentation
    seed: int
    kept: bool = False

    def __post_init__(self) -> None:
        self._epoch, self._order = -1, list[int]()

    def __getitem__(self, index: int) -> TaggedItem:
        ids = self.photographs.ids
        epoch, position = divmod(index, len(ids))
        if epoch != self._epoch:
            numbers = range(len(ids))
            self._epoch, self._order = epoch, Draws("weak", self.seed, epoch).sample(numbers, len(numbers))
        number = self._order[position]
        tags_C = torch.zeros(len(self.photographs.classes))
        tags_C[list(self.photographs.tags[ids[number]])] = 1
        draws = Draws("weak item", self.seed, index)
        mirrored = draws.chance(self.augmentation.flip)
        flags = torch.tensor(index), torch.tensor(number), tags_C, torch.tensor(mirrored)
        empty = torch.empty(0, dtype=torch.uint8)
        if self.kept:
            valid_SS = torch.ones(self.size, self.size, dtype=torch.bool)
            return TaggedItem(
                *flags, torch.tensor(strong_mirrored(self.seed, number) != mirrored), empty, empty, valid_SS
            )
        image, valid = zoomed(self.photographs.read(ids[number]), self.size, self.augmentation.zoom, draws)
        image = ImageOps.mirror(image) if mirrored else image
        flipped = draws.chance(0.5)
        strong = strong_view(ImageOps.mirror(image) if flipped else image, draws)
        valid_SS = torch.from_numpy(valid[:, ::-1].copy() if mirrored else valid)
        return TaggedItem(*flags, torch.tensor(flipped), as_tensor(image), as_tensor(strong), valid_SS)


def strong_mirrored(seed: int, number: int) -> bool:
    """Whether the one strong view of a photograph that is kept is mirrored."""
    return Draws("kept strong view", seed, number).chance(0.5)


def kept_views(photographs: TaggedPhotographs, size: int, seed: int, number: int) -> tuple[Tensor, Tensor]:
    """A photograph (3, S, S), and its one strong view (3, T, T), uint8."""
    image = stretched(photographs.read(photographs.ids[number]), size)
    turned = ImageOps.mirror(image) if strong_mirrored(seed, number) else image
    return as_tensor(image), as_tensor(strong_view(turned, Draws("kept colours", seed, number)))


def zoomed(photograph: Array, size: int, zoom: float, draws: Draws) -> tuple[Image.Image, np.ndarray]:
    """A square of `size` at a random place of a photograph of 1 / zoom to zoom times that, and what of it is valid."""
    if zoom == 1:
        return stretched(photograph, size), np.ones((size, size), bool)
    side = round(size * zoom ** draws.uniform(-1, 1))
    whole = stretched(photograph, side)
    left, top = (-draws.below(side - size + 1) if side > size else draws.below(size - side + 1) for _ in range(2))
    image = Image.new("RGB", (size, size), GREY)
    image.paste(whole, (left, top))
    valid = np.zeros((size, size), bool)
    valid[max(0, top) : top + side, max(0, left) : left + side] = True
    return image, valid


def strong_view(image: Image.Image, draws: Draws) -> Image.Image:
    """Three quarters of the size, with five changes of colour, drawn one by one."""
    side = round(STRONG_SCALE * image.width)
    image = image.resize((side, side), Image.Resampling.BILINEAR)
    for _ in range(STRONG_CHANGES):
        change, sign = draws.choice(CHANGES), 1 if draws.chance(0.5) else -1
        image = change(image, sign * STRONG_STRENGTH)
    return image


def _enhanced(enhance: type) -> Callable[[Image.Image, float], Image.Image]:
    return lambda image, strength: enhance(image).enhance(1 + 0.9 * strength)


CHANGES: Sequence[Callable[[Image.Image, float], Image.Image]] = (
    lambda image, _: image,
    lambda image, _: ImageOps.autocontrast(image),
    lambda image, _: ImageOps.equalize(image),
    lambda image, strength: ImageOps.solarize(image, round(255 * (1 - abs(strength)))),
    lambda image, strength: ImageOps.posterize(image, 8 - round(4 * abs(strength))),
    *map(_enhanced, (ImageEnhance.Color, ImageEnhance.Contrast, ImageEnhance.Brightness, ImageEnhance.Sharpness)),
)
"""Changes of colour by a strength in [-1, 1]: RandAugment's, without those that move pixels."""
