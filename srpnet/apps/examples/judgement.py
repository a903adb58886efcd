"""How good are examples? Each is segmented by itself, and by the others as a photograph would be.

Letters in names: S supports, N ways, P = N + 1 classes with background, K of the supports, R the classes that these
show, C channels, h w feature size, H W pixels.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from episodes.data.source import Array
from episodes.names import for_display
from episodes.results.pictures import overlay
from srpnet.apps.examples.checks import SupportCheck, ious
from srpnet.apps.looks.placing import PlacedPhotograph
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.presence import Recogniser, examples
from srpnet.fewshot.prototypes import Pooled, mean_prototypes
from srpnet.fewshot.settings import QueryInference
from srpnet.nn.grid import upsample

SHARE = 0.6
"""Of the presence of the supports themselves, below which a photograph is doubted; chosen on base classes held back
(docs/results.md)."""
ROWS = 60
"""Examples that a sheet shows at most."""
TILE, GAP, CAPTION, LETTERS = 320, 8, 24, 42


Tile = tuple[str, Image.Image, Array]
"""What stands over a picture, a photograph in RGB, and a label map (H, W) of its size."""


class Judgement(NamedTuple):
    """What the network makes of one support.

    Attributes:
        alone: IoU of each way by the prototypes of this support alone (N,), without query inference; NaN of ways that
            it does not show.
        others: The same by those of the other supports, as a photograph is segmented; NaN too where no other shows it.
        labels_alone, labels_others: The label maps; None where there is nothing to segment by.
        logits_others: By the others, at the cells, (1, P, h, w); minus infinity for ways that none of them shows.
    """

    alone: NDArray[np.float32]
    others: NDArray[np.float32]
    labels_alone: Array | None
    labels_others: Array | None
    logits_others: Tensor | None = None


def judge(
    network: SRPNet,
    features_SChw: Tensor,
    labels_SHW: Tensor,
    valid_SHW: Tensor,
    pooled: Pooled,
    membership_SN: Tensor,
) -> list[Judgement]:
    """Segment each support by itself and by the others.

    Args:
        network: Whose features these are.
        features_SChw: From `encode`.
        labels_SHW: uint8, 0 background, 1..N, 255 neither, at the size of the images that were encoded.
        valid_SHW: bool, False on padding.
        pooled: From `pool_supports`.
        membership_SN: bool, whether support s is a shot of way n.
    """
    judgements = []
    for s in range(len(membership_SN)):
        one, others_S = slice(s, s + 1), torch.arange(len(membership_SN), device=membership_SN.device) != s
        photograph = features_SChw[one], labels_SHW[s]
        alone = _segmented(network, *photograph, _some(pooled, one), membership_SN[one])
        others = _segmented(
            network,
            *photograph,
            _some(pooled, others_S),
            membership_SN[others_S],
            valid_SHW[one],
            network.config.iqi,
        )
        judgements.append(Judgement(alone.iou_N, others.iou_N, alone.labels, others.labels, others.logits_1Phw))
    return judgements


class _Segmented(NamedTuple):
    """IoU of each way, the label map, and logits at the cells."""

    iou_N: NDArray[np.float32]
    labels: Array | None = None
    logits_1Phw: Tensor | None = None


def _segmented(
    network: SRPNet,
    features_1Chw: Tensor,
    labels_HW: Tensor,
    pooled: Pooled,
    membership_KN: Tensor,
    valid_1HW: Tensor | None = None,
    iqi: QueryInference | None = None,
) -> _Segmented:
    """A support, segmented by K supports."""
    count = membership_KN.shape[1]
    shown_N = membership_KN.any(0)
    ways = shown_N.nonzero()[:, 0]
    if not len(ways):
        return _Segmented(np.full(count, np.nan, dtype=np.float32))
    rows_R = torch.cat([ways.new_zeros(1), ways + 1])
    some = Pooled(pooled.averages_SPC[:, rows_R], pooled.shows_SP[:, rows_R])
    logits_1Rhw = network.segment(features_1Chw, mean_prototypes(some, membership_KN[:, ways]), valid_1HW, iqi)
    found_HW = rows_R[upsample(logits_1Rhw, labels_HW.shape, network.stride)[0].argmax(0)].to(torch.uint8)
    logits_1Phw = logits_1Rhw.new_full((1, count + 1, *logits_1Rhw.shape[-2:]), -torch.inf)
    iou_N = torch.where(shown_N, ious(found_HW[None], labels_HW[None], count)[0], torch.nan)
    return _Segmented(iou_N.cpu().numpy(), found_HW.cpu().numpy(), logits_1Phw.index_copy_(1, rows_R, logits_1Rhw))


def _some(pooled: Pooled, chosen: slice | Tensor) -> Pooled:
    return Pooled(pooled.averages_SPC[chosen], pooled.shows_SP[chosen])


def presence_of_others(
    recogniser: Recogniser,
    logits: Sequence[Tensor | None],
    deep_SDyx: Tensor,
    objects_SND: Tensor,
    valid_SHW: Tensor,
    membership_SN: Tensor,
) -> Tensor:
    """The presence of each support, compared with the others, (S, N) on the CPU; NaN where none of them shows the way.

    It is told of ways that the support does not show, too.

    Args:
        recogniser: Scores presence.
        logits: Of each support by the others, see `Judgement`.
        deep_SDyx: What `recogniser` makes of them.
        objects_SND: What they show to it, see `Recogniser.shown`.
        valid_SHW, membership_SN: As for `judge`.
    """
    presence_SN = torch.full(membership_SN.shape, torch.nan)
    for s, logits_1Phw in enumerate(logits):
        rest_S = torch.arange(len(membership_SN), device=membership_SN.device) != s
        known_N = membership_SN[rest_S].any(0).cpu()
        if logits_1Phw is None or not known_N.any():
            continue
        one, examples_ND = slice(s, s + 1), examples(objects_SND[rest_S], membership_SN[rest_S])
        presence_1N = recogniser.presence(deep_SDyx[one], logits_1Phw, examples_ND[None], valid_SHW[one])
        presence_SN[s] = torch.where(known_N, presence_1N[0].cpu(), torch.nan)
    return presence_SN


def presence_thresholds(presence_SN: Tensor, membership_SN: Tensor, single: float) -> Tensor:
    """Below which presence a class may not be there, (N,).

    Presence rises with the number of supports, whose mean differs less from any object of the class than each does. So
    it is `SHARE` of the mean presence of the supports themselves, each compared with the others.

    Args:
        presence_SN: See `presence_of_others`.
        membership_SN: As for `judge`.
        single: The threshold of a class with a single support, of which nothing is known.
    """
    known_SN = membership_SN.cpu() & ~presence_SN.isnan()
    counts_N = known_SN.sum(0)
    return torch.where(
        counts_N > 0, SHARE * torch.where(known_SN, presence_SN, 0).sum(0) / counts_N.clamp(min=1), single
    )


def row_of(check: SupportCheck, placed: PlacedPhotograph, labels_HW: Tensor, judgement: Judgement) -> list[Tile]:
    """The tiles of an example: what was marked, and what is found by the example itself and by the others.

    Args:
        check: Its name, and how much is found.
        placed: The photograph.
        labels_HW: What was marked, at the size of the network's input.
        judgement: What is found.
    """
    height, width = placed.placement.inner
    photograph = placed.photograph.resize((width, height))
    found = {"by itself": check.least_alone, "by the others": check.least_of_others}
    titles = (check.name, *(by if math.isnan(iou) else f"{by}: {100 * iou:.0f} %" for by, iou in found.items()))
    maps = (labels_HW.numpy(), judgement.labels_alone, judgement.labels_others)
    return [
        (title, photograph, labels[:height, :width])
        for title, labels in zip(titles, maps, strict=True)
        if labels is not None
    ]


def sheet(rows: Sequence[Sequence[Tile]]) -> Image.Image:
    """One picture of several rows of tiles.

    Args:
        rows: The tiles of each. In their label maps 0 and 255 show no class. Rows beyond `ROWS` are left out.
    """
    rows = rows[:ROWS]
    drawn: list[list[tuple[str, Image.Image]]] = []
    for tiles in rows:
        drawn.append(
            [(caption, overlay(photograph, np.ascontiguousarray(labels))) for caption, photograph, labels in tiles]
        )
        for _, tile in drawn[-1]:
            tile.thumbnail((TILE, TILE))
    heights = [CAPTION + max(tile.height for _, tile in pictures) for pictures in drawn]
    size = (GAP + max(map(len, rows)) * (TILE + GAP), sum(heights) + GAP)
    picture = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    for row, pictures in enumerate(drawn):
        for column, (caption, tile) in enumerate(pictures):
            left, top = GAP + column * (TILE + GAP), sum(heights[:row])
            draw.text((left, top + 5), for_display(caption, LETTERS), "black", font)
            picture.paste(tile, (left, top + CAPTION))
    return picture
