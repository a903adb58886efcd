"""The two losses of SRPNet. Letters: B images, P classes with background, h w logit size, H W label size."""

from torch import Tensor
from torch.nn import functional as F

from episodes.sources.base import IGNORE


def segmentation_loss(logits_BPhw: Tensor, labels_BHW: Tensor) -> Tensor:
    """Pixel-wise cross-entropy at label size, averaged over each image's counted pixels, then over images.

    Serves both terms of L = L_query + lambda * L_support (method, 5): on queries, and on supports segmented by their
    own prototypes (self-regularization).

    Args:
        logits_BPhw: Upsampled bilinearly to the labels.
        labels_BHW: uint8, 0..N; 255 is not counted. An image with nothing to count leaves the mean, and if none has,
            the loss is 0.
    """
    labels = labels_BHW.long()
    counted = labels != IGNORE
    upsampled = F.interpolate(logits_BPhw.float(), labels.shape[-2:], mode="bilinear", align_corners=False)
    losses = F.cross_entropy(upsampled, labels, ignore_index=IGNORE, reduction="none")
    pixels_B = counted.sum((1, 2))
    per_image_B = losses.sum((1, 2)) / pixels_B.clamp(min=1)
    return per_image_B.sum() / (pixels_B > 0).sum().clamp(min=1)
