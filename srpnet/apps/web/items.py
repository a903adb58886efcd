"""Photographs on the page, and what is said of each."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from episodes.data.source import IGNORE
from episodes.errors import InputError
from srpnet.apps.examples.annotations import Annotation
from srpnet.apps.files.found_table import Row
from srpnet.apps.pictures.reading import check_photograph, declared_size, read_photograph
from srpnet.apps.web.marks import Painted
from srpnet.apps.web.settings import AppSettings


@dataclass(eq=False)
class Item:
    """A photograph.

    Attributes:
        path: Its file; no two have stems alike.
        marks: Name of a class -> what is marked as it.
        absent: The person says that it shows none.
        row: What was found in it; None: nobody has looked.
        small: The file that the gallery shows.
    """

    path: Path
    marks: dict[str, Annotation] = field(default_factory=dict)
    absent: bool = False
    row: Row | None = None
    small: Path | None = None

    @property
    def name(self) -> str:
        """Of the file."""
        return self.path.name

    @property
    def is_example(self) -> bool:
        """Whether the person has said what it shows."""
        return self.absent or bool(self.marks)

    @property
    def is_complete(self) -> bool:
        """Whether that is said of every pixel."""
        return self.absent or (bool(self.marks) and all(map(is_complete, self.marks.values())))


def is_complete(mark: Annotation) -> bool:
    """Whether it says of every pixel what it is."""
    return not (isinstance(mark, Painted) and (mark.map == IGNORE).any())


def check_dropped(file: Path, settings: AppSettings) -> None:
    """See by its size and head whether a photograph can be taken.

    Raises:
        InputError: if it is no picture, or too large.
    """
    if file.stat().st_size > settings.megabytes * 1_000_000:
        raise InputError(f"{file.name} has more than {settings.megabytes} MB: make it smaller")
    size = declared_size(file)
    if size is not None and size[0] * size[1] > settings.megapixels * 1_000_000:
        raise InputError(
            f"{file.name} has {size[0]} x {size[1]} pixels, more than {settings.megapixels} million: make it smaller"
        )
    check_photograph(file)


def copied(file: Path, target: Path) -> Path:
    """The copy of a file that was dropped; the server deletes its own."""
    shutil.copyfile(file, target)
    return target


def kept(file: Path, target: Path) -> Path:
    """The copy of a photograph, once it was read as a whole.

    Raises:
        InputError: if it is damaged.
    """
    read_photograph(file)
    return copied(file, target)
