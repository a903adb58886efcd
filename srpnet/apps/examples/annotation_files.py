"""Examples that other tools annotated: one file for a photograph, or a folder of them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from episodes.data.formats import Contents, Entry, is_annotation_file, read_file, recognise
from episodes.data.pictures.images import head
from episodes.data.source import IGNORE, Array
from episodes.errors import InputError
from srpnet.apps.examples.annotations import Annotation, Mask, check_mask_size
from srpnet.apps.examples.tags import Tag


@dataclass(frozen=True, eq=False)
class Annotated:
    """What an annotation of several classes says of one of them, see `Annotation`.

    Attributes:
        file: Where it stands.
        classes: All of them.
        entry: What is annotated in the photograph.
        class_name: Of the one.
    """

    file: Path
    classes: tuple[str, ...]
    entry: Entry
    class_name: str

    def files(self) -> tuple[Path, ...]:
        """The file."""
        return (self.file,)

    def check(self, name: str, size: tuple[int, int]) -> None:
        """The size that was annotated must be that of the photograph."""
        if self.entry.size is not None:
            check_mask_size(name, size, self.entry.size[::-1])

    def labels(self, name: str, photograph: Image.Image) -> Array:
        """1 where the class is, 0 where it is not, 255 where the format ignores."""
        self.check(name, photograph.size)
        numbers = {known: number for number, known in enumerate(self.classes, start=1) if known}
        labels = self.entry.labels((photograph.height, photograph.width), numbers)
        shown = [known for known, number in numbers.items() if (labels == number).any()]
        if not shown:
            raise InputError(f"{self.file} marks nothing in {name}: annotate the object")
        chosen = self.class_name if self.class_name in numbers else shown[0] if len(shown) == 1 else None
        if chosen is None:
            raise InputError(
                f"{self.file} marks {' and '.join(shown)} in {name}: name one of them with `class_names` before it"
            )
        if chosen not in shown:
            raise InputError(f"{self.file} marks no {chosen} in {name}, but {' and '.join(shown)}: correct one of them")
        return np.where(labels == IGNORE, IGNORE, labels == numbers[chosen]).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class AnnotationFile:
    """The same, read when it is asked for; which photograph it is, the name says.

    Attributes:
        file: In any of the formats of `episodes.data.formats` but masks.
        class_name: What to take of it; if the file knows no such class, the only one that it marks in the photograph.
    """

    file: Path
    class_name: str = ""

    def files(self) -> tuple[Path, ...]:
        """The file."""
        return (self.file,)

    def check(self, name: str, size: tuple[int, int]) -> None:
        """The file must say something of the photograph."""
        self._of(name).check(name, size)

    def labels(self, name: str, photograph: Image.Image) -> Array:
        """See `Annotated`."""
        return self._of(name).labels(name, photograph)

    def _of(self, name: str) -> Annotated:
        classes, entry = read_file(self.file, Path(name))
        return Annotated(self.file, classes, entry, self.class_name)


def mask_or_annotations(file: Path) -> Annotation:
    """What a file beside a photograph is, by the ending of its name."""
    return AnnotationFile(file) if is_annotation_file(file) else Mask(file)


def of_class(mark: Annotation, name: str) -> Annotation:
    """What a mark or a tag says of a class; a mask is of one class, whatever it is called."""
    return replace(mark, class_name=name) if isinstance(mark, AnnotationFile | Tag) else mark


class AnnotatedExamples(NamedTuple):
    """What a folder holds.

    Attributes:
        classes: Name -> photographs, and what is annotated in them.
        absent: Photographs in which nothing is annotated: they show none of the classes.
    """

    classes: dict[str, list[tuple[Path, Annotation]]]
    absent: list[Path]


def annotated_examples(folder: Path) -> AnnotatedExamples:
    """Photographs that were annotated; none if the folder holds no files of an annotation tool.

    Raises:
        InputError: There are files of two formats, or one is malformed.
    """
    contents = Contents(folder)
    found = recognise(contents, needed=False)
    if found is None or found[0].read is None:
        return AnnotatedExamples({}, [])
    annotated = found[0].read(contents, found[1])
    examples: dict[str, list[tuple[Path, Annotation]]] = {name: [] for name in annotated.classes if name}
    numbers = {known: number for number, known in enumerate(annotated.classes, start=1) if known}
    absent = []
    for file, entry in annotated.entries.items():
        photograph = folder / file
        labels = entry.labels(entry.size or head(photograph).upright, numbers)
        if not labels.any():
            absent.append(photograph)
        for name, number in numbers.items():
            if (labels == number).any():
                mark = Annotated(folder / found[1][0], annotated.classes, entry, name)
                examples[name].append((photograph, mark))
    if not any(examples.values()):
        raise InputError(f"{folder / found[1][0]} annotates no object: draw some in {found[0].title}")
    return AnnotatedExamples({name: pairs for name, pairs in examples.items() if pairs}, absent)
