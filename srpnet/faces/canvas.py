"""Photographs on the square canvas of a parser, and label maps back to the photographs' size."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from episodes.data.source import Array


class Frame(NamedTuple):
    """Where a photograph lies on a square: in its middle, before both are resized together.

    Attributes:
        width, height: Of the photograph in pixels.
    """

    width: int
    height: int

    @property
    def side(self) -> int:
        """Of the square."""
        return max(self.width, self.height)

    @property
    def corner(self) -> tuple[int, int]:
        """x and y of the photograph's upper left pixel on it."""
        return (self.side - self.width) // 2, (self.side - self.height) // 2

    def put(self, picture: Image.Image, canvas: int) -> Image.Image:
        """A picture of the photograph's size on the canvas; around it is black, or label 0.

        A label map (mode L) keeps its labels: each pixel becomes the nearest one.
        """
        square = Image.new(picture.mode, (self.side, self.side))
        square.paste(picture, self.corner)
        how = Image.Resampling.NEAREST if picture.mode == "L" else Image.Resampling.BILINEAR
        return square if self.side == canvas else square.resize((canvas, canvas), how)

    def cut(self, labels: Array) -> Array:
        """A label map of the canvas at the photograph's size (H, W): each pixel becomes the nearest one."""
        square = Image.fromarray(labels)
        if self.side != square.width:
            square = square.resize((self.side, self.side), Image.Resampling.NEAREST)
        (left, top), (width, height) = self.corner, self
        return np.array(square.crop((left, top, left + width, top + height)))
