"""Instances of one photograph as run-length codes: drawn, painted as a label map, or counted without painting."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pycocotools.mask as masks

from episodes.data.pictures.images import Size
from episodes.data.source import IGNORE, Array, Crowds


class Shape(NamedTuple):
    """One instance. Those of a photograph are in the order of painting: crowds, then from large to small.

    Attributes:
        label: Its class.
        crowd: Whether it is a crowd.
        counts: Its mask, as pycocotools' packed run lengths.
    """

    label: int
    crowd: bool
    counts: bytes


def encode(segmentation: Any, size: Size) -> tuple[bytes, int]:
    """The packed run lengths, and the pixels, of what `coco_records.drawable` gave for a photograph (height, width)."""
    if isinstance(segmentation, list):
        runs = masks.merge(masks.frPyObjects(segmentation, *size))
    elif isinstance(segmentation["counts"], list):
        runs = masks.frPyObjects(segmentation, *size)
    else:
        runs = _runs(segmentation["counts"].encode(), size)
    return runs["counts"], int(masks.area(runs))


def paint(shapes: Iterable[Shape], size: Size, crowds: Crowds) -> Array:
    """The label map (height, width): 0 where there is nothing, crowds as they are treated."""
    # pycocotools decodes masks column by column; painting in the same order saves a quarter of the time.
    labels = np.zeros(size, dtype=np.uint8, order="F")
    for label, crowd, counts in shapes:
        if not crowd or crowds != "background":
            label = IGNORE if crowd and crowds == "ignore" else label
            labels[masks.decode(_runs(counts, size)).view(bool)] = label
    return np.ascontiguousarray(labels)


def count(shapes: Sequence[Shape], size: Size, crowds: Crowds) -> dict[int, int]:
    """Label -> pixels, at least 1, in the label map that `paint` would make, 255 left out; labels ascend.

    From the uppermost shape down, each adds to the union of those above it what is seen of it. Unions of run-length
    codes take a tenth of the time of painting.
    """
    seen: dict[int, int] = {}
    union, covered = None, 0
    for label, crowd, counts in reversed(shapes):
        if crowd and crowds != "object":  # crowds lie below all else
            break
        runs = _runs(counts, size)
        union = runs if union is None else masks.merge([union, runs])
        area = int(masks.area(union))
        if area > covered:
            seen[label] = seen.get(label, 0) + area - covered
        covered = area
    return dict(sorted(seen.items()))


def _runs(counts: bytes, size: Size) -> dict[str, Any]:
    """A mask as pycocotools has it."""
    return {"size": list(size), "counts": counts}
