"""How a person marks what a photograph shows; each way makes a label map of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from PIL import Image

from episodes.data.source import Array
from episodes.errors import InputError
from srpnet.apps.reading import Picture, declared_size, read_mask


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
    """The object is painted, and what is not painted is not it; see `srpnet.apps.masks` for what is read."""

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


def check_mask_size(name: str, photograph: tuple[int, int], mask: tuple[int, int]) -> None:
    """`InputError` if widths and heights differ."""
    if photograph != mask:
        sizes = [f"{width} x {height}" for width, height in (mask, photograph)]
        raise InputError(f"the mask of {name} is {sizes[0]} pixels, the photograph {sizes[1]}: they must agree")
