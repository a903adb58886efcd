"""Iterative query inference (IQI): the query adds prototypes of its own to those of the supports.

Letters: B queries, P = N + 1 classes (background first), C channels, h w feature size.
"""

import torch
from torch import Tensor

from srpnet.fewshot.settings import NO_INFERENCE, QueryInference
from srpnet.nn.settings import Similarity
from srpnet.nn.similarity import SIMILARITIES


def infer(
    features_BChw: Tensor,
    prototypes_PC: Tensor,
    valid_Bhw: Tensor | None = None,
    *,
    similarity: Similarity = "fidelity",
    alpha: float = 20.0,
    iqi: QueryInference | None = None,
    background_floor: float | None = None,
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
        iqi: The recipe; None is `NO_INFERENCE`.
        background_floor: What the background scores at least, before `alpha`; None: whatever it scores.
    """
    iqi = iqi or NO_INFERENCE
    similar = SIMILARITIES[similarity]
    # One node of autograd for all uses here: their gradients are added up before those of other uses of the features.
    features_BChw = features_BChw.view_as(features_BChw)
    lengths_B1hw = torch.linalg.vector_norm(features_BChw, dim=1, keepdim=True)
    batch, classes = len(features_BChw), prototypes_PC.shape[-2]
    prototypes_BPC = prototypes_PC.expand(batch, -1, -1)
    total_BPhw = similar(features_BChw, prototypes_BPC, lengths_B1hw)
    if iqi.own_background and (lacking_B := ~prototypes_BPC[:, 0].any(1)).any():
        background_BC = query_background(features_BChw, total_BPhw[:, 1:].amax(1), valid_Bhw)
        first_BC = torch.where(lacking_B[:, None], background_BC, prototypes_BPC[:, 0])
        prototypes_BPC = torch.cat([first_BC[:, None], prototypes_BPC[:, 1:]], dim=1)
        total_BPhw = similar(features_BChw, prototypes_BPC, lengths_B1hw)
    weight_BP11 = features_BChw.new_ones(batch, classes, 1, 1)
    threshold_P11 = features_BChw.new_full((classes, 1, 1), iqi.foreground)
    threshold_P11[0] = iqi.background
    for remaining in range(iqi.rounds, -1, -1):
        logits_BPhw = alpha * total_BPhw / weight_BP11
        if background_floor is not None:
            background_B1hw = logits_BPhw[:, :1].clamp(min=alpha * background_floor)
            logits_BPhw = torch.cat([background_B1hw, logits_BPhw[:, 1:]], dim=1)
        if not remaining:
            break
        probability_BPhw = logits_BPhw.softmax(1).detach()
        confident_BPhw = (probability_BPhw > threshold_P11).to(probability_BPhw.dtype)
        if iqi.soft:
            confident_BPhw = confident_BPhw * probability_BPhw
        if valid_Bhw is not None:
            confident_BPhw = confident_BPhw * valid_Bhw[:, None]
        gain_BP11 = iqi.weight * confident_BPhw.any((2, 3), keepdim=True).to(probability_BPhw.dtype)
        # A sum, not a mean: only the direction of a prototype matters.
        query_BPC = confident_BPhw.flatten(2) @ features_BChw.flatten(2).mT
        total_BPhw = total_BPhw + gain_BP11 * similar(features_BChw, query_BPC, lengths_B1hw)
        weight_BP11 = weight_BP11 + gain_BP11
    return logits_BPhw


def query_background(features_BChw: Tensor, alike_Bhw: Tensor, valid_Bhw: Tensor | None = None) -> Tensor:
    """A prototype (B, C) of a query's background from the query itself: the mean of the half least like the classes.

    That it is half was chosen on base classes (docs/results.md). Of an object that fills more, some is taken for
    background.

    Args:
        features_BChw: Query features.
        alike_Bhw: Similarity of each cell to the class that it resembles most.
        valid_Bhw: Share of each cell that is photograph, not padding; None means all.
    """
    cells_BxC, alike_Bx = features_BChw.flatten(2).mT, alike_Bhw.flatten(1)
    if valid_Bhw is not None:
        alike_Bx = alike_Bx.masked_fill(valid_Bhw.flatten(1) == 0, torch.nan)
    half_Bx = (alike_Bx <= alike_Bx.nanmedian(1, keepdim=True).values).to(cells_BxC.dtype)
    return (half_Bx[:, None] @ cells_BxC)[:, 0] / half_Bx.sum(1, keepdim=True).clamp(min=1)
