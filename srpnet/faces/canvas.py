"""Photographs on the square canvas of a parser, and label maps back to the photographs' size."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from episodes.data.source import Array

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels of a photograph."""


class Frame(NamedTuple):
    """The square of a photograph that a canvas shows; it may reach over the photograph's borders, where it is black.

    Attributes:
        width, height: Of the photograph in pixels.
        left, top, side: Of the square, in pixels of the photograph.
    """

    width: int
    height: int
    left: int
    top: int
    side: int

    @classmethod
    def whole(cls, width: int, height: int) -> "Frame":
        """The smallest square with all of a photograph, which lies in its middle: padded first, then resized."""
        side = max(width, height)
        return cls(width, height, -((side - width) // 2), -((side - height) // 2), side)

    def put(self, picture: Image.Image, canvas: int) -> Image.Image:
        """A picture of the photograph's size on the canvas.

        A label map (mode L) keeps its labels: each pixel becomes the nearest one, and label 0 is around.
        """
        square = picture.crop((self.left, self.top, self.left + self.side, self.top + self.side))
        how = Image.Resampling.NEAREST if picture.mode == "L" else Image.Resampling.BILINEAR
        return square if self.side == canvas else square.resize((canvas, canvas), how)

    def cut(self, scores_LWW: NDArray[np.float32]) -> Array:
        """Scores of each label on the canvas -> labels (H, W) uint8 at the photograph's size.

        The highest score wins, the first of equal ones. At another size scores are interpolated, so that edges stay
        smooth, around the parts alone: all else is label 0.
        """
        canvas, labels = scores_LWW.shape[-1], np.zeros((self.height, self.width), np.uint8)
        rows, columns = (np.flatnonzero(scores_LWW.argmax(0).any(axis)) for axis in (1, 0))
        if not len(rows):
            return labels
        pixels = self.side / canvas  # of the photograph in one of the canvas
        ends = [(max(0, each[0] - 1), min(canvas, each[-1] + 2)) for each in (columns, rows)]
        (left, right), (top, bottom) = (
            (int(first * pixels), min(self.side, -int(-last * pixels // 1))) for first, last in ends
        )
        source = tuple(each / pixels for each in (left, top, right, bottom))
        size, how = (right - left, bottom - top), Image.Resampling.BILINEAR
        scores = np.stack([np.array(Image.fromarray(score).resize(size, how, source)) for score in scores_LWW])
        found = Image.new("L", (self.width, self.height))
        found.paste(Image.fromarray(scores.argmax(0).astype(np.uint8)), (self.left + left, self.top + top))
        return np.array(found)
