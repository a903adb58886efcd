"""Photographs with a red square, and a network that tells it from the rest."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from srpnet.apps.segmenter import Segmenter
from srpnet.apps.web.settings import AppSettings
from srpnet.apps.web.workspace import Workspace

Draw = Callable[..., tuple[Path, NDArray[np.bool_]]]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """`draw("a.png", 8, 12)`: a file of 64 x 48 pixels with a square of 24 at column 8 and row 12; where that is."""

    def drawn(name: str, left: int, top: int, colour: int = 0) -> tuple[Path, NDArray[np.bool_]]:
        pixels = np.random.default_rng(left).integers(0, 60, (48, 64, 3), dtype=np.uint8)
        inside = np.zeros((48, 64), dtype=bool)
        inside[top : top + 24, left : left + 24] = True
        pixels[inside, colour] += 180
        path = tmp_path / "dropped" / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path, inside

    return drawn


@pytest.fixture
def workspace(segmenter: Segmenter, tmp_path: Path) -> Workspace:
    return Workspace(segmenter, tmp_path / "workspace", AppSettings(photographs=4, megapixels=1, megabytes=1))


def painting(inside: NDArray[np.bool_], colour: tuple[int, int, int, int] = (0, 200, 0, 255)) -> Image.Image:
    """What the page sends where somebody has painted there."""
    pixels = np.zeros((*inside.shape, 4), dtype=np.uint8)
    pixels[inside] = colour
    return Image.fromarray(pixels)


def iou(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float((found & truth).sum() / (found | truth).sum())
