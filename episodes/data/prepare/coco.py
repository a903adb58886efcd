"""COCO 2014: the folder that COCO-20i is made of."""

from collections.abc import Sequence
from pathlib import Path

from episodes.data.prepare.archives import Archive, Workshop
from episodes.errors import InputError

TRAIN = Archive(
    "train2014.zip",
    "http://images.cocodataset.org/zips/train2014.zip",
    "0da8c0bd3d6becc4dcb32757491aca88",
    "ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775",
)
VAL = Archive(
    "val2014.zip",
    "http://images.cocodataset.org/zips/val2014.zip",
    "a3d79f5ed8d289b7a7554ce06a5782b3",
    "fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
)
ANNOTATIONS = Archive(
    "annotations_trainval2014.zip",
    "http://images.cocodataset.org/annotations/annotations_trainval2014.zip",
    "0a379cfc70b0e71301e0f377548639bd",
    "031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
)
PARTS = {
    ANNOTATIONS: ("annotations/instances_train2014.json", "annotations/instances_val2014.json"),
    VAL: ("val2014",),
    TRAIN: ("train2014",),
}
"""What of each archive belongs into the folder, under the same names."""


def make(workshop: Workshop, given: Sequence[Path]) -> None:
    """Make `train2014`, `val2014` and `annotations` with the instances of both, what a `Coco` source reads."""
    unpacked = workshop.unpacked(list(PARTS), given)
    parts = {name: unpacked[archive] / name for archive, names in PARTS.items() for name in names}
    if lost := [name for name, part in parts.items() if not part.exists()]:
        raise InputError(f"the archives have no {lost[0]}: download them again")
    counts = {name: sum(1 for _ in part.glob("*.jpg")) for name, part in parts.items() if part.is_dir()}
    workshop.made(parts, list(PARTS), counts)
