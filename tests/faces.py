"""Faces that tests draw: ellipses in the layout of CelebAMask-HQ."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from episodes.data.sets.face_layouts import CELEBAMASK
from episodes.data.source import Array

SHAPES = {  # middle and half axes, as shares of the side
    "hair": (0.5, 0.35, 0.36, 0.33),
    "skin": (0.5, 0.52, 0.30, 0.38),
    "right brow": (0.36, 0.38, 0.09, 0.02),
    "left brow": (0.64, 0.38, 0.09, 0.02),
    "right eye": (0.36, 0.46, 0.06, 0.03),
    "left eye": (0.64, 0.46, 0.06, 0.03),
    "nose": (0.5, 0.57, 0.06, 0.09),
    "upper lip": (0.5, 0.70, 0.10, 0.025),
    "lower lip": (0.5, 0.755, 0.09, 0.025),
    "inner mouth": (0.5, 0.728, 0.06, 0.015),
}
COLOURS = {
    name: (37 * label % 256, 91 * label % 256, 151 * label % 256) for label, name in enumerate(CELEBAMASK, start=1)
}


def drawn_face(side: int, seed: int, closed: bool = False) -> tuple[Array, Array]:
    """A photograph (side, side, 3) and its label map of CelebAMask-HQ; `closed` has no inner mouth."""
    random = np.random.default_rng(seed)
    photograph = Image.fromarray(random.integers(0, 40, (side, side, 3), dtype=np.uint8))
    labels = Image.new("L", (side, side))
    across, down = random.uniform(-0.05, 0.05, 2)
    for name, (x, y, width, height) in SHAPES.items():
        if not (closed and name == "inner mouth"):
            box = [side * (x + across - width), side * (y + down - height)]
            box += [side * (x + across + width), side * (y + down + height)]
            ImageDraw.Draw(labels).ellipse(box, CELEBAMASK.index(name) + 1)
            ImageDraw.Draw(photograph).ellipse(box, COLOURS[name])
    return np.array(photograph), np.array(labels)


def faces_folder(root: Path, count: int = 10, side: int = 96) -> Path:
    """A folder of `count` of them, of which every third has a closed mouth: `00.jpg`, `01.jpg`, ..."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for seed in range(count):
        photograph, labels = drawn_face(side, seed, closed=seed % 3 == 2)
        Image.fromarray(photograph).save(root / "images" / f"{seed:02d}.jpg", quality=95)
        Image.fromarray(labels).save(root / "masks" / f"{seed:02d}.png")
    return root
