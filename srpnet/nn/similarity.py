"""How alike a feature and a prototype are. Letters: B images, P prototypes, C channels, h w feature size."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from srpnet.nn.settings import Similarity

TINY = 1e-12
"""A vector shorter than this has no direction."""


def cosine(features_BChw: Tensor, prototypes_BPC: Tensor, lengths_B1hw: Tensor | None = None) -> Tensor:
    """<f, p> / (|f| |p|) at every pixel: (B, P, h, w) in [-1, 1]. A zero vector is like nothing: 0.

    Args:
        features_BChw: f.
        prototypes_BPC: p.
        lengths_B1hw: |f|, from whoever compares the same features several times.
    """
    if lengths_B1hw is None:
        lengths_B1hw = torch.linalg.vector_norm(features_BChw, dim=1, keepdim=True)
    unit_BPC = F.normalize(prototypes_BPC, dim=2, eps=TINY)
    return (unit_BPC @ features_BChw.flatten(2)).unflatten(2, features_BChw.shape[2:]) / lengths_B1hw.clamp(min=TINY)


def fidelity(features_BChw: Tensor, prototypes_BPC: Tensor, lengths_B1hw: Tensor | None = None) -> Tensor:
    """The fidelity of two pure states, (<f, p> / (|f| |p|))^2, at every pixel: (B, P, h, w) in [0, 1].

    The square forgets the sign of the angle, so an opposite vector would be a perfect match; obtuse angles therefore
    score 0 (SRPNet, sec. on fidelity; the clamp is this project's reading, and idle on non-negative features). For the
    arguments see `cosine`.
    """
    return cosine(features_BChw, prototypes_BPC, lengths_B1hw).clamp(min=0).square()


SIMILARITIES: dict[Similarity, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
    "fidelity": fidelity,
    "cosine": cosine,
}
