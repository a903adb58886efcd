"""Supports with less than a mask: a box, a scribble or a few points, drawn from the mask."""

from itertools import pairwise

import torch
from torch import Tensor

from episodes.data.source import IGNORE
from episodes.draws import Draws
from episodes.fewshot.settings import Annotation

POINTS = 5
"""Points of each way and of the background; a scribble goes through three."""
WIDTH = 0.01
"""Half the width of a dot or a line, as a share of the longer side."""


def weakened(labels: Tensor, annotation: Annotation, draws: Draws) -> Tensor:
    """What an annotator in a hurry would have given instead of a support's label map.

    - `box`: every pixel of a way's bounding box belongs to it, the smaller box in front of the larger one; all outside
      is background. A mask that falls apart still has one box.
    - `points`: five dots in each way and five in the background, cut at the border of what they lie in; nothing is said
      of all other pixels, which become 255.
    - `scribble`: likewise, a line through three pixels of each way, and one through three of the background.

    Pixels that were 255 stay so, except inside a box, which covers them.

    Args:
        labels: (H, W) uint8: 0 background, 1..N, 255.
        annotation: The kind.
        draws: Where points and scribbles lie.

    Returns:
        (H, W) uint8. A way, or a background, without any pixel has none there either.
    """
    if annotation == "mask":
        return labels
    present = [int(label) for label in labels.unique() if label not in (0, IGNORE)]
    if annotation == "box":
        boxes = {label: _box(labels == label) for label in present}
        found = labels.masked_fill(labels != IGNORE, 0)
        for label, (rows, columns) in sorted(boxes.items(), key=lambda item: -_size(item[1])):
            found[rows, columns] = label
        return found
    found = torch.full_like(labels, IGNORE)
    for label in (0, *present):
        inside = labels == label
        pixels = inside.nonzero()
        if len(pixels):
            marked = _marked(pixels, annotation, draws, (labels.shape[0], labels.shape[1]))
            found[marked & inside] = label
    return found


def _box(inside: Tensor) -> tuple[slice, slice]:
    rows, columns = inside.any(1).nonzero(), inside.any(0).nonzero()
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _size(box: tuple[slice, slice]) -> int:
    rows, columns = box
    return int((rows.stop - rows.start) * (columns.stop - columns.start))


def _marked(pixels: Tensor, annotation: Annotation, draws: Draws, size: tuple[int, int]) -> Tensor:
    """(H, W) bool: dots around some of the pixels, or a line through them."""
    count = POINTS if annotation == "points" else 3
    chosen = torch.stack([pixels[draws.below(len(pixels))] for _ in range(count)]).float()
    if annotation == "scribble":
        steps = torch.linspace(0, 1, 2 * max(size))[:, None]
        chosen = torch.cat([start + steps * (end - start) for start, end in pairwise(chosen)])
    rows, columns = chosen.round().long().unbind(1)
    marked = torch.zeros(size)
    marked[rows, columns] = 1
    radius = max(1, round(WIDTH * max(size)))
    return torch.nn.functional.max_pool2d(marked[None], 2 * radius + 1, 1, radius)[0] > 0
