"""Rectangles of a photograph."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from srpnet.nn.crop import crop_theta


class Window(NamedTuple):
    """A rectangle of pixels of a photograph."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column behind it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.top + self.height

    def theta(self, canvas: tuple[int, int], step: int = 1) -> Tensor:
        """It as a crop of a photograph (1, 2, 3), see `srpnet.nn.crop`; of every so many pixels the mean."""
        sides = [(pixels // step - 1) * step + 1 for pixels in (self.width, self.height)]
        first = [self.left + (step - 1) / 2, self.top + (step - 1) / 2]
        centres = [start + (side - 1) / 2 for start, side in zip(first, sides, strict=True)]
        return crop_theta(torch.tensor([centres]).double(), torch.tensor([sides]).double(), canvas)

    def meets(self, other: "Window") -> bool:
        """Whether they have a pixel in common."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def joined(self, other: "Window") -> "Window":
        """The smallest window that holds both."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        return Window(left, top, max(self.right, other.right) - left, max(self.bottom, other.bottom) - top)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


class Box(NamedTuple):
    """A rectangle whose sides lie anywhere, in pixels of a photograph from its left upper corner on."""

    left: float
    top: float
    right: float
    bottom: float


def around(box: Box, margin: float, canvas: tuple[int, int]) -> Window:
    """A window around the middle of a box, inside of the photograph; square but for the photograph's borders.

    Args:
        box: It may reach beyond the photograph.
        margin: The window's side, beside the longer one of the box.
        canvas: Height and width of the photograph.

    >>> around(Box(2, 10, 12, 14), 2, (40, 50))
    Window(left=0, top=2, width=20, height=20)
    """
    side = max(margin * max(box.right - box.left, box.bottom - box.top), 2)
    starts, lengths = [], []
    for low, high, pixels in ((box.left, box.right, canvas[1]), (box.top, box.bottom, canvas[0])):
        length = min(round(side), pixels)
        lengths.append(length)
        starts.append(min(max(round((low + high - length) / 2), 0), pixels - length))
    return Window(starts[0], starts[1], *lengths)


def groups(windows: Iterable[Window]) -> list[Window]:
    """Windows that meet, joined until none meet any more."""
    apart: list[Window] = []
    for window in windows:
        while meeting := [other for other in apart if window.meets(other)]:
            apart = [other for other in apart if other not in meeting]
            for other in meeting:
                window = window.joined(other)
        apart.append(window)
    return apart
