"""The adaptive noise filter: pixels whose loss belongs to the higher of two modes have a wrong label (paper, 3.3).

Letters: B images, H W pixels, N values, V bins, M = 2 modes.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

BINS = 256
SPLITS, ROUNDS = 10, 200
"""Rounds of 2-means, which the modes start from, and the most of expectation maximization."""
STILL = 1e-6
"""Change of the mean log-likelihood below which the modes stand still."""
NARROWEST = 1e-6
"""Added to the variance of a mode, as scikit-learn does."""


class Mixture(NamedTuple):
    """Two normal modes of each image's values, the one with the lower mean first: (B, 2) each."""

    means: Tensor
    variances: Tensor
    shares: Tensor

    def upper(self, values_BN: Tensor) -> Tensor:
        """The probability that a value is of the upper mode, (B, N)."""
        return self.log_densities(values_BN).softmax(1)[:, 1]

    def log_densities(self, values_BN: Tensor) -> Tensor:
        """The logarithm of share times density of each mode: (B, 2, N)."""
        apart_B2N = (values_BN[:, None] - self.means[..., None]).square()
        own_B2 = self.shares.log() - (2 * math.pi * self.variances).log() / 2
        return own_B2[..., None] - apart_B2N / (2 * self.variances[..., None])


class _Bins(NamedTuple):
    """How many values lie in each bin, and their mean: (B, V)."""

    counts: Tensor
    means: Tensor


@torch.no_grad()
def fit_mixture(values_BN: Tensor, counted_BN: Tensor) -> Mixture:
    """Two modes of the values of each image by expectation maximization, of all images at once.

    Values are put into `BINS` bins of equal width first, each with the mean of what lies in it: the same result to some
    four digits, whatever the number of pixels. It starts from 2-means, as scikit-learn does.

    Args:
        values_BN: Finite.
        counted_BN: bool, which count. An image without any has the modes of a single 0.
    """
    bins = _binned(values_BN.double(), counted_BN)
    total_B1 = bins.counts.sum(1, keepdim=True)
    mixture = _moments(bins, _split(bins), total_B1)
    before = math.nan
    for _ in range(ROUNDS):
        logs_B2V = mixture.log_densities(bins.means)
        whole_BV = logs_B2V.logsumexp(1)
        likelihood = float(((whole_BV * bins.counts).sum(1) / total_B1[:, 0]).sum())
        if abs(likelihood - before) < STILL:
            break
        before = likelihood
        mixture = _moments(bins, (logs_B2V - whole_BV[:, None]).exp(), total_B1)
    order_B2 = mixture.means.argsort(1)
    return Mixture(*(part.gather(1, order_B2).to(values_BN.dtype) for part in mixture))


def _binned(values_BN: Tensor, counted_BN: Tensor) -> _Bins:
    weights_BN = counted_BN.double()
    low_B1 = values_BN.masked_fill(~counted_BN, math.inf).amin(1, keepdim=True)
    high_B1 = values_BN.masked_fill(~counted_BN, -math.inf).amax(1, keepdim=True)
    low_B1, high_B1 = (torch.where(limit.isfinite(), limit, 0.0) for limit in (low_B1, high_B1))
    width_B1 = ((high_B1 - low_B1) / BINS).clamp(min=1e-12)
    numbers_BN = ((values_BN - low_B1) / width_B1).clamp(0, BINS - 1).long()
    counts_BV, sums_BV = (
        values_BN.new_zeros(len(values_BN), BINS).scatter_add_(1, numbers_BN, added)
        for added in (weights_BN, weights_BN * torch.where(counted_BN, values_BN, 0.0))
    )
    counts_BV[:, 0] += (counts_BV.sum(1) == 0).double()  # of no value at all, a single 0
    return _Bins(counts_BV, sums_BV / counts_BV.clamp(min=1))


def _split(bins: _Bins) -> Tensor:
    """To which mode each bin belongs at first, (B, 2, V), by 2-means from the lowest and the highest value."""
    there_BV = bins.counts > 0
    low_B1 = bins.means.masked_fill(~there_BV, math.inf).amin(1, keepdim=True)
    high_B1 = bins.means.masked_fill(~there_BV, -math.inf).amax(1, keepdim=True)
    middle_B1 = (low_B1 + high_B1) / 2
    for _ in range(SPLITS):
        upper_BV = (bins.means > middle_B1) & there_BV
        centres = [_mean(bins, part, middle_B1) for part in (~upper_BV, upper_BV)]
        middle_B1 = (centres[0] + centres[1]) / 2
    upper_BV = (bins.means > middle_B1) & there_BV
    return torch.stack([~upper_BV, upper_BV], 1).double()


def _mean(bins: _Bins, part_BV: Tensor, otherwise_B1: Tensor) -> Tensor:
    weights_BV = bins.counts * part_BV
    total_B1 = weights_BV.sum(1, keepdim=True)
    return torch.where(
        total_B1 > 0, (weights_BV * bins.means).sum(1, keepdim=True) / total_B1.clamp(min=1), otherwise_B1
    )


def _moments(bins: _Bins, belongs_B2V: Tensor, total_B1: Tensor) -> Mixture:
    """The modes, given how much of each bin belongs to them; a mode that is empty stands where the other does."""
    weights_B2V = belongs_B2V * bins.counts[:, None]
    sums_B2 = weights_B2V.sum(2)
    overall_B1 = (bins.counts * bins.means).sum(1, keepdim=True) / total_B1
    empty_B2 = sums_B2 < 1e-9
    safe_B2 = sums_B2.clamp(min=1e-9)
    means_B2 = torch.where(empty_B2, overall_B1, (weights_B2V * bins.means[:, None]).sum(2) / safe_B2)
    spread_B2V = (bins.means[:, None] - means_B2[..., None]).square()
    variances_B2 = (weights_B2V * spread_B2V).sum(2) / safe_B2 + NARROWEST
    return Mixture(means_B2, variances_B2, (safe_B2 / total_B1).clamp(min=1e-12))


@torch.no_grad()
def noisy_pixels(
    losses_BHW: Tensor,
    labels_BHW: Tensor,
    probability: float,
    gap: float,
    least: int,
    floor: float = 0.1,
) -> Tensor:
    """Which pixels of a class have a label that is probably wrong: bool (B, H, W).

    Args:
        losses_BHW: Of each pixel.
        labels_BHW: uint8; background and 255 are never noisy.
        probability: A pixel is noisy if it is of the upper mode with more than this (gamma).
        gap: Nothing is noisy where the means of the modes are no further apart (eta).
        least: Nor where fewer pixels than this are compared.
        floor: Losses up to this are not compared, and not noisy.
    """
    compared_BHW = (labels_BHW != 0) & (labels_BHW != 255) & (losses_BHW > floor)
    values_BN, compared_BN = losses_BHW.float().flatten(1), compared_BHW.flatten(1)
    mixture = fit_mixture(values_BN, compared_BN)
    apart_B = (mixture.means[:, 1] - mixture.means[:, 0] > gap) & (compared_BN.sum(1) >= max(1, least))
    # Far below a narrow upper mode a wide one could win again: what lies below the lower mean is never noisy.
    upper_BN = (mixture.upper(values_BN) > probability) & (values_BN > mixture.means[:, :1])
    return (upper_BN & compared_BN & apart_B[:, None]).view_as(compared_BHW)
