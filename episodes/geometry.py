"""How a photograph comes to the size that a network sees, and how scores at that size come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, get_args

from episodes.checks import check_whole, shown
from episodes.errors import InputError
from episodes.sources.base import IGNORE

if TYPE_CHECKING:
    from torch import Tensor

# `srpnet protocols` prints geometries without torch, so only the methods that place pixels import it.

Resize = Literal["stretch", "letterbox", "longest", "native"]

LARGEST_SIZE = 4096
"""Of a network's square: features of one photograph then take gigabytes."""


@dataclass(frozen=True)
class Geometry:
    """A target size and the way to reach it.

    Attributes:
        size: Side of the square in pixels, from 32 to 4096; 0 for `native`.
        resize: `stretch` ignores the aspect ratio (PANet, HSNet); `letterbox` shrinks or grows the longer side to
            `size` and pads right and below (PFENet); `longest` is letterbox without the padding; `native` leaves every
            photograph as it is (SSP).

    Raises:
        InputError: if the size is out of its range, or there is one for `native`.
    """

    size: int
    resize: Resize = "stretch"

    def __post_init__(self) -> None:
        if self.resize not in get_args(Resize):
            raise InputError(f"resize {shown(self.resize)} does not exist: it is one of {', '.join(get_args(Resize))}")
        check_whole(self, -LARGEST_SIZE, LARGEST_SIZE, "size")
        if self.resize == "native":
            if self.size:
                raise InputError(f"photographs that keep their own size have no size {self.size}")
        elif self.size < 32:
            raise InputError(f"size {self.size} is too small: at least 32 pixels")

    @classmethod
    def native(cls) -> Self:
        """Every photograph at its own size."""
        return cls(0, "native")

    def __str__(self) -> str:
        side = self.size
        return {
            "stretch": f"{side} x {side}",
            "letterbox": f"{side}, padded",
            "longest": f"{side}, longer side",
            "native": "own size",
        }[self.resize]

    def place(self, height: int, width: int) -> Placement:
        """Where a photograph of this size lands.

        >>> Geometry(100, "letterbox").place(50, 200)
        Placement(original=(50, 200), inner=(25, 100), outer=(100, 100))
        """
        if self.resize == "native":
            return Placement((height, width), (height, width), (height, width))
        if self.resize == "stretch":
            inner = (self.size, self.size)
        else:
            scale = self.size / max(height, width)
            inner = (max(1, round(height * scale)), max(1, round(width * scale)))
        return Placement((height, width), inner, inner if self.resize == "longest" else (self.size, self.size))


@dataclass(frozen=True)
class Placement:
    """Where an original lies: resized to `inner`, at the top left of `outer`. All are (height, width) in pixels."""

    original: tuple[int, int]
    inner: tuple[int, int]
    outer: tuple[int, int]

    def image(self, image: Tensor) -> Tensor:
        """(3, H0, W0) -> (3, H, W), bilinear with antialiasing; padding is mid-grey."""
        from torch import Tensor
        from torchvision import tv_tensors
        from torchvision.transforms.v2 import functional as V

        resized = V.resize(tv_tensors.Image(image), list(self.inner), antialias=True)
        padded: Tensor = V.pad(resized, self._padding(), fill=0.45)  # near the ImageNet mean
        return padded.as_subclass(Tensor)

    def labels(self, labels: Tensor) -> Tensor:
        """(H0, W0) -> (H, W) of the same type, nearest (rounding down, as published evaluators do); padding is 255."""
        from torch import Tensor
        from torchvision import tv_tensors
        from torchvision.transforms.v2 import InterpolationMode
        from torchvision.transforms.v2 import functional as V

        resized = V.resize(tv_tensors.Mask(labels), list(self.inner), InterpolationMode.NEAREST)
        padded: Tensor = V.pad(resized, self._padding(), fill=IGNORE)
        return padded.as_subclass(Tensor)

    def valid(self) -> Tensor:
        """(H, W) bool, False on padding."""
        import torch

        valid = torch.zeros(self.outer, dtype=torch.bool)
        valid[: self.inner[0], : self.inner[1]] = True
        return valid

    def restore(self, scores: Tensor) -> Tensor:
        """Scores (B, C, H, W) of the placed photograph -> (B, C, H0, W0) of the original, bilinear, without padding.

        Raises:
            ValueError: if the scores are of another size.
        """
        from torch.nn import functional as F

        if scores.shape[-2:] != self.outer:
            raise ValueError(
                f"scores of size {tuple(scores.shape[-2:])} are not of the placed photograph: {self.outer}"
            )
        inner = scores[..., : self.inner[0], : self.inner[1]]
        if self.inner == self.original:
            return inner
        return F.interpolate(inner, self.original, mode="bilinear", align_corners=False)

    def _padding(self) -> list[int]:
        return [0, 0, self.outer[1] - self.inner[1], self.outer[0] - self.inner[0]]
