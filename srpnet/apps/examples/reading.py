"""Reading the examples that a person shows: photographs, and what is marked in each."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from episodes.data.source import IGNORE, Array
from episodes.errors import InputError
from episodes.names import alike
from srpnet.apps.examples.annotations import Annotation, Mask, check_mask_size
from srpnet.apps.pictures.reading import Picture, declared_size, paired, read_mask, read_photograph

MOST_CLASSES = 254
LONGEST_NAME = 200
NO_BACKGROUND = "the masks leave no background: give at least one photograph that shows something else too"


class Example(NamedTuple):
    """A photograph and what is marked in it.

    Attributes:
        id: Its path, or its number.
        photograph: RGB, upright.
        labels: uint8 (H, W), 0 background, 1..N, 255 is ignored.
        files: The paths of all that it was read from, resolved.
    """

    id: str
    photograph: Image.Image
    labels: Array
    files: tuple[Path, ...]


Marked = tuple[Picture, "Picture | Annotation"]
"""A photograph, and where it shows a class: a mask, or another `Annotation`."""


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
    ids = [_id(image, i) for i, image in enumerate(images)]
    for id, image, mask in zip(ids, images, masks, strict=True):  # before anything is decoded
        if (size := declared_size(image)) is not None and (declared := declared_size(mask)) is not None:
            check_mask_size(id, size, declared)
    photographs = [read_photograph(image) for image in images]
    label_maps = [read_mask(mask, classes) for mask in masks]
    for id, photograph, labels in zip(ids, photographs, label_maps, strict=True):
        check_mask_size(id, photograph.size, (labels.shape[1], labels.shape[0]))
        if not ((labels > 0) & (labels <= classes)).any():
            fix = "paint the object white on black" if classes == 1 else f"it has none of the labels 1..{classes}"
            raise InputError(f"the mask of {id} is empty: {fix}")
    return _with_background(
        [
            Example(id, photograph, labels, _paths(pair))
            for id, photograph, labels, pair in zip(
                ids, photographs, label_maps, zip(images, masks, strict=True), strict=True
            )
        ]
    )


class MarkedPhotograph(NamedTuple):
    """A photograph and all that is marked in it.

    Attributes:
        id: Its path, or its number.
        photograph: What was given.
        marks: Label of a class, and what is marked as it.
    """

    id: str
    photograph: Picture
    marks: list[tuple[int, Annotation]]


def marked_photographs(
    classes: Mapping[str, Iterable[Marked]], absent: Iterable[Picture] = ()
) -> list[MarkedPhotograph]:
    """What is said of each photograph, checked as far as that is possible before any is decoded.

    Raises:
        InputError: if a class has no example, or two have one name, or a mark does not fit its photograph, or a
            photograph is said to show a class and not to.
    """
    check_names(tuple(classes))
    found: dict[Path | int, MarkedPhotograph] = {}
    for way, (name, shown) in enumerate(classes.items(), start=1):
        pairs = list(shown)
        if not pairs:
            raise InputError(f"class {name} has no example: show at least one photograph of it")
        for photograph, mark in pairs:
            marked = found.setdefault(_key(photograph), MarkedPhotograph(_id(photograph, len(found)), photograph, []))
            marked.marks.append((way, mark if isinstance(mark, Annotation) else Mask(mark)))
    for photograph in absent:
        marked = found.setdefault(_key(photograph), MarkedPhotograph(_id(photograph, len(found)), photograph, []))
        if marked.marks:
            raise InputError(f"{marked.id} is an example with the object and one without it: choose one")
    for marked in found.values():
        if (size := declared_size(marked.photograph)) is not None:
            for _, annotation in marked.marks:
                annotation.check(marked.id, size)
    return list(found.values())


def read_marked(classes: Mapping[str, Iterable[Marked]], absent: Iterable[Picture] = ()) -> list[Example]:
    """The examples of each class, those of one photograph together, and those without any; see `Segmenter.show`.

    Raises:
        InputError: see `marked_photographs`; also if one cannot be read, or all of them leave no background.
    """
    examples, names = list[Example](), tuple(classes)
    for id, picture, marks in marked_photographs(classes, absent):
        photograph = read_photograph(picture)
        marked = [(way, annotation.labels(id, photograph)) for way, annotation in marks]
        labels = together(id, names, (photograph.height, photograph.width), marked)
        files = [file for _, annotation in marks for file in annotation.files()]
        examples.append(Example(id, photograph, labels, _paths([picture, *files])))
    return _with_background(examples)


def together(name: str, names: Sequence[str], shape: tuple[int, int], marked: Sequence[tuple[int, Array]]) -> Array:
    """One label map (H, W) of what is marked in a photograph.

    Several marks of one class add up. What is marked as several classes is ignored, and so is what one of them leaves
    open, unless another marks it.

    Args:
        name: Of the photograph, for the error.
        names: Of the classes.
        shape: Its height and width.
        marked: Label of a class, and its map of 0, 1 and 255, see `Annotation.labels`.

    Raises:
        InputError: if nothing is left of a class that is marked.
    """
    labels, claims, known = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8), np.ones(shape, dtype=bool)
    painted: dict[int, NDArray[np.bool_]] = {}
    for way in sorted({way for way, _ in marked}):
        own = [values for other, values in marked if other == way]
        painted[way] = np.logical_or.reduce([values == 1 for values in own])
        known &= painted[way] | np.logical_or.reduce([values == 0 for values in own])
        labels[painted[way]] = way
        claims += painted[way]
    labels[(claims > 1) | ((claims == 0) & ~known)] = IGNORE
    for way, pixels in painted.items():
        if pixels.any() and not (labels == way).any():
            others = ", ".join(names[other - 1] for other in painted if other != way)
            raise InputError(f"all that is marked as {names[way - 1]} in {name} is marked as {others}, too: choose one")
    return labels


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


def check_names(names: Sequence[str]) -> None:
    """See whether classes can be called so, in messages, tables and files.

    Raises:
        InputError: if there are none, too many, two of one name, or one cannot be printed.
    """
    if not 1 <= len(names) <= MOST_CLASSES:
        raise InputError(f"show 1 to {MOST_CLASSES} classes, not {len(names)}")
    seen: dict[str, str] = {}
    for name in names:
        if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or not name.strip():
            raise InputError(f"{name[:40]!r} is not a class name: write 1 to {LONGEST_NAME} letters")
        if (other := seen.setdefault(alike(name), name)) != name or names.count(name) > 1:
            raise InputError(f"two classes are called {other} and {name}: give them different names")


def _key(photograph: Picture) -> Path | int:
    """The same for one photograph: a file by its path, anything else by its identity."""
    return Path(photograph).resolve() if isinstance(photograph, str | Path) else id(photograph)


def _id(picture: Picture, index: int) -> str:
    return str(picture) if isinstance(picture, str | Path) else f"support {index + 1}"


def _paths(pictures: Iterable[object]) -> tuple[Path, ...]:
    return tuple(Path(picture).resolve() for picture in pictures if isinstance(picture, str | Path))


def _with_background(examples: list[Example]) -> list[Example]:
    """The same, if anything is background in any of them."""
    if not any((example.labels == 0).any() for example in examples):
        raise InputError(NO_BACKGROUND)
    return examples
