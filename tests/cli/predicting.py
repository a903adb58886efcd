"""What the tests of `srpnet predict` share: photographs to segment, and what was made of them."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image


def draw(*paths: str | Path, size: tuple[int, int] = (40, 40), format: str | None = None) -> None:
    """Noise with a red square, each of its own."""
    for number, path in enumerate(paths):
        pixels = np.random.default_rng(number).integers(0, 60, (size[1], size[0], 3), dtype=np.uint8)
        pixels[5:20, 5:20, 0] += 180
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, format)


ONE_LOOK = ("--closer", "none", "--refine", "none")
"""At the whole photograph."""


def masks(folder: str = "found") -> list[str]:
    """The masks below a folder, by their names without the ending."""
    return sorted(
        str(file.relative_to(folder)).removesuffix("-mask.png")
        for file in Path(folder).rglob("*-mask.png")
        if file.is_file()
    )


def table(folder: str = "found") -> list[dict[str, str]]:
    with Path(folder, "found.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))
