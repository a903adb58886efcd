"""How a photograph comes to the size that a network sees, and how scores at that size come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, get_args

from episodes.checks import check_whole, shown
from episodes.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

# `srpnet protocols` prints geometries without torch, so only the methods that place pixels import it.

Resize = Literal["stretch", "letterbox", "letterbox-8", "longest", "native"]
Filter = Literal["smooth", "bytes", "linear"]
Nearest = Literal["floor", "centre", "opencv"]

GREY = 0.45
"""Padding near the ImageNet mean."""

LARGEST_SIZE = 4096
"""Of a network's square: features of one photograph then take gigabytes."""


@dataclass(frozen=True)
class Geometry:
    """A target size and the way to reach it.

    Attributes:
        size: Side of the square in pixels, from 32 to 4096; 0 for `native`.
        resize: `stretch` ignores the aspect ratio (PANet, HSNet); `letterbox` shrinks or grows the longer side to
            `size` and pads right and below with grey; `letterbox-8` is PFENet's: both sides are then rounded down to
            multiples of 8 (500 x 375 becomes 472 x 352 of 473), padding is black, and scores come back by aligned
            corners of the whole square; `longest` is letterbox without the padding; `native` leaves every photograph as
            it is (SSP).
        filter: How photographs are resampled, always bilinear: `smooth` with antialiasing, in floating point; `bytes`
            likewise, in bytes, by Pillow (PANet, HSNet); `linear` without antialiasing, as OpenCV does (PFENet).
        nearest: How labels are resampled: `floor` of the position in single precision (PyTorch's, HSNet), the pixel at
            the `centre` (Pillow's, PANet), or `opencv`'s floor in double precision (PFENet).

    Raises:
        InputError: if the size is out of its range, or there is one for `native`, or a name does not exist.
    """

    size: int
    resize: Resize = "stretch"
    filter: Filter = "smooth"
    nearest: Nearest = "floor"

    def __post_init__(self) -> None:
        for name, kinds in (("resize", Resize), ("filter", Filter), ("nearest", Nearest)):
            if (kind := getattr(self, name)) not in get_args(kinds):
                raise InputError(f"{name} {shown(kind)} does not exist: it is one of {', '.join(get_args(kinds))}")
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
            "letterbox-8": f"{side}, multiples of 8, padded black",
            "longest": f"{side}, longer side",
            "native": "own size",
        }[self.resize]

    def place(self, height: int, width: int) -> Placement:
        """Where a photograph of this size lands.

        >>> Geometry(100, "letterbox").place(50, 200).inner
        (25, 100)
        >>> Geometry(473, "letterbox-8").place(375, 500).inner
        (352, 472)
        """
        original, square = (height, width), (self.size, self.size)
        if self.resize == "native":
            return Placement(original, original, original, self.filter, self.nearest)
        if self.resize == "stretch":
            return Placement(original, square, square, self.filter, self.nearest)
        longer = max(original)
        if self.resize == "letterbox-8":
            inner = tuple(_multiple_of_8(side, longer, self.size) for side in original)
            return Placement(original, (inner[0], inner[1]), square, self.filter, self.nearest, fill=0.0, aligned=True)
        scale = self.size / longer
        shrunk = (max(1, round(height * scale)), max(1, round(width * scale)))
        return Placement(original, shrunk, shrunk if self.resize == "longest" else square, self.filter, self.nearest)


def _multiple_of_8(side: int, longer: int, size: int) -> int:
    """A side when the longer one becomes `size`, rounded down to a multiple of 8, and at least 8."""
    shrunk = size if side == longer else int(side * (size / longer))
    return max(8, shrunk // 8 * 8)


@dataclass(frozen=True)
class Placement:
    """Where an original lies: resized to `inner`, at the top left of `outer`. All are (height, width) in pixels.

    Attributes:
        original, inner, outer: The sizes.
        filter, nearest: See `Geometry`.
        fill: Brightness of the padding, 0 black to 1 white.
        aligned: Scores come back by aligned corners of `outer`, which is square, to a square around the original.
    """

    original: tuple[int, int]
    inner: tuple[int, int]
    outer: tuple[int, int]
    filter: Filter = "smooth"
    nearest: Nearest = "floor"
    fill: float = GREY
    aligned: bool = False

    def image(self, image: Tensor) -> Tensor:
        """(3, H0, W0), uint8 or float32 in [0, 1] -> (3, H, W) float32 in [0, 1]."""
        from episodes.fewshot import resizing

        return resizing.place_image(image, self)

    def labels(self, labels: Tensor) -> Tensor:
        """(H0, W0) -> (H, W) of the same type, by the nearest pixel; padding is 255."""
        from episodes.fewshot import resizing

        return resizing.place_labels(labels, self)

    def valid(self) -> Tensor:
        """(H, W) bool, False on padding."""
        import torch

        valid = torch.zeros(self.outer, dtype=torch.bool)
        valid[: self.inner[0], : self.inner[1]] = True
        return valid

    def restore(self, scores: Tensor) -> Tensor:
        """Scores (B, C, H, W) of the placed photograph -> (B, C, H0, W0) of the original, bilinear.

        Without padding; but where corners are `aligned`, scores of the padding weigh on the border, as in PFENet.

        Raises:
            ValueError: if the scores are of another size.
        """
        from torch.nn import functional as F

        if scores.shape[-2:] != self.outer:
            raise ValueError(
                f"scores of size {tuple(scores.shape[-2:])} do not fit the placed photograph: {self.outer}"
            )
        if self.aligned:
            side = max(self.original)
            square = F.interpolate(scores, (side, side), mode="bilinear", align_corners=True)
            return square[..., : self.original[0], : self.original[1]]
        inner = scores[..., : self.inner[0], : self.inner[1]]
        if self.inner == self.original:
            return inner
        return F.interpolate(inner, self.original, mode="bilinear", align_corners=False)

    @property
    def padding(self) -> list[int]:
        """Pixels left, above, right and below."""
        return [0, 0, self.outer[1] - self.inner[1], self.outer[0] - self.inner[0]]
