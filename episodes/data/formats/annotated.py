"""What every annotation format offers: how its files are recognised, read and written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from episodes.data.formats.contents import Contents
from episodes.data.formats.drawing.fill import Shape, paint
from episodes.data.formats.drawing.objects import ExportSettings
from episodes.data.pictures.images import Size
from episodes.data.remarks import Remark
from episodes.data.source import Array, Labels


class Entry(Protocol):
    """What is annotated in one photograph."""

    @property
    def size(self) -> Size | None:
        """Height and width of the photograph that was annotated; None if the format does not say."""

    @property
    def state(self) -> str:
        """Changes with the annotation."""

    def labels(self, size: Size, numbers: Mapping[str, int]) -> Labels:
        """The label map (height, width): 0 background, 255 ignored, else the number of the class.

        Raises:
            PictureError: It cannot be read.
        """


@dataclass(frozen=True)
class Drawn:
    """An `Entry` of shapes."""

    shapes: Sequence[Shape]
    size: Size | None
    state: str

    def labels(self, size: Size, numbers: Mapping[str, int]) -> Labels:
        """The shapes, from large to small."""
        return paint(self.shapes, size, numbers)


@dataclass(frozen=True)
class Annotated:
    """A folder of annotated photographs.

    Attributes:
        classes: Their names, in the order of the format, else in alphabetical order.
        entries: Where a photograph is below the folder -> what is annotated in it; also if it shows no class.
        remarks: What was skipped.
    """

    classes: tuple[str, ...]
    entries: Mapping[str, Entry]
    remarks: Sequence[Remark] = ()


class Marked(NamedTuple):
    """A photograph to write: its name in the data set, and its label map (H, W), 0 background, 1..N, 255 ignored."""

    file: str
    labels: Array


def inner(name: str) -> PurePosixPath:
    """The name of a photograph without the folder `images` before it."""
    path = PurePosixPath(name)
    return path.relative_to("images") if path.parts[0] == "images" else path


Writer = Callable[[Path, Sequence[str], Iterable[Marked], ExportSettings], None]
"""Writes the annotations of photographs into a folder; the names are those of the classes 1..N."""


@dataclass(frozen=True)
class Format:
    """The record of a format.

    Attributes:
        name: What stands in `--format NAME`.
        title: What people call it.
        help: What is written, in a few words.
        write: See `Writer`.
        find: The files of a folder that are annotations of this format; empty if there are none.
        read: Reads what `find` found.
    """

    name: str
    title: str
    help: str
    write: Writer | None = None
    find: Callable[[Contents], Sequence[str]] = field(default=lambda contents: ())
    read: Callable[[Contents, Sequence[str]], Annotated] | None = None
