"""A light head, fitted to the supports of a task and blended with its prototypes as far as the supports say it helps.

A prototype is one direction: it finds what is of one kind, and not a nose in a face or a weed among crops. Ridge
regression on what a cell looks like, in the trained map and in ImageNet's levels side by side, finds those too, but
with one support it learns the photograph instead of the class. So each support is segmented by the others, as a query
would be, with several shares of the head, and where one does clearly better than the usual share, it is taken. One
support alone cannot tell, and has no head.

A head scores each way against all else: ±1 is the target, and object and background weigh alike.

Letters in names: B photographs, S supports, N ways, P = N + 1 classes with background, C channels of one level, D
channels of all levels and 1, R rows (cells of supports that are fitted to), h w feature size, H W pixels.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from srpnet.fewshot.prototypes import Pooled, joined, mean_prototypes
from srpnet.nn.grid import average, linear_weights, upsample

PENALTY = 1e-3
"""Of the squared length of the weights, where the rows weigh 1 together and each is as long as the square root of 2."""
MOST_ROWS = 1000
"""Cells of all supports together that are fitted to: the time goes with their square and cube."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the head in the blend, from which a task takes one."""
FEW_SHARE, MANY_SHARE, MANY = 0.25, 0.5, 5
"""The usual share where a way has fewer shots than `MANY`, and where all have as many."""
MARGIN = 0.3
"""Over the number of shots: another share is taken only if its IoU on supports that are left out is higher by that."""
FOLDS = 5
"""Supports are left out one by one, or, if there are more for each way, in so many parts."""


class Levels(NamedTuple):
    """What a cell looks like: maps of one or more photographs, the finest first.

    Attributes:
        maps_BChw: Each on its own grid.
        ratios: Cells of the first map from one cell of a map to its next.
    """

    maps_BChw: tuple[Tensor, ...]
    ratios: tuple[int, ...]


class Lesson(NamedTuple):
    """A support, as a head is fitted to it.

    Attributes:
        levels: Of one photograph.
        areas_Phw: Of each cell the share that shows each class, see `areas`.
        pooled: What prototypes are made of.
        valid_1HW: bool, False on padding; None if there is none.
    """

    levels: Levels
    areas_Phw: Tensor
    pooled: Pooled
    valid_1HW: Tensor | None = None


class Head(NamedTuple):
    """A fitted head.

    Attributes:
        weights_ND: Of the unit vectors of all levels and of 1, on the scale of the prototypes' logits.
        share: Of the head in the blend, above 0 and up to 1.
        iou: With this share of supports that are left out, the mean over the ways; NaN where nobody knows.
    """

    weights_ND: Tensor
    share: float
    iou: float = math.nan


Segment = Callable[[Lesson, Tensor], Tensor]
"""How the prototypes (P, C) of others segment a support: logits (P, h, w)."""


def areas(labels_SHW: Tensor, ways: int, size: Sequence[int], stride: int) -> Tensor:
    """Of each cell the share that is each class, background first: (S, P, h, w), summing to 1 at most.

    Args:
        labels_SHW: uint8, 0 background, 1..N, 255 neither.
        ways: N.
        size: (h, w).
        stride: Pixels from one cell to the next.
    """
    masks_SPHW = labels_SHW[:, None] == torch.arange(ways + 1, device=labels_SHW.device)[:, None, None]
    return average(masks_SPHW.float(), size, stride)


def fit(lessons: Sequence[Lesson], membership_SN: Tensor, segment: Segment) -> Head | None:
    """The head of a task; None where it has none, as the prototypes alone do better or nobody can tell.

    Args:
        lessons: The S supports. One may show no way at all: its cells are background.
        membership_SN: bool, whether support s is a shot of way n.
        segment: See `Segment`.
    """
    parts = [part for part in _parts(membership_SN) if _shown(lessons, membership_SN, part)]
    if not parts:
        return None
    rows = Rows.of(lessons)
    leads, scores, truths = [], [], []
    for part in parts:
        others = [s for s in range(len(lessons)) if s not in part]
        pooled = joined([lessons[s].pooled for s in others])
        prototypes_PC = mean_prototypes(pooled, membership_SN[others])
        weights_ND = rows.weights(others)
        for s in part:
            logits_Phw = segment(lessons[s], prototypes_PC)
            leads.append((logits_Phw[1:] - logits_Phw[:1]).flatten(1))
            scores.append(score(lessons[s].levels, weights_ND[None])[0].flatten(1))
            truths.append(lessons[s].areas_Phw.flatten(1))
    lead_Nx, score_Nx, truth_Px = torch.cat(leads, 1), torch.cat(scores, 1), torch.cat(truths, 1)
    scale = float(lead_Nx.std() / score_Nx.std().clamp(min=1e-6))
    ious = [_iou((1 - share) * lead_Nx + share * scale * score_Nx, truth_Px) for share in SHARES]
    shots = int(membership_SN.sum(0).min())
    share = MANY_SHARE if shots >= MANY else FEW_SHARE
    if max(ious) > ious[SHARES.index(share)] + MARGIN / shots:
        share = SHARES[ious.index(max(ious))]
    return Head(rows.weights(range(len(lessons))) * scale, share, ious[SHARES.index(share)]) if share else None


def blend(logits_BPhw: Tensor, levels: Levels, heads: Sequence[Head]) -> Tensor:
    """The logits of prototypes and heads together, of B photographs with a head each."""
    score_BNhw = score(levels, torch.stack([head.weights_ND for head in heads]))
    share_B111 = logits_BPhw.new_tensor([head.share for head in heads])[:, None, None, None]
    return (1 - share_B111) * logits_BPhw + share_B111 * pad(score_BNhw, (0, 0, 0, 0, 1, 0))


def score(levels: Levels, weights_BND: Tensor) -> Tensor:
    """What the head of each photograph says of its cells: (B, N, h, w).

    A linear function and an interpolation may change places, so each level is scored on its own grid.
    """
    size = levels.maps_BChw[0].shape[-2:]
    *kernels, bias_BN1 = weights_BND.split([*(map_BChw.shape[1] for map_BChw in levels.maps_BChw), 1], dim=2)
    score_BNhw = bias_BN1[..., None]
    for map_BChw, ratio, kernel_BNC in zip(levels.maps_BChw, levels.ratios, kernels, strict=True):
        part_BNhw = torch.einsum("bnc,bchw->bnhw", kernel_BNC, _unit(map_BChw, levels))
        score_BNhw = score_BNhw + (part_BNhw if ratio == 1 else upsample(part_BNhw, size, ratio))
    return score_BNhw


def described(levels: Levels, cells: Tensor) -> Tensor:
    """What a head is fitted to of some cells, by their numbers, of one photograph: (R, D)."""
    height, width = levels.maps_BChw[0].shape[-2:]
    parts = []
    for map_1Chw, ratio in zip(levels.maps_BChw, levels.ratios, strict=True):
        unit_Chw = _unit(map_1Chw, levels)[0]
        if ratio == 1:
            parts.append(unit_Chw.flatten(1)[:, cells].T)
            continue
        rows_Rh = linear_weights(height, unit_Chw.shape[1], ratio, unit_Chw)[cells // width]
        columns_Rw = linear_weights(width, unit_Chw.shape[2], ratio, unit_Chw)[cells % width]
        parts.append((rows_Rh[:, :, None] * columns_Rw[:, None]).flatten(1) @ unit_Chw.flatten(1).T)
    return torch.cat([*parts, parts[0].new_ones(len(cells), 1)], dim=1)


def _unit(map_BChw: Tensor, levels: Levels) -> Tensor:
    """A level's unit vectors, scaled so that those of all levels make one of length 1."""
    exact_BChw = map_BChw.to(torch.promote_types(map_BChw.dtype, torch.float32))
    return normalize(exact_BChw, dim=1) / len(levels.maps_BChw) ** 0.5


class Rows(NamedTuple):
    """The cells that a head is fitted to.

    Attributes:
        features_RD: See `described`.
        gram_RR: Their products.
        positive_RN, negative_RN: How much of each is the way, and is labelled otherwise; of each support that has any,
            they sum to 1.
        support_R: Whose each is.
    """

    features_RD: Tensor
    gram_RR: Tensor
    positive_RN: Tensor
    negative_RN: Tensor
    support_R: Tensor

    @classmethod
    def of(cls, lessons: Sequence[Lesson]) -> "Rows":
        """Of each support as many; of cells with and without a way half each, if there are."""
        features, positives, negatives, supports = [], [], [], []
        for s, lesson in enumerate(lessons):
            area_xP = lesson.areas_Phw.flatten(1).T
            cells, counts = chosen(area_xP, MOST_ROWS // len(lessons))
            weight_RP = area_xP[cells] * counts[:, None]
            positive_RN = weight_RP[:, 1:]
            negative_RN = weight_RP.sum(1, keepdim=True) - positive_RN
            features.append(described(lesson.levels, cells))
            positives.append(positive_RN / positive_RN.sum(0).clamp(min=1e-6))
            negatives.append(negative_RN / negative_RN.sum(0).clamp(min=1e-6))
            supports.append(torch.full_like(cells, s))
        features_RD = torch.cat(features)
        gram_RR = features_RD @ features_RD.T
        return cls(features_RD, gram_RR, torch.cat(positives), torch.cat(negatives), torch.cat(supports))

    def weights(self, supports: Sequence[int]) -> Tensor:
        """The weights (N, D) that a head fitted to some supports gives to `described`: ridge regression of ±1."""
        own_R = (self.support_R[:, None] == torch.tensor([*supports], device=self.support_R.device)).any(1)
        gram_RR, features_RD = self.gram_RR[own_R][:, own_R], self.features_RD[own_R]
        solved = []
        for positive_R, negative_R in zip(self.positive_RN[own_R].T, self.negative_RN[own_R].T, strict=True):
            positive_R, negative_R = (half / (2 * half.sum()).clamp(min=1e-6) for half in (positive_R, negative_R))
            weight_R = positive_R + negative_R
            root_R = weight_R.sqrt()
            system_RR = root_R[:, None] * gram_RR * root_R
            system_RR.diagonal().add_(PENALTY)
            target_R = (positive_R - negative_R) / root_R.clamp(min=1e-12)
            found_R1 = torch.cholesky_solve(target_R[:, None], torch.linalg.cholesky(system_RR))
            solved.append(features_RD.T @ (root_R * found_R1[:, 0]))
        return torch.stack(solved)


def chosen(area_xP: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Numbers of cells (R,) of a support, evenly spaced, and for how many cells each stands (R,).

    Half of them show a way, half only background; where there are fewer of one, there are more of the other.

    Args:
        area_xP: Of each cell the share of each class.
        most: R at most.
    """
    shows_x = area_xP[:, 1:].sum(1) > 0
    object_x, background_x = shows_x.nonzero()[:, 0], ((area_xP[:, 0] > 0) & ~shows_x).nonzero()[:, 0]
    objects = min(len(object_x), max(most // 2, most - len(background_x)))
    cells, counts = [], []
    for of_kind, count in ((object_x, objects), (background_x, min(len(background_x), most - objects))):
        cells.append(of_kind[torch.linspace(0, max(len(of_kind) - 1, 0), count, device=of_kind.device).round().long()])
        counts.append(area_xP.new_full((count,), len(of_kind) / max(count, 1)))
    return torch.cat(cells), torch.cat(counts)


def _parts(membership_SN: Tensor) -> Iterator[list[int]]:
    """The supports that are left out together: one of each way, as long as there are no more than `FOLDS` of each."""
    ranks, seen = [], dict[tuple[bool, ...], int]()
    for ways in map(tuple, membership_SN.tolist()):
        ranks.append(seen.get(ways, 0))
        seen[ways] = ranks[-1] + 1
    for fold in range(min(FOLDS, max(ranks) + 1)):
        yield [s for s, rank in enumerate(ranks) if rank % FOLDS == fold]


def _shown(lessons: Sequence[Lesson], membership_SN: Tensor, part: Sequence[int]) -> bool:
    """Whether each way is still shown where a part of the supports is left out."""
    shows_SN = torch.cat([lesson.pooled.shows_SP[:, 1:] for lesson in lessons]) & membership_SN
    return all(shows_SN[[s for s in range(len(lessons)) if s not in part]].any(0).tolist())


def _iou(lead_Nx: Tensor, truth_Px: Tensor) -> float:
    """The mean IoU of the ways, of all cells together; unlabelled parts of cells do not count."""
    label_x = torch.where(lead_Nx.amax(0) > 0, lead_Nx.argmax(0) + 1, 0)
    found_Nx = (label_x == torch.arange(1, len(truth_Px), device=label_x.device)[:, None]).to(truth_Px.dtype)
    shared_N, true_N = (found_Nx * truth_Px[1:]).sum(1), truth_Px[1:].sum(1)
    union_N = (found_Nx * truth_Px.sum(0)).sum(1) + true_N - shared_N
    return float((shared_N / union_N.clamp(min=1e-6)).mean())
