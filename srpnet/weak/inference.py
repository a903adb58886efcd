"""What trained students see: class probabilities and class activation maps at every pixel.

Letters: I students, B images, C classes, P = C + 1 with background, S S pixels of the input, H W of a photograph.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from srpnet.nn.device import Runtime
from srpnet.training.log import highest
from srpnet.weak.cam import activation_maps
from srpnet.weak.students import Students
from srpnet.weak.views import View, scaled_pair

Scaled = Mapping[float, tuple[View, View]]
"""Images and their mirror images, by the multiple of their size."""


class Seen(NamedTuple):
    """What each student says.

    Attributes:
        probabilities_IBPSS: Of each class at each pixel, background first; empty if no scale was asked for.
        cams_IBCSS: In [0, 1]; those of classes without a tag are 0; empty likewise.
    """

    probabilities_IBPSS: Tensor
    cams_IBCSS: Tensor


def scaled_views(students: Students, images_B3SS: Tensor, machine: Runtime, scales: Collection[float]) -> Scaled:
    """Images at several sizes."""
    with torch.inference_mode(), machine.autocast():
        return {scale: scaled_pair(students, images_B3SS, scale) for scale in dict.fromkeys(scales)}


@torch.inference_mode()
def look(
    students: Students,
    views: Scaled,
    size: int,
    tags_BC: Tensor,
    machine: Runtime,
    scales: Collection[float] = (),
    cam_scales: Collection[float] = (),
) -> Seen:
    """Segment and locate: the mean of probabilities over scales and mirror images, and CAMs.

    Args:
        students: In evaluation mode.
        views: At all the scales that follow.
        size: S.
        tags_BC: Whose CAMs are wanted; only that.
        machine: Device and precision.
        scales: At which photographs are segmented.
        cam_scales: At which classes are located.
    """
    probabilities, cams = [], []
    for student in students:
        added, maps = [], []
        for scale, pair in views.items():
            with machine.autocast():
                features = [student(*view) for view in pair]
            if scale in scales:
                for number, each in enumerate(features):
                    with machine.autocast():
                        logits_BPhw = student.segment(each).float()
                    logits_BPSS = student.encoder.upsample(logits_BPhw, pair[0].size)
                    own = _resized(logits_BPSS, size).softmax(1)
                    added.append(own.flip(-1) if number else own)
            if scale in cam_scales:
                with machine.autocast():
                    cells = [student.class_maps(each)[0].float() for each in features]
                located = (student.encoder.upsample(each, pair[0].size) for each in cells)
                one, other = (_resized(each, size) for each in located)
                maps.append((one, other))
        if added:
            probabilities.append(torch.stack(added).mean(0))
        if maps:
            cams.append(activation_maps(maps, tags_BC))
    nothing = tags_BC.new_empty(0)
    return Seen(torch.stack(probabilities) if probabilities else nothing, torch.stack(cams) if cams else nothing)


def _resized(maps_BKHW: Tensor, size: int) -> Tensor:
    return maps_BKHW if maps_BKHW.shape[-1] == size else _stretched(maps_BKHW, (size, size))


def _stretched(maps_BKHW: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps_BKHW, size, mode="bilinear", align_corners=False)


def label_map(probabilities_PSS: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The most probable class at each pixel of a photograph, uint8 (H, W), and its probability (H, W)."""
    probabilities_1PHW = _stretched(probabilities_PSS[None], size)
    return highest(probabilities_1PHW)[0], probabilities_1PHW.amax(1)[0]


def cam_labels(cams_CSS: Tensor, threshold: float, size: tuple[int, int]) -> Tensor:
    """The class with the highest CAM at each pixel of a photograph, 0 where none is above the threshold: (H, W)."""
    cams_1CHW = _stretched(cams_CSS[None], size)
    return highest(torch.cat([torch.full_like(cams_1CHW[:, :1], threshold), cams_1CHW], 1))[0]
