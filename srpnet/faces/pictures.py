"""Pictures of scored faces: the best, the median and the worst."""

from pathlib import Path

import numpy as np
from PIL import Image

from episodes.data.sets.faces import Faces
from episodes.data.source import Array
from episodes.files import atomic_write
from episodes.results.pictures import overlay

TILE = 512
"""Side of each tile in pixels."""


def draw_face(file: Path, source: Faces, id: str, labels: Array) -> None:
    """A photograph, its labels as a parser has them, and as they are, side by side.

    Raises:
        InputError: if the picture cannot be written.
    """
    photograph, truth = source.parts(id)
    image = Image.fromarray(photograph)
    sheet = Image.new("RGB", (3 * TILE, TILE))
    for number, tile in enumerate((image, overlay(image, labels), overlay(image, truth))):
        tile.thumbnail((TILE, TILE))
        sheet.paste(tile, (number * TILE, 0))
    with atomic_write(file) as temporary:
        sheet.save(temporary, "JPEG", quality=90)


def chosen(f1: list[float]) -> dict[str, int]:
    """The best, the median and the worst of some faces by their scores; NaN, where nothing is to be found, is best.

    >>> chosen([0.5, 0.9, 0.7])
    {'best': 1, 'median': 2, 'worst': 0}
    """
    order = np.argsort([-1 if score != score else -score for score in f1], kind="stable").tolist()
    return {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
