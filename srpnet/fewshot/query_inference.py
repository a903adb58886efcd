"""Iterative query inference (IQI): the query adds prototypes of its own to those of the supports.

Letters: B queries, P = N + 1 classes (background first), C channels, h w feature size, x = h * w cells.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from episodes.checks import check_number, check_type, check_whole
from episodes.errors import InputError
from srpnet.nn.similarity import TINY, Similarity, from_cosine

MOST_ROUNDS = 100


@dataclass(frozen=True)
class QueryInference:
    """The recipe, which the paper leaves open (method, 6).

    Attributes:
        rounds: How often query prototypes are added, up to 100; 0 uses the support prototypes alone.
        foreground: A pixel whose probability of a class is above this, between 0 and 1, is pooled for it.
        background: The same for the background.
        weight: Weight of a query prototype in the score, above 0 and up to 1000; a support prototype weighs 1.
        soft: Pool pixels by their probability; False counts every confident pixel alike.
        own_background: Where no support shows any background, as in close-ups, take the query's: see `own_background`.

    Raises:
        InputError: if one is out of its range.
    """

    rounds: int = 3
    foreground: float = 0.7
    background: float = 0.6
    weight: float = 1.0
    soft: bool = True
    own_background: bool = True

    def __post_init__(self) -> None:
        check_whole(self, 0, MOST_ROUNDS, "rounds")
        check_number(self, 0, 1, "foreground", "background")
        if not (0 < self.foreground < 1 and 0 < self.background < 1):
            raise InputError("IQI thresholds are probabilities between 0 and 1")
        check_number(self, 0, 1000, "weight", above=True)
        check_type(self, bool, "soft", "own_background")


def infer(
    features_BChw: Tensor,
    prototypes_PC: Tensor,
    valid_Bhw: Tensor | None = None,
    *,
    similarity: Similarity = "fidelity",
    alpha: float = 20.0,
    iqi: QueryInference | None = None,
) -> Tensor:
    """Logits (B, P, h, w) of every pixel: alpha times the weighted mean similarity to the collection of prototypes.

    Round 0 uses the support prototypes. Each later round pools, for each query and class, the confident pixels of the
    round before, and adds the result to that query's collection. A class without a confident pixel adds nothing, so an
    absent class breeds no prototypes. Gradients flow through the pooled features, not through the choice of pixels.

    Args:
        features_BChw: Query features, float32.
        prototypes_PC: From `support_prototypes`; (B, P, C) where each query has its own.
        valid_Bhw: Share of each feature pixel that is photograph, not padding; None means all.
        similarity: `fidelity` or `cosine`.
        alpha: Scale of the similarities before the softmax.
        iqi: The recipe; None is the prototypes as they are.
    """
    iqi = iqi or QueryInference(rounds=0, own_background=False)
    (batch, _, height, width), classes = features_BChw.shape, prototypes_PC.shape[-2]
    cells_BxC = features_BChw.flatten(2).mT
    length_B1x = torch.linalg.vector_norm(cells_BxC, dim=2).clamp(min=TINY)[:, None]

    def similar(prototypes_BPC: Tensor) -> Tensor:
        unit_BPC = torch.nn.functional.normalize(prototypes_BPC, dim=2, eps=TINY)
        return from_cosine(unit_BPC @ cells_BxC.mT / length_B1x, similarity)

    valid_Bx = None if valid_Bhw is None else valid_Bhw.flatten(1)
    prototypes_BPC = prototypes_PC.expand(batch, -1, -1)
    total_BPx = similar(prototypes_BPC)
    if iqi.own_background and (lacking_B := ~prototypes_BPC[:, 0].any(1)).any():
        own_BC = own_background(cells_BxC, total_BPx[:, 1:].amax(1), valid_Bx)
        first_BC = torch.where(lacking_B[:, None], own_BC, prototypes_BPC[:, 0])
        total_BPx = similar(torch.cat([first_BC[:, None], prototypes_BPC[:, 1:]], dim=1))
    weight_BP1 = features_BChw.new_ones(batch, classes, 1)
    threshold_P1 = features_BChw.new_tensor([iqi.background] + [iqi.foreground] * (classes - 1))[:, None]
    for _ in range(iqi.rounds):
        probability_BPx = (alpha * total_BPx / weight_BP1).softmax(1).detach()
        confident_BPx = (probability_BPx > threshold_P1).to(probability_BPx.dtype)
        if iqi.soft:
            confident_BPx = confident_BPx * probability_BPx
        if valid_Bx is not None:
            confident_BPx = confident_BPx * valid_Bx[:, None]
        gain_BP1 = iqi.weight * confident_BPx.any(2, keepdim=True).to(probability_BPx.dtype)
        own_BPC = confident_BPx @ cells_BxC  # a sum, not a mean: its length does not matter
        total_BPx = total_BPx + gain_BP1 * similar(own_BPC)
        weight_BP1 = weight_BP1 + gain_BP1
    return (alpha * total_BPx / weight_BP1).unflatten(2, (height, width))


def own_background(cells_BxC: Tensor, alike_Bx: Tensor, valid_Bx: Tensor | None = None) -> Tensor:
    """A prototype of a query's background from the query itself: the mean of the half that resembles the classes least.

    That it is half was chosen on base classes (docs/results.md). Of an object that fills more, some is taken for
    background.

    Args:
        cells_BxC: Features.
        alike_Bx: Similarity of each to the class that it resembles most.
        valid_Bx: Share of each that is photograph, not padding; None means all.
    """
    if valid_Bx is not None:
        alike_Bx = alike_Bx.masked_fill(valid_Bx == 0, torch.nan)
    half_Bx = (alike_Bx <= alike_Bx.nanmedian(1, keepdim=True).values).to(cells_BxC.dtype)
    return (half_Bx[:, None] @ cells_BxC)[:, 0] / half_Bx.sum(1, keepdim=True).clamp(min=1)
