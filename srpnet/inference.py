"""Iterative query inference (IQI): the query adds prototypes of its own to those of the supports.

Letters: B queries, P = N + 1 classes (background first), C channels, h w feature size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from episodes.errors import InputError
from srpnet.prototypes import EPSILON
from srpnet.similarity import SIMILARITIES, Similarity


@dataclass(frozen=True)
class QueryInference:
    """The recipe, which the paper leaves open (method, 6).

    Attributes:
        rounds: How often query prototypes are added; 0 uses the support prototypes alone.
        foreground: A pixel whose probability of a class is above this is pooled for it.
        background: The same for the background.
        weight: Weight of a query prototype in the score; a support prototype weighs 1.
        soft: Pool pixels by their probability; False counts every confident pixel alike.
    """

    rounds: int = 3
    foreground: float = 0.7
    background: float = 0.6
    weight: float = 1.0
    soft: bool = True

    def __post_init__(self) -> None:
        if self.rounds < 0:
            raise InputError(f"IQI rounds must be 0 or more, not {self.rounds}")
        if not (0 < self.foreground < 1 and 0 < self.background < 1):
            raise InputError("IQI thresholds are probabilities between 0 and 1")
        if self.weight <= 0:
            raise InputError(f"the weight of query prototypes must be above 0, not {self.weight}")


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
        prototypes_PC: From `support_prototypes`.
        valid_Bhw: Share of each feature pixel that is photograph, not padding; None means all.
        similarity: `fidelity` or `cosine`.
        alpha: Scale of the similarities before the softmax.
        iqi: The recipe; None is no rounds.
    """
    similar = SIMILARITIES[similarity]
    iqi = iqi or QueryInference(rounds=0)
    batch, classes = features_BChw.shape[0], prototypes_PC.shape[0]
    total_BPhw = similar(features_BChw, prototypes_PC.expand(batch, -1, -1))
    weight_BP11 = features_BChw.new_ones(batch, classes, 1, 1)
    threshold_P11 = features_BChw.new_tensor([iqi.background] + [iqi.foreground] * (classes - 1))[:, None, None]
    for _ in range(iqi.rounds):
        probability_BPhw = (alpha * total_BPhw / weight_BP11).softmax(1).detach()
        confident_BPhw = (probability_BPhw > threshold_P11).to(probability_BPhw.dtype)
        if iqi.soft:
            confident_BPhw = confident_BPhw * probability_BPhw
        if valid_Bhw is not None:
            confident_BPhw = confident_BPhw * valid_Bhw[:, None]
        found_BP = confident_BPhw.flatten(2).any(2)
        pixels_BP1 = confident_BPhw.sum((2, 3))[..., None]
        own_BPC = torch.einsum("bchw,bphw->bpc", features_BChw, confident_BPhw) / (pixels_BP1 + EPSILON)
        gain_BP11 = iqi.weight * found_BP[:, :, None, None].to(probability_BPhw.dtype)
        total_BPhw = total_BPhw + gain_BP11 * similar(features_BChw, own_BPC)
        weight_BP11 = weight_BP11 + gain_BP11
    return alpha * total_BPhw / weight_BP11
