"""The two losses of SRPNet. Letters: B images, P classes with background, H W pixels."""

from torch import Tensor
from torch.nn import functional as F

from episodes.data.source import IGNORE
from srpnet.nn.similarity import TINY


def segmentation_loss(logits_BPHW: Tensor, labels_BHW: Tensor, weights_B: Tensor | None = None) -> Tensor:
    """Pixel-wise cross-entropy, averaged over each image's counted pixels, then over images.

    Serves both terms of L = L_query + lambda * L_support (method, 5): on queries, and on supports segmented by their
    own prototypes (self-regularization).

    Args:
        logits_BPHW: At the size of the labels, see `srpnet.nn.grid.upsample`.
        labels_BHW: uint8, 0..N; 255 is not counted. An image with nothing to count leaves the mean, and if none has,
            the loss is 0.
        weights_B: Of each image in the mean; None: all alike.
    """
    labels = labels_BHW.long()
    counted = labels != IGNORE
    losses = F.cross_entropy(logits_BPHW, labels, ignore_index=IGNORE, reduction="none")
    pixels_B = counted.sum((1, 2))
    per_image_B = losses.sum((1, 2)) / pixels_B.clamp(min=1)
    if weights_B is None:
        return per_image_B.sum() / (pixels_B > 0).sum().clamp(min=1)
    weights_B = weights_B * (pixels_B > 0)
    return (weights_B * per_image_B).sum() / weights_B.sum().clamp(min=TINY)
