"""Folders of annotated photographs, drawn and written by the tests of formats."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from episodes.data.formats import FORMATS, ExportSettings, Marked, read_folder

NAMES = ["cup", "tea pot / <ü>"]
WRITTEN = [name for name, record in FORMATS.items() if record.write]
EXACT = ExportSettings(tolerance=0)


def scene(seed: int, height: int, width: int) -> np.ndarray:
    """Discs of two classes: one with a hole, one in two parts."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    labels = np.zeros((height, width), np.uint8)
    for label in (1, 2, 2):
        centre = draw.uniform(0.3, 0.7, 2) * (height, width)
        distance = np.hypot(y - centre[0], x - centre[1])
        labels[(distance < 0.25 * height) & (distance > 0.06 * height * (label == 1))] = label
    return labels


def draw(folder: Path, file: str, size: tuple[int, int]) -> None:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(file)).integers(0, 255, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(folder / file)


SCENES = {"a.jpg": scene(0, 120, 160), "sub/b.jpg": scene(1, 300, 200), "c.jpg": np.zeros((50, 60), np.uint8)}


def written(
    folder: Path, format: str, images: str = "images/", settings: ExportSettings = EXACT, names: Sequence[str] = NAMES
) -> dict[str, np.ndarray]:
    """Photographs and their annotations in a folder; photograph -> label map."""
    marked = [Marked(f"{images}{file}", labels) for file, labels in SCENES.items()]
    for file, labels in marked:
        draw(folder, file, labels.shape)
    write = FORMATS[format].write
    assert write
    write(folder, names, iter(marked), settings)
    return dict(marked)


def only(folder: Path, classes: Sequence[str]) -> np.ndarray:
    """The label map of the one photograph, 20 x 30."""
    annotated = read_folder(folder)
    assert annotated.classes == tuple(classes)
    (entry,) = annotated.entries.values()
    return entry.labels((20, 30), {name: number for number, name in enumerate(classes, start=1)})


def labelme(*shapes: dict[str, Any], path: str = "a.jpg") -> dict[str, Any]:
    return {"version": "5.0", "flags": {}, "shapes": list(shapes), "imagePath": path, "imageData": None,
            "imageHeight": 20, "imageWidth": 30}  # fmt: skip


BOX = {"label": "cup", "points": [[2, 3], [10, 8]], "shape_type": "rectangle"}
