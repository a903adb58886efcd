"""Instances of one photograph: drawn as run-length codes, painted as a label map, or counted without painting.

Also the program of the processes that count: a photograph a line, `answer` to each. They run this file by its path, as
a module would import all of `episodes`, and PyTorch with it. So nothing of ours is imported here.
"""

import json
import signal
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pycocotools.mask as masks
from numpy.typing import NDArray

CROWD = 255
"""The label of crowds: `IGNORE`."""

Runs = dict[str, Any]
"""A mask as pycocotools' run-length code."""


def draw(photograph: bytes, categories: Sequence[int], crowds: str = "ignore") -> list[tuple[int, Runs]]:
    """Label and mask of each instance in the order of painting: crowds, then from large to small, so that all show.

    Args:
        photograph: JSON with `size` (height, width in pixels) and `annotations`, a list of records as COCO has them.
        categories: Category ids; the c-th of them has label c, counted from 1.
        crowds: What they are: `ignore` (label 255), `object` of their category, or `background`.

    Raises:
        ValueError: A segmentation is missing, malformed or of another size than the photograph; names the annotation.
    """
    content = json.loads(photograph)
    shapes, above = [], []
    for annotation in content["annotations"]:
        crowd = bool(annotation.get("iscrowd"))
        if crowd and crowds == "background":
            continue
        label = CROWD if crowd and crowds == "ignore" else categories.index(annotation["category_id"]) + 1
        try:
            shapes.append((label, _runs(annotation["segmentation"], *content["size"])))
            above.append(not crowd)
        except Exception as error:  # pycocotools raises bare ones
            raise ValueError(f"the segmentation of annotation {annotation['id']} cannot be drawn: {error}") from None
    areas = masks.area([runs for _, runs in shapes]) if shapes else ()
    order = sorted(range(len(shapes)), key=lambda each: (above[each], -int(areas[each])))
    return [shapes[each] for each in order]


def paint(shapes: Sequence[tuple[int, Runs]], height: int, width: int) -> NDArray[np.uint8]:
    """The label map (height, width) of what `draw` gave: 0 where there is nothing."""
    # pycocotools decodes masks column by column; painting in the same order saves a quarter of the time.
    labels = np.zeros((height, width), dtype=np.uint8, order="F")
    for label, runs in shapes:
        labels[masks.decode(runs).view(bool)] = label
    return np.ascontiguousarray(labels)


def count(shapes: Sequence[tuple[int, Runs]]) -> dict[int, int]:
    """Label -> pixels, at least 1, in the label map that `paint` would make, 255 left out; labels ascend.

    From the uppermost shape down, each adds to the union of those above it what is seen of it. Unions of run-length
    codes take a tenth of the time of painting.
    """
    seen: dict[int, int] = {}
    union: Runs | None = None
    covered = 0
    for label, runs in reversed(shapes):
        if label == CROWD:  # crowds lie below all else
            break
        union = runs if union is None else masks.merge([union, runs])
        area = int(masks.area(union))
        if area > covered:
            seen[label] = seen.get(label, 0) + area - covered
        covered = area
    return dict(sorted(seen.items()))


def answer(photograph: bytes, categories: Sequence[int], crowds: str = "ignore") -> bytes:
    """What `count` gives for a photograph as `draw` takes it, as a line of JSON; a string that says why not."""
    try:
        counted: object = count(draw(photograph, categories, crowds))
    except ValueError as error:
        counted = str(error)
    return json.dumps(counted).encode() + b"\n"


def _runs(segmentation: Any, height: int, width: int) -> Runs:
    """The run-length code of a list of polygons, or of a mask as plain or packed run lengths."""
    if isinstance(segmentation, list):
        return masks.merge(masks.frPyObjects(segmentation, height, width))
    if list(segmentation["size"]) != [height, width]:
        raise ValueError(f"its size is {segmentation['size']}, its photograph's another")
    runs: Runs = segmentation
    if isinstance(segmentation["counts"], list):
        if sum(segmentation["counts"]) != height * width:  # pycocotools would leave the rest to chance
            raise ValueError("its run lengths do not add up to its size")
        runs = masks.frPyObjects(segmentation, height, width)
    masks.decode(runs)  # raises for a code that overruns its size
    return runs


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business, which then ends the input
    known, treated = json.loads(sys.argv[1]), sys.argv[2:]
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(answer(line, known, *treated))
        sys.stdout.flush()
