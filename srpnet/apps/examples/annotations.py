"""How a person marks what a photograph shows; each way makes a label map of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from episodes.data.source import IGNORE, Array
from episodes.errors import InputError
from srpnet.apps.pictures.reading import Picture, declared_size, read_mask, read_strokes

DOT = 0.01
"""Half the width of a point, as a share of the photograph's longer side; as in `episodes.fewshot.weak_supports`."""
PLAIN = 60
"""Steps of 255 by which green stands out in a green stroke, and red in a red one."""
UNCHANGED, CHANGED = 12, 40
"""Strokes were drawn on the photograph if most pixels differ by less from it; they are what differs by more."""


@runtime_checkable
class Annotation(Protocol):
    """What a person says of one photograph and one class."""

    def files(self) -> tuple[Path, ...]:
        """Where it comes from, as far as that is files."""

    def check(self, name: str, size: tuple[int, int]) -> None:
        """See whether it fits a photograph before that is decoded.

        Args:
            name: Of the photograph, for messages.
            size: Its width and height.

        Raises:
            InputError: if it does not.
        """

    def labels(self, name: str, photograph: Image.Image) -> Array:
        """uint8 (H, W): 0 is not the class, 1 is, 255 nobody knows.

        Raises:
            InputError: if it cannot be read, marks nothing, or does not fit the photograph.
        """


@dataclass(frozen=True, eq=False)
class Mask:
    """The object is painted, and what is not painted is not it; see `srpnet.apps.pictures.masks` for what is read."""

    picture: Picture

    def files(self) -> tuple[Path, ...]:
        """The mask's path."""
        return (Path(self.picture),) if isinstance(self.picture, str | Path) else ()

    def check(self, name: str, size: tuple[int, int]) -> None:
        """The mask's head must have the photograph's size."""
        if (declared := declared_size(self.picture)) is not None:
            check_mask_size(name, size, declared)

    def labels(self, name: str, photograph: Image.Image) -> Array:
        """What is painted."""
        labels = read_mask(self.picture)
        check_mask_size(name, photograph.size, (labels.shape[1], labels.shape[0]))
        if not (labels == 1).any():
            raise InputError(f"the mask of {name} is empty: paint the object white on black")
        return labels


@dataclass(frozen=True, eq=False)
class Label(Mask):
    """One class of a label map, which has the values 0..N, and 255 where nobody knows; all others are not it.

    Attributes:
        label: Of the class.
        classes: N.
    """

    label: int = 1
    classes: int = 1

    def labels(self, name: str, photograph: Image.Image) -> Array:
        """Where it has this label."""
        values = read_mask(self.picture, self.classes)
        check_mask_size(name, photograph.size, (values.shape[1], values.shape[0]))
        return np.where(values == IGNORE, IGNORE, values == self.label).astype(np.uint8)


@dataclass(frozen=True)
class Box:
    """A box around the object, in pixels of the upright photograph; all outside is not it.

    Attributes:
        left, top: The first column and row inside.
        right, bottom: The first ones behind it.
    """

    left: int
    top: int
    right: int
    bottom: int

    def files(self) -> tuple[Path, ...]:
        """None."""
        return ()

    def check(self, name: str, size: tuple[int, int]) -> None:
        """It must lie in the photograph, and hold a pixel."""
        box = f"the box {self.left},{self.top},{self.right},{self.bottom}"
        if not (self.left < self.right and self.top < self.bottom):
            raise InputError(f"{box} in {name} is empty: write left, top, right and bottom, as in 20,30,120,90")
        if min(self.left, self.top) < 0 or self.right > size[0] or self.bottom > size[1]:
            raise InputError(f"{box} reaches beyond {name}, which is {size[0]} x {size[1]} pixels")

    def labels(self, name: str, photograph: Image.Image) -> Array:
        """1 inside, 0 outside."""
        self.check(name, photograph.size)
        labels = np.zeros(photograph.size[::-1], dtype=np.uint8)
        labels[self.top : self.bottom, self.left : self.right] = 1
        return labels


@dataclass(frozen=True)
class Points:
    """Points on the object, or on what is not it, in pixels of the upright photograph; nothing is said of the rest.

    Attributes:
        points: Column and row of each.
        label: 1 on the object, 0 elsewhere.
    """

    points: tuple[tuple[int, int], ...]
    label: int = 1

    def files(self) -> tuple[Path, ...]:
        """None."""
        return ()

    def check(self, name: str, size: tuple[int, int]) -> None:
        """They must lie in the photograph."""
        for x, y in self.points:
            if not (0 <= x < size[0] and 0 <= y < size[1]):
                raise InputError(f"the point {x},{y} lies outside {name}, which is {size[0]} x {size[1]} pixels")

    def labels(self, name: str, photograph: Image.Image) -> Array:
        """Dots as large as those of evaluation, see `episodes.fewshot.weak_supports`; 255 elsewhere."""
        self.check(name, photograph.size)
        labels = np.full(photograph.size[::-1], IGNORE, dtype=np.uint8)
        radius = max(1, round(DOT * max(photograph.size)))
        for x, y in self.points:
            labels[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1] = self.label
        return labels


@dataclass(frozen=True, eq=False)
class Scribbles:
    """Strokes, green on the object and red on what is not it; nothing is said of the rest.

    They are a picture of the photograph's size: strokes on one colour, on nothing, or on the photograph itself.
    """

    picture: Picture

    def files(self) -> tuple[Path, ...]:
        """The picture's path."""
        return (Path(self.picture),) if isinstance(self.picture, str | Path) else ()

    def check(self, name: str, size: tuple[int, int]) -> None:
        """The picture's head must have the photograph's size."""
        if (declared := declared_size(self.picture)) is not None:
            check_mask_size(name, size, declared, "the scribbles")

    def labels(self, name: str, photograph: Image.Image) -> Array:
        """1 where it is green, 0 where it is red, 255 elsewhere."""
        strokes = read_strokes(self.picture)
        check_mask_size(name, photograph.size, strokes.size, "the scribbles")
        red, green, blue = (channel.astype(np.int16) for channel in np.moveaxis(np.asarray(strokes), 2, 0))
        labels = np.full(red.shape, IGNORE, dtype=np.uint8)
        labels[red - np.maximum(green, blue) > PLAIN] = 0
        labels[green - np.maximum(red, blue) > PLAIN] = 1
        change = np.abs(np.asarray(strokes).astype(np.int16) - np.asarray(photograph)).max(2)
        if np.median(change) < UNCHANGED:  # they were drawn on the photograph, which may be green, too
            labels[change < CHANGED] = IGNORE
        if not (labels == 1).any():
            raise InputError(
                f"the scribbles of {name} show no green: draw green on the object, and red on what is not it"
            )
        return labels


def check_mask_size(name: str, photograph: tuple[int, int], mask: tuple[int, int], what: str = "the mask") -> None:
    """`InputError` if widths and heights differ."""
    if photograph != mask:
        sizes = [f"{width} x {height}" for width, height in (mask, photograph)]
        raise InputError(f"{what} of {name} is {sizes[0]} pixels, the photograph {sizes[1]}: they must agree")
