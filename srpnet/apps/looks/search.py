"""Search a large photograph for things that are too small for the first look.

Each example is shrunk until its object has some 16 pixels, and described by an early stage of the network, which tells
textures and colours; so is the photograph, at several sizes. What resembles the examples more than the rest of the
photograph does, by linear discriminant analysis, may be it: there a closer look follows. Source: Hariharan, Malik,
Ramanan, "Discriminative decorrelation for clustering and classification", ECCV 2012.

Letters: S supports, N ways, D channels, h w cells, R cells of the photograph at all sizes, H W pixels.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d, normalize, pad

from srpnet.apps.looks.windows import Box
from srpnet.fewshot.predictor import Predictor
from srpnet.fewshot.support_set import AFAR_CHANNELS
from srpnet.nn.grid import average
from srpnet.nn.tiles import tiled

STAGE, STRIDE = 2, 8
HALO = 64
"""Pixels: more than a cell of the stage sees."""
TARGET = 16
"""The longer side of an object, in pixels, at which it is searched for."""
PIXELS = 4_000_000
"""Of the largest size at which a photograph is searched."""
ENOUGH = 20_000
"""Cells of the photograph, about, by which its covariance is known."""
PENALTY = 0.3
"""Of the discriminant's covariance, in parts of its mean variance."""
CERTAIN = 9
"""Standard deviations of the photograph's cells, from which it is worth a closer look."""
AFAR = 0.6
"""Of the presence that is usual, by which something is taken for the object that small."""
MARGIN, SHARE = 3, 0.5
"""The side of a look at a candidate, beside the object's, and beside the side of the first look."""
MOST = 4
"""Candidates at most."""
APART = 5
"""Cells, an odd number: of several candidates that are nearer, the best is one."""
SMALLEST = 33
"""Pixels of a side at least."""
BEYOND = 32
"""Pixels that are mirrored at the borders, a multiple of `STRIDE`."""


class Candidate(NamedTuple):
    """Where an object may be.

    Attributes:
        box: Around it, of its usual size, in pixels of the photograph.
        score: In standard deviations, how much more it resembles the examples than the rest of the photograph does at
            its size.
    """

    box: Box
    score: float


@torch.inference_mode()
def describe_objects(
    predictor: Predictor, images_S3HW: Tensor, labels_SHW: Tensor, membership_SN: Tensor
) -> Tensor | None:
    """What the objects of each way look like from afar: unit vectors (N, D); None if the network has no such stage.

    Args:
        predictor: Whose network sees them.
        images_S3HW: In [0, 1].
        labels_SHW: 0 background, 1..N, 255 neither.
        membership_SN: bool, whether support s is a shot of way n.
    """
    if predictor.network.backbone.stages[-1] < STAGE:
        return None
    sums_ND = torch.zeros(membership_SN.shape[1], AFAR_CHANNELS, device=predictor.runtime.device)
    for s, way in membership_SN.nonzero().tolist():
        mask_HW = (labels_SHW[s] == way + 1).float()
        rows, columns = (mask_HW.any(1 - axis).nonzero()[:, 0] for axis in (0, 1))
        longer = max(int(side[-1] - side[0]) + 1 for side in (rows, columns))
        scale = min(1.0, TARGET / longer)
        size = [max(SMALLEST, round(pixels * scale)) for pixels in mask_HW.shape]
        image_13HW, mask_11HW = (
            interpolate(each, size, mode="bilinear", antialias=True)
            for each in (images_S3HW[s : s + 1], mask_HW[None, None].to(images_S3HW))
        )
        features_Dhw = _inner(_describe(predictor, _mirrored(image_13HW))[0]).float()
        weight_hw = average(mask_11HW[0].to(features_Dhw), features_Dhw.shape[-2:], STRIDE)[0]
        weight_hw = weight_hw * (weight_hw > weight_hw.max() / 2)
        sums_ND[way] += normalize((features_Dhw * weight_hw).sum((1, 2)), dim=0)
    return normalize(sums_ND, dim=1)


@torch.inference_mode()
def search(predictor: Predictor, photograph: Image.Image, objects_ND: Tensor, first: float) -> list[Candidate]:
    """Where the objects may be, the best first.

    Args:
        predictor: Whose network sees the photograph.
        photograph: RGB.
        objects_ND: From `describe_objects`.
        first: Scale of the first look, which sees what is larger than some `2 * TARGET` pixels at that scale itself.
    """
    maps = [(scale, _describe_tiled(predictor, photograph, scale)) for scale in scales(photograph.size, first)]
    weights_ND, mean_D = _discriminant(objects_ND, [map_Dhw for _, map_Dhw in maps])
    found: list[Candidate] = []
    for scale, map_Dhw in maps:
        score_Nhw = torch.stack([weights_ND @ (row_Dw.float() - mean_D[:, None]) for row_Dw in map_Dhw.unbind(1)], 1)
        deviation_N, mean_N = torch.std_mean(score_Nhw.flatten(1), dim=1)
        score_hw = ((score_Nhw - mean_N[:, None, None]) / deviation_N.clamp(min=1e-9)[:, None, None]).amax(0)
        peak_hw = score_hw == max_pool2d(score_hw[None], APART, 1, APART // 2)[0]
        best, order = score_hw[peak_hw].sort(descending=True)
        for score, (row, column) in zip(best[:MOST].tolist(), peak_hw.nonzero()[order][:MOST].tolist(), strict=True):
            x, y, half = column * STRIDE / scale, row * STRIDE / scale, TARGET / scale / 2
            found.append(Candidate(Box(x - half, y - half, x + half, y + half), score))
    found.sort(key=lambda candidate: -candidate.score)
    return [candidate for candidate in found[:MOST] if candidate.score > CERTAIN]


def scales(size: tuple[int, int], first: float) -> Iterator[float]:
    """Scales at which a photograph of some width and height is searched, the largest first, each half the one before.

    >>> [round(scale, 2) for scale in scales((6000, 4000), 0.07)]
    [0.41, 0.2]
    >>> list(scales((640, 480), 0.65))
    []
    """
    scale = min(0.5, (PIXELS / (size[0] * size[1])) ** 0.5)
    while scale > 2 * first:
        yield scale
        scale /= 2


def _discriminant(objects_ND: Tensor, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Weights (N, D) of what a cell shows beyond the mean of the photograph's (D,), and that mean."""
    every = max(1, sum(map_Dhw[0].numel() for map_Dhw in maps) // ENOUGH)
    cells_RD = torch.cat([map_Dhw.flatten(1)[:, ::every].T.float() for map_Dhw in maps])
    mean_D = cells_RD.mean(0)
    covariance_DD = (cells_RD - mean_D).T @ (cells_RD - mean_D) / len(cells_RD)
    variance = covariance_DD.diagonal().mean()
    covariance_DD += PENALTY * variance * torch.eye(len(mean_D), device=mean_D.device)
    return torch.linalg.solve(covariance_DD, (objects_ND - mean_D).T).T, mean_D


def _describe(predictor: Predictor, images_B3HW: Tensor) -> Tensor:
    """Unit vectors (B, D, h, w) of the early stage."""
    network = predictor.network
    with predictor.runtime.autocast():
        normalised = (images_B3HW.to(predictor.runtime.device) - network.mean) / network.std
        (features_BDhw,) = network.backbone(normalised.contiguous(memory_format=torch.channels_last), (STAGE,))
    return normalize(features_BDhw.float(), dim=1).to(features_BDhw.dtype)


def _describe_tiled(predictor: Predictor, photograph: Image.Image, scale: float) -> Tensor:
    size = (max(SMALLEST, round(photograph.width * scale)), max(SMALLEST, round(photograph.height * scale)))
    pixels = np.array(photograph.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
    image_3HW = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    return _inner(tiled(lambda part_B3HW: _describe(predictor, part_B3HW), _mirrored(image_3HW[None])[0], STRIDE, HALO))


def _mirrored(images_B3HW: Tensor) -> Tensor:
    """Images that go on beyond their borders, which else look like nothing else in them."""
    return pad(images_B3HW, (BEYOND, BEYOND, BEYOND, BEYOND), mode="reflect")


def _inner(map_Dhw: Tensor) -> Tensor:
    """What a map of such an image shows of the image itself."""
    cells = BEYOND // STRIDE
    return map_Dhw[:, cells:-cells, cells:-cells]
