"""A source in memory, whose photographs show in their colours what their label maps say."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from episodes.data.class_index import areas_of
from episodes.data.source import Array, Split
from episodes.errors import InputError

ANIMALS = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen")


def label_map(areas: Mapping[int, int], height: int = 32, width: int = 32) -> Array:
    """A label map that holds each label so many times, row by row from the top, and background below."""
    labels = np.zeros(height * width, np.uint8)
    runs = np.repeat(np.array([*areas], np.uint8), [*areas.values()])
    labels[: runs.size] = runs
    return labels.reshape(height, width)


def painted(labels: Array) -> Array:
    """A photograph (H, W, 3) whose red says the label: 60 + 10 a class (255 counts as 10), green 90, blue 140."""
    image = np.empty((*labels.shape, 3), np.uint8)
    image[...] = (0, 90, 140)
    image[..., 0] = 60 + 10 * np.minimum(labels, 10)
    return image


class Fake:
    """Label maps by id; ids are of the `train` split if they start with t, else of `val`.

    Attributes:
        maps: Id -> label map.
        supports: The ids of supports, where others are queries; None: all are both.
        loaded: The ids that were loaded, in order.
    """

    name = "fake"
    classes = ANIMALS

    def __init__(self, maps: Mapping[str, Array], supports: Sequence[str] | None = None) -> None:
        self.maps, self.supports = dict(maps), supports
        self.loaded: list[str] = []

    def ids(self, split: Split, role: Literal["support", "query"] = "query") -> Sequence[str]:
        own = [id for id in self.maps if id.startswith("t") == (split == "train")]
        if self.supports is None:
            return own
        return [id for id in own if (id in self.supports) == (role == "support")]

    def classes_in(self, id: str) -> Mapping[int, int]:
        return areas_of(self.maps[id])

    def has(self, id: str) -> bool:
        return id in self.maps

    def load(self, id: str) -> tuple[Array, Array]:
        if id not in self.maps:
            raise InputError(f"{id} is not there")
        self.loaded.append(id)
        return painted(self.maps[id]), self.maps[id].copy()


VOC_FOLDERS = ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation")


def voc_folder(root: Path, splits: Mapping[str, Mapping[str, tuple[Array, Array]]]) -> Path:
    """A folder in VOC layout of split -> id -> photograph (H, W, 3) and label map (H, W)."""
    for name in VOC_FOLDERS:
        (root / name).mkdir(parents=True)
    for split, photographs in splits.items():
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("".join(f"{id}\n" for id in photographs))
        for id, (image, labels) in photographs.items():
            Image.fromarray(image).save(root / f"JPEGImages/{id}.jpg")
            Image.fromarray(labels).save(root / f"SegmentationClass/{id}.png")
    return root


def masks_folder(root: Path, classes: str = "cup ant ant cup bee bee ant", val: str = "") -> Path:
    """Photographs p0, p1, ... of 20 x 16 pixels; number n has a light square of 2 x (n + 1) pixels."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    lines = []
    for number, name in enumerate(classes.split()):
        mask = np.zeros((16, 20), np.uint8)
        mask[2:4, 3 : 4 + number] = 255
        Image.fromarray(mask).save(root / f"masks/p{number}.png")
        Image.fromarray(np.repeat(mask[..., None], 3, 2)).save(root / f"images/p{number}.jpg")
        lines.append(f"p{number}\tn0{number}\t{name}\n")
    (root / "classes.tsv").write_text("".join(lines))
    if val:
        (root / "val.txt").write_text(val)
    return root
