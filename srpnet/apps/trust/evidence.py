"""What examples say of themselves: how well each is found by the others, or a single one in other views of itself.

Letters in names: S supports, N ways, V views, D channels of the deepest stage, H W pixels, h w feature size, y x size
of the deepest stage.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from episodes.data.source import IGNORE
from episodes.errors import InputError
from srpnet.apps.examples.checks import ious
from srpnet.apps.examples.shown import Shown
from srpnet.fewshot.predictor import Predictor
from srpnet.fewshot.support_set import SupportSet
from srpnet.nn.grid import upsample

ZOOM = 0.7
"""How much smaller one view of a photograph is, and how much of it the other shows."""


class Evidence(NamedTuple):
    """What the examples of one class say of themselves, a value for each of them.

    Attributes:
        names: Of the examples.
        areas: Share of the photograph that is the object, above 0 and up to 1.
        alone: IoU by the example itself, see `SupportCheck.alone`.
        others: IoU by the others; of a single example that in other views of itself. NaN where the network sees nothing
            of the object.
        presence: Of what the others find, or is found in the other views, see `Recogniser.presence`.
        fitted: IoU by a head fitted to the others, the mean over them and the classes, see
            `srpnet.fewshot.fitted_head.Head`; NaN if there is none.
        absent: Presence of what the others find in each example that does not show the class.
    """

    names: tuple[str, ...]
    areas: tuple[float, ...]
    alone: tuple[float, ...]
    others: tuple[float, ...]
    presence: tuple[float, ...]
    fitted: float = math.nan
    absent: tuple[float, ...] = ()

    @property
    def weakest(self) -> str:
        """The example of which the others find least; one of which the network sees nothing is not found."""
        found = [0.0 if math.isnan(iou) else iou for iou in self.others]
        return self.names[found.index(min(found))]


def gather(shown: Shown) -> tuple[Evidence, ...]:
    """The evidence of each class.

    Raises:
        InputError: if the examples were saved, or the ImageNet weights cannot be had.
    """
    if shown.inputs is None:
        raise InputError("saved examples say nothing of themselves: give the photographs and their masks")
    supports = shown.with_examples()
    images_S3HW, labels_SHW, _, valid_SHW, _, presence_SN, _ = shown.inputs
    assert presence_SN is not None  # as it was just computed
    evidence = []
    for way in range(presence_SN.shape[1]):
        shown_S = (labels_SHW == way + 1).flatten(1).any(1).cpu()
        rows = shown_S.nonzero()[:, 0].tolist()
        counted = valid_SHW & (labels_SHW != IGNORE)
        areas = [float((labels_SHW[s] == way + 1).sum() / counted[s].sum()) for s in rows]
        alone, others = ([float(getattr(shown.checks[s], by)[way]) for s in rows] for by in ("alone", "others"))
        presence = presence_SN[rows, way].tolist()
        if len(rows) == 1:
            image_3HW, labels_HW = images_S3HW[rows[0]], labels_SHW[rows[0]]
            others, presence = ([each] for each in _in_views(shown.predictor, supports, way, image_3HW, labels_HW))
        names = tuple(shown.checks[s].name for s in rows)
        fitted = math.nan if supports.head is None else supports.head.iou
        absent = [value for value in presence_SN[~shown_S, way].tolist() if not math.isnan(value)]
        by_example = tuple(areas), tuple(alone), tuple(others), tuple(presence)
        evidence.append(Evidence(names, *by_example, fitted=fitted, absent=tuple(absent)))
    return tuple(evidence)


@torch.inference_mode()
def _in_views(
    predictor: Predictor, supports: SupportSet, way: int, image_3HW: Tensor, labels_HW: Tensor
) -> tuple[float, float]:
    """IoU and presence of a way in other views of its only example, the mean over them."""
    images_V3HW, labels_VHW = views(image_3HW, labels_HW, way + 1)
    encoded = predictor.encode(images_V3HW, deep=True, fit=supports.head is not None)
    found = predictor.segment(encoded, [supports] * len(images_V3HW), iqi=predictor.network.config.iqi)
    assert found.presence_BN is not None  # as they were encoded for it
    predicted_VHW = upsample(found.logits_BPhw, labels_VHW.shape[-2:], predictor.network.stride).argmax(1)
    iou_V = ious(predicted_VHW, labels_VHW, found.presence_BN.shape[1])[:, way]
    return float(iou_V.nanmean()), float(found.presence_BN[:, way].mean())


def views(image_3HW: Tensor, labels_HW: Tensor, label: int) -> tuple[Tensor, Tensor]:
    """Two views of a photograph, mirrored: smaller, on its mean colour, and a part of it around an object, larger.

    Args:
        image_3HW: RGB in [0, 1].
        labels_HW: uint8.
        label: Of the object.

    Returns:
        Images (2, 3, H, W) and labels (2, H, W), those around the smaller one 255.
    """
    image_3HW, labels_HW = image_3HW.flip(2), labels_HW.flip(1)
    size = height, width = labels_HW.shape
    rows, columns = max(1, round(ZOOM * height)), max(1, round(ZOOM * width))
    small_3HW = image_3HW.mean((1, 2), keepdim=True).expand(-1, *size).clone()
    small_HW = torch.full_like(labels_HW, IGNORE)
    small_3HW[:, :rows, :columns], small_HW[:rows, :columns] = _resized(image_3HW, labels_HW, (rows, columns))
    middle = (labels_HW == label).nonzero().float().mean(0)
    top, left = (
        min(max(0, round(float(centre)) - part // 2), side - part)
        for centre, part, side in zip(middle, (rows, columns), size, strict=True)
    )
    window = slice(top, top + rows), slice(left, left + columns)
    large_3HW, large_HW = _resized(image_3HW[:, window[0], window[1]], labels_HW[window], size)
    return torch.stack([small_3HW, large_3HW]), torch.stack([small_HW, large_HW])


def _resized(image_3HW: Tensor, labels_HW: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    image_3HW = interpolate(image_3HW[None], tuple(size), mode="bilinear", antialias=True)[0]
    labels_HW = interpolate(labels_HW[None, None].float(), tuple(size), mode="nearest-exact")[0, 0]
    return image_3HW.clamp(0, 1), labels_HW.to(torch.uint8)
