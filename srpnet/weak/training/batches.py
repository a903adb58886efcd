"""A batch on the device, as students see it: photographs, their mirror images and their strong views.

Letters: B images, C classes, S S pixels of the input, T T of a strong view.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from srpnet.weak.students import Students
from srpnet.weak.training.items import STRONG_SCALE, TaggedItem
from srpnet.weak.training.kept_features import KeptFeatures
from srpnet.weak.views import View, scaled_pair


class Views(NamedTuple):
    """A batch.

    Attributes:
        images_B3SS: RGB in [0, 1].
        valid_BSS: bool, False on padding.
        tags_BC: 1 for what an image shows.
        scales: For each size at which classes are located the images and their mirror images; the first is the
            input's.
        strong: The strong views; None where they are not asked for.
        strong_flipped_B: Which of them lie the other way than the image.
    """

    images_B3SS: Tensor
    valid_BSS: Tensor
    tags_BC: Tensor
    scales: tuple[tuple[View, View], ...]
    strong: View | None
    strong_flipped_B: Tensor


def views_of(
    batch: Sequence[TaggedItem],
    students: Students,
    scales: Sequence[float],
    strong: bool,
    device: torch.device,
    kept: KeptFeatures | None = None,
) -> Views:
    """A batch in all its views.

    Args:
        batch: Items.
        students: Their frozen blocks are run, unless features are kept.
        scales: At which classes are located; the input's own size comes first in any case.
        strong: Whether strong views are needed.
        device: Where.
        kept: Photographs and features in memory.
    """
    numbers_B, mirrored_B, flipped_B = (
        torch.stack(values)
        for values in zip(*((each.number, each.mirrored, each.strong_flipped) for each in batch), strict=True)
    )
    tags_BC, valid_BSS = (
        torch.stack(values).to(device) for values in zip(*((each.tags_C, each.valid_SS) for each in batch), strict=True)
    )
    side = valid_BSS.shape[-1]
    inner = round(STRONG_SCALE * side)
    if kept is not None:
        images_B3SS = kept.images_N3SS[numbers_B]
        images_B3SS = torch.where(mirrored_B[:, None, None, None], images_B3SS.flip(-1), images_B3SS)
        plain, mirrored = (
            View(kept.levels(numbers_B, version_B), (side, side)) for version_B in (mirrored_B, ~mirrored_B)
        )
        pairs = [(plain, mirrored)]
        strong_view = View(kept.strong(numbers_B), (inner, inner)) if strong else None
        images_B3SS = images_B3SS.to(device).float() / 255
    else:
        images_B3SS = torch.stack([each.image_3SS for each in batch]).to(device, non_blocking=True).float() / 255
        pairs = [scaled_pair(students, images_B3SS, scale) for scale in (1.0, *(each for each in scales if each != 1))]
        strong_view = None
        if strong:
            strong_B3TT = torch.stack([each.strong_3TT for each in batch]).to(device, non_blocking=True).float() / 255
            strong_view = View(students.lower(strong_B3TT), (inner, inner))
    return Views(images_B3SS, valid_BSS, tags_BC, tuple(pairs), strong_view, flipped_B.to(device))
