"""Annotation formats, one file each: which there are, which a folder is in, and what it holds."""

from pathlib import Path, PurePosixPath

from episodes.data.formats.annotated import Annotated, Entry, Format, Marked, Writer
from episodes.data.formats.coco import COCO, COCO_RLE
from episodes.data.formats.contents import Contents
from episodes.data.formats.cvat import CVAT
from episodes.data.formats.drawing.objects import ExportSettings
from episodes.data.formats.label_studio import LABEL_STUDIO
from episodes.data.formats.labelme import LABELME
from episodes.data.formats.masks import CLASS_MASKS, INDEXED, LISTING, PROBABILITIES
from episodes.data.formats.yolo import YOLO, read_text_file
from episodes.errors import InputError

__all__ = [
    "FORMATS",
    "Annotated",
    "Contents",
    "Entry",
    "ExportSettings",
    "Format",
    "Marked",
    "Writer",
    "is_annotation_file",
    "read_file",
    "read_folder",
    "recognise",
]

FORMATS = {
    record.name: record
    for record in (INDEXED, CLASS_MASKS, PROBABILITIES, COCO, COCO_RLE, YOLO, LABELME, CVAT, LABEL_STUDIO)
}
"""By name."""
ENDS = (".json", ".xml", ".txt")
"""How the names of annotation files end."""


def recognise(contents: Contents, needed: bool = True) -> tuple[Format, list[str]] | None:
    """The format of a folder, told from its files, and the files that are annotations.

    Args:
        contents: Of the folder.
        needed: It is an error if there are none; else that is None, and masks without a list of classes are none.

    Raises:
        InputError: There are annotations of two formats, or none.
    """
    found = [(record, files) for record in FORMATS.values() if record.read and (files := list(record.find(contents)))]
    if not needed and LISTING not in contents.files:
        found = [(record, files) for record, files in found if record is not INDEXED]
    if len(found) > 1:
        (one, (first, *_)), (other, (second, *_)) = found[:2]
        raise InputError(
            f"{contents.root} has annotations of {one.title} ({first}) and of {other.title} ({second}): leave one"
        )
    if needed and not found:
        known = ", ".join(dict.fromkeys(record.title for record in FORMATS.values()))
        raise InputError(
            f"{contents.root} holds no annotations: put those of one format beside the photographs ({known})"
        )
    return found[0] if found else None


def read_folder(root: Path) -> Annotated:
    """What a folder of photographs with annotations holds; see `recognise` and `Format.read`.

    Raises:
        InputError: Its format is not clear, or a file of it is malformed.
    """
    contents = Contents(root)
    record, files = recognise(contents) or (INDEXED, [])
    assert record.read is not None
    return record.read(contents, files)


def is_annotation_file(file: Path) -> bool:
    """Whether a file is called like annotations, and not like a picture."""
    return file.suffix.lower() in ENDS


def read_file(file: Path, photograph: Path) -> tuple[tuple[str, ...], Entry]:
    """The classes of an annotation file, and what it says of a photograph: under its name, or the only one.

    Names of YOLO's classes are looked for in its folder, and in the one above it.

    Raises:
        InputError: It is in no known format, malformed, or says nothing of the photograph.
    """
    if file.suffix.lower() == ".txt":
        return read_text_file(file)
    alone = Contents(file.parent, [file.name])
    record = next((record for record in FORMATS.values() if record.read and record.find(alone)), None)
    if record is None or record.read is None:
        raise InputError(f"{file} is not an annotation file of a known format: give a mask, or export it again")
    annotated = record.read(alone, [file.name])
    named = [entry for name, entry in annotated.entries.items() if PurePosixPath(name).name == photograph.name]
    entries = named or list(annotated.entries.values())
    if len(entries) != 1:
        raise InputError(f"{file} says nothing of a photograph {photograph.name}: rename it as it is called there")
    return annotated.classes, entries[0]
