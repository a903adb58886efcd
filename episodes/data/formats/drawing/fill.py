"""Shapes as annotation files have them, and the label map that they make."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from episodes.data.formats.drawing.run_lengths import drawn, lengths_of
from episodes.data.pictures.images import Size
from episodes.data.source import IGNORE, Labels

Mask = NDArray[np.bool_]
"""(H, W), true where the object is."""
Polygon = NDArray[np.float64]
"""(P, 2): corners x, y in pixels. The pixel of column c and row r covers c..c+1 and r..r+1; it is inside if its centre
is, by the even-odd rule, so that a hole may hang on its outline by a slit."""


class Patch(NamedTuple):
    """A mask of a part of a photograph: its top left corner, and (h, w), true where the object is."""

    left: int
    top: int
    mask: Mask


class Runs(NamedTuple):
    """A patch as run lengths, which take less room: row by row, outside and inside in turn.

    Attributes:
        left, top: Of its corner.
        size: Its height and width.
        lengths: See `episodes.data.formats.drawing.run_lengths.lengths_of`.
    """

    left: int
    top: int
    size: Size
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, patch: Patch) -> "Runs":
        """Those of a patch."""
        return cls(patch.left, patch.top, patch.mask.shape, np.array(lengths_of(patch.mask.ravel()), np.int64))

    @property
    def patch(self) -> Patch:
        """The patch."""
        return Patch(self.left, self.top, drawn(self.lengths).reshape(self.size))


class Shape(NamedTuple):
    """An object, or a part of one: what is inside of any of its polygons, or a patch.

    Attributes:
        name: Its class.
        area: Where it is.
    """

    name: str
    area: Sequence[Polygon] | Patch | Runs


def filled(polygon: Polygon, size: Size) -> Patch:
    """What is inside of a polygon, in a photograph of this height and width; the patch is as small as can be.

    Only rows in which a side crosses the line through the centres count, and there the pixels right of the crossing
    change sides: so sides that run along each other cancel out.
    """
    height, width = size
    top, bottom = _span(polygon[:, 1], height)
    left, right = _span(polygon[:, 0], width)
    if bottom <= top or right <= left:
        return Patch(0, 0, np.zeros((0, 0), bool))
    flips = np.zeros((bottom - top, right - left + 1), np.uint8)  # modulo 256, which is even
    start, end = polygon, np.roll(polygon, -1, axis=0)
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first = np.clip(np.ceil(low - 0.5), top, bottom).astype(np.int64)  # rows whose centre is in [low, high)
    last = np.clip(np.ceil(high - 0.5), top, bottom).astype(np.int64)
    counts = last - first
    side = np.repeat(np.arange(len(polygon)), counts)
    row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    along = (row + 0.5 - start[side, 1]) / (end[side, 1] - start[side, 1])
    crossing = start[side, 0] + along * (end[side, 0] - start[side, 0])
    column = np.clip(np.ceil(crossing - 0.5), left, right).astype(np.int64)
    np.add.at(flips, (row - top, column - left), 1)
    return Patch(left, top, (np.cumsum(flips, axis=1, dtype=np.uint8)[:, :-1] & 1).view(bool))


def patch_of(shape: Shape, size: Size) -> Patch:
    """Where a shape is in a photograph of this height and width; what lies outside is cut off."""
    area = shape.area.patch if isinstance(shape.area, Runs) else shape.area
    patches = [area] if isinstance(area, Patch) else [filled(polygon, size) for polygon in area]
    patches = [patch for patch in (_within(patch, size) for patch in patches) if patch.mask.size]
    if len(patches) < 2:
        return patches[0] if patches else Patch(0, 0, np.zeros((0, 0), bool))
    left, top = min(patch.left for patch in patches), min(patch.top for patch in patches)
    right = max(patch.left + patch.mask.shape[1] for patch in patches)
    bottom = max(patch.top + patch.mask.shape[0] for patch in patches)
    whole = np.zeros((bottom - top, right - left), bool)
    for patch in patches:
        _inside(whole, Patch(patch.left - left, patch.top - top, patch.mask))[patch.mask] = True
    return Patch(left, top, whole)


def mask_of(shape: Shape, size: Size) -> Mask:
    """The same as a mask (height, width)."""
    mask, patch = np.zeros(size, bool), patch_of(shape, size)
    _inside(mask, patch)[...] = patch.mask
    return mask


def paint(shapes: Sequence[Shape], size: Size, labels: Mapping[str, int]) -> Labels:
    """The label map (height, width): 0 where there is nothing, and shapes from large to small, so that all show.

    Args:
        shapes: In any order.
        size: Height and width.
        labels: Class name -> label; int16 if one is above 254.
    """
    few = max(labels.values(), default=0) < IGNORE
    painted: Labels = np.zeros(size, np.uint8) if few else np.zeros(size, np.int16)
    patches = [(labels[shape.name], patch_of(shape, size)) for shape in shapes]
    for label, patch in sorted(patches, key=lambda pair: -int(pair[1].mask.sum())):
        _inside(painted, patch)[patch.mask] = label
    return painted


def _inside(whole: NDArray[Any], patch: Patch) -> NDArray[Any]:
    """The part of (H, W) on which a patch lies, which must be within."""
    height, width = patch.mask.shape
    return whole[patch.top : patch.top + height, patch.left : patch.left + width]


def _within(patch: Patch, size: Size) -> Patch:
    """What of a patch lies in a photograph."""
    left, top = max(patch.left, 0), max(patch.top, 0)
    rows, columns = max(size[0] - patch.top, 0), max(size[1] - patch.left, 0)
    return Patch(left, top, patch.mask[top - patch.top : rows, left - patch.left : columns])


def _span(values: NDArray[np.float64], most: int) -> tuple[int, int]:
    """The first pixel whose centre may be inside, and the one behind the last, in 0..most."""
    low, high = np.ceil(values.min() - 0.5), np.ceil(values.max() - 0.5)
    return int(np.clip(low, 0, most)), int(np.clip(high, 0, most))
