"""Random changes of training photographs. Torch is imported by those who change one, not by those who ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from episodes.errors import InputError
from episodes.settings import check, setting

if TYPE_CHECKING:
    from torch import Tensor

    from episodes.draws import Draws


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training photograph, drawn again for every place that it takes in an episode.

    Raises:
        InputError: if one is out of its range.
    """

    flip: float = setting(0.5, "Probability of a horizontal flip.", low=0, high=1)
    # A photograph stays whole if the crop would leave a class less than a quarter of its pixels.
    scale: float = setting(
        1.0, "Random crops keep at least this share of each side.", low=0, high=1, above=True, flag="--crop-scale"
    )
    # Brightness, contrast and saturation.
    colour: float = setting(0.0, "Strength of colour changes, below 1.", low=0, high=1)

    def __post_init__(self) -> None:
        check(self)
        if self.colour == 1:
            raise InputError("`colour` must be below 1: at 1 a photograph may turn black")

    @property
    def unrepeatable(self) -> tuple[str, ...]:
        """The settings under which a photograph never comes twice, neither as it is nor mirrored."""
        return ("scale",) * (self.scale < 1) + ("colour",) * (self.colour > 0)

    def mirrors(self, draws: Draws) -> bool:
        """Whether a photograph is flipped: the first of the draws."""
        return draws.chance(self.flip)

    def __call__(self, image: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Change a photograph (3, H, W) uint8 and its label map (H, W) jointly; sizes may change by the crop."""
        from torch import Tensor
        from torchvision import tv_tensors
        from torchvision.transforms.v2 import functional as V

        photograph, mask = tv_tensors.Image(image), tv_tensors.Mask(labels)
        if self.mirrors(draws):
            photograph, mask = V.horizontal_flip(photograph), V.horizontal_flip(mask)
        if self.scale < 1:
            height, width = image.shape[-2:]
            crop = [max(1, round(side * draws.uniform(self.scale, 1))) for side in (height, width)]
            corner = [draws.below(side - kept + 1) for side, kept in zip((height, width), crop, strict=True)]
            window = mask[corner[0] : corner[0] + crop[0], corner[1] : corner[1] + crop[1]]
            if _keeps_classes(window, mask):
                photograph, mask = V.crop(photograph, *corner, *crop), V.crop(mask, *corner, *crop)
        if self.colour > 0:
            for adjust in (V.adjust_brightness, V.adjust_contrast, V.adjust_saturation):
                photograph = adjust(photograph, draws.uniform(1 - self.colour, 1 + self.colour))
        return photograph.as_subclass(Tensor), mask.as_subclass(Tensor)


def _keeps_classes(window: Tensor, mask: Tensor) -> bool:
    """Whether a crop leaves every class a quarter of its pixels: of a few, none may survive the resizing."""
    from episodes.data.source import IGNORE

    count = max(IGNORE, int(mask.max())) + 1
    kept, whole = (labels.flatten().int().bincount(minlength=count) for labels in (window, mask))
    whole[[0, IGNORE]] = 0
    return bool((4 * kept >= whole).all())
