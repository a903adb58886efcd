"""The losses of DuPL, each a number per image.

Letters: B images, C classes, D channels, P = C + 1 classes with background, H W pixels, h w cells.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from episodes.data.source import IGNORE
from srpnet.training.log import highest
from srpnet.weak.settings import Discrepancy

NEAREST = 1e-3
"""How near to 0 the clamped discrepancy lets 1 - cos come: both students start from the same features."""


def classification_loss(logits_BC: Tensor, tags_BC: Tensor) -> Tensor:
    """Multilabel soft margin, the mean over the classes: (B,)."""
    return F.multilabel_soft_margin_loss(logits_BC.float(), tags_BC, reduction="none")


def discrepancy_loss(first_BDhw: Tensor, second_BDhw: Tensor, form: Discrepancy = "linear") -> Tensor:
    """How alike the features of two students are (paper, eq. 3), each compared with the other held still: (B,).

    The cosine is taken channel by channel over the positions, as in the authors' code.

    Args:
        first_BDhw, second_BDhw: Features of the same images.
        form: `linear` is 1 + cos; `log` is -log(1 - cos), as the paper has it, with 1 - cos at least `NEAREST`;
            `none` is 0.
    """
    alike = DISCREPANCIES[form]
    pairs = ((first_BDhw, second_BDhw.detach()), (second_BDhw, first_BDhw.detach()))
    return torch.stack(
        [
            alike(F.cosine_similarity(one.float().flatten(2), other.float().flatten(2), 2)).mean(1)
            for one, other in pairs
        ]
    ).sum(0)


DISCREPANCIES: dict[Discrepancy, Callable[[Tensor], Tensor]] = {
    "linear": lambda cosine: 1 + cosine,
    "log": lambda cosine: -(1 - cosine).clamp(min=NEAREST).log(),
    "none": torch.zeros_like,
}


def pixel_losses(logits_BPHW: Tensor, labels_BHW: Tensor) -> Tensor:
    """Cross-entropy of each pixel, (B, H, W); 0 where the label is 255."""
    return F.cross_entropy(logits_BPHW.float(), labels_BHW.long(), ignore_index=IGNORE, reduction="none")


def balanced(losses_BHW: Tensor, labels_BHW: Tensor) -> Tensor:
    """Half the mean over the pixels labelled background plus half the mean over those of a class: (B,).

    Image by image, while the authors' code takes the means over a batch: so it does not matter how a batch is cut.
    A part without a pixel adds nothing, nor does 255.
    """
    background_BHW, object_BHW = labels_BHW == 0, (labels_BHW != 0) & (labels_BHW != IGNORE)
    return (masked_mean(losses_BHW, background_BHW) + masked_mean(losses_BHW, object_BHW)) / 2


def masked_mean(values_BHW: Tensor, mask_BHW: Tensor) -> Tensor:
    """The mean over the pixels of a mask, (B,); 0 if it has none."""
    return (values_BHW * mask_BHW).sum((1, 2)) / mask_BHW.sum((1, 2)).clamp(min=1)


def patch_contrast(features_BDhw: Tensor, labels_Bhw: Tensor) -> Tensor:
    """Cells of one label shall be alike, those of different ones not (Ru et al., ToCo, CVPR 2023, eq. 3): (B,).

    Half of 1 minus the mean cosine over pairs of equal labels, plus half the mean of its size over the others.

    Args:
        features_BDhw: Of the cells.
        labels_Bhw: uint8; cells with 255 are in no pair.
    """
    with torch.autocast(features_BDhw.device.type, enabled=False):
        unit_BDn = F.normalize(features_BDhw.float().flatten(2), dim=1)
        cosine_Bnn = unit_BDn.mT @ unit_BDn
    labels_Bn = labels_Bhw.flatten(1)
    known_Bn = labels_Bn != IGNORE
    pairs_Bnn = known_Bn[:, :, None] & known_Bn[:, None]
    equal_Bnn = labels_Bn[:, :, None] == labels_Bn[:, None]
    together, apart = pairs_Bnn & equal_Bnn, pairs_Bnn & ~equal_Bnn
    pull_B = (1 - masked_mean(cosine_Bnn, together)) * together.any(2).any(1)
    return (pull_B + masked_mean(cosine_Bnn.abs(), apart)) / 2


def consistency_loss(strong_BPHW: Tensor, clean_BPHW: Tensor, left_out_BHW: Tensor, confidence: float) -> Tensor:
    """A student's answer to a strongly changed view against its own to the clean one, (B,) (paper, eq. 9).

    Only pixels count that have no label, and of which the clean answer is sure.

    Args:
        strong_BPHW, clean_BPHW: Logits at the same pixels; nothing flows back through the clean ones.
        left_out_BHW: Where no label is trusted.
        confidence: Least probability of the clean answer.
    """
    clean_BPHW = clean_BPHW.detach().float()
    target_BHW = highest(clean_BPHW).long()
    sure_BHW = (clean_BPHW.gather(1, target_BHW[:, None])[:, 0] - clean_BPHW.logsumexp(1)).exp()
    losses_BHW = F.cross_entropy(strong_BPHW.float(), target_BHW, reduction="none")
    return masked_mean(losses_BHW, left_out_BHW & (sure_BHW > confidence))
