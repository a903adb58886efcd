"""How alike a feature and a prototype are. Letters: B images, P prototypes, C channels, h w feature size."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Similarity = Literal["fidelity", "cosine"]


TINY = 1e-12
"""A vector shorter than this has no direction."""


def cosine(features_BChw: Tensor, prototypes_BPC: Tensor) -> Tensor:
    """<f, p> / (|f| |p|) at every pixel: (B, P, h, w) in [-1, 1]. A zero vector is like nothing: 0."""
    unit_features = F.normalize(features_BChw, dim=1, eps=TINY)
    unit_prototypes = F.normalize(prototypes_BPC, dim=2, eps=TINY)
    return torch.einsum("bchw,bpc->bphw", unit_features, unit_prototypes)


def fidelity(features_BChw: Tensor, prototypes_BPC: Tensor) -> Tensor:
    """The fidelity of two pure states, (<f, p> / (|f| |p|))^2, at every pixel: (B, P, h, w) in [0, 1].

    The square forgets the sign of the angle, so an opposite vector would be a perfect match; obtuse angles therefore
    score 0 (SRPNet, sec. on fidelity; the clamp is this project's reading, and idle on non-negative features).
    """
    return from_cosine(cosine(features_BChw, prototypes_BPC), "fidelity")


def from_cosine(cosines: Tensor, similarity: Similarity) -> Tensor:
    """The similarity of two vectors, from the cosine of the angle between them."""
    return cosines.clamp(min=0).square() if similarity == "fidelity" else cosines
