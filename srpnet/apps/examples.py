"""Reading the examples that a person shows: photographs, each with its mask."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from episodes.data.source import Array
from episodes.errors import InputError
from srpnet.apps.reading import Picture, declared_size, paired, read_mask, read_photograph


class Example(NamedTuple):
    """A photograph and its mask.

    Attributes:
        id: Its path, or its number.
        photograph: RGB, upright.
        labels: uint8 (H, W), 0 background, 1..N, 255 is ignored.
        files: The paths of both, resolved, as far as they come from files.
    """

    id: str
    photograph: Image.Image
    labels: Array
    files: tuple[Path, ...]


def read_examples(
    images: Picture | Iterable[Picture], masks: Picture | Iterable[Picture], classes: int
) -> list[Example]:
    """The examples, checked; for arguments see `Segmenter.set_support`.

    Raises:
        InputError: if there is none, or a mask is missing, empty, of another size than its photograph, or all of them
            leave no background.
    """
    images, masks = paired(images, masks)
    if not images or len(images) != len(masks):
        raise InputError(f"give one mask for each support photograph: there are {len(images)} and {len(masks)} masks")
    ids = [str(image) if isinstance(image, str | Path) else f"support {i + 1}" for i, image in enumerate(images)]
    for id, image, mask in zip(ids, images, masks, strict=True):  # before anything is decoded
        _check_sizes(id, declared_size(image), declared_size(mask))
    photographs = [read_photograph(image) for image in images]
    label_maps = [read_mask(mask, classes) for mask in masks]
    for id, photograph, labels in zip(ids, photographs, label_maps, strict=True):
        _check_sizes(id, photograph.size, (labels.shape[1], labels.shape[0]))
        if not ((labels > 0) & (labels <= classes)).any():
            fix = "paint the object white on black" if classes == 1 else f"it has none of the labels 1..{classes}"
            raise InputError(f"the mask of {id} is empty: {fix}")
    if not any((labels == 0).any() for labels in label_maps):
        raise InputError("the masks leave no background: give at least one photograph that shows something else too")
    return [
        Example(id, photograph, labels, tuple(Path(part).resolve() for part in pair if isinstance(part, str | Path)))
        for id, photograph, labels, pair in zip(
            ids, photographs, label_maps, zip(images, masks, strict=True), strict=True
        )
    ]


def class_names(classes: int, names: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of the classes, or names for them.

    Raises:
        InputError: if there are some, but not one for each class.

    >>> class_names(1), class_names(2)
    (('object',), ('class 1', 'class 2'))
    """
    if names and len(names) != classes:
        raise InputError(f"give a name for each of {classes} classes: there are {len(names)}")
    return tuple(names) or (("object",) if classes == 1 else tuple(f"class {way + 1}" for way in range(classes)))


def _check_sizes(name: str, photograph: tuple[int, int] | None, mask: tuple[int, int] | None) -> None:
    """`InputError` if widths and heights are known and differ."""
    if None not in (photograph, mask) and photograph != mask:
        sizes = [f"{size[0]} x {size[1]}" for size in (mask, photograph) if size is not None]
        raise InputError(f"the mask of {name} is {sizes[0]} pixels, the photograph {sizes[1]}: they must agree")
